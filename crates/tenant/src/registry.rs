//! The registry of tenants that `demo` has created, and of removals that have begun.
//!
//! The server itself cannot list its namespaces. The file is beside the databases and is
//! removed with them (`down --volumes`, `cleanup`). It only provides names; whether a
//! namespace exists, the Admin API decides.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Error;
use demo_base::error::Result;
use demo_base::files;
use demo_sqld::namespace::NamespaceName;
use demo_stack::state::Local;

/// The version of the file format.
const SCHEMA: u32 = 1;

/// The registry file; every change needs the lock of [`Local`].
#[derive(Clone, Debug)]
pub struct Registry(PathBuf);

/// What is known about a tenant.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    pub created_at: Timestamp,
    /// A `drop` has begun but not finished.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dropping: bool,
}

/// Records by name.
pub type Records = BTreeMap<String, Record>;

#[derive(Deserialize, Serialize)]
struct Document {
    schema: u32,
    tenants: Records,
}

impl Registry {
    /// The registry of a project.
    pub fn new(local: &Local) -> Self {
        Self(local.data_dir().join("tenants.json"))
    }

    /// All records; empty if there is no file.
    ///
    /// # Errors
    /// [`Error::DamagedRegistry`] for a file that is damaged or of another version;
    /// [`demo_base::Error::Unreadable`].
    pub fn load(&self) -> Result<Records> {
        if !self.0.exists() {
            return Ok(Records::new());
        }
        let text = files::read_text(&self.0, "registry of tenants")?;
        let damaged = |source| Error::DamagedRegistry { path: self.0.clone(), source };
        let document: Document =
            serde_json::from_str(&text).map_err(|error| damaged(Some(error)))?;
        let named = |name: &String| name.parse::<NamespaceName>().is_ok();
        if document.schema != SCHEMA || !document.tenants.keys().all(named) {
            return Err(damaged(None).into());
        }
        Ok(document.tenants)
    }

    /// The record of one tenant.
    ///
    /// # Errors
    /// As [`Registry::load`].
    pub fn get(&self, name: &NamespaceName) -> Result<Option<Record>> {
        Ok(self.load()?.remove(name.as_str()))
    }

    /// Records that `name` is being created, unless there is a record already.
    ///
    /// # Errors
    /// As [`Registry::load`]; [`demo_base::Error::Unwritable`].
    pub fn add(&self, name: &NamespaceName, now: Timestamp) -> Result<()> {
        self.change(|records| {
            let record = Record { created_at: now, dropping: false };
            records.entry(name.as_str().to_owned()).or_insert(record);
        })
    }

    /// Records that a `drop` of `name` begins.
    ///
    /// # Errors
    /// As [`Registry::add`].
    pub fn begin_drop(&self, name: &NamespaceName, now: Timestamp) -> Result<()> {
        self.change(|records| {
            let record = Record { created_at: now, dropping: true };
            records.entry(name.as_str().to_owned()).or_insert(record).dropping = true;
        })
    }

    /// Removes the record of `name`.
    ///
    /// # Errors
    /// As [`Registry::add`].
    pub fn remove(&self, name: &NamespaceName) -> Result<()> {
        self.change(|records| {
            records.remove(name.as_str());
        })
    }

    fn change(&self, change: impl FnOnce(&mut Records)) -> Result<()> {
        let before = self.load()?;
        let mut tenants = before.clone();
        change(&mut tenants);
        if tenants == before {
            return Ok(());
        }
        if let Some(folder) = self.0.parent() {
            files::create_dir(folder, files::MODE_SHARED_DIR)?;
        }
        let text = serde_json::to_string_pretty(&Document { schema: SCHEMA, tenants })? + "\n";
        Ok(files::write_atomic(&self.0, text.as_bytes(), files::MODE_SHARED)?)
    }
}

#[cfg(test)]
mod tests {
    use demo_base::error::find;

    use super::*;

    #[test]
    fn records_are_read_back_and_damage_is_reported() {
        let folder = tempfile::TempDir::new().unwrap();
        let registry = Registry::new(&Local::new(folder.path()));
        let (shop, now) = ("shop".parse().unwrap(), Timestamp::from_second(7).unwrap());
        assert_eq!(registry.get(&shop).unwrap(), None);
        registry.add(&shop, now).unwrap();
        registry.add(&shop, Timestamp::from_second(9).unwrap()).unwrap();
        registry.begin_drop(&shop, now).unwrap();
        let record = Record { created_at: now, dropping: true };
        assert_eq!(registry.get(&shop).unwrap(), Some(record));
        registry.remove(&shop).unwrap();
        assert_eq!(registry.load().unwrap(), Records::new());
        for text in [
            "{",
            r#"{"schema":2,"tenants":{}}"#,
            r#"{"schema":1,"tenants":{"..":{"createdAt":"2026-01-01T00:00:00Z"}}}"#,
        ] {
            std::fs::write(&registry.0, text).unwrap();
            let error = registry.load().unwrap_err();
            assert!(matches!(find(&error), Some(Error::DamagedRegistry { .. })), "{text}: {error}");
        }
    }
}
