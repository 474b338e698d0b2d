//! `smoke`: the scenarios.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::stack::EngineArg;

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
    #[arg(long, value_enum, value_name = "E")]
    pub engine: Option<EngineArg>,
    /// Number of scenarios to run at once [default: the number of processors, at most 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: Option<u16>,
    /// Also write a report; FORMAT is text, json, junit or markdown; may be repeated
    #[arg(long, value_name = "FORMAT=PATH")]
    pub report: Vec<ReportTarget<ReportFormat>>,
    /// Leave the servers running and keep their files; `demo cleanup` removes them
    #[arg(long)]
    pub keep: bool,
}

fn scenario_names() -> clap::builder::PossibleValuesParser {
    demo_smoke::scenarios().iter().map(|scenario| scenario.name).collect::<Vec<_>>().into()
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum ReportFormat {
    Text,
    Json,
    Junit,
    Markdown,
}

/// A report and the file it is written to.
#[derive(Clone, Debug)]
pub struct ReportTarget<F> {
    pub format: F,
    pub path: PathBuf,
}

impl<F: ValueEnum> FromStr for ReportTarget<F> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "write FORMAT=PATH, such as junit=report.xml";
        let (format, path) = text.split_once('=').ok_or(wanted)?;
        if path.is_empty() {
            return Err(wanted.to_owned());
        }
        let names = F::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let names: Vec<String> = names.map(|value| value.get_name().to_owned()).collect();
        let unknown = |_| format!("`{format}` is not a report format; use {}", names.join(", "));
        Ok(Self { format: F::from_str(format, false).map_err(unknown)?, path: path.into() })
    }
}
