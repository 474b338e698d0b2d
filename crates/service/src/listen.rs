//! Where and how a service listens, as its configuration file says.

use std::future::{Future, pending};
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::connections::ConnectionLimits;
use super::cores::Cores;
use super::descriptors;
use super::observe::{self, Metrics};
use super::server::{self, Answers};
use super::tls::{Files, Tls};
use crate::Error;
use demo_base::error::Result;

/// Connections for scrapers and health checks, all of which are short.
const ADMIN_CONNECTIONS: usize = 64;

/// The configuration of the listeners.
#[derive(Clone, Debug)]
pub struct Listen {
    pub address: SocketAddr,
    /// Address of a separate listener with `/metrics` and `/healthz`; none if not set.
    pub admin: Option<SocketAddr>,
    /// Whether an address that is not loopback may be used without TLS.
    pub plaintext: bool,
    pub tls: Option<Files>,
    pub limits: ConnectionLimits,
}

impl Listen {
    /// Refuses to send secrets over a network in plain text.
    ///
    /// # Errors
    /// [`Error::Plaintext`] or [`Error::PlaintextAdmin`].
    pub fn check(&self) -> Result<(), Error> {
        if self.plaintext {
            return Ok(());
        }
        let loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
        if self.tls.is_none() && !loopback(self.address) {
            return Err(Error::Plaintext { address: self.address });
        }
        match self.admin.filter(|admin| !loopback(*admin)) {
            Some(address) => Err(Error::PlaintextAdmin { address }),
            None => Ok(()),
        }
    }

    /// Binds the listeners. Needs a runtime.
    ///
    /// # Errors
    /// As [`Listen::check`]; [`Error::AddressUnusable`]; as [`Tls::open`].
    pub fn bind(self) -> Result<Listening> {
        self.check()?;
        let listener = server::bind(self.address)?;
        self.on(listener)
    }

    /// Like [`Listen::bind`], on a listener that is already bound. Raises the limit on open
    /// files.
    ///
    /// # Errors
    /// As [`Listen::bind`].
    pub fn on(self, listener: TcpListener) -> Result<Listening> {
        let tls = self.tls.map(Tls::open).transpose()?;
        let admin = self.admin.map(server::bind).transpose()?;
        let limits = self.limits.within(descriptors::room());
        Ok(Listening { listener, admin, tls, limits })
    }
}

/// The open listeners of a service.
pub struct Listening {
    listener: TcpListener,
    admin: Option<TcpListener>,
    tls: Option<Tls>,
    limits: ConnectionLimits,
}

impl Listening {
    /// The address of the main listener.
    ///
    /// # Errors
    /// When the system does not report it.
    pub fn address(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// The address of the admin listener, in a form for the log.
    pub fn admin(&self) -> Option<tracing::field::DisplayValue<SocketAddr>> {
        self.admin.as_ref()?.local_addr().ok().map(tracing::field::display)
    }

    /// Serves `service` until `end` completes, as [`server::serve`] does, and serves
    /// `metrics` on the admin listener meanwhile.
    ///
    /// # Errors
    /// As [`server::serve`].
    pub async fn serve(
        self,
        service: impl Answers,
        metrics: &Metrics,
        cores: Option<&Cores>,
        end: impl Future<Output = ()> + Send,
    ) -> Result<()> {
        // These tasks end when the set is dropped.
        let mut beside = JoinSet::new();
        if let Some(admin) = self.admin {
            let (most, routes) = (ADMIN_CONNECTIONS, observe::admin(metrics));
            let limits =
                ConnectionLimits { connections: most, per_address: most, ..Default::default() };
            beside.spawn(async move {
                let _ = server::serve(admin, None, limits, routes, None, pending()).await;
            });
        }
        let acceptor = self.tls.as_ref().map(Tls::acceptor);
        if let Some(tls) = self.tls {
            beside.spawn(tls.follow());
        }
        server::serve(self.listener, acceptor, self.limits, service, cores, end).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l4_only_loopback_may_be_used_without_tls_unless_the_file_says_so() {
        let files = || Files { certificate: "c".into(), key: "k".into() };
        let listen = |address: &str, admin: Option<&str>, plaintext, tls: bool| Listen {
            address: address.parse().unwrap(),
            admin: admin.map(|admin| admin.parse().unwrap()),
            plaintext,
            tls: tls.then(files),
            limits: ConnectionLimits::default(),
        };
        for (address, admin, plaintext, tls, good) in [
            ("127.0.0.1:1", None, false, false, true),
            ("[::1]:1", Some("127.0.0.2:2"), false, false, true),
            ("[::ffff:127.0.0.1]:1", None, false, false, true),
            ("0.0.0.0:1", None, false, false, false),
            ("[::]:1", None, false, false, false),
            ("192.0.2.1:1", None, false, false, false),
            ("0.0.0.0:1", None, true, false, true),
            ("0.0.0.0:1", None, false, true, true),
            ("0.0.0.0:1", Some("0.0.0.0:2"), false, true, false),
            ("127.0.0.1:1", Some("[::]:2"), false, false, false),
            ("127.0.0.1:1", Some("[::]:2"), true, false, true),
        ] {
            let checked = listen(address, admin, plaintext, tls).check();
            assert_eq!(checked.is_ok(), good, "{address} {admin:?} {plaintext} {tls}");
        }
    }
}
