//! `mint`: exchanges logins for database tokens.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::logs::LogFormat;

const SERVE_HELP: &str = "\
The smallest mint.yaml:
  login:
    issuer: https://REF.supabase.co/auth/v1
    audience: authenticated
    jwks: https://REF.supabase.co/auth/v1/.well-known/jwks.json
  token:
    databaseUrl: https://{namespace}.db.example.com
  keys:
    active: .local/jwt/jwt.key
  admin:
    url: http://127.0.0.1:18082
    key: ${LIBSQL_ADMIN_AUTH_KEY}

POST /token with `Authorization: Bearer LOGIN` returns dbToken, dbUrl, namespace and
expiresAt. With `adminListen: 127.0.0.1:PORT`, /metrics and /healthz are served at that
address. Changed key files take effect within two seconds. SIGTERM ends the service after
the requests in progress, with exit code 0.";

#[derive(Debug, Subcommand)]
pub enum MintCommand {
    /// Give database tokens to users who present a valid login
    #[command(after_help = SERVE_HELP)]
    Serve(ServeArgs),
    /// Check the configuration file, the keys and the schema that it names, and the issuer's keys
    Check(CheckArgs),
}

#[derive(Args, Debug)]
pub struct ConfigArgs {
    /// Configuration file [default: mint.yaml in the project folder]
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Do not fetch the issuer's keys over the network
    #[arg(long)]
    pub offline: bool,
}

#[derive(Args, Debug)]
pub struct ServeArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Address to listen on [default: `listen` of the configuration file]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Format of the log on stderr
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Log level: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,
}
