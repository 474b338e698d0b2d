//! Messages there and back, until one side ends or the token does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;

use super::hello::{self, Frame, Said};
use super::{Farewell, code};
use crate::gate::Gate;
use crate::gate::inspect::{self, Refusal, SQL_FORBIDDEN};
use crate::gate::paths::Encoding;
use crate::gate::rights::Right;
use crate::gate::token;
use crate::gate::token::Verified;
use crate::server::namespace::NamespaceName;

/// How often the token is looked at while nothing is said.
const RECHECK: Duration = Duration::from_secs(1);
/// After so long a silence the client is asked whether it lives.
const PING: Duration = Duration::from_secs(30);
/// After so long a silence it does not.
const SILENCE: Duration = Duration::from_secs(100);

type Server = WebSocketStream<TcpStream>;

/// What does not change while a socket lives.
pub struct Bounds<'a> {
    pub gate: &'a Gate,
    pub namespace: &'a NamespaceName,
    pub encoding: Encoding,
}

/// What may.
struct Session {
    token: Mutex<(Arc<Verified>, Right)>,
    heard: Mutex<Instant>,
}

impl Session {
    fn token(&self) -> Arc<Verified> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn right(&self) -> Right {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    fn silent_for(&self) -> Duration {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

/// Passes messages on. What the client is to be told at the end, if anything.
pub async fn run(
    bounds: &Bounds<'_>,
    token: (Arc<Verified>, Right),
    client: &mut WebSocket,
    server: Server,
) -> Option<Farewell> {
    let session = Session { token: Mutex::new(token), heard: Mutex::new(Instant::now()) };
    let (to_client, mut from_client) = client.split();
    let (mut to_server, mut from_server) = server.split();
    let to_client = tokio::sync::Mutex::new(to_client);
    // Each way by itself: a slow reader on one side must not stop the other.
    let end = tokio::select! {
        end = up(bounds, &session, &mut from_client, (&mut to_server, &to_client)) => end,
        end = down(&mut from_server, &to_client) => end,
        end = watch(bounds, &session, &to_client) => end,
        () = bounds.gate.ending.cancelled() => {
            Some(Farewell::new(code::GOING_AWAY, "the gate is shutting down"))
        }
    };
    // It may be gone already.
    let _ = tokio::time::timeout(Duration::from_secs(1), to_server.close()).await;
    end
}

/// From the client to the server.
async fn up(
    bounds: &Bounds<'_>,
    session: &Session,
    from: &mut SplitStream<&mut WebSocket>,
    (to, back): (
        &mut SplitSink<Server, tungstenite::Message>,
        &tokio::sync::Mutex<SplitSink<&mut WebSocket, Message>>,
    ),
) -> Option<Farewell> {
    while let Some(message) = from.next().await {
        *session.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let message = match message {
            Ok(Message::Ping(_) | Message::Pong(_)) => continue,
            Ok(Message::Close(_)) => return None,
            Ok(message) => message,
            Err(_) => {
                return Some(Farewell::new(code::POLICY, "the message is too large, or broken"));
            }
        };
        let Some(said) = read(bounds.encoding, &message) else {
            return Some(Farewell::new(code::PROTOCOL, "the message is none of this subprotocol"));
        };
        throttle(bounds).await;
        let passed = match said {
            Said::Hello(jwt) => {
                let jwt = jwt.unwrap_or_default();
                match bounds.gate.authorise(&jwt, bounds.namespace) {
                    Err(problem) => return Some(Farewell::refused(code::POLICY, problem)),
                    Ok(token) => {
                        *session.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
                    }
                }
                upstream(hello::write(bounds.encoding, &jwt))
            }
            Said::Request => {
                // To the second: the next look may be too late for this message.
                if let Some(farewell) = ended(bounds, session) {
                    return Some(farewell);
                }
                match inspected(&message, session.right()) {
                    Ok(None) => {}
                    Ok(Some(answer)) => {
                        if back.lock().await.send(answer).await.is_err() {
                            return None;
                        }
                        continue;
                    }
                    Err(farewell) => return Some(farewell),
                }
                match message {
                    Message::Text(text) => {
                        let bytes = Bytes::from(text);
                        let text = tungstenite::Utf8Bytes::try_from(bytes).unwrap_or_default();
                        tungstenite::Message::Text(text)
                    }
                    Message::Binary(bytes) => tungstenite::Message::Binary(bytes),
                    Message::Ping(_) | Message::Pong(_) | Message::Close(_) => continue,
                }
            }
        };
        if to.send(passed).await.is_err() {
            return Some(lost());
        }
    }
    None
}

/// Whether a request may pass; if not, what the client is told instead.
fn inspected(message: &Message, right: Right) -> Result<Option<Message>, Farewell> {
    let refused = match message {
        Message::Text(text) => inspect::json(text.as_bytes(), right).map(drop),
        Message::Binary(bytes) => inspect::bytes(bytes),
        Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(()),
    };
    let Err(refusal) = refused else { return Ok(None) };
    let id = match (&refusal, message) {
        (Refusal::Sql(_), Message::Text(text)) => inspect::request_id(text.as_bytes()),
        _ => None,
    };
    // Without its id nobody would know which request is meant.
    let Some(id) = id else { return Err(Farewell::new(code::POLICY, refusal.to_string())) };
    let error = json!({ "message": refusal.to_string(), "code": SQL_FORBIDDEN });
    let answer = json!({ "type": "response_error", "request_id": id, "error": error });
    Ok(Some(Message::Text(answer.to_string().into())))
}

/// From the server to the client.
async fn down(
    from: &mut SplitStream<Server>,
    to: &tokio::sync::Mutex<SplitSink<&mut WebSocket, Message>>,
) -> Option<Farewell> {
    while let Some(message) = from.next().await {
        let message = match message {
            Ok(tungstenite::Message::Text(text)) => {
                let text = axum::extract::ws::Utf8Bytes::try_from(Bytes::from(text));
                Message::Text(text.ok()?)
            }
            Ok(tungstenite::Message::Binary(bytes)) => Message::Binary(bytes),
            Ok(tungstenite::Message::Close(Some(frame))) => {
                let reason = frame.reason.to_string();
                return Some(Farewell::new(frame.code.into(), reason));
            }
            Ok(tungstenite::Message::Close(None)) | Err(_) => break,
            Ok(_) => continue,
        };
        if to.lock().await.send(message).await.is_err() {
            return None;
        }
    }
    Some(lost())
}

/// Looks at the token and the client by the clock.
async fn watch(
    bounds: &Bounds<'_>,
    session: &Session,
    to: &tokio::sync::Mutex<SplitSink<&mut WebSocket, Message>>,
) -> Option<Farewell> {
    let mut ticks = interval(RECHECK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = false;
    loop {
        ticks.tick().await;
        if let Some(farewell) = ended(bounds, session) {
            return Some(farewell);
        }
        let silent = session.silent_for();
        if silent > SILENCE {
            return Some(Farewell::new(code::GOING_AWAY, "nothing was heard for too long"));
        }
        if silent < PING {
            asked = false;
        } else if !asked {
            asked = true;
            if to.lock().await.send(Message::Ping(Bytes::new())).await.is_err() {
                return None;
            }
        }
    }
}

fn ended(bounds: &Bounds<'_>, session: &Session) -> Option<Farewell> {
    let bad = bounds.gate.verifier.recheck(&session.token(), token::now()).err()?;
    Some(Farewell::new(code::POLICY, format!("{}: {bad}", bad.code())))
}

/// Messages beyond the rate of the namespace wait for their turn.
async fn throttle(bounds: &Bounds<'_>) {
    while let Err(wait) = bounds.gate.limiter.admit(bounds.namespace) {
        tokio::time::sleep_until(Instant::now() + wait).await;
    }
}

fn lost() -> Farewell {
    Farewell::new(code::TRY_AGAIN, "the database server has closed the connection")
}

/// What a message says; `None` when it is of the wrong kind for the encoding.
pub fn read(encoding: Encoding, message: &Message) -> Option<Said> {
    match (encoding, message) {
        (Encoding::Json, Message::Text(text)) => hello::read(encoding, text.as_bytes()),
        (Encoding::Protobuf, Message::Binary(bytes)) => hello::read(encoding, bytes),
        _ => None,
    }
}

/// A frame of ours for the server.
pub fn upstream(frame: Frame) -> tungstenite::Message {
    match frame {
        Frame::Text(text) => tungstenite::Message::Text(text.into()),
        Frame::Binary(bytes) => tungstenite::Message::Binary(bytes.into()),
    }
}
