//! `up`, `status`, `logs`, `restart`, `down`, `cleanup`.

use clap::{Args, ValueEnum};

use super::choice::choice;
use crate::settings::EngineChoice;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  demo up --variant namespaced
  demo up --variant namespaced --variant tls --dry-run -o json
  demo up --only primary")]
pub struct UpArgs {
    /// A variant to add to the base stack; may be repeated
    #[arg(long, value_enum, value_name = "V")]
    pub variant: Vec<VariantArg>,
    /// The engine that runs the servers
    #[arg(long, value_parser = choice::<EngineChoice>(), value_name = "E")]
    pub engine: Option<EngineChoice>,
    /// Start only this service and those it depends on
    #[arg(long, value_name = "SERVICE")]
    pub only: Option<String>,
    /// Print the plan with its secrets masked, and start nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, ValueEnum)]
pub enum VariantArg {
    /// Only the base stack
    Default,
    /// Namespaces enabled, without a default namespace
    Namespaced,
    /// Mutual TLS between primary and replica
    Tls,
}

#[derive(Args, Debug)]
pub struct StatusArgs {
    /// The namespace whose replication index is compared [default: the default one]
    #[arg(long, value_name = "NS")]
    pub namespace: Option<demo_sqld::namespace::NamespaceName>,
}

#[derive(Args, Debug)]
pub struct LogsArgs {
    /// Print only the log of this service
    pub service: Option<String>,
    /// Follow the log until interrupted
    #[arg(short, long)]
    pub follow: bool,
    /// Start with the last N lines
    #[arg(long, value_name = "N")]
    pub tail: Option<usize>,
}

#[derive(Args, Debug)]
pub struct RestartArgs {
    /// Restart only this service
    pub service: Option<String>,
}

#[derive(Args, Debug)]
pub struct DownArgs {
    /// Also remove the databases
    #[arg(long)]
    pub volumes: bool,
}

#[derive(Args, Debug)]
pub struct CleanupArgs {
    /// Also remove the server binary
    #[arg(long)]
    pub all: bool,
}
