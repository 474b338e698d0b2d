//! `init`, `insert`, `read`, `count`, `auth-check`, `run`, `sql`, `sync`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use demo_sqld::namespace::NamespaceName;

/// Which server, which namespace, which token.
#[derive(Args, Clone, Debug)]
pub struct TargetArgs {
    /// A server of the standing stack, or a copy of its primary [default: primary]
    #[arg(long, value_enum, value_name = "TARGET")]
    pub target: Option<Target>,
    /// Any other server, such as <http://127.0.0.1:8080> or <https://db.example.com>;
    /// with --target embedded, the primary of the copy
    #[arg(long)]
    pub url: Option<String>,
    /// The namespace; without it, the server's default one
    #[arg(long, value_name = "NS")]
    pub namespace: Option<NamespaceName>,
    /// The token itself: every user of this machine sees it in the process list.
    /// --token-file and `DEMO_TOKEN` keep it out of there
    #[arg(long, value_name = "T", conflicts_with = "token_path")]
    pub token: Option<String>,
    /// The file with the token, or - for stdin [default: `DEMO_TOKEN_PATH`, else
    /// .local/jwt/jwt.token]
    #[arg(long, visible_alias = "token-file", value_name = "F")]
    pub token_path: Option<PathBuf>,
    /// On a replica, first wait until it has reached the primary's replication index;
    /// without it a read may be a few milliseconds behind. An embedded replica must
    /// then sync: a primary that is away is an error
    #[arg(long)]
    pub wait: bool,
    /// How old the copy of an embedded replica may be, such as 30s or 1h: a read syncs
    /// first when the last sync is longer ago; 0, or without it, each read syncs first.
    /// A write always goes to the primary and syncs after it
    #[arg(long, value_name = "DURATION", value_parser = parse_interval)]
    pub sync_interval: Option<Duration>,
    /// Read the copy of an embedded replica as it is, and ask nobody
    #[arg(long, conflicts_with_all = ["wait", "sync_interval"])]
    pub offline: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Target {
    #[default]
    Primary,
    Replica,
    /// A file, .local/embedded/NS.db: reads are local, writes go to the primary
    Embedded,
}

impl TargetArgs {
    /// Whether the token comes from stdin, which then has nothing else.
    pub fn token_on_stdin(&self) -> bool {
        self.token_path.as_deref().is_some_and(|path| path.as_os_str() == "-")
    }

    /// The target that was asked for, or the primary.
    pub fn target(&self) -> Target {
        self.target.unwrap_or_default()
    }
}

/// Reads `30s`, `1h` or `0`.
fn parse_interval(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write 30s, 5m, 1h or 0"))
}

#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Without --namespace every replica that is there is synced, and the default one when
there is none. Exit 3 when the primary is away.

Examples:
  demo sync
  demo sync --namespace shop --namespace blog -o json")]
pub struct SyncArgs {
    /// The replica of this namespace; may be repeated
    #[arg(long, value_name = "NS")]
    pub namespace: Vec<NamespaceName>,
    /// Another primary than the standing stack's
    #[arg(long)]
    pub url: Option<String>,
    /// The token itself: every user of this machine sees it in the process list.
    /// --token-file and `DEMO_TOKEN` keep it out of there
    #[arg(long, value_name = "T", conflicts_with = "token_path")]
    pub token: Option<String>,
    /// The file with the token, or - for stdin [default: `DEMO_TOKEN_PATH`, else
    /// .local/jwt/jwt.token]
    #[arg(long, visible_alias = "token-file", value_name = "F")]
    pub token_path: Option<PathBuf>,
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
  demo sql 'select count(*) from items' --target embedded --sync-interval 1m
  demo sql -o json 'select * from items' | jq .
  demo sql - < schema.sql")]
pub struct SqlArgs {
    #[command(flatten)]
    pub target: TargetArgs,
    /// One or more statements; - reads them from stdin
    #[arg(value_name = "QUERY", allow_hyphen_values = true)]
    pub query: String,
}
