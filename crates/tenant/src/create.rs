//! Making a tenant.

use jiff::Timestamp;

use super::registry::Registry;
use super::removal;
use demo_base::error::{Fault, Result};
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::admin::Admin;
use demo_sqld_client::endpoint::Endpoint;
use demo_sqld_client::hrana::Hrana;
use demo_sqld_client::schema::{Applied, Schema};
use demo_stack::plan::StackPlan;

/// What is needed to make a tenant; the lock of the project is held.
#[derive(Debug)]
pub struct Creation<'a> {
    pub registry: &'a Registry,
    pub admin: &'a Admin,
    /// Of the services that were started.
    pub plan: &'a StackPlan,
    pub name: &'a NamespaceName,
    /// A tenant that is there already is as good as made.
    pub if_missing: bool,
}

impl Creation<'_> {
    /// Makes the namespace. Returns whether it was not there before.
    ///
    /// # Errors
    /// Exit 1 when it is there, or when an earlier one of the name has left
    /// files behind; 3 or 4, as the Admin API answers.
    pub async fn make(&self) -> Result<bool> {
        let name = self.name;
        if !self.admin.exists(name).await? {
            self.refuse_remains()?;
            self.registry.add(name, Timestamp::now())?;
            // Somebody else may be faster: then it is theirs.
            if self.admin.create(name).await? {
                return Ok(true);
            }
        }
        if self.if_missing {
            self.registry.add(name, Timestamp::now())?;
            return Ok(false);
        }
        Err(Fault::failed(format!("there is a tenant `{name}` already"))
            .hint(
                "--if-missing takes that as done, and applies a schema that an interrupted run \
                 has not",
            )
            .into())
    }

    /// Applies the schema. Where it fails, `undo` is called for a tenant that
    /// [`Creation::make`] has just `made`; one that was there before is as it was.
    ///
    /// # Errors
    /// As [`Schema::apply`], with what became of the tenant.
    pub async fn apply(
        &self,
        schema: &Schema,
        hrana: &Hrana,
        endpoint: &Endpoint,
        made: bool,
        undo: impl AsyncFnOnce() -> Result<()>,
    ) -> Result<Applied> {
        let name = self.name;
        let error = match schema.apply(hrana, endpoint).await {
            Ok(applied) => return Ok(applied),
            Err(error) => error,
        };
        let fate = if !made {
            format!("`{name}` is as it was")
        } else if let Err(trouble) = undo().await {
            format!("an empty tenant `{name}` is left ({trouble}); `demo tenant drop {name} --yes`")
        } else {
            format!("there is no tenant `{name}`")
        };
        Err(error.context(format!("the schema was not applied, and {fate}")))
    }

    /// The server takes a folder that a delete has left for the new namespace's
    /// own: the old data would be there again (measured on sqld 0.24.32). And a replica
    /// that has it may show it for a moment.
    fn refuse_remains(&self) -> Result<()> {
        let name = self.name;
        let dropping = self.registry.get(name)?.is_some_and(|record| record.dropping);
        let left = removal::remains(self.plan, name);
        if !dropping && left.is_empty() {
            return Ok(());
        }
        let place = left.first().map(|path| path.display().to_string());
        let what = place.unwrap_or_else(|| "its `drop` has not ended".to_owned());
        Err(Fault::failed(format!("an earlier tenant `{name}` is not wholly gone"))
            .because(what)
            .hint(format!("`demo tenant drop {name} --yes` finishes that"))
            .into())
    }
}
