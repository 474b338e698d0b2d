//! One ephemeral stack: how its servers are reached, stopped and started.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;

use crate::engine::sidecars::Sidecars;
use crate::engine::start::until_ready;
use crate::engine::{Engine, Stop, last_words};
use crate::plan::{self, Interface, ServicePlan, StackPlan};
use demo_base::error::Result;
use demo_sqld::claims::Grant;
use demo_sqld::keys::SigningKey;
use demo_sqld::namespace::NamespaceName;
use demo_sqld::token;
use demo_sqld_client::admin::Admin;
use demo_sqld_client::hrana::Hrana;

/// Longer than any run takes.
const TOKEN_LIFE: Duration = Duration::from_secs(3600);

/// One stack of one run.
pub struct EphemeralStack {
    pub plan: StackPlan,
    pub engine: Box<dyn Engine>,
    pub http: reqwest::Client,
    /// `demo` processes that use the stack and are stopped before it.
    pub sidecars: Sidecars,
    pub(super) key: SigningKey,
    pub(super) folder: PathBuf,
    /// Locked as long as the stack has an owner.
    pub(super) owned: File,
}

impl EphemeralStack {
    pub(super) async fn stop_all(&self) -> Result<()> {
        self.sidecars.stop_all().await?;
        for service in self.plan.services.iter().rev() {
            self.engine.stop(&service.name, Stop::Kill).await?;
        }
        self.engine.remove(&self.plan.project).await
    }

    /// The folder with the stack's files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The service called `name`.
    ///
    /// # Errors
    /// [`plan::Error::NoService`].
    pub fn service(&self, name: &str) -> Result<&ServicePlan, plan::Error> {
        self.plan.service(name)
    }

    /// The address of an interface of a service on the host.
    ///
    /// # Errors
    /// [`plan::Error::NoService`]; [`plan::Error::Unpublished`] when the compose files do not publish
    /// the interface.
    pub fn address(&self, service: &str, interface: Interface) -> Result<SocketAddr, plan::Error> {
        let unpublished = || plan::Error::Unpublished { service: service.to_owned(), interface };
        self.service(service)?.endpoint(interface).ok_or_else(unpublished)
    }

    /// A token that the stack's servers accept.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn token(&self, grant: &Grant) -> Result<SecretString> {
        self.token_at(grant, Timestamp::now())
    }

    /// A token as if it had been signed at another time.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn token_at(&self, grant: &Grant, now: Timestamp) -> Result<SecretString> {
        Ok(token::mint(&self.key, &grant.claims(now))?)
    }

    /// A token with exactly these claims.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn token_with(&self, claims: &serde_json::Value) -> Result<SecretString> {
        Ok(token::mint(&self.key, claims)?)
    }

    /// A token with full access: `{"a":"rw"}`.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn full_token(&self) -> Result<SecretString> {
        self.token(&Grant::full(TOKEN_LIFE))
    }

    /// A client for the HTTP interface of a service, with a full-access token.
    ///
    /// # Errors
    /// As [`EphemeralStack::address`].
    pub fn hrana(&self, service: &str, namespace: Option<&NamespaceName>) -> Result<Hrana> {
        let address = self.address(service, Interface::Http)?;
        let hrana = Hrana::new(self.http.clone(), address);
        Ok(hrana.namespace(namespace).token(&self.full_token()?))
    }

    /// A client for the Admin API of the primary.
    ///
    /// # Errors
    /// As [`EphemeralStack::address`].
    pub fn admin(&self) -> Result<Admin> {
        let key = self.plan.admin_key().map(|key| SecretString::from(key.to_owned()));
        let address = self.address("primary", Interface::Admin)?;
        Ok(Admin::new(self.http.clone(), address, key.as_ref()))
    }

    /// The last log lines of every service and sidecar.
    pub async fn last_words(&self) -> String {
        let mut all = Vec::new();
        for service in &self.plan.services {
            all.push(last_words(self.engine.as_ref(), &service.name).await);
        }
        all.extend(self.sidecars.last_words().await);
        all.join("\n")
    }

    /// Restarts a service and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn restart(&self, service: &str, how: Stop) -> Result<()> {
        self.engine.stop(service, how).await?;
        self.resume(service).await
    }

    /// Starts a stopped service and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn resume(&self, service: &str) -> Result<()> {
        let planned = self.service(service)?;
        self.engine.start(&self.plan, planned).await?;
        Ok(until_ready(self.engine.as_ref(), planned, &self.http).await?)
    }

    /// A client for the HTTP interface of a service, without a token.
    ///
    /// # Errors
    /// As [`EphemeralStack::address`].
    pub fn anonymous(
        &self,
        service: &str,
        namespace: Option<&NamespaceName>,
    ) -> Result<Hrana, plan::Error> {
        let address = self.address(service, Interface::Http)?;
        Ok(Hrana::new(self.http.clone(), address).namespace(namespace))
    }
}
