//! The configuration file, `mint.yaml`. The types of the values check their form.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::mapping::ClaimMapping;
use super::template::{DatabaseUrl, NamespaceTemplate};
use super::values::{IssuerUrl, Lifetime, ReservedName, Secret, ServerUrl, SharedSecret};
use crate::Error;
use demo_base::error::Result;
use demo_config::file as config_file;
use demo_config::values::Origin;
use demo_service::connections::{ConnectionLimits, IdleTime};
use demo_service::listen::Listen;
use demo_service::peer::TrustedProxies;
use demo_service::tls;
use demo_sqld::namespace::NamespaceName;

/// The default port, which the example uses, too.
const PORT: u16 = 18091;

/// The configuration of the mint.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// Address of a separate listener with `/metrics` and `/healthz`; none if not set.
    /// In this file, `admin` is the server's Admin API.
    pub admin_listen: Option<SocketAddr>,
    /// Whether an address that is not loopback may be used without TLS.
    #[serde(default)]
    pub plaintext: bool,
    /// The mint's certificate and key; read again when they change.
    pub tls: Option<tls::Files>,
    /// Origins whose pages may ask for tokens.
    #[serde(default)]
    pub origins: Vec<Origin>,
    pub login: LoginConfig,
    pub token: TokenConfig,
    pub keys: KeysConfig,
    pub admin: AdminConfig,
    #[serde(default)]
    pub limits: LimitsConfig,
}

/// Which logins are valid, and how to verify them. With none of the three sources, the
/// issuer's `OpenID` configuration names the address of its keys.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoginConfig {
    /// The exact value of the claim `iss`.
    pub issuer: String,
    /// The value of the claim `aud`, or one of its values.
    pub audience: String,
    /// The value of the claim `role`; not checked if not set.
    pub role: Option<String>,
    pub jwks: Option<IssuerUrl>,
    pub secret: Option<SharedSecret>,
    pub user_endpoint: Option<UserEndpointConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserEndpointConfig {
    pub url: IssuerUrl,
    /// Sent as the header `apikey`.
    pub api_key: Option<Secret>,
}

/// The content of the database token.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenConfig {
    #[serde(default)]
    pub namespace: NamespaceTemplate,
    /// Names that no user may have. A template that is just `{sub}` needs this list, which
    /// may be empty.
    pub reserved_names: Option<Vec<ReservedName>>,
    #[serde(default)]
    pub lifetime: Lifetime,
    /// The claim `iss`.
    pub issuer: Option<String>,
    pub database_url: DatabaseUrl,
    #[serde(default)]
    pub claims: ClaimMapping,
}

impl TokenConfig {
    /// The namespace of a user; `None` when the subject gives no valid name, or
    /// one that is reserved.
    pub fn namespace_of(&self, subject: &str) -> Option<NamespaceName> {
        let name = self.namespace.of(subject)?;
        let reserved = self.reserved_names.as_deref().unwrap_or_default();
        (!reserved.iter().any(|reserved| reserved.0 == name)).then_some(name)
    }
}

/// Private keys: one signs, the public halves of all are published.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeysConfig {
    pub active: PathBuf,
    #[serde(default)]
    pub more: Vec<PathBuf>,
}

/// The server on which namespaces are created.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdminConfig {
    /// The Admin API.
    pub url: ServerUrl,
    pub key: Option<Secret>,
    /// The primary, for the schema.
    pub server: Option<ServerUrl>,
    /// SQL to run in every new namespace.
    pub schema: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LimitsConfig {
    pub per_user_per_minute: NonZeroU32,
    pub per_address_per_minute: NonZeroU32,
    /// Proxies in front of the mint, addresses or networks, whose `X-Forwarded-For` or
    /// `Forwarded` header is trusted.
    pub trusted_proxies: TrustedProxies,
    /// This and the next two are as in [`ConnectionLimits`], which has the defaults.
    pub connections: Option<NonZeroU32>,
    pub connections_per_address: Option<NonZeroU32>,
    pub idle: Option<IdleTime>,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            per_user_per_minute: NonZeroU32::MIN.saturating_add(59),
            per_address_per_minute: NonZeroU32::MIN.saturating_add(599),
            trusted_proxies: TrustedProxies::default(),
            connections: None,
            connections_per_address: None,
            idle: None,
        }
    }
}

impl Config {
    /// Reads and checks the file `path`. `${NAME}` is replaced by the value in `variables`.
    /// Relative paths in the file are relative to its folder.
    ///
    /// # Errors
    /// When the file does not exist, with file and key when it is invalid, and
    /// [`Error::Setting`].
    pub fn load(path: &Path, variables: &BTreeMap<String, String>) -> Result<Self> {
        let mut config: Self = config_file::load(path, variables)?;
        config.check(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let keys = std::iter::once(&mut config.keys.active).chain(&mut config.keys.more);
        for file in keys.chain(&mut config.admin.schema) {
            *file = folder.join(&*file);
        }
        if let Some(tls) = &mut config.tls {
            tls.resolve(folder);
        }
        Ok(config)
    }

    /// Where and how the mint listens.
    pub fn listener(&self) -> Listen {
        let LimitsConfig { connections, connections_per_address, idle, .. } = self.limits;
        Listen {
            address: self.listen,
            admin: self.admin_listen,
            plaintext: self.plaintext,
            tls: self.tls.clone(),
            limits: ConnectionLimits::with(connections, connections_per_address, idle),
        }
    }

    fn check(&self, path: &Path) -> Result<(), Error> {
        let wrong = |key, reason| Err(Error::Setting { path: path.to_owned(), key, reason });
        let login = &self.login;
        let sources = [login.jwks.is_some(), login.secret.is_some(), login.user_endpoint.is_some()];
        if sources.into_iter().filter(|given| *given).count() > 1 {
            return wrong("login", "set only one of `jwks`, `secret` and `userEndpoint`");
        }
        let discovers = !sources.contains(&true);
        if discovers && IssuerUrl::try_from(login.issuer.clone()).is_err() {
            let what = "without `jwks`, `secret` and `userEndpoint` it must be the https address \
                        (http on loopback) of an OpenID issuer, which publishes its configuration";
            return wrong("login.issuer", what);
        }
        for (key, text) in [("login.issuer", &login.issuer), ("login.audience", &login.audience)] {
            if text.is_empty() {
                return wrong(key, "it must not be empty");
            }
        }
        if self.token.namespace.is_bare() && self.token.reserved_names.is_none() {
            let what = "with `{sub}` alone, a user could take the name of one of your \
                        namespaces: use `db-{sub}`, or list the names that no user may have \
                        in `token.reservedNames` (`[]` if there are none)";
            return wrong("token.namespace", what);
        }
        if self.admin.schema.is_some() && self.admin.server.is_none() {
            return wrong("admin.server", "`admin.schema` needs the address of the primary");
        }
        Ok(())
    }
}

fn listen() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))
}

#[cfg(test)]
mod tests;
