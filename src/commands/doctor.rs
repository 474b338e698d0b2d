//! `doctor`.

use crate::cli::OutputFormat;
use crate::doctor::{Severity, examine};
use crate::exit_code::ExitCode;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_report::counted;
use demo_report::style::{self, paint};

/// Prints what was found; exit 1 when something is broken.
pub async fn run(settings: &Settings, output: &Output) -> Result<ExitCode> {
    let findings = examine(settings).await?;
    let problems = findings.iter().filter(|f| f.severity == Severity::Problem).count();
    if output.format() == OutputFormat::Json {
        output.json(&findings)?;
    } else {
        for finding in &findings {
            let (word, look) = match finding.severity {
                Severity::Ok => ("ok     ", style::GOOD),
                Severity::Note => ("note   ", style::NOTE),
                Severity::Problem => ("problem", style::BAD),
            };
            output.line(format!("{} {:<12} {}", paint(look, word), finding.area, finding.text))?;
            if let Some(fix) = &finding.fix {
                output.line(format!("{:>21}{} {fix}", "", paint(style::HINT, "fix:")))?;
            }
        }
        let verdict = if problems == 0 {
            "nothing is broken".to_owned()
        } else {
            counted(problems, "problem")
        };
        output.note(format!("\n{verdict}"));
    }
    Ok(if problems == 0 { ExitCode::Success } else { ExitCode::Failed })
}
