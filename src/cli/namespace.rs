//! `namespace`: manages namespaces through the Admin API.

use clap::{Args, Subcommand};

use demo_sqld::namespace::NamespaceName;

#[derive(Debug, Subcommand)]
pub enum NamespaceCommand {
    /// Make a namespace
    Create(CreateArgs),
    /// Delete a namespace with all its data
    Delete(NameArgs),
    /// Copy a namespace into a new one
    Fork(ForkArgs),
    /// Show or change a namespace's configuration
    Config(ConfigArgs),
    /// Show the statistics of a namespace, including its replication index
    Stats(NameArgs),
}

#[derive(Args, Debug)]
pub struct NameArgs {
    /// Name of the namespace
    pub name: NamespaceName,
}

#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Name of the new namespace
    pub name: NamespaceName,
    /// Succeed when the namespace exists already
    #[arg(long)]
    pub if_not_exists: bool,
}

#[derive(Args, Debug)]
pub struct ForkArgs {
    /// The namespace to copy
    pub name: NamespaceName,
    /// Name of the copy
    pub to: NamespaceName,
}

#[derive(Args, Debug)]
pub struct ConfigArgs {
    /// Name of the namespace
    pub name: NamespaceName,
    /// Refuse reads
    #[arg(long, value_name = "BOOL")]
    pub block_reads: Option<bool>,
    /// Refuse writes
    #[arg(long, value_name = "BOOL")]
    pub block_writes: Option<bool>,
    /// The reason for refusing reads or writes, which clients see
    #[arg(long, value_name = "TEXT")]
    pub block_reason: Option<String>,
    /// Let other namespaces attach this one
    #[arg(long, value_name = "BOOL")]
    pub allow_attach: Option<bool>,
}
