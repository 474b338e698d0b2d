//! The command line: clap structs only, one file per noun.
//!
//! Nothing here does anything. `settings` turns the global options into
//! [`crate::settings::Settings`]; `commands` runs the verbs.

pub mod auth;
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
    /// Form of the result on stdout
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        help_heading = "Global options"
    )]
    pub output: OutputFormat,
    /// Only results and errors
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub quiet: bool,
    /// Say more about what is done
    #[arg(short, long, global = true, conflicts_with = "quiet", help_heading = "Global options")]
    pub verbose: bool,
    /// Colour in what is printed (`NO_COLOR` is honoured)
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        help_heading = "Global options"
    )]
    pub color: ColorWhen,
    /// No bars and spinners, even on a terminal
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
    /// The Ed25519 keys that sign and verify tokens
    #[command(subcommand)]
    Keys(credentials::KeysCommand),
    /// The certificates for mutual TLS between primary and replica
    #[command(subcommand)]
    Certs(credentials::CertsCommand),
    /// Mint and inspect database tokens
    #[command(subcommand)]
    Token(credentials::TokenCommand),
    /// The pinned server binary for this machine
    #[command(subcommand)]
    Sqld(sqld::SqldCommand),
    /// A server image for the docker engine
    #[command(subcommand)]
    Image(image::ImageCommand),
    /// Start the stack and wait until it is ready
    Up(stack::UpArgs),
    /// What runs, where, and how far the replica is behind
    Status(stack::StatusArgs),
    /// What the servers wrote
    Logs(stack::LogsArgs),
    /// Stop and start again
    Restart(stack::RestartArgs),
    /// Stop the stack; the data stays
    Down(stack::DownArgs),
    /// Stop everything and remove what was made under .local, the server binary excepted
    Cleanup(stack::CleanupArgs),
    /// Namespaces, through the Admin API
    #[command(subcommand, visible_alias = "ns")]
    Namespace(namespace::NamespaceCommand),
    /// Tenants: a namespace, its schema and its tokens in one
    #[command(subcommand)]
    Tenant(tenant::TenantCommand),
    /// The token mint: a login in, a token for the user's own namespace out
    #[command(subcommand)]
    Mint(mint::MintCommand),
    /// Make the table `items`
    Init(data::TargetArgs),
    /// Insert one row into `items`
    Insert(data::InsertArgs),
    /// Print the rows of `items` as a JSON array
    Read(data::TargetArgs),
    /// Print the number of rows in `items`
    Count(data::TargetArgs),
    /// What the server lets this token do
    AuthCheck(data::TargetArgs),
    /// init, insert and read in one
    Run(data::InsertArgs),
    /// Run any SQL
    Sql(data::SqlArgs),
    /// Sync embedded replicas, and say what that brought
    Sync(data::SyncArgs),
    /// Run every scenario from a clean slate and say what is so
    Smoke(smoke::SmokeArgs),
    /// Check every claim about the server, and say what is so
    Probe(probe::ProbeArgs),
    /// The proxy that lets a database token do only what it says
    #[command(subcommand)]
    Gate(gate::GateCommand),
    /// The logins of an npm registry, shared by several instances
    #[command(subcommand)]
    Auth(auth::AuthCommand),
    /// What is missing or wrong on this machine, and the command that fixes each
    Doctor,
    /// Print a completion script for a shell
    Completions {
        /// The shell to complete for
        shell: clap_complete::Shell,
    },
    /// Become a server process that is tied to its pid file (internal)
    #[command(name = "__exec", hide = true)]
    Exec(ExecArgs),
    /// Start servers of the standing stack again that have died (internal)
    #[command(name = "__supervise", hide = true)]
    Supervise,
}

/// How the native engine turns a child of its own into the server.
#[derive(Args, Debug)]
pub struct ExecArgs {
    /// Lock this file for as long as the server lives, and write the pid into it
    #[arg(long)]
    pub pid_file: PathBuf,
    /// End the server when the process with this pid ends
    #[arg(long)]
    pub owner: Option<u32>,
    /// How the end of the owner is noticed
    #[arg(long, value_enum, default_value_t)]
    pub lifeline: Lifeline,
    /// Run as this user and group, and see nothing of ours but --own and --read
    #[arg(long, value_name = "ID")]
    pub user: Option<u32>,
    /// A folder that the server writes; it starts in the first
    #[arg(long, value_name = "DIR", requires = "user")]
    pub own: Vec<PathBuf>,
    /// A file or folder that the server reads
    #[arg(long, value_name = "PATH", requires = "user")]
    pub read: Vec<PathBuf>,
    /// A folder of which the server sees nothing else
    #[arg(long, value_name = "DIR", requires = "user")]
    pub hide: Vec<PathBuf>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    pub command: Vec<std::ffi::OsString>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Lifeline {
    /// The kernel's parent-death signal (Linux)
    #[cfg_attr(target_os = "linux", default)]
    Signal,
    /// A supervisor that holds the reading end of a pipe (everywhere)
    #[cfg_attr(not(target_os = "linux"), default)]
    Pipe,
}
