//! The command line: clap structs only, one file per noun.
//!
//! This module has no behaviour. `settings` turns the global options into
//! [`crate::settings::Settings`]; `commands` runs the verbs.

pub mod auth;
pub mod choice;
pub mod credentials;
pub mod data;
pub mod gate;
pub mod image;
pub mod mint;
pub mod namespace;
pub mod probe;
pub mod smoke;
pub mod sqld;
pub mod stack;
pub mod tenant;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use demo_base::choice::Choice;
use demo_stack::engine::native::launcher::Lifeline;

const EXAMPLES: &str = "\
Examples:
  demo smoke                              every scenario from a clean slate, then nothing left
  demo up                                 a primary and a replica on 127.0.0.1
  demo init --target primary              make the table
  demo insert --label hello               write on the primary
  demo count --target replica --wait      read on the replica, once it has caught up
  demo down                               stop; the data stays

Exit codes: 0 done, 1 failed, 2 bad input, 3 nothing to talk to, 4 rejected,
5 no such namespace, service or file, 130 interrupted.";

/// Find out what a self-hosted libSQL server really does, and prove it again.
#[derive(Debug, Parser)]
#[command(name = "demo", version, after_long_help = EXAMPLES, disable_help_subcommand = true)]
pub struct App {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Args, Clone, Debug)]
pub struct GlobalArgs {
    /// Folder with the compose files [default: the nearest with docker-compose.yml]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub project_dir: Option<PathBuf>,
    /// Format of the result on stdout
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        help_heading = "Global options"
    )]
    pub output: OutputFormat,
    /// Print only results and errors
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub quiet: bool,
    /// Print more about what is being done
    #[arg(short, long, global = true, conflicts_with = "quiet", help_heading = "Global options")]
    pub verbose: bool,
    /// When to use colour (`NO_COLOR` is honoured)
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        help_heading = "Global options"
    )]
    pub color: ColorWhen,
    /// Show no progress bars or spinners, even on a terminal
    #[arg(long, global = true, help_heading = "Global options")]
    pub no_progress: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum OutputFormat {
    #[default]
    Text,
    Json,
    /// `KEY=value` lines for `eval` (status only)
    Env,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum ColorWhen {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make keys, a token, certificates and folders; a second run changes nothing
    Setup(credentials::SetupArgs),
    /// Manage the Ed25519 keys that sign and verify tokens
    #[command(subcommand)]
    Keys(credentials::KeysCommand),
    /// Manage the certificates for mutual TLS between primary and replica
    #[command(subcommand)]
    Certs(credentials::CertsCommand),
    /// Mint and inspect database tokens
    #[command(subcommand)]
    Token(credentials::TokenCommand),
    /// Fetch and locate the pinned server binary for this machine
    #[command(subcommand)]
    Sqld(sqld::SqldCommand),
    /// Build a server image for the docker engine
    #[command(subcommand)]
    Image(image::ImageCommand),
    /// Start the stack and wait until it is ready
    Up(stack::UpArgs),
    /// Show what runs, where, and how far the replica is behind
    Status(stack::StatusArgs),
    /// Print the logs of the servers
    Logs(stack::LogsArgs),
    /// Stop the servers and start them again
    Restart(stack::RestartArgs),
    /// Stop the stack and keep its data
    Down(stack::DownArgs),
    /// Stop everything and remove what was made under .local, except the server binary
    Cleanup(stack::CleanupArgs),
    /// Manage namespaces through the Admin API
    #[command(subcommand, visible_alias = "ns")]
    Namespace(namespace::NamespaceCommand),
    /// Manage tenants: each is a namespace with its schema and its tokens
    #[command(subcommand)]
    Tenant(tenant::TenantCommand),
    /// Run the token mint, which exchanges a login for a token of the user's own namespace
    #[command(subcommand)]
    Mint(mint::MintCommand),
    /// Create the table `items`
    Init(data::TargetArgs),
    /// Insert one row into `items`
    Insert(data::InsertArgs),
    /// Print the rows of `items` as a JSON array
    Read(data::TargetArgs),
    /// Print the number of rows in `items`
    Count(data::TargetArgs),
    /// Show what the server lets this token do
    AuthCheck(data::TargetArgs),
    /// Run init, insert and read in one command
    Run(data::InsertArgs),
    /// Run any SQL
    Sql(data::SqlArgs),
    /// Sync embedded replicas and show how many frames each received
    Sync(data::SyncArgs),
    /// Run every scenario from a clean slate and report the result of each check
    Smoke(smoke::SmokeArgs),
    /// Check every claim about the server and report what differs from what is expected
    Probe(probe::ProbeArgs),
    /// Run the proxy that limits a database token to what its claims say
    #[command(subcommand)]
    Gate(gate::GateCommand),
    /// Serve the logins of an npm registry from several instances
    #[command(subcommand)]
    Auth(auth::AuthCommand),
    /// Show what is missing or wrong on this machine, and the command that fixes each
    Doctor,
    /// Print a completion script for a shell
    Completions {
        /// The shell to complete for
        shell: clap_complete::Shell,
    },
    /// Turn this process into a server process that holds its pid file (internal)
    #[command(name = "__exec", hide = true)]
    Exec(ExecArgs),
    /// Restart servers of the standing stack that have died (internal)
    #[command(name = "__supervise", hide = true)]
    Supervise,
}

/// How the native engine turns one of its child processes into the server.
#[derive(Args, Debug)]
pub struct ExecArgs {
    /// Lock this file for as long as the server lives, and write the pid into it
    #[arg(long)]
    pub pid_file: PathBuf,
    /// End the server when the process with this pid ends
    #[arg(long)]
    pub owner: Option<u32>,
    /// How the server learns that its owner has ended
    #[arg(long, value_parser = choice::choice::<Lifeline>(), default_value = Lifeline::HERE.word())]
    pub lifeline: Lifeline,
    /// Run as this user and group, with no access to the project except --own and --read
    #[arg(long, value_name = "ID")]
    pub user: Option<u32>,
    /// A folder that the server may write; it starts in the first one
    #[arg(long, value_name = "DIR", requires = "user")]
    pub own: Vec<PathBuf>,
    /// A file or folder that the server may read
    #[arg(long, value_name = "PATH", requires = "user")]
    pub read: Vec<PathBuf>,
    /// A folder whose remaining content is hidden from the server
    #[arg(long, value_name = "DIR", requires = "user")]
    pub hide: Vec<PathBuf>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    pub command: Vec<std::ffi::OsString>,
}
