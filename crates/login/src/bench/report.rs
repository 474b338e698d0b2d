//! The results, as text and as JSON.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Plan;
use super::lookups::Lookups;

/// All results.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// How long the lookups of each backend were measured.
    pub seconds: u64,
    pub clients: usize,
    pub tokens: usize,
    /// Whether this is a debug build, whose figures do not apply to a release build.
    pub debug_build: bool,
    pub lookups: Vec<LookupRow>,
    pub revocations: Vec<RevocationRow>,
}

/// The lookups of one backend.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LookupRow {
    pub backend: String,
    /// The configuration file, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    pub lookups: u64,
    pub per_second: f64,
    /// The latency of a lookup: median, 99th percentile, maximum.
    pub p50_micros: f64,
    pub p99_micros: f64,
    pub max_micros: f64,
    /// For an embedded replica: the factor by which it has more lookups than without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times_remote: Option<f64>,
    /// For an embedded replica: lookups that its file could not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_primary: Option<u64>,
}

/// How long another instance still accepted revoked tokens.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RevocationRow {
    pub backend: String,
    /// The configuration file, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `None` without an embedded replica, where revocations take effect at once.
    pub sync_interval_secs: Option<u64>,
    pub min_millis: f64,
    pub median_millis: f64,
    pub max_millis: f64,
    /// Whether no token was accepted for longer than `sync_interval_secs` or, without an
    /// embedded replica, at all.
    pub within_bound: bool,
    /// The lag of every revocation, in ascending order.
    pub lags_millis: Vec<f64>,
}

impl Report {
    /// An empty report.
    pub fn new(plan: &Plan) -> Self {
        Self {
            seconds: plan.time.as_secs(),
            clients: plan.clients,
            tokens: plan.tokens,
            debug_build: cfg!(debug_assertions),
            lookups: Vec::new(),
            revocations: Vec::new(),
        }
    }

    /// Whether every revocation took effect in time.
    pub fn within_bounds(&self) -> bool {
        self.revocations.iter().all(|row| row.within_bound)
    }
}

impl LookupRow {
    pub(super) fn new(backend: String, from: Option<String>, counted: &Lookups) -> Self {
        let latencies = &counted.latencies;
        Self {
            backend,
            from,
            lookups: latencies.len(),
            per_second: tenths(counted.per_second()),
            p50_micros: micros(latencies.value_at_quantile(0.5)),
            p99_micros: micros(latencies.value_at_quantile(0.99)),
            max_micros: micros(latencies.max()),
            times_remote: None,
            asked_primary: None,
        }
    }

    /// The backend, and its configuration file.
    pub fn name(&self) -> String {
        named(&self.backend, self.from.as_deref())
    }
}

impl RevocationRow {
    pub(super) fn new(
        backend: String,
        from: Option<String>,
        interval: Option<Duration>,
        mut lags: Vec<Duration>,
    ) -> Self {
        lags.sort_unstable();
        let longest = lags.last().copied().unwrap_or_default();
        let millis: Vec<f64> = lags.iter().map(|lag| tenths(lag.as_secs_f64() * 1e3)).collect();
        let at = |index: usize| millis.get(index).copied().unwrap_or_default();
        Self {
            backend,
            from,
            sync_interval_secs: interval.map(|interval| interval.as_secs()),
            min_millis: at(0),
            median_millis: at(millis.len() / 2),
            max_millis: at(millis.len().saturating_sub(1)),
            within_bound: longest <= interval.unwrap_or_default(),
            lags_millis: millis,
        }
    }

    /// The backend, and its configuration file.
    pub fn name(&self) -> String {
        named(&self.backend, self.from.as_deref())
    }
}

fn named(backend: &str, from: Option<&str>) -> String {
    from.map_or_else(|| backend.to_owned(), |from| format!("{backend} ({from})"))
}

/// Rounds to one decimal digit; further digits are noise.
pub(super) fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[expect(clippy::cast_precision_loss, reason = "2^53 ns are three months")]
fn micros(nanos: u64) -> f64 {
    tenths(nanos as f64 / 1e3)
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lookups = self.lookups.iter().map(LookupRow::name);
        let names = lookups.chain(self.revocations.iter().map(RevocationRow::name));
        let width = names.map(|name| name.chars().count()).max().unwrap_or_default();
        let (seconds, clients, tokens) = (self.seconds, self.clients, self.tokens);
        writeln!(
            formatter,
            "Lookups of {tokens} tokens by {clients} clients at once, {seconds} s"
        )?;
        writeln!(
            formatter,
            "{:width$}  {:>10}  {:>10}  {:>10}  {:>10}",
            "", "a second", "p50 µs", "p99 µs", "max µs"
        )?;
        for row in &self.lookups {
            writeln!(
                formatter,
                "{:width$}  {:>10.0}  {:>10.1}  {:>10.1}  {:>10.1}",
                row.name(),
                row.per_second,
                row.p50_micros,
                row.p99_micros,
                row.max_micros
            )?;
        }
        for row in &self.lookups {
            if let Some(times) = row.times_remote {
                writeln!(formatter, "{} / remote: {times:.1} times the lookups", row.name())?;
            }
        }
        writeln!(formatter, "\nHow long another instance accepts a revoked token")?;
        writeln!(
            formatter,
            "{:width$}  {:>10}  {:>10}  {:>10}  {:>10}",
            "", "sync s", "min ms", "median ms", "max ms"
        )?;
        for row in &self.revocations {
            let interval = row.sync_interval_secs.map_or("-".to_owned(), |secs| secs.to_string());
            writeln!(
                formatter,
                "{:width$}  {interval:>10}  {:>10.1}  {:>10.1}  {:>10.1}{}",
                row.name(),
                row.min_millis,
                row.median_millis,
                row.max_millis,
                if row.within_bound { "" } else { "  beyond the bound" }
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn lookups(backend: &str, per_second: f64) -> LookupRow {
        LookupRow {
            backend: backend.to_owned(),
            from: None,
            lookups: 1,
            per_second,
            p50_micros: 8.1,
            p99_micros: 20.0,
            max_micros: 1234.5,
            times_remote: None,
            asked_primary: None,
        }
    }

    pub fn lags(interval: Option<u64>, lags: &[u64]) -> RevocationRow {
        let lags = lags.iter().map(|lag| Duration::from_millis(*lag)).collect();
        RevocationRow::new("libSQL".to_owned(), None, interval.map(Duration::from_secs), lags)
    }

    pub fn report() -> Report {
        let time = Duration::from_secs(3);
        let plan = Plan { time, clients: 8, tokens: 1000, intervals: Vec::new() };
        let mut report = Report { debug_build: false, ..Report::new(&plan) };
        report.lookups = vec![lookups("libSQL", 4321.0), lookups("a <b> & c", 98765.4)];
        report.lookups[1].times_remote = Some(22.86);
        report.revocations =
            vec![lags(None, &[0, 0]), lags(Some(1), &[900, 10, 450]), lags(Some(2), &[1800, 20])];
        report
    }

    #[test]
    fn the_bound_is_the_interval_and_without_a_replica_zero() {
        let row = lags(Some(1), &[900, 10, 1000]);
        assert_eq!((row.min_millis, row.median_millis, row.max_millis), (10.0, 900.0, 1000.0));
        assert!(row.within_bound);
        assert!(!lags(Some(1), &[1001]).within_bound);
        assert!(lags(None, &[0, 0]).within_bound);
        assert!(!lags(None, &[0, 1]).within_bound);
        assert!(report().within_bounds());
    }

    #[test]
    fn columns_are_aligned() {
        insta::assert_snapshot!(report(), @r"
        Lookups of 1000 tokens by 8 clients at once, 3 s
                     a second      p50 µs      p99 µs      max µs
        libSQL           4321         8.1        20.0      1234.5
        a <b> & c       98765         8.1        20.0      1234.5
        a <b> & c / remote: 22.9 times the lookups

        How long another instance accepts a revoked token
                       sync s      min ms   median ms      max ms
        libSQL              -         0.0         0.0         0.0
        libSQL              1        10.0       450.0       900.0
        libSQL              2        20.0      1800.0      1800.0
        ");
    }
}
