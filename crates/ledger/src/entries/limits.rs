//! What the server bounds, and what it does at the bound.

use futures::FutureExt;

use crate::{Area, Engines, Probe};

pub(super) mod connections;

mod active;
mod settings;

pub(super) const PROBES: &[Probe] = &[
    Probe {
        id: "active-namespaces-stay-reachable",
        claim: "A namespace is reachable however many others are in use",
        source: "PRs libsql#1770 and libsql#1772, --max-active-namespaces",
        area: Area::Lifecycle,
        why: "Under load, an existing database is now and then answered as if it did not exist",
        mitigation: "Set --max-active-namespaces above the number of namespaces; repeat on 404",
        how: "With --max-active-namespaces 2, reads eight namespaces side by side until one is \
              answered 404, for 5 s at most",
        engines: Engines::Both,
        check: |context| active::reachable(context).boxed_local(),
    },
    Probe {
        id: "transaction-survives-other-namespaces",
        claim: "An open transaction is not ended by requests to other namespaces",
        source: "PR libsql#1770, --max-active-namespaces",
        area: Area::Lifecycle,
        why: "A transaction is lost because other tenants were busy",
        mitigation: "Set --max-active-namespaces above the number of namespaces",
        how: "With --max-active-namespaces 2, opens a transaction with an INSERT, reads four other \
              namespaces, commits and looks for the row, until one is lost; 6 s at most on each of \
              four servers",
        engines: Engines::Both,
        check: |context| active::transaction(context).boxed_local(),
    },
    Probe {
        id: "connections-shared-by-namespaces",
        claim: "A namespace is served however many streams another one has open",
        source: "sqld --help, --max-concurrent-connections; assumption (new)",
        area: Area::Security,
        why: "One tenant with a token for reading locks all others out, for 8 s at a time",
        mitigation: "Cap the streams of each namespace in front of the server, as `demo gate serve` \
                     does",
        how: "A token for reading leaves 128 pipelines open; SELECT 1 in another namespace",
        engines: Engines::Both,
        check: |context| connections::shared(context).boxed_local(),
    },
    Probe {
        id: "log-grows-with-rewrites",
        claim: "The files of a namespace are about as large as its data",
        source: "sqld --help, --max-log-size",
        area: Area::Operations,
        why: "Each namespace may take 200 MB for its log alone, however small it is",
        mitigation: "Set --max-log-size, and plan disk for as many logs as there are namespaces",
        how: "Rewrites one value of 1 MB 20 times and looks at the size of the namespace's wallog",
        engines: Engines::Both,
        check: |context| settings::log_grows(context).boxed_local(),
    },
    Probe {
        id: "max-log-size-bounds-the-log",
        claim: "--max-log-size bounds what the log of a namespace takes",
        source: "sqld --help, --max-log-size",
        area: Area::Operations,
        why: "It is the only bound on the disk that a busy small database takes",
        mitigation: "none known",
        how: "As log-grows-with-rewrites with --max-log-size 2, snapshots included, and waits up to \
              4 s for the compaction",
        engines: Engines::Both,
        check: |context| settings::log_bounded(context).boxed_local(),
    },
    Probe {
        id: "transaction-timeout-steals-lock",
        claim: "A write transaction that stays open loses its lock after txn_timeout_s",
        source: "assumption; the Admin API's configuration",
        area: Area::Lifecycle,
        why: "A slow client's transaction is rolled back when another wants to write",
        mitigation: "Keep write transactions short, repeat them on TRANSACTION_TIMEOUT",
        how: "With txn_timeout_s 1, opens a write transaction, writes from another connection and \
              commits the first",
        engines: Engines::Both,
        check: |context| settings::steals(context).boxed_local(),
    },
    Probe {
        id: "transaction-timeout-default",
        claim: "Without txn_timeout_s a write transaction may stay open for ever",
        source: "assumption; the Admin API's configuration",
        area: Area::Lifecycle,
        why: "Every write of others waits that long behind one client that has gone away",
        mitigation: "Set txn_timeout_s to what the longest transaction needs",
        how: "Opens a write transaction in a namespace without the setting and measures how long \
              another writer waits",
        engines: Engines::Both,
        check: |context| settings::default_timeout(context).boxed_local(),
    },
    Probe {
        id: "transaction-timeout-change-is-live",
        claim: "A new txn_timeout_s holds as soon as the Admin API has taken it",
        source: "assumption; the Admin API's configuration",
        area: Area::Operations,
        why: "The configuration shows a value that does not hold",
        mitigation: "Set txn_timeout_s when the namespace is made, or restart after a change",
        how: "Makes a namespace with txn_timeout_s 1, uses it, sets 3, opens a write transaction \
              and measures how long another writer waits",
        engines: Engines::Both,
        check: |context| settings::change_of_timeout(context).boxed_local(),
    },
    Probe {
        id: "durability-modes",
        claim: "durability_mode sets PRAGMA synchronous",
        source: "assumption; the Admin API's configuration",
        area: Area::Lifecycle,
        why: "Whoever wants commits to survive a power failure must know which word means it",
        mitigation: "Use extra or strong; `full`, SQLite's own word, is refused",
        how: "Makes a namespace with each mode and reads PRAGMA synchronous",
        engines: Engines::Both,
        check: |context| settings::durability_modes(context).boxed_local(),
    },
    Probe {
        id: "durability-default",
        claim: "A commit that was answered survives a power failure",
        source: "assumption; SQLite's own default is FULL",
        area: Area::Lifecycle,
        why: "With PRAGMA synchronous = NORMAL the last commits can be lost with the power",
        mitigation: "Set durability_mode to strong or extra for what must not be lost",
        how: "Makes a namespace without a mode and reads PRAGMA synchronous",
        engines: Engines::Both,
        check: |context| settings::durability_default(context).boxed_local(),
    },
    Probe {
        id: "durability-change-is-live",
        claim: "A new durability_mode holds as soon as the Admin API has taken it",
        source: "assumption; the Admin API's configuration",
        area: Area::Operations,
        why: "Some changes of the configuration hold at once, others only after a restart",
        mitigation: "none known",
        how: "Reads PRAGMA synchronous, sets durability_mode to extra, and reads it on a new \
              connection",
        engines: Engines::Both,
        check: |context| settings::change_of_durability(context).boxed_local(),
    },
];
