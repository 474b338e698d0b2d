//! Finds the caller of a request by its bearer token.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::answer::Refusal;
use super::{App, Service};
use crate::name::Username;
use crate::password::{Busy, Checked, Password};
use crate::throttle::{Attempt, Slowed};
use crate::tokens::{Presented, TokenRecord, now};
use demo_service::bearer;
use demo_service::server::Peer;

/// The holder of a valid token.
pub struct Caller {
    pub user: Username,
    pub token: TokenRecord,
    pub address: IpAddr,
}

impl Caller {
    /// Checks that the token is not read-only.
    ///
    /// # Errors
    /// 403.
    pub fn may_write(&self) -> Result<(), Refusal> {
        if self.token.readonly {
            return Err(Refusal::forbidden("read-only", "this token is read-only"));
        }
        Ok(())
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let address = Address::from_request_parts(parts, app).await?.0;
        let token = bearer::token(&parts.headers, &AUTHORIZATION).ok().flatten();
        let token = token.ok_or_else(|| Refusal::no_login("log in first: `npm login`"))?;
        let unknown = || Refusal::no_login("this token is not valid; log in again");
        let token = Presented::parse(token).ok_or_else(unknown)?;
        app.throttle.token(address).map_err(Refusal::too_often)?;
        let found = app.store.look_up(&token).await?;
        let found = found.filter(|record| now() < app.tokens.end_of(record));
        let Some(record) = found else {
            app.throttle.unknown_token(address);
            return Err(unknown());
        };
        if !record.admits_address(address) {
            return Err(Refusal::wrong_address());
        }
        let user = record.user.parse().map_err(|_| unknown())?;
        app.throttle.remember(&user, address);
        Ok(Self { user, token: record, address })
    }
}

/// The client address of a request; see [`demo_service::peer`].
pub struct Address(pub IpAddr);

impl FromRequestParts<App> for Address {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let peer = Peer::from_request_parts(parts, app).await;
        let peer = peer.map_err(|error| anyhow::anyhow!("no address of the peer: {error}"))?;
        Ok(Self(app.proxies.client(peer.0.ip(), &parts.headers)))
    }
}

impl Service {
    /// The hash of the user, if the password is right; slowed down after failures.
    ///
    /// # Errors
    /// 401, 429, 503.
    pub async fn check_password(
        &self,
        user: &Username,
        password: &Password,
        address: IpAddr,
    ) -> Result<String, Refusal> {
        let attempt = self.throttle.attempt(user, address).await;
        let attempt = attempt.map_err(|slowed| self.slowed(slowed))?;
        let hash = self.store.hash_of(user).await?;
        self.verify(attempt, address, password, hash).await
    }

    /// The same for an attempt that has begun. An unknown name (`None`) gets the
    /// answer of a wrong password, after the same work, and counts as one.
    ///
    /// # Errors
    /// 401, 429, 503.
    pub async fn verify(
        &self,
        attempt: Attempt<'_>,
        address: IpAddr,
        password: &Password,
        hash: Option<String>,
    ) -> Result<String, Refusal> {
        match (self.hasher.verify(address, password, hash.as_deref()).await?, hash) {
            (Checked::Right, Some(hash)) => {
                attempt.succeeded();
                Ok(hash)
            }
            (Checked::Crowded, _) => {
                attempt.failed();
                self.counters.slowed.inc();
                Err(Refusal::crowded())
            }
            _ => Err(self.failed(attempt)),
        }
    }

    /// Counts a wrong password.
    pub fn failed(&self, attempt: Attempt<'_>) -> Refusal {
        attempt.failed();
        self.counters.failed_logins.inc();
        Refusal::wrong_password()
    }

    pub fn slowed(&self, slowed: Slowed) -> Refusal {
        match slowed {
            Slowed::Failures(wait) => {
                self.counters.slowed.inc();
                Refusal::too_often(wait)
            }
            Slowed::Queue => Busy.into(),
        }
    }
}
