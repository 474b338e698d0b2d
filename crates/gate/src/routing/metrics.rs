//! Counts which servers answered, and why a replica did not.

use std::borrow::Cow;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use demo_service::observe::Metrics;

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ServedLabels {
    upstream: Cow<'static, str>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct FallbackLabels {
    reason: Fallback,
}

/// Why a read that was sent to a replica was not answered by it.
#[derive(Clone, Copy, Debug, EncodeLabelValue, Eq, Hash, PartialEq)]
pub enum Fallback {
    /// It could not be reached, or the connection broke.
    Unreachable,
    /// It took too long; it may still have answered before the primary.
    Late,
    /// Its answer was an error, or did not prove that the replica is current.
    Answer,
}

/// The counters of the routing.
#[derive(Clone, Default)]
pub struct RoutingMetrics {
    served: Family<ServedLabels, Counter>,
    fallbacks: Family<FallbackLabels, Counter>,
}

impl RoutingMetrics {
    /// Counters that `metrics` shows.
    pub fn registered(metrics: &Metrics) -> Self {
        let new = Self::default();
        metrics.register("upstream_answers", "Answers by server", new.served.clone());
        metrics.register(
            "replica_fallbacks",
            "Reads that a replica did not answer correctly or in time, by reason",
            new.fallbacks.clone(),
        );
        new
    }

    pub(super) fn served(&self, upstream: impl Into<Cow<'static, str>>) {
        let labels = ServedLabels { upstream: upstream.into() };
        self.served.get_or_create(&labels).inc();
    }

    pub(super) fn fell_back(&self, reason: Fallback) {
        self.fallbacks.get_or_create(&FallbackLabels { reason }).inc();
    }
}
