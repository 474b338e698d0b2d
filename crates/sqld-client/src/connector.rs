//! Opens the connections through which the `libsql` crate reaches a server.
//!
//! The crate's own connector loads the TLS roots (20 ms) and looks up `NAME.localhost` in DNS,
//! where it usually does not exist; without its `tls` feature the crate has no connector at all.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http02::Uri;
use hyper014::client::connect::{Connected, Connection};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::endpoint::{Dial, Endpoint};
use super::error::Error;

/// Opens connections to one endpoint, whatever host the URL names.
#[derive(Clone)]
pub struct Connector {
    dial: Dial,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Connector {
    /// # Errors
    /// [`Error::NoCertificateName`], or [`Error::TrustedRoots`].
    pub fn new(endpoint: &Endpoint) -> Result<Self, Error> {
        let tls = if endpoint.tls() { Some(tls_for(endpoint)?) } else { None };
        Ok(Self { dial: endpoint.dial().clone(), tls })
    }

    async fn open(self) -> io::Result<Socket> {
        let stream = match &self.dial {
            Dial::Address(address) => TcpStream::connect(address).await?,
            Dial::Name(host, port) => TcpStream::connect((host.as_str(), *port)).await?,
        };
        // Requests are small and sequential; waiting to fill a packet would cost 40 ms.
        stream.set_nodelay(true)?;
        Ok(match self.tls {
            None => Socket::Plain(stream),
            Some((connector, name)) => {
                Socket::Tls(Box::new(connector.connect(name, stream).await?))
            }
        })
    }
}

fn tls_for(endpoint: &Endpoint) -> Result<(TlsConnector, ServerName<'static>), Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(Error::TrustedRoots)?
        .with_no_client_auth();
    let host = match endpoint.dial() {
        Dial::Address(address) => address.ip().to_string(),
        Dial::Name(host, _) => host.clone(),
    };
    let uri_host = endpoint.url().parse::<Uri>().ok().and_then(|u| u.host().map(str::to_owned));
    let name = ServerName::try_from(uri_host.unwrap_or(host)).map_err(Error::NoCertificateName)?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

impl tower_service::Service<Uri> for Connector {
    type Response = Socket;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Socket>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Self::Future {
        Box::pin(self.clone().open())
    }
}

/// A connection of the type that hyper 0.14 requires.
pub enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for Socket {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
