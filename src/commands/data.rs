//! `init`, `insert`, `read`, `count`, `run`, `auth-check`.

use std::fmt;
use std::io::Read;

use serde::Serialize;
use serde_json::json;

use super::session::Session;
use super::target;
use crate::cli::OutputFormat;
use crate::cli::data::{InsertArgs, Target, TargetArgs};
use crate::exit_code::ExitCode;
use crate::fault::Fault;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_sqld_client::endpoint::Endpoint;
use demo_sqld_client::hrana::Reply;

pub async fn init(settings: &Settings, args: &TargetArgs, output: &Output) -> Result<()> {
    let mut session = Session::open(settings, args).await?;
    let made = session.init().await;
    session.tell(output);
    made?;
    output.note(format!("table `items` is ready at {}", session.describe()));
    if output.format() == OutputFormat::Json {
        return output.json(&json!({ "table": "items" }));
    }
    Ok(())
}

pub async fn insert(settings: &Settings, args: &InsertArgs, output: &Output) -> Result<()> {
    let label = label(args)?;
    let mut session = Session::open(settings, &args.target).await?;
    let item = session.insert(&label).await;
    session.tell(output);
    let item = item?;
    if output.format() == OutputFormat::Json {
        return output.json(&item);
    }
    output.line(item.id)
}

pub async fn read(settings: &Settings, args: &TargetArgs, output: &Output) -> Result<()> {
    let mut session = Session::open(settings, args).await?;
    let items = session.read().await;
    session.tell(output);
    output.json(&items?)
}

pub async fn count(settings: &Settings, args: &TargetArgs, output: &Output) -> Result<()> {
    let mut session = Session::open(settings, args).await?;
    let count = session.count().await;
    session.tell(output);
    let count = count?;
    if output.format() == OutputFormat::Json {
        return output.json(&json!({ "count": count }));
    }
    output.line(count)
}

pub async fn run(settings: &Settings, args: &InsertArgs, output: &Output) -> Result<()> {
    let label = label(args)?;
    let mut session = Session::open(settings, &args.target).await?;
    let items = session.run(&label).await;
    session.tell(output);
    output.json(&items?)
}

/// What a server lets a token do.
#[derive(Debug, Serialize)]
struct AuthReport {
    server: String,
    namespace: Option<String>,
    reads: bool,
    writes: bool,
    /// Why the server refuses it, in its own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
}

impl fmt::Display for AuthReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |allowed| if allowed { "yes" } else { "no" };
        write!(formatter, "server     {}", self.server)?;
        if let Some(namespace) = &self.namespace {
            write!(formatter, "\nnamespace  {namespace}")?;
        }
        write!(formatter, "\nreads      {}\nwrites     {}", word(self.reads), word(self.writes))?;
        match &self.refusal {
            Some(refusal) => write!(formatter, "\nrefusal    {refusal}"),
            None => Ok(()),
        }
    }
}

/// Tries a read, then a write that cannot take effect.
pub async fn auth_check(
    settings: &Settings,
    args: &TargetArgs,
    output: &Output,
) -> Result<ExitCode> {
    if args.target() == Target::Embedded {
        return Err(Fault::input("an embedded replica does not check tokens; its primary does")
            .hint("run `demo auth-check --target primary`")
            .into());
    }
    let target = target::resolve(settings, args).await?;
    let hrana = target.hrana()?;
    let mut report = AuthReport {
        server: target.endpoint.describe(),
        namespace: target.endpoint.namespace().map(ToString::to_string),
        reads: false,
        writes: false,
        refusal: None,
    };
    let read = hrana.execute("SELECT 1").await?;
    report.reads = allowed(&read, &target.endpoint, &mut report.refusal)?;
    let write = hrana.dry_write().await?;
    report.writes = allowed(&write, &target.endpoint, &mut report.refusal)?;
    output.result(&report)?;
    Ok(if report.reads || report.writes { ExitCode::Success } else { ExitCode::Rejected })
}

/// A refusal answers the question; any other failure is an error.
fn allowed(reply: &Reply, endpoint: &Endpoint, refusal: &mut Option<String>) -> Result<bool> {
    match reply.error(endpoint) {
        None => Ok(true),
        Some(error) if error.is_refusal() => {
            *refusal = Some(reply.describe());
            Ok(false)
        }
        Some(error) => Err(error.into()),
    }
}

/// The label itself, or stdin for `-`.
fn label(args: &InsertArgs) -> Result<String> {
    if args.label != "-" {
        return Ok(args.label.clone());
    }
    target::refuse_stdin_twice(&args.target, "the label")?;
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Fault::input("the label on stdin is not valid UTF-8").because(error))?;
    // `echo` in a shell adds a newline, which is not part of the label.
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}
