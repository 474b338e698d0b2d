//! The `libsql` crate through the gate: remote, and as an embedded replica.

use std::time::{Duration, Instant};

use demo_sqld_client::connector::Connector;
use demo_sqld_client::endpoint::Endpoint;
use libsql::{Builder, Database};

use super::Front;

async fn rows(database: &Database) -> libsql::Result<Vec<String>> {
    let mut rows = database.connect()?.query("SELECT x FROM t ORDER BY rowid", ()).await?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().await? {
        found.push(row.get::<String>(0)?);
    }
    Ok(found)
}

#[test]
fn an_embedded_replica_copies_its_own_namespace_and_no_other() {
    let front = Front::new();
    let url = format!("http://{}", front.address);
    let connector = || Connector::new(&Endpoint::parse(&url, None).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let token = front.rw("alpha");
    let replica = async |file: &str, name: &str, token: &str| {
        let builder =
            Builder::new_remote_replica(folder.path().join(file), url.clone(), token.to_owned());
        builder.connector(connector()).namespace(name).build().await.unwrap()
    };
    front.runtime.block_on(async {
        let own = replica("own", "alpha", &token).await;
        own.sync().await.unwrap();
        assert_eq!(rows(&own).await.unwrap(), ["alpha-row"]);
        own.connect().unwrap().execute("INSERT INTO t VALUES ('delegated')", ()).await.unwrap();
        own.sync().await.unwrap();
        assert_eq!(rows(&own).await.unwrap(), ["alpha-row", "delegated"]);

        let started = Instant::now();
        let other = replica("other", "beta", &token).await;
        // The crate asks three times, a second apart, whatever the status is.
        other.sync().await.unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
        assert!(rows(&other).await.is_err(), "it has rows of beta");

        // A reader copies, and its write is refused.
        let reader = replica("reader", "alpha", &front.ro("alpha")).await;
        reader.sync().await.unwrap();
        assert_eq!(rows(&reader).await.unwrap().len(), 2);
        let refused = reader.connect().unwrap().execute("INSERT INTO t VALUES ('no')", ()).await;
        assert!(refused.unwrap_err().to_string().contains("Write permission"));

        // The server ignores what the crate's remote client sends; the gate does not.
        let builder = Builder::new_remote(url.clone(), token.clone());
        let remote = builder.connector(connector()).namespace("alpha").build().await.unwrap();
        assert_eq!(rows(&remote).await.unwrap(), ["alpha-row", "delegated"]);
        let builder = Builder::new_remote(url.clone(), token.clone());
        let remote = builder.connector(connector()).namespace("beta").build().await.unwrap();
        let error = rows(&remote).await.unwrap_err().to_string();
        assert!(error.contains("does not cover the namespace"), "{error}");
    });
}
