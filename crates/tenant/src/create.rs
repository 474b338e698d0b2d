//! Creates a tenant.

use jiff::Timestamp;

use super::registry::Registry;
use super::removal;
use crate::Error;
use demo_base::error::{Cause, Result};
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::admin::Admin;
use demo_stack::plan::StackPlan;

/// What is needed to create a tenant. The caller holds the lock of the project.
#[derive(Debug)]
pub struct Creation<'a> {
    pub registry: &'a Registry,
    pub admin: &'a Admin,
    /// The plan of the services that were started.
    pub plan: &'a StackPlan,
    pub name: &'a NamespaceName,
    /// Whether a tenant that already exists is a success.
    pub if_missing: bool,
}

impl Creation<'_> {
    /// Creates the namespace. Returns whether it is new.
    ///
    /// # Errors
    /// [`Error::Exists`]; [`Error::Remains`] when an earlier namespace of that name has left files
    /// behind; an error of [`demo_sqld_client`], depending on the answer of the Admin API.
    pub async fn make(&self) -> Result<bool> {
        let name = self.name;
        if !self.admin.exists(name).await? {
            self.refuse_remains()?;
            self.registry.add(name, Timestamp::now())?;
            // If another client has created it meanwhile, it belongs to that client.
            if self.admin.create(name).await? {
                return Ok(true);
            }
        }
        if self.if_missing {
            self.registry.add(name, Timestamp::now())?;
            return Ok(false);
        }
        Err(Error::Exists { name: name.to_string() }.into())
    }

    /// Refuses to create the namespace if files of an earlier one remain. The server would
    /// use a folder that a delete has left for the new namespace, and the old data would be
    /// back (measured on sqld 0.24.32). A replica that has the folder may also show the old
    /// data for a moment.
    fn refuse_remains(&self) -> Result<()> {
        let name = self.name;
        let dropping = self.registry.get(name)?.is_some_and(|record| record.dropping);
        let left = removal::remains(self.plan, name);
        if !dropping && left.is_empty() {
            return Ok(());
        }
        let source = match left.first() {
            Some(path) => Cause::from(path.display().to_string()),
            None => Cause::from("its removal has not finished"),
        };
        Err(Error::Remains { name: name.to_string(), source }.into())
    }
}
