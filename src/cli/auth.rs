//! `auth`: the login half of an npm registry.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::service::logs::LogFormat;

#[derive(Debug, Subcommand)]
pub enum AuthCommand {
    /// Serve, until it is told to end
    Serve(AuthServeArgs),
}

#[derive(Args, Debug)]
#[command(after_help = "\
npm and pnpm register, log in and handle their tokens here; nothing else of a registry
is served. Users and tokens are in local files, or in the database that the file names.

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
