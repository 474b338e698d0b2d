//! `smoke`: the scenarios.

use clap::Args;
use demo_report::Format;

use super::choice::{ReportTarget, choice};
use crate::settings::EngineChoice;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  demo smoke --scenario namespaces --keep
  demo smoke --report junit=smoke.xml --report markdown=smoke.md
  EXPECT_NAMESPACE_REPLICA=pass demo smoke")]
pub struct SmokeArgs {
    /// Run only this scenario; may be repeated
    #[arg(long, value_name = "NAME", value_parser = scenario_names())]
    pub scenario: Vec<String>,
    /// The engine that runs the servers
    #[arg(long, value_parser = choice::<EngineChoice>(), value_name = "E")]
    pub engine: Option<EngineChoice>,
    /// Number of scenarios to run at once [default: the number of processors, at most 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: Option<u16>,
    /// Also write a report; FORMAT is text, json, junit or markdown; may be repeated
    #[arg(long, value_name = "FORMAT=PATH")]
    pub report: Vec<ReportTarget<Format>>,
    /// Leave the servers running and keep their files; `demo cleanup` removes them
    #[arg(long)]
    pub keep: bool,
}

fn scenario_names() -> clap::builder::PossibleValuesParser {
    demo_smoke::scenarios().iter().map(|scenario| scenario.name).collect::<Vec<_>>().into()
}
