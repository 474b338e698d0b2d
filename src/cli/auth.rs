//! `auth`: the login half of an npm registry.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::logs::LogFormat;

#[derive(Debug, Subcommand)]
pub enum AuthCommand {
    /// Serve logins until a signal ends the service
    Serve(AuthServeArgs),
    /// Measure token lookups and how late revocations take effect, on each backend
    Bench(AuthBenchArgs),
}

#[derive(Args, Debug)]
#[command(after_help = "\
npm and pnpm can register users, log in and manage tokens here; no other part of the
registry API is served. Users and tokens are kept in local files, or in the database that
the configuration file names. With `admin: 127.0.0.1:PORT` in that file, /metrics and
/healthz are served at that address.

Examples:
  demo auth serve -c auth.yaml
  npm login --auth-type=legacy --registry http://127.0.0.1:7677/")]
pub struct AuthServeArgs {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Listen on this address instead of the one in the file
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Format of the log on stderr
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Log level: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Without -c, measures local files in a temporary folder and the stack that `demo up` has
started, remotely and through an embedded replica. With -c, measures the databases of these
files instead; a libSQL database is measured with and without a replica, whatever its file
says. HTTP is not part of the measurement. The users and tokens made for it, whose names
begin with demo-bench-, are removed at the end. Exit 1 when a revoked token was accepted for
longer than it may be.

Examples:
  demo auth bench --seconds 10 -o json
  demo auth bench -c postgres.yaml -c mysql.yaml --seconds 10")]
pub struct AuthBenchArgs {
    /// Configuration file of a database to measure instead of the stack; may be repeated
    #[arg(short, long, value_name = "FILE")]
    pub config: Vec<PathBuf>,
    /// Seconds for which the lookups of each backend are counted
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub seconds: u16,
    /// Number of clients that look tokens up at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub clients: u16,
    /// Number of tokens to look up
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub tokens: u32,
    /// Values of `syncIntervalSecs` for which revocations are timed, separated by commas
    #[arg(
        long,
        value_name = "N,…",
        value_delimiter = ',',
        default_value = "1,2,5",
        value_parser = clap::value_parser!(u16).range(1..=600)
    )]
    pub sync_intervals: Vec<u16>,
}
