//! The configuration file of `demo auth serve`.
//!
//! Keys and rules are those of the reference service, plus `listen`, `admin`, `plaintext`,
//! `tls` and `backend.libsql.serveStaleSecs`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use super::limits::{Limits, Registrations, TokenLimits};
use crate::Error;
use demo_base::error::Result;
use demo_config::file as config_file;
use demo_service::connections::ConnectionLimits;
use demo_service::listen::Listen;
use demo_service::peer::TrustedProxies;
use demo_service::tls;

/// The default address, with the port of the reference service.
const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7677);
const STORAGE: &str = "./storage";
/// The default sync interval of an embedded replica.
pub const SYNC_INTERVAL: Duration = Duration::from_secs(60);
const CONNECTIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(15);

/// The checked configuration, with paths that do not depend on the current folder.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    /// Address of a separate listener with `/metrics` and `/healthz`; none if not set.
    pub admin: Option<SocketAddr>,
    /// Whether an address that is not loopback may be used without TLS.
    pub plaintext: bool,
    /// The service's certificate and key; read again when they change.
    pub tls: Option<tls::Files>,
    /// `None`: nobody can register.
    pub max_users: Option<u64>,
    pub limits: Limits,
    pub backend: Backend,
}

/// Where users and tokens are.
#[derive(Clone, Debug)]
pub enum Backend {
    Local(Files),
    Libsql(Libsql),
    Postgres(Sql),
    Mysql(Sql),
}

/// Two files on this machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Files {
    pub htpasswd: PathBuf,
    pub tokens: PathBuf,
}

/// A libSQL server.
#[derive(Clone, Debug)]
pub struct Libsql {
    pub url: SecretString,
    pub token: Option<SecretString>,
    pub replica: Option<Replica>,
}

/// The embedded replica of a libSQL server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replica {
    pub path: PathBuf,
    /// `None`: no background sync, and no bound on how old an answer is.
    pub interval: Option<Duration>,
    /// How long beyond `interval` it may answer while the primary does not answer.
    pub serve_stale: Duration,
}

/// A Postgres or a `MySQL`-compatible server.
#[derive(Clone, Debug)]
pub struct Sql {
    pub url: SecretString,
    pub connections: NonZeroU32,
}

impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Local(_) => "local files",
            Self::Libsql(Libsql { replica: None, .. }) => "libSQL",
            Self::Libsql(_) => "libSQL with an embedded replica",
            Self::Postgres(_) => "Postgres",
            Self::Mysql(_) => "MySQL",
        })
    }
}

impl Config {
    /// A configuration without a file; registration is closed.
    pub fn of(backend: Backend) -> Self {
        let (admin, plaintext, tls) = (None, false, None);
        Self {
            listen: LISTEN,
            admin,
            plaintext,
            tls,
            max_users: None,
            limits: Limits::default(),
            backend,
        }
    }

    /// Where and how the service listens.
    pub fn listener(&self) -> Listen {
        Listen {
            address: self.listen,
            admin: self.admin,
            plaintext: self.plaintext,
            tls: self.tls.clone(),
            limits: ConnectionLimits::default(),
        }
    }

    /// Reads `path`; relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// When the file does not exist, and with the key when it is invalid:
    /// [`Error::NoDatabase`], [`Error::UrlScheme`] and others.
    pub fn load(path: &Path, variables: &BTreeMap<String, String>) -> Result<Self> {
        let raw: Raw = config_file::load(path, variables)?;
        let absolute = std::path::absolute(path)?;
        let folder = absolute.parent().unwrap_or(&absolute).to_path_buf();
        Ok(raw.check(&path.display().to_string(), &folder)?)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    listen: Option<SocketAddr>,
    #[serde(alias = "adminListen")]
    admin: Option<SocketAddr>,
    #[serde(default)]
    plaintext: bool,
    tls: Option<tls::Files>,
    storage: Option<PathBuf>,
    #[serde(default, rename = "trustedProxies")]
    trusted_proxies: TrustedProxies,
    #[serde(default)]
    auth: RawAuth,
    /// `None` if the file lacks the key; an empty block becomes [`RawBackend::NONE`].
    #[serde(default, deserialize_with = "present")]
    backend: Option<RawBackend>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAuth {
    #[serde(default)]
    htpasswd: RawHtpasswd,
    #[serde(default)]
    tokens: RawTokens,
    #[serde(default)]
    registrations: Registrations,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHtpasswd {
    file: Option<PathBuf>,
    max_users: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTokens {
    file: Option<PathBuf>,
    #[serde(default, deserialize_with = "demo_config::values::optional_duration")]
    max_age: Option<Duration>,
    per_user: Option<NonZeroU32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBackend {
    libsql: Option<RawLibsql>,
    postgres: Option<RawSql>,
    postgresql: Option<RawSql>,
    mysql: Option<RawSql>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawLibsql {
    url: String,
    auth_token: Option<String>,
    replica_path: Option<PathBuf>,
    sync_interval_secs: Option<u64>,
    serve_stale_secs: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawSql {
    url: String,
    max_connections: Option<NonZeroU32>,
}

fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<RawBackend>, D::Error> {
    let block: Option<RawBackend> = Option::deserialize(from)?;
    Ok(Some(block.unwrap_or(RawBackend::NONE)))
}

impl Raw {
    fn check(self, file: &str, folder: &Path) -> Result<Config, Error> {
        let storage = folder.join(self.storage.as_deref().unwrap_or(Path::new(STORAGE)));
        let backend = match self.backend {
            Some(backend) => backend.check(file, folder)?,
            None => Backend::Local(Files {
                htpasswd: place(self.auth.htpasswd.file, folder, &storage, "htpasswd"),
                tokens: place(self.auth.tokens.file, folder, &storage, "tokens.db"),
            }),
        };
        let usual = TokenLimits::default();
        let tokens = TokenLimits {
            max_age: self.auth.tokens.max_age.unwrap_or(usual.max_age),
            per_user: self.auth.tokens.per_user.unwrap_or(usual.per_user),
        };
        let max_users = self.auth.htpasswd.max_users.filter(|most| *most > 0);
        let mut tls = self.tls;
        if let Some(tls) = &mut tls {
            tls.resolve(folder);
        }
        Ok(Config {
            listen: self.listen.unwrap_or(LISTEN),
            admin: self.admin,
            plaintext: self.plaintext,
            tls,
            max_users: max_users.map(i64::unsigned_abs),
            limits: Limits {
                registrations: self.auth.registrations,
                tokens,
                trusted_proxies: self.trusted_proxies,
            },
            backend,
        })
    }
}

fn place(given: Option<PathBuf>, folder: &Path, storage: &Path, name: &str) -> PathBuf {
    given.map_or_else(|| storage.join(name), |path| folder.join(path))
}

impl RawBackend {
    const NONE: Self = Self { libsql: None, postgres: None, postgresql: None, mysql: None };

    fn check(self, file: &str, folder: &Path) -> Result<Backend, Error> {
        let named: Vec<&'static str> = [
            ("libsql", self.libsql.is_some()),
            ("postgres", self.postgres.is_some()),
            ("postgresql", self.postgresql.is_some()),
            ("mysql", self.mysql.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, there)| there.then_some(name))
        .collect();
        let Self { libsql, postgres, postgresql, mysql } = self;
        match (libsql, postgres.or(postgresql), mysql) {
            _ if named.len() > 1 => {
                Err(Error::ManyDatabases { file: file.to_owned(), named: named.join(", ") })
            }
            (Some(libsql), None, None) => Ok(Backend::Libsql(libsql.check(file, folder)?)),
            (None, Some(sql), None) => {
                built(cfg!(feature = "backend-postgres"), file, named[0], "postgres")?;
                let schemes = ["postgres://", "postgresql://"];
                Ok(Backend::Postgres(sql.check(file, named[0], &schemes)?))
            }
            (None, None, Some(sql)) => {
                built(cfg!(feature = "backend-mysql"), file, "mysql", "mysql")?;
                Ok(Backend::Mysql(sql.check(file, "mysql", &["mysql://", "mariadb://"])?))
            }
            _ => Err(Error::NoDatabase { file: file.to_owned() }),
        }
    }
}

fn built(there: bool, file: &str, key: &'static str, database: &'static str) -> Result<(), Error> {
    if there {
        return Ok(());
    }
    Err(Error::NotBuilt { file: file.to_owned(), key, database })
}

impl RawLibsql {
    fn check(self, file: &str, folder: &Path) -> Result<Libsql, Error> {
        schemed(file, "libsql", &self.url, &["http://", "https://", "libsql://"])?;
        let serve_stale = self.serve_stale_secs.unwrap_or(0);
        if self.replica_path.is_none() && serve_stale > 0 {
            return Err(Error::StaleWithoutReplica { file: file.to_owned() });
        }
        let interval = self.sync_interval_secs.unwrap_or(SYNC_INTERVAL.as_secs());
        let replica = self.replica_path.map(|path| Replica {
            path: folder.join(path),
            interval: (interval > 0).then(|| Duration::from_secs(interval)),
            serve_stale: Duration::from_secs(serve_stale),
        });
        let token = self.auth_token.filter(|token| !token.is_empty()).map(SecretString::from);
        Ok(Libsql { url: self.url.into(), token, replica })
    }
}

impl RawSql {
    fn check(self, file: &str, key: &'static str, schemes: &[&str]) -> Result<Sql, Error> {
        schemed(file, key, &self.url, schemes)?;
        let connections = self.max_connections.unwrap_or(CONNECTIONS);
        Ok(Sql { url: self.url.into(), connections })
    }
}

/// Checks the scheme of a URL. The message does not repeat the URL, which may have a password.
fn schemed(file: &str, key: &'static str, url: &str, schemes: &[&str]) -> Result<(), Error> {
    if schemes.iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(());
    }
    Err(Error::UrlScheme { file: file.to_owned(), key, expected: schemes.join(" or ") })
}

#[cfg(test)]
mod tests;
