//! Creates the tables of a new namespace from an SQL file, exactly once.
//!
//! The whole file runs in one transaction on the primary, sent as the script of
//! [`demo_sqld_client::schema`], so that a namespace that `demo tenant create` has made
//! does not change. After `BEGIN IMMEDIATE`, which admits one writer at a time, the script
//! creates a marker table. If that exists already, the script fails and ends there, so
//! that of two racing mints only the first one creates the tables. If a mint is killed
//! before it has sent the script, nothing happens; if it is killed later, the server
//! applies all or nothing. A changed file is not applied again (this is not a migration
//! tool).

use jiff::Timestamp;

use super::keyring::Keyring;
use super::refusal::Refusal;
use crate::Error;
use demo_base::error::Result;
use demo_sqld::claims::Grant;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::hrana::Hrana;
use demo_sqld_client::schema;

/// How long the mint's own token for a new namespace is valid.
const LIFETIME: std::time::Duration = std::time::Duration::from_secs(60);

/// A schema, and the server to apply it on.
pub struct Schema {
    script: String,
    server: Hrana,
}

impl Schema {
    /// A schema from `text`; `place` is where it comes from.
    ///
    /// # Errors
    /// As [`schema::Schema::parse`]; [`Error::Schema`] when it does not run on an empty database.
    pub async fn new(text: String, place: &str, server: Hrana) -> Result<Self> {
        let schema = schema::Schema::parse(text, place)?;
        let place = || place.to_owned();
        try_out(schema.text()).await.map_err(|source| Error::Schema { place: place(), source })?;
        Ok(Self { script: schema.script(), server })
    }

    /// Applies the schema to `namespace`, unless that was done before. Returns whether
    /// it was applied now.
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
            tracing::warn!(%namespace, %error, "the primary does not answer");
            Refusal::ServerAway
        })?;
        if reply.is_done() {
            return Ok(true);
        }
        match reply.sql_error() {
            Some((_, message)) if schema::was_applied(message) => Ok(false),
            // Another writer held the lock for longer than the server waits.
            Some((code, _)) if code.contains("BUSY") => Err(Refusal::ServerAway),
            _ => {
                let saw = reply.describe();
                tracing::warn!(%namespace, saw, "cannot apply the schema");
                Err(Refusal::Schema)
            }
        }
    }
}

/// Runs `text` on an empty database in memory.
async fn try_out(text: &str) -> libsql::Result<()> {
    let database = libsql::Builder::new_local(":memory:").build().await?;
    database.connect()?.execute_batch(text).await.map(|_results| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_schema_is_tried_before_it_is_used() {
        let trigger = "CREATE TABLE a (b); CREATE TRIGGER t AFTER INSERT ON a BEGIN \
                       UPDATE a SET b = 1; END; -- end";
        assert!(try_out(trigger).await.is_ok());
        for text in ["CREATE INDEX i ON nothing (b)", "CREATE TABLE a (b); CREATE TABLE a (b)"] {
            assert!(try_out(text).await.is_err(), "{text}");
        }
    }
}
