//! Counters of the login service, without names of users or addresses.

use prometheus_client::metrics::counter::Counter;

use crate::store::Store;
use demo_service::observe::Metrics;

pub struct Counters {
    pub registrations: Counter,
    pub logins: Counter,
    pub failed_logins: Counter,
    pub slowed: Counter,
    pub revocations: Counter,
}

impl Counters {
    pub fn new(metrics: &Metrics, store: &Store) -> Self {
        if let Some(replica) = store.replica_counters() {
            let counters = [
                ("replica_syncs", "Syncs of the embedded replica", &replica.syncs),
                ("replica_failed_syncs", "Syncs that failed", &replica.failed_syncs),
                ("replica_lookups", "Lookups that the embedded replica answered", &replica.local),
                ("primary_lookups", "Lookups that went to the primary", &replica.remote),
            ];
            for (name, help, counter) in counters {
                metrics.register(name, help, counter.clone());
            }
            let help = "When the last successful sync began, in seconds since 1970";
            metrics.register("replica_synced_at", help, replica.synced_at.clone());
        }
        Self {
            registrations: metrics.counter("registrations", "Users registered"),
            logins: metrics.counter("logins", "Logins of known users"),
            failed_logins: metrics.counter("failed_logins", "Wrong passwords"),
            slowed: metrics.counter("slowed_logins", "Logins refused after failures"),
            revocations: metrics.counter("revocations", "Tokens revoked by this instance"),
        }
    }
}
