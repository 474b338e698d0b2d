//! What is missing or wrong on this machine, and the command that fixes each.

mod credentials;
mod docker;
mod machine;
mod native;

use serde::Serialize;

use crate::settings::Settings;
use demo_base::error::Result;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing is broken.
    Note,
    /// Something does not work.
    Problem,
}

/// One fact about this machine.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub severity: Severity,
    pub area: &'static str,
    pub text: String,
    /// The command that fixes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    fn ok(area: &'static str, text: impl Into<String>) -> Self {
        Self { severity: Severity::Ok, area, text: text.into(), fix: None }
    }

    fn note(area: &'static str, text: impl Into<String>, fix: &str) -> Self {
        let fix = Some(fix.to_owned()).filter(|fix| !fix.is_empty());
        Self { severity: Severity::Note, area, text: text.into(), fix }
    }

    fn problem(area: &'static str, text: impl Into<String>, fix: &str) -> Self {
        Self { severity: Severity::Problem, area, text: text.into(), fix: Some(fix.to_owned()) }
    }
}

/// Examines everything. One engine is enough, so what the other lacks becomes a note.
///
/// # Errors
/// When the machine itself cannot be examined.
pub async fn examine(settings: &Settings) -> Result<Vec<Finding>> {
    let mut native = native::findings(settings).await;
    let mut docker = docker::findings(settings).await;
    let works = |findings: &[Finding]| findings.iter().all(|f| f.severity != Severity::Problem);
    let (native_works, docker_works) = (works(&native), works(&docker));
    if native_works {
        soften(&mut docker);
    } else if docker_works {
        soften(&mut native);
    }
    let mut all = native;
    all.extend(docker);
    all.extend(machine::findings(settings)?);
    all.extend(credentials::findings(settings));
    Ok(all)
}

fn soften(findings: &mut [Finding]) {
    for finding in findings {
        if finding.severity == Severity::Problem {
            finding.severity = Severity::Note;
        }
    }
}
