//! The end of a tenant, on the primary and on every replica of the standing stack.
//!
//! A delete at the primary is not enough (measured on sqld 0.24.32): a replica
//! that follows the namespace goes on serving the old data, fills its log without
//! a pause, and keeps the files after its restart. So a replica that has the
//! namespace is down while the primary deletes it, loses the files, and starts
//! without it. A delete that is cut off may leave files on the primary, which the
//! next namespace of that name would show: they are removed too.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::list::has_followed;
use super::registry::Registry;
use demo_base::error::{Fault, Result};
use demo_base::files;
use demo_base::ready::{Attempt, poll};
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::admin::Admin;
use demo_sqld_client::hrana::Hrana;
use demo_stack::engine::start::until_ready;
use demo_stack::engine::{Engine, ServiceState, Stop};
use demo_stack::plan::{Interface, Role, ServicePlan, StackPlan};

/// A replica that has just started asks its primary first.
const REFUSAL_DEADLINE: Duration = Duration::from_secs(10);
/// For how long a log is watched: what spins does not pause.
const WATCH: Duration = Duration::from_millis(300);
/// A replica that spins writes a thousand lines a second.
const MANY: usize = 20;
/// As many lines of a log as are looked at.
const TAIL: usize = 400;

/// What is needed to remove a tenant; the lock of the project is held.
pub struct Removal<'a> {
    pub registry: &'a Registry,
    pub admin: &'a Admin,
    pub http: &'a reqwest::Client,
    pub engine: &'a dyn Engine,
    /// Of the services that were started.
    pub plan: &'a StackPlan,
    pub name: &'a NamespaceName,
}

/// What was done.
#[derive(Clone, Debug, Default, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed {
    /// The Admin API deleted it; else that was done before.
    pub deleted: bool,
    /// Services that were restarted without it.
    pub restarted: Vec<String>,
    /// Replicas that were asked, and answered 404.
    pub checked: Vec<String>,
}

impl Removal<'_> {
    /// Removes the tenant, or what an earlier run has left of it.
    ///
    /// # Errors
    /// Exit 5 when there is no trace of it; 3 or 4, as the Admin API answers;
    /// exit 1 when a server does not come up again, or a replica still has it.
    pub async fn run(&self) -> Result<Removed> {
        let lives = self.admin.exists(self.name).await?;
        if !lives && !self.has_traces()? {
            return Err(Fault::not_found(format!("there is no tenant `{}`", self.name))
                .hint("`demo tenant list` names those that there are")
                .into());
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
        // Whatever has failed, a stack that ran goes on running.
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

    /// Deletes at the primary, then every file that is left.
    async fn clear(&self, lives: bool) -> Result<()> {
        if lives {
            self.admin.delete(self.name).await?;
        }
        // All of them once more: one that read it meanwhile has it now.
        for service in self.plan.services.iter().filter(|service| self.has_files(service)) {
            self.engine.stop(&service.name, Stop::Graceful).await?;
            self.remove_files(service).await?;
        }
        Ok(())
    }

    async fn check(&self, replica: &ServicePlan) -> Result<()> {
        let Some(address) = replica.endpoint(Interface::Http) else { return Ok(()) };
        // Without a token: what there is not is 404, what there is would be 401.
        let hrana = Hrana::new(self.http.clone(), address).namespace(Some(self.name));
        let what = format!("{} says that there is no `{}`", replica.name, self.name);
        poll(&what, REFUSAL_DEADLINE, async || {
            let reply = hrana.execute("SELECT 1").await?;
            Ok(match reply.status {
                404 => Attempt::Done(()),
                _ => Attempt::Again(reply.describe()),
            })
        })
        .await?;
        self.check_quiet(replica).await?;
        // A replica makes a folder for every name that it is asked for. It holds
        // no file of it open, unless the namespace was made again meanwhile.
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
        let service = &replica.name;
        Err(Fault::failed(format!("{service} goes on asking its primary for `{}`", self.name))
            .because(format!("{new} lines in its log in {} ms", WATCH.as_millis()))
            .hint(format!("`demo restart {service}`, then the same command again"))
            .into())
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

/// The folders in which servers have data of `name`. That a replica was asked for
/// it in vain does not count.
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

/// How many of the lines of `after` that are new since the line `before` say that
/// the replica tries in vain to follow `name` (the words are sqld 0.24.32's).
fn complaints(before: Option<&str>, after: &[String], name: &NamespaceName) -> usize {
    // Every line has its own time, so the last one is found again; else all are new.
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
