//! `demo gate serve`: a reverse proxy that lets a database token do what its claims
//! say, and nothing else.
//!
//! ```text
//! request --> paths: may it pass? --> namespace_selector: which namespace?
//!         --> token: is it valid now? --> rights: does it cover the namespace?
//!         --> tenants: limits --> body: read whole, within limits
//!         --> message: what does it ask for? sql: may its SQL run with this right?
//!         --> streams, grpc: does the stream or client id belong to the namespace?
//!         --> forward: a new head --> upstream --> routing: primary or replica?
//! ```
//!
//! The files with keys and revocations may change while the gate runs
//! (`service/file_watch.rs`). The gate does not repeat the server's own checks: the server
//! decides, by the same token, whether a token that may only read may run a statement.

pub mod config;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod routing;
pub mod sql;

mod answer;
mod body;
mod body_tap;
mod compression;
mod error;
mod forward;
mod grpc;
mod message;
mod namespace_selector;
mod paths;
mod protobuf;
mod response_body;
mod revoked;
mod rights;
mod routes;
mod streams;
mod tenants;
mod token;
mod trusted_keys;
mod upstream;
mod websocket;

pub use self::error::Error;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::body::{Reader, Room};
use self::config::Config;
use self::revoked::Revoked;
use self::rights::Right;
use self::streams::Streams;
use self::tenants::Tenants;
use self::token::{Bad, Required, Verified, Verifier};
use self::trusted_keys::TrustedKeys;
use self::upstream::Upstream;
use self::websocket::lobby::Lobby;
use demo_base::error::Result;
use demo_service::cores::Cores;
use demo_service::file_watch::follow;
use demo_service::observe::Metrics;
use demo_service::problem::Problem;
use demo_service::server;
use demo_sqld::namespace::NamespaceName;

/// How long the gate waits for WebSockets to close when it shuts down.
const GOOD_BYE: Duration = Duration::from_secs(5);

/// The state that all requests share.
struct Gate {
    config: Config,
    verifier: Verifier,
    tenants: Tenants,
    streams: Streams,
    room: Room,
    reader: Reader,
    upstream: Upstream,
    /// WebSockets that have not sent their hello.
    lobby: Lobby,
    sockets: Arc<Semaphore>,
    tasks: TaskTracker,
    /// Cancelled when the gate shuts down.
    ending: CancellationToken,
}

impl Gate {
    /// Verifies `token`, and finds what it may do with `namespace`: at least read.
    fn authorise(
        &self,
        token: &str,
        namespace: &NamespaceName,
    ) -> Result<(Arc<Verified>, Right), Problem> {
        let verified = self.verifier.verify(token, token::now()).map_err(problem)?;
        // The answer is the same whether or not the namespace exists, so that a client
        // without a right to it cannot find out.
        match rights::right(&verified.claims, namespace, &self.config.operators) {
            Right::Nothing => Err(Problem::forbidden(
                "namespace-forbidden",
                format!("the token does not cover the namespace `{namespace}`"),
            )),
            right => Ok((verified, right)),
        }
    }
}

fn problem(bad: Bad) -> Problem {
    Problem::unauthorized(bad.code(), bad.to_string())
}

/// Serves on the address of `config` until `end` completes.
///
/// # Errors
/// Exit 2 for keys, a certificate, a list or an address that cannot be used;
/// exit 5 for a file that does not exist.
pub async fn serve(config: Config, end: impl Future<Output = ()> + Send) -> Result<()> {
    config.listener().check()?;
    let listener = server::bind(config.listen)?;
    serve_on(listener, config, end).await
}

/// Like [`serve`], on a listener that is already bound.
///
/// # Errors
/// As [`serve`].
pub async fn serve_on(
    listener: TcpListener,
    config: Config,
    end: impl Future<Output = ()> + Send,
) -> Result<()> {
    let trusted = TrustedKeys::open(&config.keys)?;
    let revoked = Revoked::nothing();
    if let Some(path) = &config.revoked {
        revoked.read(path)?;
    }
    let listening = config.listener().on(listener)?;
    let limits = &config.limits;
    let ending = CancellationToken::new();
    let tasks = TaskTracker::new();
    let metrics = Metrics::new("gate");
    let required = Required {
        issuer: config.issuer.clone(),
        exp: config.require_exp,
        jti: config.require_jti,
    };
    let room = Room::new(limits.body_bytes);
    let gate = Arc::new(Gate {
        verifier: Verifier::new(trusted.clone(), required, revoked.clone()),
        tenants: Tenants::new(limits, room.share()),
        streams: Streams::default(),
        reader: Reader::new(limits.body_bytes, limits.timeout, room.clone()),
        room,
        upstream: Upstream::new(&config, &metrics),
        lobby: Lobby::default(),
        sockets: Arc::new(Semaphore::new(limits.web_sockets.get().try_into()?)),
        tasks: tasks.clone(),
        ending: ending.clone(),
        config,
    });
    let address = listening.address()?;
    let mut followers = JoinSet::new();
    followers
        .spawn(follow(gate.config.keys.clone(), "public keys", move |path| trusted.read(path)));
    if let Some(path) = gate.config.revoked.clone() {
        followers.spawn(follow(path, "list of revoked tokens", move |path| revoked.read(path)));
    }
    let service = routes::service(gate.clone(), &metrics);
    let (admin, domain) = (listening.admin(), gate.config.domain.as_str());
    tracing::info!(%address, admin, domain, "the gate is open");
    let both = async {
        end.await;
        ending.cancel();
    };
    let cores = Cores::start()?;
    listening.serve(service, &metrics, Some(&cores), both).await?;
    tasks.close();
    if tokio::time::timeout(GOOD_BYE, tasks.wait()).await.is_err() {
        tracing::warn!("some WebSockets did not close in time");
    }
    drop(followers);
    tracing::info!("the gate is closed");
    Ok(())
}
