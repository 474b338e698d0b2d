//! `namespace`: the Admin API.

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
    /// Show a namespace's figures, its replication index among them
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
    /// Done as well when the namespace is there already
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
    /// Why reads or writes are refused; clients see it
    #[arg(long, value_name = "TEXT")]
    pub block_reason: Option<String>,
    /// Let other namespaces attach this one
    #[arg(long, value_name = "BOOL")]
    pub allow_attach: Option<bool>,
}
