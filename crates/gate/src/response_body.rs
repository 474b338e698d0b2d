//! Passes the bodies of answers on to the client.
//!
//! A small body passes unchanged. A separate task reads a long one, so that it can be cut
//! off while the client does not read: when its token expires, or when the client leaves
//! it unread for too long. It is compressed if the client accepts that.

use std::sync::{Arc, OnceLock};
use std::task::{Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderValue, header, response};
use bytes::Bytes;
use futures::stream;
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::body_tap::{Observe, tap};
use super::compression::Gzip;
use super::grpc;
use super::paths::Encoding;
use super::streams::{Seen, Sniffer, Streams};
use super::tenants::{Executing, Slot};
use demo_service::problem::Problem;
use demo_sqld::namespace::NamespaceName;

/// Answers up to this size pass unchanged.
const SMALL: u64 = 16 * 1024;
/// How often a token is checked again during an answer.
const RECHECK: Duration = Duration::from_secs(1);
/// How many pieces of a long answer may wait for the client, and their length.
const PIECES: usize = 2;
const PIECE: usize = 64 * 1024;

/// Learns from the beginning of an answer whether its stream stays open.
pub struct Watch {
    pub encoding: Encoding,
    pub cursor: bool,
    pub streams: Streams,
    pub namespace: NamespaceName,
    pub slot: Slot,
    pub sniffer: Sniffer,
}

impl Observe for Watch {
    fn data(&mut self, data: &[u8]) {
        match self.sniffer.look(self.encoding, self.cursor, data) {
            Seen::Stream(stream) => {
                self.streams.remember(stream, &self.namespace);
                self.slot.stays(stream);
            }
            Seen::NoStream => self.slot.closed(),
            Seen::Nothing => {}
        }
    }

    fn ended(&mut self) {
        // This has no effect if the slot is already settled.
        self.slot.closed();
    }
}

/// How a long answer is treated.
pub struct Rules<F> {
    pub watch: Option<Watch>,
    /// The request's slot, if the server still executes the request while the answer is sent.
    pub executing: Option<Executing>,
    /// Whether it ends with gRPC-web trailers.
    pub grpc: bool,
    /// Whether it continues for as long as the client listens, mostly without data.
    pub follows: bool,
    pub gzip: bool,
    /// How long a client may leave it unread.
    pub unread: Duration,
    /// Checks whether the token is still valid.
    pub check: F,
}

/// The body for the client of an answer whose head is `head`.
pub fn pass<F>(head: &mut response::Parts, body: Body, rules: Rules<F>) -> Body
where
    F: Fn() -> Result<(), Problem> + Send + Sync + 'static,
{
    let length = HttpBody::size_hint(&body).exact();
    if length.is_some_and(|length| length <= SMALL) {
        return match rules.watch {
            Some(watch) => tap(body, watch),
            None => body,
        };
    }
    let plain = !rules.grpc && !head.headers.contains_key(header::CONTENT_ENCODING);
    let gzip = (rules.gzip && plain).then(|| {
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        // Without a length, the client gets each part as soon as it arrives.
        Gzip::new(length.is_none())
    });
    let (sender, mut receiver) = mpsc::channel::<Bytes>(PIECES);
    let end: Arc<OnceLock<End>> = Arc::default();
    tokio::spawn(pump(body, rules, gzip, sender, end.clone()));
    let mut over = false;
    Body::from_stream(stream::poll_fn(move |context| {
        if over {
            return Poll::Ready(None);
        }
        let piece = ready!(receiver.poll_recv(context));
        over = piece.is_none();
        Poll::Ready(match (piece, end.get()) {
            (Some(piece), _) => Some(Ok(piece)),
            (None, Some(End::Whole)) => None,
            (None, Some(End::Trailers(trailers))) => Some(Ok(trailers.clone())),
            (None, Some(End::Broken) | None) => {
                Some(Err(std::io::Error::other("the answer was cut off")))
            }
        })
    }))
}

/// Tells caches that a compressed answer depends on `Accept-Encoding`.
pub fn varies(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONTENT_ENCODING) {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
}

/// How a long answer ended.
enum End {
    Whole,
    /// Early, with these gRPC trailers.
    Trailers(Bytes),
    Broken,
}

async fn pump<F>(
    mut body: Body,
    mut rules: Rules<F>,
    mut gzip: Option<Gzip>,
    to: mpsc::Sender<Bytes>,
    end: Arc<OnceLock<End>>,
) where
    F: Fn() -> Result<(), Problem> + Send + Sync + 'static,
{
    let mut watch = rules.watch.take();
    let executing = rules.executing.take();
    let mut ticks = interval(RECHECK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let outcome = loop {
        let frame = tokio::select! {
            biased;
            _ = ticks.tick() => match (rules.check)() {
                Ok(()) => continue,
                Err(problem) => break cut_off(&rules, &problem),
            },
            () = to.closed() => break End::Broken,
            frame = body.frame() => frame,
        };
        let data = match frame {
            None => {
                if let Some(watch) = &mut watch {
                    watch.ended();
                }
                let rest = gzip.take().map(Gzip::finish).unwrap_or_default();
                break match send(rest, &to, &rules).await {
                    Ok(()) => End::Whole,
                    Err(end) => end,
                };
            }
            Some(Err(_)) => break End::Broken,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => data,
                Err(_trailers) => continue,
            },
        };
        if let Some(watch) = &mut watch {
            watch.data(&data);
        }
        let data = match &mut gzip {
            Some(gzip) => gzip.add(&data),
            None => data,
        };
        if let Err(end) = send(data, &to, &rules).await {
            break end;
        }
    };
    // The server's work ends before the client learns that the answer has ended.
    drop((body, executing));
    let _first = end.set(outcome);
}

/// Sends `data` to the client in pieces. Fails when the token expires, or when the client
/// reads none of them for too long.
async fn send<F>(mut data: Bytes, to: &mpsc::Sender<Bytes>, rules: &Rules<F>) -> Result<(), End>
where
    F: Fn() -> Result<(), Problem> + Send + Sync,
{
    while !data.is_empty() {
        let deadline = Instant::now() + rules.unread;
        let room = loop {
            if let Ok(room) = to.try_reserve() {
                break room;
            }
            let look = (Instant::now() + RECHECK).min(deadline);
            tokio::select! {
                room = to.reserve() => break room.map_err(|_closed| End::Broken)?,
                () = sleep_until(look) => {}
            }
            (rules.check)().map_err(|problem| cut_off(rules, &problem))?;
            if Instant::now() >= deadline {
                tracing::debug!("cut off an answer that the client did not read");
                return Err(End::Broken);
            }
        };
        room.send(data.split_to(data.len().min(PIECE)));
    }
    Ok(())
}

fn cut_off<F>(rules: &Rules<F>, problem: &Problem) -> End {
    if rules.grpc && rules.follows { End::Trailers(grpc::trailers(problem)) } else { End::Broken }
}
