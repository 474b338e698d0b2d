//! The tables that every new namespace gets, from an SQL file, exactly once.
//!
//! The whole file is one transaction on the primary, sent as the one script of
//! [`demo_sqld_client::schema`], so that a namespace that `demo
//! tenant create` has made is left as it is. After `BEGIN IMMEDIATE`, which lets
//! one writer in at a time, it makes a table of ours. Where that is already, it
//! fails there, and a script ends at its first failure: of two mints that race,
//! the second one's tables are never made. A mint that is killed before the script
//! was sent leaves nothing; one that is killed later leaves what the server makes
//! of it, all or nothing. A changed file is not applied again (it is no tool for
//! migrations).

use jiff::Timestamp;

use super::keyring::Keyring;
use super::refusal::Refusal;
use demo_base::error::{Fault, Result};
use demo_sqld::claims::Grant;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::hrana::Hrana;
use demo_sqld_client::schema::{self, MARKER};

/// For how long the mint's own token for a new namespace is good.
const LIFETIME: std::time::Duration = std::time::Duration::from_secs(60);

/// A schema, and the server that it is for.
pub struct Schema {
    script: String,
    server: Hrana,
}

impl Schema {
    /// `text` in a transaction of its own; `place` is where it comes from.
    ///
    /// # Errors
    /// Exit 2 when the text does not run on an empty database, or ends the
    /// transaction that it runs in.
    pub async fn new(text: &str, place: &str, server: Hrana) -> Result<Self> {
        try_out(text).await.map_err(|reason| {
            Fault::input(format!("{place} is no schema: {reason}"))
                .hint("it must be statements that make tables, without BEGIN and COMMIT")
        })?;
        Ok(Self { script: schema::script(text), server })
    }

    /// Applies it to `namespace`, unless that was done before. Returns whether
    /// it was done now.
    ///
    /// # Errors
    /// `ServerAway`, or `Schema` with the reason in the log.
    pub async fn apply(&self, namespace: &NamespaceName, keys: &Keyring) -> Result<bool, Refusal> {
        let grant = Grant { namespaces: vec![namespace.clone()], ..Grant::full(LIFETIME) };
        let token = keys
            .with_signer(|signer| signer.sign(&grant.claims(Timestamp::now())))
            .map_err(|_| Refusal::Internal)?;
        let server = self.server.clone().selecting(namespace).token(&token);
        let reply = server.script(&self.script).await.map_err(|error| {
            tracing::warn!(%namespace, %error, "the primary is away");
            Refusal::ServerAway
        })?;
        if reply.is_done() {
            return Ok(true);
        }
        match reply.sql_error() {
            Some((_, message)) if schema::was_applied(message) => Ok(false),
            // Another writer was in for longer than the server waits.
            Some((code, _)) if code.contains("BUSY") => Err(Refusal::ServerAway),
            _ => {
                let saw = reply.describe();
                tracing::warn!(%namespace, saw, "the schema could not be applied");
                Err(Refusal::Schema)
            }
        }
    }
}

/// Runs `text` on an empty database in memory, inside a transaction that must
/// still be the same afterwards.
async fn try_out(text: &str) -> Result<(), String> {
    let words = |error: libsql::Error| error.to_string();
    let database = libsql::Builder::new_local(":memory:").build().await.map_err(words)?;
    let connection = database.connect().map_err(words)?;
    connection.execute("BEGIN", ()).await.map_err(words)?;
    connection.execute(&format!("CREATE TABLE {MARKER} (id)"), ()).await.map_err(words)?;
    connection.execute_batch(text).await.map_err(words)?;
    let ended = "it ends the transaction that it runs in";
    connection.execute("ROLLBACK", ()).await.map_err(|_| ended.to_owned())?;
    let query = format!("SELECT 1 FROM sqlite_schema WHERE name = '{MARKER}'");
    let mut rows = connection.query(&query, ()).await.map_err(words)?;
    match rows.next().await.map_err(words)? {
        None => Ok(()),
        Some(_) => Err(ended.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_schema_is_tried_before_it_is_used() {
        for text in ["", "CREATE TABLE a (b);", "CREATE TABLE a (b); -- end", "/* nothing */"] {
            assert_eq!(try_out(text).await, Ok(()), "{text}");
        }
        let trigger = "CREATE TABLE a (b); CREATE TRIGGER t AFTER INSERT ON a BEGIN \
                       UPDATE a SET b = 1; END;";
        assert_eq!(try_out(trigger).await, Ok(()));
        for text in
            ["CREATE TABLE", "nonsense", "COMMIT", "CREATE TABLE a (b); COMMIT; BEGIN;", "BEGIN"]
        {
            assert!(try_out(text).await.is_err(), "{text}");
        }
    }
}
