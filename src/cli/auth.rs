//! `auth`: the login half of an npm registry.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::logs::LogFormat;

#[derive(Debug, Subcommand)]
pub enum AuthCommand {
    /// Serve, until it is told to end
    Serve(AuthServeArgs),
    /// Measure token lookups and the lag of revocations on each backend
    Bench(AuthBenchArgs),
}

#[derive(Args, Debug)]
#[command(after_help = "\
npm and pnpm register, log in and handle their tokens here; nothing else of a registry
is served. Users and tokens are in local files, or in the database that the file names.
With `admin: 127.0.0.1:PORT` in it, /metrics and /healthz are served there.

Examples:
  demo auth serve -c auth.yaml
  npm login --auth-type=legacy --registry http://127.0.0.1:7677/")]
pub struct AuthServeArgs {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Listen here instead of where the file says
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Form of the log on stderr
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Without -c: local files in a temporary folder, and the stack that `demo up` has started,
remote and with an embedded replica. With -c: the databases of these files instead; a
libSQL one without and with a replica, whatever the file says of one. HTTP is left out.
Users and tokens that are made, with names that begin with demo-bench-, are removed at the
end. Exit 1 when a revoked token was taken for longer than it may be.

Examples:
  demo auth bench --svg bench.svg
  demo auth bench -c postgres.yaml -c mysql.yaml --seconds 10")]
pub struct AuthBenchArgs {
    /// Configuration file of a database to measure instead of the stack; may be repeated
    #[arg(short, long, value_name = "FILE")]
    pub config: Vec<PathBuf>,
    /// For how long the lookups of each backend are counted
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub seconds: u16,
    /// How many look tokens up at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub clients: u16,
    /// How many tokens there are to look up
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub tokens: u32,
    /// Values of `syncIntervalSecs` to time revocations with, separated by commas
    #[arg(
        long,
        value_name = "N,…",
        value_delimiter = ',',
        default_value = "1,2,5",
        value_parser = clap::value_parser!(u16).range(1..=600)
    )]
    pub sync_intervals: Vec<u16>,
    /// Draw the figures into this file as well
    #[arg(long, value_name = "PATH")]
    pub svg: Option<PathBuf>,
}
