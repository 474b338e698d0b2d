//! `tenant`: a namespace with its schema and its tokens.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::choice::choice;
use super::credentials::{Ttl, parse_ttl};
use demo_sqld::claims::Access;
use demo_sqld::namespace::NamespaceName;

#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Make a tenant: its namespace and, with --schema, its tables
    #[command(after_help = "\
The schema is applied once, in one transaction. When it fails, it leaves nothing behind, and
a tenant that this command has just made is removed again.

Examples:
  demo tenant create shop --schema schema.sql
  demo tenant create shop --schema schema.sql --if-missing")]
    Create(CreateArgs),
    /// Print a token that opens only this tenant
    Token(TokenArgs),
    /// List the tenants, and how each is known
    List,
    /// Delete a tenant with all its data, on the primary and on the replicas
    #[command(after_help = "\
A replica that has the tenant restarts without it; the data of the others stays. If a `drop`
was interrupted, running it again finishes it.")]
    Drop(DropArgs),
}

#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Name of the tenant, and of its namespace
    #[arg(value_parser = tenant)]
    pub name: NamespaceName,
    /// A file of SQL statements to run once in the new tenant
    #[arg(long, value_name = "FILE.sql")]
    pub schema: Option<PathBuf>,
    /// Succeed when the tenant exists already
    #[arg(long)]
    pub if_missing: bool,
}

#[derive(Args, Debug)]
pub struct TokenArgs {
    /// Name of the tenant
    #[arg(value_parser = tenant)]
    pub name: NamespaceName,
    /// What the token allows
    #[arg(long, value_parser = choice::<Access>(), default_value = "rw")]
    pub access: Access,
    /// Lifetime of the token, such as 15m, 24h or 7d, or `never`
    #[arg(long, default_value = "1h", value_parser = parse_ttl)]
    pub ttl: Ttl,
}

#[derive(Args, Debug)]
pub struct DropArgs {
    /// Name of the tenant
    #[arg(value_parser = tenant)]
    pub name: NamespaceName,
    /// Do not ask for confirmation; required when stdin is not a terminal
    #[arg(long, short)]
    pub yes: bool,
}

fn tenant(text: &str) -> Result<NamespaceName, String> {
    let name: NamespaceName = text.parse().map_err(|error| format!("{error}"))?;
    if name.as_str() == "default" {
        return Err("`default` is reserved for requests without a namespace".to_owned());
    }
    Ok(name)
}
