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
    /// The URL of any other server, such as <http://127.0.0.1:8080> or <https://db.example.com>;
    /// with --target embedded, the primary of the copy
    #[arg(long)]
    pub url: Option<String>,
    /// The namespace [default: the default namespace of the server]
    #[arg(long, value_name = "NS")]
    pub namespace: Option<NamespaceName>,
    /// The token itself. Every user of this machine can see it in the process list; --token-file
    /// and `DEMO_TOKEN` avoid that
    #[arg(long, value_name = "T", conflicts_with = "token_path")]
    pub token: Option<String>,
    /// The file with the token, or - for stdin [default: `DEMO_TOKEN_PATH`, else
    /// .local/jwt/jwt.token]
    #[arg(long, visible_alias = "token-file", value_name = "F")]
    pub token_path: Option<PathBuf>,
    /// Wait until the replica has reached the primary's replication index before reading; without
    /// it a read may be a few milliseconds behind. An embedded replica then has to sync, so a
    /// primary that cannot be reached is an error
    #[arg(long)]
    pub wait: bool,
    /// How old the copy of an embedded replica may be, such as 30s or 1h: a read syncs first only
    /// when the last sync is longer ago. With 0, and by default, each read syncs first. A write
    /// always goes to the primary and syncs afterwards
    #[arg(long, value_name = "DURATION", value_parser = parse_interval)]
    pub sync_interval: Option<Duration>,
    /// Read the copy of an embedded replica as it is, without contacting the primary
    #[arg(long, conflicts_with_all = ["wait", "sync_interval"])]
    pub offline: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Target {
    #[default]
    Primary,
    Replica,
    /// A copy of the database in .local/embedded/NS.db: reads are local, writes go to the primary
    Embedded,
}

impl TargetArgs {
    /// Whether the token comes from stdin; nothing else can then be read from there.
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
Without --namespace, syncs every replica in .local/embedded, or the one of the default
namespace if there is none. Exit 3 when the primary cannot be reached.

Examples:
  demo sync
  demo sync --namespace shop --namespace blog -o json")]
pub struct SyncArgs {
    /// Sync the replica of this namespace; may be repeated
    #[arg(long, value_name = "NS")]
    pub namespace: Vec<NamespaceName>,
    /// The URL of another primary than the one of the standing stack
    #[arg(long)]
    pub url: Option<String>,
    /// The token itself. Every user of this machine can see it in the process list; --token-file
    /// and `DEMO_TOKEN` avoid that
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
    /// The text of the row; - reads it from stdin, where it may be of any size
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
