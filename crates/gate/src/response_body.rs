//! Bodies of answers on their way to the client.
//!
//! A small one passes as it is. A long one is read by a task of its own, so that it ends
//! when its token does or when nobody reads it, also while the client does not read; and
//! it is compressed when the client takes that.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, HeaderValue, header, response};
use bytes::Bytes;
use futures::stream;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::compression::Gzip;
use super::grpc;
use super::paths::Encoding;
use super::streams::{Seen, Sniffer, Streams};
use super::tenants::{Executing, Slot};
use demo_service::problem::Problem;
use demo_sqld::namespace::NamespaceName;

/// Answers up to this pass as they are.
const SMALL: u64 = 16 * 1024;
/// How often a token is looked at again while an answer goes on.
const RECHECK: Duration = Duration::from_secs(1);
/// Pieces of a long answer that wait for the client, and their length.
const PIECES: usize = 2;
const PIECE: usize = 64 * 1024;

/// What becomes known of a stream by the front of an answer.
pub struct Watch {
    pub encoding: Encoding,
    pub cursor: bool,
    pub streams: Streams,
    pub namespace: NamespaceName,
    pub slot: Slot,
    pub sniffer: Sniffer,
}

impl Watch {
    fn see(&mut self, data: &[u8]) {
        match self.sniffer.look(self.encoding, self.cursor, data) {
            Seen::Stream(stream) => {
                self.streams.remember(stream, &self.namespace);
                self.slot.stays(stream);
            }
            Seen::NoStream => self.slot.closed(),
            Seen::Nothing => {}
        }
    }

    /// All has been seen.
    fn ended(&mut self) {
        // Nothing happens when the stream is known.
        self.slot.closed();
    }
}

/// How a long answer is treated.
pub struct Rules<F> {
    pub watch: Option<Watch>,
    /// The place of the request, for an answer that is made while it is sent.
    pub executing: Option<Executing>,
    /// Whether it ends in trailers of gRPC-web.
    pub grpc: bool,
    /// Whether it goes on for as long as the client listens, mostly in silence.
    pub follows: bool,
    pub gzip: bool,
    /// For how long a client may leave it unread.
    pub unread: Duration,
    /// Whether the token is still good.
    pub check: F,
}

/// The body of an answer whose head is `head`, for the client.
pub fn pass<F>(head: &mut response::Parts, body: Body, rules: Rules<F>) -> Body
where
    F: Fn() -> Result<(), Problem> + Send + Sync + 'static,
{
    let length = HttpBody::size_hint(&body).exact();
    if length.is_some_and(|length| length <= SMALL) {
        return match rules.watch {
            Some(watch) => {
                let mut small = Small { body, watch };
                if small.body.is_end_stream() {
                    small.watch.ended();
                }
                Body::new(small)
            }
            None => body,
        };
    }
    let plain = !rules.grpc && !head.headers.contains_key(header::CONTENT_ENCODING);
    let gzip = (rules.gzip && plain).then(|| {
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        // Without a length the client is to have each part as soon as it is there.
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

/// Marks an answer as one that depends on what the client takes.
pub fn varies(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONTENT_ENCODING) {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
}

struct Small {
    body: Body,
    watch: Watch,
}

impl HttpBody for Small {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.watch.see(data);
                }
                // The client may know the length, and not wait for the end.
                if self.body.is_end_stream() {
                    self.watch.ended();
                }
            }
            None => self.watch.ended(),
            Some(Err(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How a long answer ended.
enum End {
    Whole,
    /// Before its time, with this as its last words.
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
            watch.see(&data);
        }
        let data = match &mut gzip {
            Some(gzip) => gzip.add(&data),
            None => data,
        };
        if let Err(end) = send(data, &to, &rules).await {
            break end;
        }
    };
    // The server is to stop before the client hears of the end.
    drop((body, executing));
    let _first = end.set(outcome);
}

/// Gives `data` to the client, in pieces; fails when the token ends, or when the client
/// takes none of them for too long.
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
                tracing::debug!("an answer that nobody reads was cut off");
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
