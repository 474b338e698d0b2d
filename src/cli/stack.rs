//! `up`, `status`, `logs`, `restart`, `down`, `cleanup`.

use clap::{Args, ValueEnum};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  demo up --variant namespaced
  demo up --variant namespaced --variant tls --dry-run -o json
  demo up --only primary")]
pub struct UpArgs {
    /// What is laid over the base stack; may be repeated
    #[arg(long, value_enum, value_name = "V")]
    pub variant: Vec<VariantArg>,
    /// What runs the servers
    #[arg(long, value_enum, value_name = "E")]
    pub engine: Option<EngineArg>,
    /// Only this service and what it needs
    #[arg(long, value_name = "SERVICE")]
    pub only: Option<String>,
    /// Print the plan, secrets masked, and start nothing
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, ValueEnum)]
pub enum VariantArg {
    /// The base stack alone
    Default,
    /// Namespaces on, no default namespace
    Namespaced,
    /// Mutual TLS between primary and replica
    Tls,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum EngineArg {
    /// Whichever works here
    Auto,
    /// The pinned server as processes of this machine
    Native,
    /// Containers, through the Docker API
    Docker,
}

#[derive(Args, Debug)]
pub struct StatusArgs {
    /// The namespace whose replication index is compared [default: the default one]
    #[arg(long, value_name = "NS")]
    pub namespace: Option<demo_sqld::namespace::NamespaceName>,
}

#[derive(Args, Debug)]
pub struct LogsArgs {
    /// Only this service
    pub service: Option<String>,
    /// Go on printing until interrupted
    #[arg(short, long)]
    pub follow: bool,
    /// Begin with the last N lines
    #[arg(long, value_name = "N")]
    pub tail: Option<usize>,
}

#[derive(Args, Debug)]
pub struct RestartArgs {
    /// Only this service
    pub service: Option<String>,
}

#[derive(Args, Debug)]
pub struct DownArgs {
    /// Remove the databases too
    #[arg(long)]
    pub volumes: bool,
}

#[derive(Args, Debug)]
pub struct CleanupArgs {
    /// Remove the server binary too
    #[arg(long)]
    pub all: bool,
}
