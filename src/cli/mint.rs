//! `mint`: the token mint.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::service::logs::LogFormat;

#[derive(Debug, Subcommand)]
pub enum MintCommand {
    /// Give database tokens to whoever is signed in
    Serve(ServeArgs),
    /// Check the configuration file, the keys and the schema that it names
    Check(ConfigArgs),
}

#[derive(Args, Debug)]
pub struct ConfigArgs {
    /// Configuration file [default: mint.yaml in the project folder]
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct ServeArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Address to listen on [default: `listen` of the configuration file]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Form of a line of the log
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,
}
