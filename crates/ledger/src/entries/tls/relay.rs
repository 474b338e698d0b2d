//! A relay on loopback that keeps what passes through it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use demo_base::error::Result;

/// Listens until it is dropped.
pub struct Relay {
    pub address: SocketAddr,
    target: Arc<OnceLock<SocketAddr>>,
    seen: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Begins to listen; who connects before there is a target is sent away.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let target = Arc::new(OnceLock::new());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(serve(listener, Arc::clone(&target), Arc::clone(&seen)));
        Ok(Self { address, target, seen, task })
    }

    /// Sends all connections to `target` from now on.
    pub fn lead_to(&self, target: SocketAddr) {
        // A second target would be a mistake of the probe's: the first stays.
        let _first = self.target.get_or_init(|| target);
    }

    /// How many bytes passed, and whether `marker` was among them.
    pub fn saw(&self, marker: &str) -> (usize, bool) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let found = seen.windows(marker.len()).any(|window| window == marker.as_bytes());
        (seen.len(), found)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    target: Arc<OnceLock<SocketAddr>>,
    seen: Arc<Mutex<Vec<u8>>>,
) {
    while let Ok((client, _)) = listener.accept().await {
        if let Some(target) = target.get() {
            tokio::spawn(relay(client, *target, Arc::clone(&seen)));
        }
    }
}

async fn relay(client: TcpStream, target: SocketAddr, seen: Arc<Mutex<Vec<u8>>>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = copy(from_client, to_server, &seen) => {}
        () = copy(from_server, to_client, &seen) => {}
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    seen: &Mutex<Vec<u8>>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        seen.lock().unwrap_or_else(PoisonError::into_inner).extend(&buffer[..length]);
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
