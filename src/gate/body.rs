//! Bodies: what comes is read whole and within limits, what goes back streams.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use futures::stream;
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout_at};

use super::grpc;
use super::paths::Encoding;
use super::streams::{Sniffer, Streams};
use crate::server::namespace::NamespaceName;
use crate::service::problem::Problem;

/// What all bodies that are being read may take together, in KiB.
const ROOM: usize = 512 * 1024;
/// Bodies up to this do not count.
const SMALL: usize = 64 * 1024;
/// How often a token is looked at again while an answer goes on.
const RECHECK: Duration = Duration::from_secs(1);

/// Reads bodies of requests.
#[derive(Clone)]
pub struct Reader {
    most: usize,
    timeout: Duration,
    room: Arc<Semaphore>,
}

impl Reader {
    /// `most` bytes each, within `timeout`.
    pub fn new(most: usize, timeout: Duration) -> Self {
        let room = ROOM.max(most.div_ceil(1024));
        Self { most, timeout, room: Arc::new(Semaphore::new(room)) }
    }

    /// The whole body. The server needs all of it before it begins, so that
    /// nothing is lost by waiting; and some of it must be looked at.
    ///
    /// # Errors
    /// 413 when it is too long, by its own word or in fact; 408 when it takes
    /// too long; 415 when it is compressed; 400 when it breaks off.
    pub async fn read(&self, headers: &HeaderMap, mut body: Body) -> Result<Bytes, Problem> {
        if headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "body-encoded",
                "the body has a Content-Encoding, and the server reads none",
            ));
        }
        let declared = hyper::body::Body::size_hint(&body).exact();
        let declared = declared.map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        if declared.is_some_and(|size| size > self.most) {
            return Err(self.too_large());
        }
        let deadline = Instant::now() + self.timeout;
        let late = |_| {
            let said = "the body did not come in time";
            Problem::new(StatusCode::REQUEST_TIMEOUT, "body-timeout", said)
        };
        let needs = u32::try_from(declared.unwrap_or(self.most).div_ceil(1024)).unwrap_or(u32::MAX);
        let mut room = None;
        let mut whole = BytesMut::new();
        loop {
            let frame = match timeout_at(deadline, body.frame()).await.map_err(late)? {
                None => return Ok(whole.freeze()),
                Some(Ok(frame)) => frame,
                Some(Err(_)) => {
                    return Err(Problem::bad_request("body-broken", "the body broke off"));
                }
            };
            let Ok(data) = frame.into_data() else { continue };
            if whole.len() + data.len() > self.most {
                return Err(self.too_large());
            }
            if room.is_none() && declared.unwrap_or(whole.len() + data.len()) > SMALL {
                let acquired = timeout_at(deadline, self.room.acquire_many(needs)).await;
                room = Some(acquired.map_err(late)?);
            }
            if whole.is_empty() && declared == Some(data.len()) {
                return Ok(data);
            }
            whole.extend_from_slice(&data);
        }
    }

    fn too_large(&self) -> Problem {
        let said = format!("the body is larger than {} bytes", self.most);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", said)
    }
}

/// An answer whose stream is remembered as one of `namespace`.
pub fn watched(
    body: Body,
    encoding: Encoding,
    cursor: bool,
    streams: Streams,
    namespace: NamespaceName,
) -> Body {
    let mut sniffer = Sniffer::default();
    Body::new(body.map_frame(move |frame| {
        if let Some(data) = frame.data_ref()
            && let Some(stream) = sniffer.look(encoding, cursor, data)
        {
            streams.remember(stream, &namespace);
        }
        frame
    }))
}

/// The answer to a replica that follows the log: it ends with a gRPC status
/// when `check` says that the token is good no more.
pub fn guarded(body: Body, check: impl Fn() -> Result<(), Problem> + Send + 'static) -> Body {
    struct Going<F> {
        body: Body,
        ticks: Interval,
        check: F,
    }
    let mut ticks = interval(RECHECK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let going = Some(Going { body, ticks, check });
    Body::from_stream(stream::unfold(going, |going| async move {
        let mut going = going?;
        loop {
            tokio::select! {
                biased;
                _ = going.ticks.tick() => {
                    if let Err(problem) = (going.check)() {
                        return Some((Ok(grpc::trailers(&problem)), None));
                    }
                }
                frame = going.body.frame() => match frame? {
                    Ok(frame) => match frame.into_data() {
                        Ok(data) => return Some((Ok(data), Some(going))),
                        Err(_trailers) => {}
                    },
                    Err(error) => return Some((Err(error), None)),
                },
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunked(parts: &'static [&'static str]) -> Body {
        Body::from_stream(stream::iter(parts.iter().map(|part| Ok::<_, std::io::Error>(*part))))
    }

    async fn read(body: Body) -> Result<Bytes, u16> {
        let reader = Reader::new(8, Duration::from_secs(5));
        reader.read(&HeaderMap::new(), body).await.map_err(|problem| problem.status().as_u16())
    }

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_read_whole() {
        assert_eq!(read(Body::from("12345678")).await.unwrap(), "12345678");
        assert_eq!(read(chunked(&["1234", "", "5678"])).await.unwrap(), "12345678");
        assert_eq!(read(Body::empty()).await.unwrap(), "");
    }

    #[tokio::test]
    async fn more_is_413_whether_it_says_so_or_not() {
        assert_eq!(read(Body::from("123456789")).await.unwrap_err(), 413);
        assert_eq!(read(chunked(&["1234", "5678", "9"])).await.unwrap_err(), 413);
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_408_and_a_compressed_one_415() {
        let reader = Reader::new(8, Duration::from_millis(20));
        let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let problem = reader.read(&HeaderMap::new(), never).await.unwrap_err();
        assert_eq!(problem.status(), 408);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("gzip"));
        let problem = reader.read(&headers, Body::from("1")).await.unwrap_err();
        assert_eq!(problem.status(), 415);
    }
}
