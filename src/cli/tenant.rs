//! `tenant`: a namespace with its schema and its tokens.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::credentials::{AccessArg, Ttl, parse_ttl};
use demo_sqld::namespace::NamespaceName;

#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Make a tenant: its namespace and, with --schema, its tables
    #[command(after_help = "\
The schema is applied once, in one transaction. When it fails, nothing of it is left,
nor is a tenant that this command has just made.

Examples:
  demo tenant create shop --schema schema.sql
  demo tenant create shop --schema schema.sql --if-missing")]
    Create(CreateArgs),
    /// Print a token that opens this tenant alone
    Token(TokenArgs),
    /// Which tenants there are, and how that is known
    List,
    /// Delete a tenant with all its data, on the primary and on the replicas
    #[command(after_help = "\
A replica that has the tenant restarts without it; the others' data stays. A second
`drop` finishes one that was interrupted.")]
    Drop(DropArgs),
}

#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Name of the tenant, and of its namespace
    #[arg(value_parser = tenant)]
    pub name: NamespaceName,
    /// SQL to run in it, once
    #[arg(long, value_name = "FILE.sql")]
    pub schema: Option<PathBuf>,
    /// Done as well when the tenant is there already
    #[arg(long)]
    pub if_missing: bool,
}

#[derive(Args, Debug)]
pub struct TokenArgs {
    /// Name of the tenant
    #[arg(value_parser = tenant)]
    pub name: NamespaceName,
    /// What the token allows
    #[arg(long, value_enum, default_value_t)]
    pub access: AccessArg,
    /// Life of the token, such as 15m, 24h or 7d, or `never`
    #[arg(long, default_value = "1h", value_parser = parse_ttl)]
    pub ttl: Ttl,
}

#[derive(Args, Debug)]
pub struct DropArgs {
    /// Name of the tenant
    #[arg(value_parser = tenant)]
    pub name: NamespaceName,
    /// Do not ask; needed where nobody can be asked
    #[arg(long, short)]
    pub yes: bool,
}

fn tenant(text: &str) -> Result<NamespaceName, String> {
    let name: NamespaceName = text.parse().map_err(|error| format!("{error}"))?;
    if name.as_str() == "default" {
        return Err("`default` is what requests without a namespace get: no tenant's".to_owned());
    }
    Ok(name)
}
