//! `demo gate serve`: a reverse proxy that lets a database token do what it
//! says, and nothing else.
//!
//! ```text
//! request --> paths: does it pass? --> door: which namespace? --> token: is it good now?
//!         --> rights: does it cover the namespace? --> limits --> body: whole, within limits
//!         --> inspect, sql: does its SQL stay in the database, and within the right?
//!         --> streams, grpc: does the stream, the client id belong to the namespace?
//!         --> forward: the head, made anew --> upstream --> routing: primary or replica?
//! ```
//!
//! The files of keys and revocations may change while the gate is open: `service/file_watch.rs`.
//! What the server checks, the gate does not check again: whether a token that
//! may read may run this statement is decided there, by the same token.

pub mod config;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod routing;
pub mod sql;

mod answer;
mod body;
mod compression;
mod forward;
mod grpc;
mod inspect;
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

/// For the web sockets to be told that the gate ends.
const GOOD_BYE: Duration = Duration::from_secs(5);

/// What all requests share.
struct Gate {
    config: Config,
    verifier: Verifier,
    tenants: Tenants,
    streams: Streams,
    room: Room,
    reader: Reader,
    upstream: Upstream,
    /// Sockets that have not said who they are.
    lobby: Lobby,
    sockets: Arc<Semaphore>,
    tasks: TaskTracker,
    /// Cancelled when the gate is to end.
    ending: CancellationToken,
}

impl Gate {
    /// What `token` says and what that allows with `namespace`, at least reading.
    fn authorise(
        &self,
        token: &str,
        namespace: &NamespaceName,
    ) -> Result<(Arc<Verified>, Right), Problem> {
        let verified = self.verifier.verify(token, token::now()).map_err(problem)?;
        // Whether it exists is nobody's business who has no right to it.
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

/// Serves on the address of `config` until `end` is done.
///
/// # Errors
/// Exit 2 for keys, a certificate, a list or an address that cannot be used;
/// exit 5 for files that are not there.
pub async fn serve(config: Config, end: impl Future<Output = ()> + Send) -> Result<()> {
    config.listener().check()?;
    let listener = server::bind(config.listen)?;
    serve_on(listener, config, end).await
}

/// The same on a listener that is there already.
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
