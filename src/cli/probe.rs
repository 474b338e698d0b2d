//! `probe`: runs the checks of every claim about the server.

use clap::{Args, Subcommand};
use demo_ledger::Area;
use demo_ledger::report::Format;

use super::choice::{ReportTarget, choice};
use crate::settings::EngineChoice;

#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
The probes run only against servers that this run starts on loopback; they cannot be
directed at another server. Exit 0 when every probe saw what is expected, 1 when something
has changed.

Examples:
  demo probe --area security
  demo probe explain empty-claims-full-access
  demo probe --through-gate
  demo probe --report markdown=docs/behaviour.md"
)]
pub struct ProbeArgs {
    #[command(subcommand)]
    pub command: Option<ProbeCommand>,
    #[command(flatten)]
    pub run: ProbeRunArgs,
}

#[derive(Debug, Subcommand)]
pub enum ProbeCommand {
    /// Print every probe with all its fields
    List,
    /// Print one probe: its claim, source, mitigation and how it is checked
    Explain {
        /// The id of the probe
        id: String,
    },
}

#[derive(Args, Debug)]
pub struct ProbeRunArgs {
    /// Run only the probes of this area; may be repeated
    #[arg(long, value_parser = choice::<Area>(), value_name = "A")]
    pub area: Vec<Area>,
    /// Run only this probe; may be repeated
    #[arg(long, value_name = "ID")]
    pub id: Vec<String>,
    /// The engine that runs the servers
    #[arg(long, value_parser = choice::<EngineChoice>(), value_name = "E")]
    pub engine: Option<EngineChoice>,
    /// Number of probes to run at once [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: Option<u16>,
    /// Also write a report; FORMAT is text, json, junit, markdown or html; may be repeated
    #[arg(long, value_name = "FORMAT=PATH")]
    pub report: Vec<ReportTarget<Format>>,
    /// Probe this server build instead of the pinned one
    #[arg(long, value_name = "PATH")]
    pub sqld_bin: Option<std::path::PathBuf>,
    /// Write what was seen to probes/expectations.json
    #[arg(long)]
    pub update_expectations: bool,
    /// Attack the weaknesses that `demo gate` closes, directly and through a gate
    #[arg(long, conflicts_with_all = [
        "area", "jobs", "report", "update_expectations", "all",
    ])]
    pub through_gate: bool,
    /// Also print the probes whose claim holds as documented
    #[arg(long)]
    pub all: bool,
}
