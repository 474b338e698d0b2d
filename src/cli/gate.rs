//! `gate`: the proxy that limits a token to what its claims say.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::logs::LogFormat;

#[derive(Debug, Subcommand)]
pub enum GateCommand {
    /// Serve until a signal ends the service
    Serve(GateServeArgs),
}

#[derive(Args, Debug)]
#[command(after_help = "\
A client names a namespace by host (NS.localhost), by the header x-namespace or
x-namespace-bin, or by the path /dev/NS/; its token must cover that namespace. The gate
itself refuses everything else. With `admin: 127.0.0.1:PORT` in the file, /metrics and
/healthz are served at that address.

Examples:
  demo gate serve -c gate.yaml
  demo gate serve -c gate.yaml --listen 127.0.0.1:18090 --log-format json")]
pub struct GateServeArgs {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = "gate.yaml")]
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
