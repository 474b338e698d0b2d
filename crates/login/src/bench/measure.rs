//! Opens the databases and runs both measurements on them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use tokio_util::task::AbortOnDropHandle;

use super::bench_user::{BenchUser, Guests};
use super::report::{LookupRow, Report, RevocationRow, tenths};
use super::{Plan, Say, Source, lookups, revocations};
use crate::config::{Backend, Config, Libsql, Replica, SYNC_INTERVAL};
use crate::store::Store;
use crate::tokens::Presented;
use demo_base::error::Result;

/// The number of revocations for each backend and each interval.
const REVOCATIONS: u16 = 20;
/// The time between two revocations on backends where revocations take effect at once.
const MOMENT: Duration = Duration::from_millis(5);

/// Measures all of `sources`.
///
/// # Errors
/// As [`super::run`].
pub async fn all(sources: &[Source], plan: &Plan, guests: &Guests, say: Say<'_>) -> Result<Report> {
    let mut report = Report::new(plan);
    for source in sources {
        Measurement { source, plan, guests, say }.run(&mut report).await?;
    }
    Ok(report)
}

struct Measurement<'a> {
    source: &'a Source,
    plan: &'a Plan,
    guests: &'a Guests,
    say: Say<'a>,
}

impl Measurement<'_> {
    async fn run(&self, report: &mut Report) -> Result<()> {
        let backend = match &self.source.config.backend {
            Backend::Libsql(libsql) => Backend::Libsql(Libsql { replica: None, ..libsql.clone() }),
            other => other.clone(),
        };
        let name = backend.to_string();
        (self.say)(&format!("{name}: {} tokens", self.plan.tokens));
        let config = Config::of(backend);
        let bench_user = self.guests.enter(Arc::new(Store::open(&config).await?)).await?;
        let tokens: Arc<[Presented]> = bench_user.tokens(self.plan.tokens).await?.into();
        (self.say)(&format!("{name}: lookups"));
        let row = self.lookups(name.clone(), &bench_user.store, &tokens).await?;
        let remote = row.per_second;
        report.lookups.push(row);
        (self.say)(&format!("{name}: revocations"));
        let other = Arc::new(Store::open(&config).await?);
        let revoked = bench_user.tokens(REVOCATIONS.into()).await?;
        let lags =
            revocations::measure(&bench_user, &other, revoked, MOMENT, Duration::ZERO).await?;
        report.revocations.push(RevocationRow::new(name, self.from(), None, lags));
        if let Backend::Libsql(libsql) = &self.source.config.backend {
            self.with_replica(libsql, &bench_user, &tokens, remote, report).await?;
        }
        Ok(())
    }

    /// Measures with an embedded replica in temporary files, since the configured files may
    /// be in use.
    async fn with_replica(
        &self,
        libsql: &Libsql,
        bench_user: &BenchUser,
        tokens: &Arc<[Presented]>,
        remote: f64,
        report: &mut Report,
    ) -> Result<()> {
        let folder = tempfile::Builder::new().prefix("demo-bench-").tempdir()?;
        let configured = libsql.replica.as_ref();
        let interval = configured.map_or(Some(SYNC_INTERVAL), |replica| replica.interval);
        let path = folder.path().join("lookups/auth.db");
        // The first sync copies all tokens.
        let replica = Tended::open(libsql, &path, interval).await?;
        let name = replica.name.clone();
        (self.say)(&format!("{name}: lookups"));
        let mut row = self.lookups(name.clone(), &replica.store, tokens).await?;
        row.times_remote = Some(tenths(row.per_second / remote));
        row.asked_primary = replica.store.replica_counters().map(|counters| counters.remote.get());
        report.lookups.push(row);
        drop(replica);
        (self.say)(&format!("{name}: revocations"));
        // All intervals run at once, since they mostly wait.
        let mut of_each = Vec::new();
        for interval in &self.plan.intervals {
            of_each.push((interval, bench_user.tokens(REVOCATIONS.into()).await?));
        }
        let rows = of_each.into_iter().map(|(interval, revoked)| async {
            let path = folder.path().join(format!("every-{}-s/auth.db", interval.as_secs()));
            let watcher = Tended::open(libsql, &path, Some(*interval)).await?;
            // Spread over an interval, so that the revocations cover the time between two syncs.
            let pace = *interval / u32::from(REVOCATIONS);
            let lags =
                revocations::measure(bench_user, &watcher.store, revoked, pace, *interval).await?;
            Ok::<_, anyhow::Error>(RevocationRow::new(
                watcher.name.clone(),
                self.from(),
                Some(*interval),
                lags,
            ))
        });
        report.revocations.extend(try_join_all(rows).await?);
        Ok(())
    }

    async fn lookups(
        &self,
        backend: String,
        store: &Arc<Store>,
        tokens: &Arc<[Presented]>,
    ) -> Result<LookupRow> {
        let counted = lookups::measure(store, tokens, self.plan.clients, self.plan.time).await?;
        Ok(LookupRow::new(backend, self.from(), &counted))
    }

    fn from(&self) -> Option<String> {
        self.source.from.clone()
    }
}

/// An instance with an embedded replica that is synced in the background.
struct Tended {
    store: Arc<Store>,
    name: String,
    _syncs: AbortOnDropHandle<()>,
}

impl Tended {
    async fn open(libsql: &Libsql, path: &Path, interval: Option<Duration>) -> Result<Self> {
        let replica = Replica { path: path.to_owned(), interval, serve_stale: Duration::ZERO };
        let backend = Backend::Libsql(Libsql { replica: Some(replica), ..libsql.clone() });
        let name = backend.to_string();
        let store = Arc::new(Store::open(&Config::of(backend)).await?);
        let in_background = store.clone();
        let syncs = tokio::spawn(async move { in_background.run_in_background().await });
        Ok(Self { store, name, _syncs: AbortOnDropHandle::new(syncs) })
    }
}
