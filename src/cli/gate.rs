//! `gate`: the proxy that lets a token do only what it says.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::logs::LogFormat;

#[derive(Debug, Subcommand)]
pub enum GateCommand {
    /// Serve, until it is told to end
    Serve(GateServeArgs),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Clients name a namespace by host (NS.localhost), by x-namespace, x-namespace-bin or
/dev/NS/; the token must cover it. All else is refused by the gate itself. With
`admin: 127.0.0.1:PORT` in the file, /metrics and /healthz are served there.

Examples:
  demo gate serve -c gate.yaml
  demo gate serve -c gate.yaml --listen 127.0.0.1:18090 --log-format json")]
pub struct GateServeArgs {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = "gate.yaml")]
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
