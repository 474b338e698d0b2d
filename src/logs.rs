//! The log of a service: one event a line on stderr, as text or as JSON.
//!
//! Handlers log names, counts and codes; never a header, a body, a query string
//! or a token.

use std::io::IsTerminal;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use demo_base::error::{Fault, Result};

/// Of the form of a line.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// For programs: one object a line
    Json,
}

/// Libraries that log statements, headers or every retry: warnings only, and of
/// `libsql` and `tower_http`, which log each failed attempt at ERROR, nothing.
const QUIET: &str = "hyper=warn,h2=warn,rustls=warn,reqwest=warn,sqlx=warn,libsql=off,\
                     libsql_replication=off,tower_http=off,tonic=off";

/// Turns the log on, for the rest of the process.
///
/// # Errors
/// Exit 2 for a level that is none; exit 1 when a log is on already.
pub fn start(format: LogFormat, level: &str) -> Result<()> {
    let level: tracing::Level = level.parse().map_err(|_| {
        Fault::input(format!("`{level}` is no log level"))
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
