//! After a crash, a loss or a restore.

use futures::FutureExt;

use self::fixtures::ON_FILES;
use crate::{Area, Probe};

mod files;
pub(super) mod fixtures;
mod metastore;

pub(super) const PROBES: &[Probe] = &[
    Probe {
        id: "empty-stats-file",
        claim: "A crash while the statistics are written does not take a namespace off the air",
        source: "issue libsql#2254, PR libsql#2255",
        area: Area::Lifecycle,
        why: "A full disk or a power failure leaves stats.json empty, and the database is down",
        mitigation: "Remove dbs/NAMESPACE/stats.json; no restart is needed",
        how: "Stops the primary, empties a namespace's stats.json, starts it, queries, removes the \
              file and queries again",
        engines: ON_FILES,
        check: |context| files::empty_stats(context).boxed_local(),
    },
    Probe {
        id: "health-with-broken-namespace",
        claim: "/health tells that a namespace cannot be opened",
        source: "docs/http_api.md, /health",
        area: Area::Operations,
        why: "A tenant is off the air while every monitor shows green",
        mitigation: "Monitor with a SELECT in each namespace that matters",
        how: "Empties a namespace's stats.json while the server is stopped, starts it, queries \
              the namespace, and asks /health",
        engines: ON_FILES,
        check: |context| files::health_of_broken(context).boxed_local(),
    },
    Probe {
        id: "empty-stats-file-without-namespaces",
        claim: "A crash while the statistics are written does not keep the server from starting",
        source: "issue libsql#2254, PR libsql#2255",
        area: Area::Lifecycle,
        why: "A server in a restart loop whose only fault is a file of statistics",
        mitigation: "Remove dbs/default/stats.json before the start",
        how: "Stops a server without namespaces, empties stats.json, starts it, and once more \
              without the file",
        engines: ON_FILES,
        check: |context| files::empty_stats_single(context).boxed_local(),
    },
    Probe {
        id: "restore-by-copy-reaches-replicas",
        claim: "After a restore by copying the database file, replicas serve what the primary does",
        source: "issues libsql#1959, libsql#2172 and libsql#2198; no document",
        area: Area::Replication,
        why: "After a restore, replicas go on to serve the very data that was to be replaced",
        mitigation: "Make the file dbs/NAMESPACE/.sentinel, or remove wallog, before the start",
        how: "Stops the primary, replaces a namespace's data file, starts it and polls a replica \
              that has never seen the namespace, for 5 s or until it serves the old row",
        engines: ON_FILES,
        check: |context| files::restored(context, false).boxed_local(),
    },
    Probe {
        id: "restore-with-sentinel-reaches-replicas",
        claim: "A .sentinel file beside a restored database makes replicas follow it",
        source: "assumption, read in the source",
        area: Area::Replication,
        why: "It is the way to restore a single database without touching the replicas",
        mitigation: "none known",
        how: "As restore-by-copy-reaches-replicas, with an empty .sentinel made before the start, and 2 s",
        engines: ON_FILES,
        check: |context| files::restored(context, true).boxed_local(),
    },
    Probe {
        id: "import-page-size-4096",
        claim: "An SQLite file with pages of 4096 bytes can be put in the place of a database",
        source: "issue libsql#1959; no document",
        area: Area::Lifecycle,
        why: "It is the only way to bring a large existing database in",
        mitigation: "none known",
        how: "Puts an empty SQLite file with pages of that size at dbs/default/data, starts the \
              server, reads and writes",
        engines: ON_FILES,
        check: |context| files::imported(context, 4096).boxed_local(),
    },
    Probe {
        id: "import-page-size-1024",
        claim: "An SQLite file with pages of 1024 bytes can be put in the place of a database",
        source: "issue libsql#1959; no document",
        area: Area::Lifecycle,
        why: "Files of old programs have small pages",
        mitigation: "PRAGMA page_size = 4096 and VACUUM before the import",
        how: "As import-page-size-4096",
        engines: ON_FILES,
        check: |context| files::imported(context, 1024).boxed_local(),
    },
    Probe {
        id: "import-page-size-8192",
        claim: "An SQLite file with pages of 8192 bytes can be put in the place of a database",
        source: "issue libsql#1959; no document",
        area: Area::Lifecycle,
        why: "The server comes up and answers reads, so the import seems to have worked",
        mitigation: "PRAGMA page_size = 4096 and VACUUM before the import",
        how: "As import-page-size-4096",
        engines: ON_FILES,
        check: |context| files::imported(context, 8192).boxed_local(),
    },
    Probe {
        id: "metastore-lost",
        claim: "Namespaces outlive the loss of the metastore, with the rights that they had",
        source: "sqld --help, --allow-metastore-recovery",
        area: Area::Security,
        why: "A restore of dbs/ alone loses every namespace, and bringing one back opens it to the \
              server's own key",
        mitigation: "Back up metastore/ together with dbs/, and set jwt_key again after a recovery",
        how: "Gives a namespace a key of its own, stops the primary, removes metastore/, starts it, \
              queries, creates the namespace again and queries with a token of the server's key",
        engines: ON_FILES,
        check: |context| metastore::lost(context).boxed_local(),
    },
    Probe {
        id: "metastore-recovery-drops-keys",
        claim: "--allow-metastore-recovery recovers the configuration of namespaces",
        source: "sqld --help, --allow-metastore-recovery",
        area: Area::Security,
        why: "A recovery silently replaces a tenant's own key by the server's",
        mitigation: "Back up metastore/, and set jwt_key again after a recovery",
        how: "Gives a namespace a key of its own, stops the primary, removes metastore/, starts it \
              with the flag and queries with a token of the server's key",
        engines: ON_FILES,
        check: |context| metastore::recovered(context).boxed_local(),
    },
    Probe {
        id: "metastore-corrupt",
        claim: "A server whose metastore is damaged says so",
        source: "assumption",
        area: Area::Lifecycle,
        why: "One damaged file keeps every namespace off the air",
        mitigation: "Restore metastore/ from a backup",
        how: "Stops the primary, fills metastore/data with garbage and starts it",
        engines: ON_FILES,
        check: |context| metastore::corrupt(context).boxed_local(),
    },
    Probe {
        id: "metastore-destroy-on-error",
        claim: "--meta-store-destroy-on-error brings a server with a damaged metastore back up",
        source: "sqld --help, --meta-store-destroy-on-error",
        area: Area::Lifecycle,
        why: "The flag that looks like a remedy decides over the registry of all namespaces",
        mitigation: "Restore metastore/ from a backup instead",
        how: "As metastore-corrupt, with the flag; then queries the namespace that there was",
        engines: ON_FILES,
        check: |context| metastore::destroyed(context).boxed_local(),
    },
    Probe {
        id: "encryption-leaves-sql-in-clear",
        claim: "With --encryption-key no value that was written is readable in the data folder",
        source: "sqld --help, --encryption-key",
        area: Area::Security,
        why: "Literals of the most costly statements are kept in clear beside the encrypted file",
        mitigation: "Bind values as arguments, and encrypt the disk",
        how: "Writes one marker as a literal and one as an argument under a key, waits up to 7 s \
              for the statistics, stops the primary, and searches every file of the data folder",
        engines: crate::Engines::Both,
        check: |context| files::encrypted(context).boxed_local(),
    },
    Probe {
        id: "encrypted-data-without-key",
        claim: "A server that is started on encrypted data without the key serves nothing",
        source: "sqld --help, --encryption-key",
        area: Area::Lifecycle,
        why: "A key that is lost in a deployment must not lead to a fresh, empty database",
        mitigation: "Keep the key apart from the data, and try a start with it from a backup",
        how: "Starts a primary with a key, writes, stops it, starts it without the key and \
              queries; once with namespaces and once without",
        engines: crate::Engines::Both,
        check: |context| files::without_key(context).boxed_local(),
    },
];
