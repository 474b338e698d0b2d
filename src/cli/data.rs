//! `init`, `insert`, `read`, `count`, `auth-check`, `run`, `sql`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::server::namespace::NamespaceName;

/// Which server, which namespace, which token.
#[derive(Args, Clone, Debug)]
pub struct TargetArgs {
    /// A server of the standing stack
    #[arg(long, value_enum, default_value_t, value_name = "TARGET", conflicts_with = "url")]
    pub target: Target,
    /// Any other server, such as <http://127.0.0.1:8080> or <https://db.example.com>
    #[arg(long)]
    pub url: Option<String>,
    /// The namespace; without it, the server's default one
    #[arg(long, value_name = "NS")]
    pub namespace: Option<NamespaceName>,
    /// The token itself; `DEMO_TOKEN` or --token-path keep it out of the process list
    #[arg(long, value_name = "T", conflicts_with = "token_path")]
    pub token: Option<String>,
    /// The file with the token [default: `DEMO_TOKEN_PATH`, else .local/jwt/jwt.token]
    #[arg(long, value_name = "F")]
    pub token_path: Option<PathBuf>,
    /// On a replica, first wait until it has reached the primary's replication index;
    /// without it a read may be a few milliseconds behind
    #[arg(long)]
    pub wait: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Target {
    #[default]
    Primary,
    Replica,
}

#[derive(Args, Debug)]
pub struct InsertArgs {
    #[command(flatten)]
    pub target: TargetArgs,
    /// The text of the row; - reads it from stdin, for text of any size
    #[arg(long, value_name = "L", allow_hyphen_values = true)]
    pub label: String,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  demo sql 'select count(*) from items' --target replica
  demo sql -o json 'select * from items' | jq .
  demo sql - < schema.sql")]
pub struct SqlArgs {
    #[command(flatten)]
    pub target: TargetArgs,
    /// One or more statements; - reads them from stdin
    #[arg(value_name = "QUERY", allow_hyphen_values = true)]
    pub query: String,
}
