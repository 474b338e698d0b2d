//! Passes messages in both directions, until either side closes or the token expires.
//!
//! A client that does not read cannot block this: one future writes to the client, and
//! another one checks the timeouts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::hello;
use super::messages::{self, About, Said};
use super::requests::{Requests, Verdict};
use super::upgrade::{Client, Traffic};
use super::{Farewell, code};
use crate::Gate;
use crate::paths::Encoding;
use crate::rights::Right;
use crate::tenants::Tenant;
use crate::token;
use crate::token::Verified;
use demo_sqld::namespace::NamespaceName;

/// How often the token is checked while no messages arrive.
const RECHECK: Duration = Duration::from_secs(1);
/// A client that is silent for this long is sent a ping.
const PING: Duration = Duration::from_secs(30);
/// A client that is silent for this long counts as gone.
const SILENCE: Duration = Duration::from_secs(100);
/// How many of the gate's own messages may wait to be sent.
const WAITING: usize = 64;

pub type Server = WebSocketStream<TcpStream>;

/// What does not change while a WebSocket is open.
pub struct Bounds<'a> {
    pub gate: &'a Gate,
    pub namespace: &'a NamespaceName,
    pub tenant: &'a Arc<Tenant>,
    pub encoding: Encoding,
    pub traffic: &'a Traffic,
}

/// What may change while a WebSocket is open.
struct Session {
    token: Mutex<(Arc<Verified>, Right)>,
    heard: Mutex<Instant>,
    requests: Requests,
}

impl Session {
    fn token(&self) -> (Arc<Verified>, Right) {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn silent_for(&self) -> Duration {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

/// Passes messages on until the end. Returns what to tell the client then, if anything.
pub async fn run(
    bounds: &Bounds<'_>,
    token: (Arc<Verified>, Right),
    client: &mut Client,
    server: Server,
) -> Option<Farewell> {
    let session = Session {
        token: Mutex::new(token),
        heard: Mutex::new(Instant::now()),
        requests: Requests::new(bounds.tenant.clone(), bounds.encoding),
    };
    let (mut to_client, mut from_client) = client.split();
    let (mut to_server, mut from_server) = server.split();
    let (answers, said) = mpsc::channel(WAITING);
    let (asks, own) = mpsc::channel(WAITING);
    // Each direction runs independently: a slow reader on one side must not stop the other.
    let end = tokio::select! {
        end = up(bounds, &session, (&mut from_client, own), (&mut to_server, &answers)) => end,
        end = down(bounds, &session, (&mut from_server, said), &mut to_client) => end,
        end = watch(bounds, &session, &answers, &asks) => end,
        () = bounds.gate.ending.cancelled() => {
            Some(Farewell::new(code::GOING_AWAY, "the gate is shutting down"))
        }
    };
    // The server may be gone already.
    let _ = tokio::time::timeout(Duration::from_secs(1), to_server.close()).await;
    end
}

/// Sends messages of the client, and requests of the gate itself, to the server.
async fn up(
    bounds: &Bounds<'_>,
    session: &Session,
    (from, mut own): (&mut SplitStream<&mut Client>, mpsc::Receiver<Message>),
    (to, answers): (&mut SplitSink<Server, Message>, &mpsc::Sender<Message>),
) -> Option<Farewell> {
    loop {
        let message = tokio::select! {
            message = from.next() => message?,
            Some(own) = own.recv() => {
                if to.send(own).await.is_err() {
                    return Some(lost());
                }
                continue;
            }
        };
        *session.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let message = match message {
            Ok(Message::Ping(_) | Message::Pong(_)) => continue,
            Ok(Message::Close(_)) | Err(Error::ConnectionClosed) => return None,
            Ok(message) => message,
            Err(_) => {
                return Some(Farewell::new(code::POLICY, "the message is too large, or broken"));
            }
        };
        let passed = match passes(bounds, session, message).await {
            Ok(Ok(message)) => to.send(message).await.map_err(|_| lost()),
            Ok(Err(answer)) => answers.send(answer).await.map_err(|_| lost()),
            Err(farewell) => Err(farewell),
        };
        if let Err(farewell) = passed {
            return Some(farewell);
        }
        bounds.traffic.handed_on(|| bounds.gate.room.reserve(bounds.tenant.clone()));
    }
}

/// What to send for `message`: `Ok` goes to the server, `Err` back to the client.
async fn passes(
    bounds: &Bounds<'_>,
    session: &Session,
    message: Message,
) -> Result<Result<Message, Message>, Farewell> {
    let unclear =
        || Farewell::new(code::PROTOCOL, "the message is not a known one of this subprotocol");
    match read(bounds.encoding, &message).ok_or_else(unclear)? {
        Said::Hello(jwt) => {
            let jwt = jwt.unwrap_or_default();
            bounds.tenant.admit_in_turn(1).await;
            let authorised = bounds
                .gate
                .authorise(&jwt, bounds.namespace)
                .map_err(|problem| Farewell::refused(code::POLICY, problem))?;
            *session.token.lock().unwrap_or_else(PoisonError::into_inner) = authorised;
            Ok(Ok(hello::write(bounds.encoding, &jwt)))
        }
        Said::Request(request) => {
            let right = session.token().1;
            let verdict = session.requests.judge(request, right).await;
            // The next regular check may be too late for this message.
            if let Some(farewell) = ended(bounds, session) {
                return Err(farewell);
            }
            match verdict {
                Verdict::Pass => Ok(Ok(message)),
                Verdict::Answer(answer) => Ok(Err(answer)),
                Verdict::TooMany => {
                    let said = "too many refused streams, cursors and SQL texts are not closed";
                    Err(Farewell::new(code::POLICY, said))
                }
            }
        }
    }
}

/// Sends messages of the server to the client and, once the server has accepted the hello,
/// those of the gate itself.
async fn down(
    bounds: &Bounds<'_>,
    session: &Session,
    (from, mut said): (&mut SplitStream<Server>, mpsc::Receiver<Message>),
    to: &mut SplitSink<&mut Client, Message>,
) -> Option<Farewell> {
    let mut welcome = false;
    loop {
        let message = tokio::select! {
            Some(said) = said.recv(), if welcome => said,
            message = from.next() => match message? {
                Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                    match messages::about(bounds.encoding, content(&message)) {
                        Some(About::Hello) => welcome = true,
                        Some(About::Request(id)) if !session.requests.answered(id) => continue,
                        Some(About::Request(_)) | None => {}
                    }
                    message
                }
                Ok(Message::Close(Some(frame))) => {
                    return Some(Farewell::new(frame.code.into(), frame.reason.to_string()));
                }
                Ok(Message::Close(None)) | Err(_) => return Some(lost()),
                Ok(_) => continue,
            },
        };
        if to.send(message).await.is_err() {
            return None;
        }
    }
}

/// Checks the token, the client and its streams at regular intervals.
async fn watch(
    bounds: &Bounds<'_>,
    session: &Session,
    answers: &mpsc::Sender<Message>,
    asks: &mpsc::Sender<Message>,
) -> Option<Farewell> {
    let limits = &bounds.gate.config.limits;
    let mut ticks = interval(RECHECK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = false;
    loop {
        ticks.tick().await;
        if let Some(farewell) = ended(bounds, session) {
            return Some(farewell);
        }
        if bounds.traffic.blocked_for() > limits.unread_answer {
            return Some(Farewell::new(code::POLICY, "the client left answers unread too long"));
        }
        let silent = session.silent_for();
        if silent > SILENCE {
            return Some(Farewell::new(code::GOING_AWAY, "the client was silent for too long"));
        }
        if silent < PING {
            asked = false;
        } else if !asked {
            // If the queue is full, the waiting messages serve the same purpose.
            asked = answers.try_send(Message::Ping(Bytes::new())).is_ok();
        }
        for message in session.requests.idle(limits.idle_stream, asks.capacity()) {
            // `idle` returns no more messages than the channel has room for.
            let _ = asks.try_send(message);
        }
    }
}

fn ended(bounds: &Bounds<'_>, session: &Session) -> Option<Farewell> {
    let bad = bounds.gate.verifier.recheck(&session.token().0, token::now()).err()?;
    Some(Farewell::new(code::POLICY, format!("{}: {bad}", bad.code())))
}

fn lost() -> Farewell {
    Farewell::new(code::TRY_AGAIN, "the database server has closed the connection")
}

fn content(message: &Message) -> &[u8] {
    match message {
        Message::Text(text) => text.as_bytes(),
        Message::Binary(bytes) => bytes,
        _ => &[],
    }
}

/// Reads a message; `None` when its type does not match the encoding.
pub fn read(encoding: Encoding, message: &Message) -> Option<Said> {
    match (encoding, message) {
        (Encoding::Json, Message::Text(text)) => messages::read(encoding, text.as_bytes()),
        (Encoding::Protobuf, Message::Binary(bytes)) => messages::read(encoding, bytes),
        _ => None,
    }
}
