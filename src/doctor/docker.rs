//! The docker engine: which daemon, its architecture, the image.

use demo_stack::engine::docker::connect::SystemInfo;
use jiff::Timestamp;

use super::Finding;
use crate::explain::Diagnosis;
use crate::settings::Settings;
use demo_stack::engine::docker::connect::Daemon;
use demo_stack::engine::docker::{emulation, image};
use demo_stack::plan::blueprint::{Blueprint, Variants};

const AREA: &str = "docker";
/// The server tolerates a minute; the clock of a virtual machine that slept may be hours off.
const CLOCK_SECONDS: i64 = 30;

pub(super) async fn findings(settings: &Settings) -> Vec<Finding> {
    let daemon = match Daemon::connect(&settings.docker).await {
        Ok(daemon) => daemon,
        Err(error) => {
            let diagnosis = Diagnosis::of(&error.into());
            let cause = diagnosis.causes.first().map(|c| format!(": {c}")).unwrap_or_default();
            let fix = diagnosis.hint.unwrap_or_default();
            return vec![Finding::problem(AREA, format!("{}{cause}", diagnosis.message), &fix)];
        }
    };
    let info = match daemon.docker.info().await {
        Ok(info) => info,
        Err(error) => {
            let text = format!("Docker does not answer: {error}");
            return vec![Finding::problem(AREA, text, "restart Docker")];
        }
    };
    let mut findings = vec![Finding::ok(
        AREA,
        format!(
            "{} at {} (named by {}), engine {}, API {}",
            product(&info),
            daemon.address.url,
            daemon.address.named_by,
            daemon.version,
            daemon.api
        ),
    )];
    findings.extend(clock(&info));
    findings.push(architecture(settings, &daemon, &info).await);
    findings.extend(images(settings, &daemon).await);
    findings
}

/// Docker Desktop, Colima, Podman and rootless daemons behave differently.
fn product(info: &SystemInfo) -> String {
    let system = info.operating_system.as_deref().unwrap_or_default();
    let name = info.name.as_deref().unwrap_or_default();
    let product = if system.contains("Docker Desktop") {
        "Docker Desktop".to_owned()
    } else if name.contains("colima") {
        "Colima".to_owned()
    } else if system.to_lowercase().contains("podman") || info.server_version.is_none() {
        "Podman".to_owned()
    } else {
        format!("Docker on {system}")
    };
    let options = info.security_options.iter().flatten();
    let rootless = options.into_iter().any(|option| option.contains("rootless"));
    if rootless { format!("{product}, rootless") } else { product }
}

fn clock(info: &SystemInfo) -> Option<Finding> {
    let theirs: Timestamp = info.system_time.as_ref()?.parse().ok()?;
    let apart = theirs.as_second() - Timestamp::now().as_second();
    (apart.abs() > CLOCK_SECONDS).then(|| {
        let text =
            format!("its clock differs from this machine's by {apart} s, so tokens may be refused");
        Finding::problem(AREA, text, "restart Docker's virtual machine")
    })
}

async fn architecture(settings: &Settings, daemon: &Daemon, info: &SystemInfo) -> Finding {
    let theirs = info.architecture.as_deref().unwrap_or("unknown");
    let host = std::env::consts::ARCH;
    let text = format!("daemon {theirs}, this machine {host}");
    let wanted = settings.variables.get("LIBSQL_PLATFORM").map_or("linux/amd64", String::as_str);
    let amd64 = matches!(theirs, "x86_64" | "amd64");
    if !wanted.starts_with("linux/amd64") || amd64 {
        return Finding::ok(AREA, format!("{text}: {wanted} runs natively"));
    }
    let how = emulation::of_amd64(daemon, &reference(settings)).await;
    let fix =
        "demo image build --platform linux-arm64 --base BASE, then LIBSQL_PLATFORM=linux/arm64";
    Finding::note(AREA, format!("{text}: {wanted} runs {how}"), fix)
}

fn reference(settings: &Settings) -> String {
    let plan =
        Blueprint::new(&settings.project_dir, &settings.plan_variables).standing(Variants::DEFAULT);
    let image = plan.ok().and_then(|plan| plan.services.into_iter().find_map(|s| s.image));
    image.unwrap_or_default()
}

async fn images(settings: &Settings, daemon: &Daemon) -> Option<Finding> {
    let reference = reference(settings);
    if reference.is_empty() {
        return None;
    }
    Some(match image::find(&daemon.docker, &reference).await {
        Ok(Some(found)) => {
            let platform = image::platform_of(&found);
            Finding::ok(AREA, format!("image {reference} is present, {platform}"))
        }
        Ok(None) => Finding::note(
            AREA,
            format!("image {reference} is not present; `demo up` pulls it"),
            "demo image build --base BASE (if it cannot be pulled)",
        ),
        Err(error) => Finding::problem(AREA, error.to_string(), "restart Docker"),
    })
}
