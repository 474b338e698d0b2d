//! `setup`, `certs`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use crate::cli::OutputFormat;
use crate::cli::credentials::{CertsCommand, SetupArgs};
use crate::output::Output;
use crate::settings::{Settings, set_admin_key};
use demo_base::error::Result;
use demo_base::files;
use demo_stack::assets;
use demo_stack::credentials::store::{Change, Store, admin_key};

/// `demo setup`: makes whatever a stack needs and is missing.
pub fn setup(settings: &Settings, args: &SetupArgs, output: &Output) -> Result<()> {
    let written = write_compose_files(settings)?;
    let mut changes = store(settings).ensure(Timestamp::now(), args.force)?;
    if !settings.admin_key_given {
        let key = if args.force { admin_key::generate()? } else { settings.admin_key.clone() };
        changes.extend(store(settings).ensure_admin_key(&key, args.force)?);
    }
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
        output.note("everything exists already; nothing changed");
    }
    Ok(())
}

/// The variables that a plan interpolates, with the Admin key that is stored from now on. Whoever
/// starts a server must take the key from here, because another command may have made one after the
/// settings were read.
///
/// # Errors
/// Exit 2 when the key cannot be stored.
pub fn with_admin_key(settings: &Settings) -> Result<BTreeMap<String, String>> {
    let mut variables = settings.plan_variables.clone();
    if !settings.admin_key_given {
        let store = store(settings);
        store.ensure_admin_key(&settings.admin_key, false)?;
        if let Some(key) = store.admin_key()? {
            set_admin_key(&mut variables, &key);
        }
    }
    Ok(variables)
}

/// Makes the keys, token and certificates that are missing, and prints what it made.
///
/// # Errors
/// As [`Store::ensure`].
pub fn ensure(settings: &Settings, output: &Output) -> Result<()> {
    for change in store(settings).ensure(Timestamp::now(), false)? {
        output.detail(change);
    }
    Ok(())
}

/// Outside a checkout, the compose files are written from copies in the program.
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
        output.note("everything exists already; nothing changed");
    }
    changes.iter().try_for_each(|change| output.line(change))
}

pub(super) fn store(settings: &Settings) -> Store {
    Store::new(settings.local_dir())
}
