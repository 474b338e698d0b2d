//! The log of a service: one event per line on stderr, as text or as JSON.
//!
//! Handlers log names, counts and codes; never a header, a body, a query string or a token.

use std::io::IsTerminal;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::fault::Fault;
use demo_base::error::Result;

/// The format of a log line.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people: plain text
    #[default]
    Text,
    /// For programs: one JSON object per line
    Json,
}

/// Libraries that log statements, headers or every retry are limited to warnings. `libsql` and
/// `tower_http` are off, since they log each failed attempt at level ERROR.
const QUIET: &str = "hyper=warn,h2=warn,rustls=warn,reqwest=warn,sqlx=warn,libsql=off,\
                     libsql_replication=off,tower_http=off,tonic=off";

/// Starts logging for the rest of the process.
///
/// # Errors
/// Exit 2 for an unknown level; exit 1 when logging has been started already.
pub fn start(format: LogFormat, level: &str) -> Result<()> {
    let level: tracing::Level = level.parse().map_err(|_| {
        Fault::input(format!("`{level}` is not a log level"))
            .hint("use error, warn, info, debug or trace")
    })?;
    let filter: Targets = format!("{level},{QUIET}").parse()?;
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => registry
            .with(lines.with_target(false).with_ansi(std::io::stderr().is_terminal()))
            .try_init()?,
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init()?,
    }
    Ok(())
}
