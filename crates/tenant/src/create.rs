//! Creates a tenant.

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
    /// Exit 1 when it already exists, or when an earlier namespace of that name has left
    /// files behind; 3 or 4, depending on the answer of the Admin API.
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
        Err(Fault::failed(format!("the tenant `{name}` already exists"))
            .hint(
                "with --if-missing this is a success, and a schema that an interrupted run has \
                 not applied is applied",
            )
            .into())
    }

    /// Applies the schema. If that fails, `undo` is called for a tenant that
    /// [`Creation::make`] has just `made`; a tenant that existed before does not change.
    ///
    /// # Errors
    /// As [`Schema::apply`], with the state of the tenant.
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
            format!("`{name}` has not changed")
        } else if let Err(trouble) = undo().await {
            format!(
                "an empty tenant `{name}` remains ({trouble}): run `demo tenant drop {name} --yes`"
            )
        } else {
            format!("there is no tenant `{name}`")
        };
        Err(anyhow::Error::from(error).context(format!("the schema was not applied, and {fate}")))
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
        let place = left.first().map(|path| path.display().to_string());
        let what = place.unwrap_or_else(|| "its removal has not finished".to_owned());
        Err(Fault::failed(format!("an earlier tenant `{name}` is not completely removed"))
            .because(what)
            .hint(format!("finish its removal with `demo tenant drop {name} --yes`"))
            .into())
    }
}
