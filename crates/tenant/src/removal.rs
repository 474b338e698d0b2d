//! Removes a tenant from the primary and from every replica of the running stack.
//!
//! Deleting the namespace on the primary is not enough (measured on sqld 0.24.32): a
//! replica that follows the namespace continues to serve the old data, writes to its log
//! without a pause, and keeps the files after a restart. Each replica that has the
//! namespace is therefore stopped while the primary deletes it, and started again after
//! its files are removed. An interrupted delete may leave files on the primary, which the
//! next namespace of that name would show, so these are removed too.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::list::has_followed;
use super::registry::Registry;
use crate::Error;
use demo_base::error::Result;
use demo_base::files;
use demo_base::ready::{Attempt, poll};
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::admin::Admin;
use demo_sqld_client::hrana::Hrana;
use demo_stack::engine::start::until_ready;
use demo_stack::engine::{Engine, ServiceState, Stop};
use demo_stack::plan::{Interface, Role, ServicePlan, StackPlan};

/// How long a replica may take to answer 404; after a start, it asks its primary first.
const REFUSAL_DEADLINE: Duration = Duration::from_secs(10);
/// How long a log is watched. A replica that retries in a loop writes without a pause.
const WATCH: Duration = Duration::from_millis(300);
/// More new lines than this show such a loop, which writes a thousand lines a second.
const MANY: usize = 20;
/// How many lines of a log are read.
const TAIL: usize = 400;

/// What is needed to remove a tenant. The caller holds the lock of the project.
pub struct Removal<'a> {
    pub registry: &'a Registry,
    pub admin: &'a Admin,
    pub http: &'a reqwest::Client,
    pub engine: &'a dyn Engine,
    /// The plan of the services that were started.
    pub plan: &'a StackPlan,
    pub name: &'a NamespaceName,
}

/// What was done.
#[derive(Clone, Debug, Default, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// Whether the Admin API deleted it now; otherwise it was deleted before.
    pub deleted: bool,
    /// Services that were restarted without it.
    pub restarted: Vec<String>,
    /// Replicas that answered 404 when asked for it.
    pub checked: Vec<String>,
}

impl Removal<'_> {
    /// Removes the tenant, or what an earlier run has left of it.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is no trace of it; an error of [`demo_sqld_client`], depending
    /// on the answer of the Admin API; an error of [`demo_stack::engine`] when a server does not
    /// start again; [`Error::Followed`] or [`demo_base::Error::Deadline`] when a replica still has it.
    pub async fn run(&self) -> Result<Removed> {
        let lives = self.admin.exists(self.name).await?;
        if !lives && !self.has_traces()? {
            return Err(Error::Missing { name: self.name.to_string() }.into());
        }
        for folder in self.plan.services.iter().filter_map(|service| folder(service, self.name)) {
            files::removal::refuse_links(&self.plan.working_dir, &folder)?;
        }
        self.registry.begin_drop(self.name, Timestamp::now())?;
        self.engine.prepare(self.plan).await?;
        for replica in self.replicas().filter(|replica| self.has_files(replica)) {
            self.engine.stop(&replica.name, Stop::Graceful).await?;
        }
        let mut removed = Removed { deleted: lives, ..Removed::default() };
        let cleared = self.clear(lives).await;
        // Start the stopped services again, even if something has failed.
        for service in &self.plan.services {
            if self.engine.state(&service.name).await? == ServiceState::Stopped {
                self.engine.start(self.plan, service).await?;
                until_ready(self.engine, service, self.http).await?;
                removed.restarted.push(service.name.clone());
            }
        }
        cleared?;
        for replica in self.replicas() {
            self.check(replica).await?;
            removed.checked.push(replica.name.clone());
        }
        self.registry.remove(self.name)?;
        Ok(removed)
    }

    /// Deletes the namespace on the primary, then removes all remaining files.
    async fn clear(&self, lives: bool) -> Result<()> {
        if lives {
            self.admin.delete(self.name).await?;
        }
        // Check all services again: one that was asked for the namespace meanwhile has it.
        for service in self.plan.services.iter().filter(|service| self.has_files(service)) {
            self.engine.stop(&service.name, Stop::Graceful).await?;
            self.remove_files(service).await?;
        }
        Ok(())
    }

    async fn check(&self, replica: &ServicePlan) -> Result<()> {
        let Some(address) = replica.endpoint(Interface::Http) else { return Ok(()) };
        // Asked without a token: 404 if it does not exist, 401 if it does.
        let hrana = Hrana::new(self.http.clone(), address).namespace(Some(self.name));
        let what = format!("{} answers that `{}` does not exist", replica.name, self.name);
        poll(&what, REFUSAL_DEADLINE, async || {
            let reply = hrana.execute("SELECT 1").await?;
            Ok(match reply.status {
                404 => Attempt::Done(()),
                _ => Attempt::Again(reply.describe()),
            })
        })
        .await?;
        self.check_quiet(replica).await?;
        // A replica creates a folder for every name that it is asked for. It has no file in
        // it open, unless the namespace was created again meanwhile.
        if self.has_files(replica) && !self.has_followed(replica) {
            self.remove_files(replica).await?;
        }
        Ok(())
    }

    async fn check_quiet(&self, replica: &ServicePlan) -> Result<()> {
        let lines = async || -> Result<Vec<String>> {
            let text = self.engine.logs(&replica.name, Some(TAIL)).await?;
            Ok(text.lines().map(str::to_owned).collect())
        };
        let before = lines().await?.pop();
        let mut end = tokio::time::interval(WATCH);
        end.tick().await;
        end.tick().await;
        let new = complaints(before.as_deref(), &lines().await?, self.name);
        if new <= MANY {
            return Ok(());
        }
        let (replica, name) = (replica.name.clone(), self.name.to_string());
        let written = format!("it wrote {new} lines to its log in {} ms", WATCH.as_millis());
        Err(Error::Followed { replica, name, source: written.into() }.into())
    }

    fn has_traces(&self) -> Result<bool> {
        let known = self.registry.get(self.name)?.is_some();
        Ok(known || !remains(self.plan, self.name).is_empty())
    }

    fn replicas(&self) -> impl Iterator<Item = &ServicePlan> {
        self.plan.services.iter().filter(|service| service.role == Role::Replica)
    }

    fn has_files(&self, service: &ServicePlan) -> bool {
        folder(service, self.name).is_some_and(|folder| folder.exists())
    }

    fn has_followed(&self, replica: &ServicePlan) -> bool {
        folder(replica, self.name).is_some_and(|folder| has_followed(&folder))
    }

    async fn remove_files(&self, service: &ServicePlan) -> Result<()> {
        match folder(service, self.name) {
            Some(folder) => self.engine.remove_files(&self.plan.working_dir, &folder).await,
            None => Ok(()),
        }
    }
}

/// The folders in which servers have data of `name`. A folder that a replica created only
/// because it was asked for the name does not count.
pub fn remains(plan: &StackPlan, name: &NamespaceName) -> Vec<PathBuf> {
    let has = |service: &ServicePlan| {
        let folder = folder(service, name)?;
        let counts = match service.role {
            Role::Replica => has_followed(&folder),
            Role::Primary | Role::Standalone => folder.exists(),
        };
        counts.then_some(folder)
    };
    plan.services.iter().filter_map(has).collect()
}

fn folder(service: &ServicePlan, name: &NamespaceName) -> Option<PathBuf> {
    Some(service.namespaces_dir()?.join(name.as_str()))
}

/// How many lines of `after` that are new since the line `before` say that the replica
/// cannot follow `name` (with the wording of sqld 0.24.32).
fn complaints(before: Option<&str>, after: &[String], name: &NamespaceName) -> usize {
    // Every line has its own time, so the last one can be found again. If it is not found,
    // all lines are new.
    let seen = before.and_then(|last| after.iter().rposition(|line| line == last));
    let new = after.iter().skip(seen.map_or(0, |index| index + 1));
    let words = format!("namespace {name} doesn't exist");
    new.filter(|line| line.contains(&words)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_lines_on_this_namespace_are_complaints() {
        let name = "shop".parse().unwrap();
        let line = |time: &str, name: &str| {
            format!(
                "{time} ERROR replica: namespace {name} doesn't exist, trying to replicate again..."
            )
        };
        let log = [line("1", "shop"), line("2", "shop"), line("3", "other"), line("4", "shop")];
        assert_eq!(complaints(Some(&log[0]), &log, &name), 2);
        assert_eq!(complaints(Some(&log[3]), &log, &name), 0);
        assert_eq!(complaints(Some("gone"), &log, &name), 3);
        assert_eq!(complaints(None, &[], &name), 0);
    }
}
