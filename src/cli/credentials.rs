//! `setup`, `keys`, `certs`, `token`.

use std::time::Duration;

use clap::{Args, Subcommand};
use demo_sqld::claims::Access;

use super::choice::choice;

use demo_sqld::namespace::NamespaceName;

#[derive(Args, Debug)]
pub struct SetupArgs {
    /// Replace the keys too: every token made so far stops working
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make the key pair if it is missing
    Generate(SetupArgs),
    /// Show the public keys that the server trusts, and which of them is active
    Show,
    /// Make a new key the signing key; tokens of the old one go on working
    #[command(after_help = "\
A server reads its public keys at start, so it accepts tokens of the new key only after a
restart. There are three ways:
  demo keys rotate --restart     publish, restart the stack, sign: no gap
  demo keys rotate --stage       publish; restart when it suits; then `demo keys rotate`
  demo keys rotate               sign now; `demo restart` soon
When the old tokens have expired, `demo keys prune` stops trusting the old key.")]
    Rotate(RotateArgs),
    /// Stop trusting old keys that have no token left that is still valid
    ///
    /// `demo` knows only the tokens that it has signed itself in this project. A key that was added
    /// by hand is removed when --key names it.
    Prune(PruneArgs),
}

#[derive(Args, Debug)]
pub struct RotateArgs {
    /// Only publish the next key; the old one goes on signing
    #[arg(long, conflicts_with_all = ["restart", "keep_old"])]
    pub stage: bool,
    /// Restart the servers of the stack before the new key signs
    #[arg(long)]
    pub restart: bool,
    /// Keep the old private key in .local/jwt/old instead of removing it
    #[arg(long)]
    pub keep_old: bool,
}

#[derive(Args, Debug)]
pub struct PruneArgs {
    /// Drop this key now, even if its tokens are still valid; may be repeated
    #[arg(long, value_name = "THUMBPRINT", allow_hyphen_values = true)]
    pub key: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub enum CertsCommand {
    /// Make the CA, server and client certificates where they are missing or expired
    Generate(SetupArgs),
    /// Show the names and dates of the certificates
    Show,
}

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Print a new token, and nothing else
    #[command(after_help = "\
Without a namespace the token opens every namespace: {\"a\":\"rw\"} or {\"a\":\"ro\"}.
With one it carries the `p` claim. `demo token inspect` shows what a server accepts.

Examples:
  demo token mint --ttl 15m
  demo token mint --namespace shop --read-namespace catalogue
  TOKEN=$(demo token mint --access ro)")]
    Mint(MintArgs),
    /// Show what a token claims, which key verifies it, and what the server would allow
    ///
    /// Exit 0 when the server would accept it, 4 when it would not.
    Inspect {
        /// The token, or - for stdin, which keeps it out of the process list [default: the
        /// project's own token]
        #[arg(value_name = "TOKEN", allow_hyphen_values = true)]
        token: Option<String>,
    },
}

#[derive(Args, Debug)]
pub struct MintArgs {
    /// What the token allows
    #[arg(long, value_parser = choice::<Access>(), default_value = "rw")]
    pub access: Access,
    /// A namespace that the token opens, as --access says; may be repeated
    #[arg(long, value_name = "NS")]
    pub namespace: Vec<NamespaceName>,
    /// A namespace that the token may only read; may be repeated
    #[arg(long, value_name = "NS")]
    pub read_namespace: Vec<NamespaceName>,
    /// A namespace that the token may read and attach; may be repeated
    #[arg(long, value_name = "NS")]
    pub attach_namespace: Vec<NamespaceName>,
    /// Lifetime of the token, such as 15m, 24h or 7d, or `never`
    #[arg(long, default_value = "24h", value_parser = parse_ttl)]
    pub ttl: Ttl,
    /// The `sub` claim: whom the token is for
    #[arg(long, value_name = "S")]
    pub subject: Option<String>,
    /// The `nbf` claim, an RFC 3339 time; this version of the server does not check it
    #[arg(long, value_name = "TIME")]
    pub not_before: Option<jiff::Timestamp>,
}

/// The lifetime of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ttl {
    For(Duration),
    Never,
}

/// Reads `24h`, `7d` or `never`.
pub(super) fn parse_ttl(text: &str) -> Result<Ttl, String> {
    if text == "never" {
        return Ok(Ttl::Never);
    }
    let life = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write 15m, 24h, 7d or never"))?;
    if life < Duration::from_secs(1) {
        return Err("a token must live for at least a second".to_owned());
    }
    // Beyond a hundred years the arithmetic of the server itself may overflow.
    if life > Duration::from_secs(100 * 365 * 24 * 3600) {
        return Err("that is over a hundred years; write `never` if you mean it".to_owned());
    }
    Ok(Ttl::For(life))
}
