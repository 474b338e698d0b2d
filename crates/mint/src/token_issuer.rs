//! Turns a login into a database token.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use moka::future::Cache;
use secrecy::ExposeSecret;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::config::{Config, TokenConfig};
use super::keyring::Keyring;
use super::login::{Logins, jwt};
use super::mapping::Extras;
use super::namespaces::Namespaces;
use super::refusal::Refusal;
use crate::Error;
use demo_base::hex;
use demo_service::limits::Limiter;
use demo_sqld::claims::Grant;
use demo_sqld::namespace::NamespaceName;

/// How many verified logins are cached; each takes about 500 bytes.
const REMEMBERED: u64 = 20_000;
/// Bytes of a `jti`, enough that no two are ever the same.
const ID_BYTES: usize = 16;

/// Verifies logins and issues tokens.
pub struct TokenIssuer {
    logins: Logins,
    /// The key is the SHA-256 of the login; logins themselves are not stored.
    judged: Cache<[u8; 32], Arc<Judged>>,
    token: TokenConfig,
    keys: Arc<Keyring>,
    namespaces: Namespaces,
    users: Limiter<NamespaceName>,
    addresses: Limiter<IpAddr>,
}

/// What a valid login grants.
struct Judged {
    subject: String,
    namespace: NamespaceName,
    extras: Extras,
    expires: i64,
    /// The generation of the issuer's keys that verified it.
    generation: u64,
}

/// The answer to a client.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Issued {
    db_token: String,
    db_url: String,
    namespace: NamespaceName,
    expires_at: Timestamp,
}

impl TokenIssuer {
    pub fn new(config: Config, logins: Logins, keys: Arc<Keyring>, namespaces: Namespaces) -> Self {
        let judged =
            Cache::builder().max_capacity(REMEMBERED).time_to_live(logins.remembered()).build();
        let limits = &config.limits;
        let users = Limiter::per_minute(limits.per_user_per_minute, limits.per_user_per_minute);
        let addresses =
            Limiter::per_minute(limits.per_address_per_minute, limits.per_address_per_minute);
        Self { logins, judged, token: config.token, keys, namespaces, users, addresses }
    }

    /// Counts one request from `address`.
    ///
    /// # Errors
    /// `TooMany`.
    pub fn admit(&self, address: IpAddr) -> Result<(), Refusal> {
        self.addresses.admit(&network(address)).map_err(Refusal::TooMany)
    }

    /// Issues a token for the user of `login`.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn issue(&self, login: &str) -> Result<Issued, Refusal> {
        let judged = self.judge(login).await?;
        self.users.admit(&judged.namespace).map_err(Refusal::TooMany)?;
        self.namespaces.ensure(&judged.namespace).await?;
        self.mint(&judged)
    }

    /// Checks whether the issuer provides usable keys.
    ///
    /// # Errors
    /// See [`Logins::check`].
    pub async fn check(&self) -> Result<(), Error> {
        self.logins.check().await
    }

    /// The background work beside the requests; never returns.
    pub async fn keep_fresh(&self) {
        tokio::join!(self.logins.keep_fresh(), self.keys.watch());
    }

    async fn judge(&self, login: &str) -> Result<Arc<Judged>, Refusal> {
        let digest: [u8; 32] = Sha256::digest(login.as_bytes()).into();
        if let Some(judged) = self.judged.get(&digest).await {
            if judged.generation == self.logins.generation() {
                let now = Timestamp::now().as_second();
                let over = jwt::has_passed(judged.expires, now);
                return if over { Err(Refusal::Expired) } else { Ok(judged) };
            }
            self.judged.invalidate(&digest).await;
        }
        // A hundred simultaneous requests with one login ask the issuer once.
        let judged = self.judged.try_get_with(digest, self.judge_anew(login)).await;
        judged.map_err(|refusal| *refusal)
    }

    async fn judge_anew(&self, login: &str) -> Result<Arc<Judged>, Refusal> {
        // Read before verifying: if the keys change meanwhile, the result is out of date.
        let generation = self.logins.generation();
        let login = self.logins.judge(login).await?;
        let namespace = self.token.namespace_of(&login.subject).ok_or(Refusal::Subject)?;
        let extras = self.token.claims.of(&login.claims).ok_or(Refusal::Claim)?;
        let (subject, expires) = (login.subject, login.expires);
        Ok(Arc::new(Judged { subject, namespace, extras, expires, generation }))
    }

    fn mint(&self, judged: &Judged) -> Result<Issued, Refusal> {
        let mut namespaces = vec![judged.namespace.clone()];
        namespaces.extend_from_slice(&judged.extras.namespaces);
        let grant = Grant {
            access: judged.extras.access,
            namespaces,
            read_namespaces: judged.extras.read_namespaces.clone(),
            subject: Some(judged.subject.clone()),
            ..Grant::full(self.token.lifetime.0)
        };
        let mut claims = grant.claims(Timestamp::now());
        let mut id = [0u8; ID_BYTES];
        demo_base::random::fill(&mut id).map_err(|_| Refusal::Internal)?;
        let id = hex::encode(&id);
        if let Some(issuer) = &self.token.issuer {
            claims.iss = Some(issuer.clone());
        }
        claims.jti = Some(id.clone());
        let signed = self.keys.with_signer(|signer| signer.sign(&claims));
        let token = signed.map_err(|_| Refusal::Internal)?;
        let end = claims.exp.and_then(|end| Timestamp::from_second(end).ok());
        tracing::info!(namespace = %judged.namespace, jti = id, "minted");
        Ok(Issued {
            db_token: token.expose_secret().to_owned(),
            db_url: self.token.database_url.of(&judged.namespace),
            namespace: judged.namespace.clone(),
            expires_at: end.ok_or(Refusal::Internal)?,
        })
    }
}

/// What counts as one client: an IPv4 address, or an IPv6 network of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_counts_as_one_address() {
        let same = |a: &str, b: &str| network(a.parse().unwrap()) == network(b.parse().unwrap());
        assert!(same("2001:db8::1", "2001:db8::ffff:1"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(same("::ffff:10.0.0.1", "10.0.0.1"));
        assert!(!same("10.0.0.1", "10.0.0.2"));
    }
}
