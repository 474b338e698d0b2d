//! `setup`, `certs`.

use jiff::Timestamp;
use serde_json::json;

use crate::assets;
use crate::cli::OutputFormat;
use crate::cli::credentials::{CertsCommand, SetupArgs};
use crate::credentials::store::{Change, Store};
use crate::error::Result;
use crate::files;
use crate::output::Output;
use crate::settings::Settings;

/// `demo setup`: everything that a stack needs, where it is missing.
pub fn setup(settings: &Settings, args: &SetupArgs, output: &Output) -> Result<()> {
    let written = write_compose_files(settings)?;
    let changes = store(settings).ensure(Timestamp::now(), args.force)?;
    if output.format() == OutputFormat::Json {
        return output.json(&json!({ "files": written, "changes": changes }));
    }
    for name in &written {
        output.line(format!("compose file  {name}  created"))?;
    }
    for change in &changes {
        output.line(change)?;
    }
    if written.is_empty() && changes.is_empty() {
        output.talk("everything is there; nothing changed");
    }
    Ok(())
}

/// Makes what is missing of keys, token and certificates, and says so.
///
/// # Errors
/// As [`Store::ensure`].
pub fn ensure(settings: &Settings, output: &Output) -> Result<()> {
    for change in store(settings).ensure(Timestamp::now(), false)? {
        output.detail(change);
    }
    Ok(())
}

/// Outside a checkout the compose files come from the program itself.
fn write_compose_files(settings: &Settings) -> Result<Vec<&'static str>> {
    let mut written = Vec::new();
    if settings.project_dir.join(assets::BASE.name).is_file() {
        return Ok(written);
    }
    for asset in assets::ALL {
        let path = settings.project_dir.join(asset.name);
        if !path.exists() {
            files::write_atomic(&path, asset.text.as_bytes(), files::MODE_SHARED)?;
            written.push(asset.name);
        }
    }
    Ok(written)
}

/// `demo certs`.
pub fn certs(settings: &Settings, command: &CertsCommand, output: &Output) -> Result<()> {
    let store = store(settings);
    match command {
        CertsCommand::Generate(args) => {
            tell(&store.ensure_certs(Timestamp::now(), args.force)?, output)
        }
        CertsCommand::Show => {
            let certificates = store.certificates()?;
            if output.format() == OutputFormat::Json {
                return output.json(&certificates);
            }
            certificates.iter().try_for_each(|certificate| output.line(certificate))
        }
    }
}

pub(super) fn tell(changes: &[Change], output: &Output) -> Result<()> {
    if output.format() == OutputFormat::Json {
        return output.json(&json!({ "changes": changes }));
    }
    if changes.is_empty() {
        output.talk("everything is there; nothing changed");
    }
    changes.iter().try_for_each(|change| output.line(change))
}

pub(super) fn store(settings: &Settings) -> Store {
    Store::new(settings.local_dir())
}
