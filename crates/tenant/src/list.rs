//! Lists the tenants.
//!
//! The Admin API of sqld 0.24.32 has no list of namespaces. Names come from three
//! sources: the registry of `demo`, the folders in the servers' data, and the labels of
//! `/metrics` (namespaces that were used since the primary started, including dropped
//! ones). The Admin API is then asked for each name whether it exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde::Serialize;

use super::registry::Records;
use crate::Error;
use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::admin::Admin;
use demo_stack::plan::{Role, ServicePlan, StackPlan};

/// How many requests to the Admin API run at once.
const AT_ONCE: usize = 8;

/// Where a name was found.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// `demo tenant create` created it.
    Demo,
    /// A service has a folder for it.
    Files(String),
    /// `/metrics` of the primary names it.
    Metrics,
}

/// Whether the tenant exists.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The Admin API knows it.
    Live,
    /// The Admin API does not know it, but some of its data remains.
    Remains,
}

/// One line of the list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    pub name: NamespaceName,
    pub state: State,
    pub sources: Vec<Source>,
    /// When `demo tenant create` created it.
    pub created_at: Option<Timestamp>,
    /// A `drop` has begun but not finished.
    pub dropping: bool,
}

/// Finds all tenants.
///
/// # Errors
/// [`Error::KeyRefused`], [`Error::NoMetrics`] or an error of [`demo_sqld_client`], depending on the
/// answer of the Admin API; [`demo_base::Error::Unreadable`] for a folder.
pub async fn collect(admin: &Admin, records: &Records, plan: &StackPlan) -> Result<Vec<Tenant>> {
    let mut found: BTreeMap<NamespaceName, BTreeSet<Source>> = BTreeMap::new();
    let mut add = |text: &str, source: Source| {
        // A name that demo does not accept cannot be one of its tenants.
        if let Some(name) =
            text.parse().ok().filter(|name: &NamespaceName| name.as_str() != "default")
        {
            found.entry(name).or_default().insert(source);
        }
    };
    for name in records.keys() {
        add(name, Source::Demo);
    }
    for service in &plan.services {
        for name in folders(service)? {
            add(&name, Source::Files(service.name.clone()));
        }
    }
    for name in metrics(admin).await? {
        add(&name, Source::Metrics);
    }
    let asked = futures::stream::iter(found).map(|(name, sources)| async move {
        let lives = admin.exists(&name).await?;
        let record = records.get(name.as_str());
        // A name in the metrics alone was dropped, and the primary still has its counters.
        let remains = sources.iter().any(|source| *source != Source::Metrics);
        Ok::<_, anyhow::Error>((lives || remains).then(|| Tenant {
            state: if lives { State::Live } else { State::Remains },
            sources: sources.into_iter().collect(),
            created_at: record.filter(|record| !record.dropping).map(|record| record.created_at),
            dropping: record.is_some_and(|record| record.dropping),
            name,
        }))
    });
    let all: Vec<Option<Tenant>> = asked.buffered(AT_ONCE).try_collect().await?;
    Ok(all.into_iter().flatten().collect())
}

/// Whether a replica has followed the namespace of `folder`. It also creates a folder when
/// it is asked for a name that does not exist, but without this file.
pub fn has_followed(folder: &Path) -> bool {
    folder.join("stats.json").exists()
}

fn folders(service: &ServicePlan) -> Result<Vec<String>, demo_base::Error> {
    let Some(folder) = service.namespaces_dir() else { return Ok(Vec::new()) };
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(demo_base::files::unreadable(&folder, "data folder", error));
        }
    };
    let counts = |path: &Path| service.role != Role::Replica || has_followed(path);
    let names = entries.flatten().filter(|entry| counts(&entry.path()));
    Ok(names.filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

async fn metrics(admin: &Admin) -> Result<BTreeSet<String>> {
    let answer = admin.raw(reqwest::Method::GET, "/metrics", None).await?;
    match answer.status {
        200 => Ok(labels(&answer.body)),
        401 | 403 => Err(Error::KeyRefused.into()),
        status => Err(Error::NoMetrics { status }.into()),
    }
}

/// The values of the label `namespace` in a Prometheus text.
fn labels(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let value = |line: &str| {
        let (_, rest) = line.split_once("namespace=\"")?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    lines.filter_map(value).collect()
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Demo => formatter.write_str("demo"),
            Self::Files(service) => write!(formatter, "files of {service}"),
            Self::Metrics => formatter.write_str("metrics"),
        }
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Live => "live",
            State::Remains => "remains",
        };
        let sources: Vec<String> = self.sources.iter().map(ToString::to_string).collect();
        write!(
            formatter,
            "{:<20} {state:<8} known from {}",
            self.name.as_str(),
            sources.join(", ")
        )?;
        if self.dropping {
            formatter.write_str("; its removal has not finished")?;
        }
        if let Some(created) = self.created_at {
            write!(formatter, "; created {created:.0}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_namespace_label_of_the_metrics_is_found_once() {
        let text = "# HELP x namespace=\"no\"\nx{namespace=\"a\"} 1\ny{b=\"c\",namespace=\"b-1\"} 2\n\
                    z{namespace=\"a\",q=\"0\"} 3\nx{q=\"0\"} 4\nbroken{namespace=\"x\n";
        assert_eq!(labels(text), BTreeSet::from(["a".to_owned(), "b-1".to_owned()]));
    }
}
