//! Reads request bodies whole, within limits on size, time and memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use super::tenants::Tenant;
use demo_service::problem::Problem;

/// The memory for all bodies that are being read, in KiB.
const ROOM: usize = 512 * 1024;
/// How many namespaces it takes to use up that memory.
const SHARES: usize = 4;
/// Bodies up to this size do not count.
pub const SMALL: usize = 64 * 1024;
/// Memory is reserved in steps of this many KiB.
const STEP: usize = 256;
/// How much of a body that is too long is read and discarded, and for how long: otherwise
/// the client would see a broken connection instead of the answer.
const DISCARDED: usize = 64 * 1024 * 1024;
const DISCARDING: Duration = Duration::from_secs(10);

/// The memory for the bodies of all namespaces.
#[derive(Clone)]
pub struct Room {
    all: Arc<Semaphore>,
    share: usize,
}

impl Room {
    /// For bodies of up to `most` bytes.
    pub fn new(most: usize) -> Self {
        let share = (ROOM / SHARES).max(most.div_ceil(1024));
        Self { all: Arc::new(Semaphore::new(ROOM.max(SHARES * share))), share }
    }

    /// The share of one namespace, in KiB.
    pub fn share(&self) -> u32 {
        u32::try_from(self.share).unwrap_or(u32::MAX)
    }

    /// An empty reservation for `tenant`.
    pub fn reserve(&self, tenant: Arc<Tenant>) -> Reserved {
        Reserved { room: self.clone(), tenant, own: 0, shared: 0 }
    }
}

/// The memory that one body has reserved; it is released when this is dropped.
pub struct Reserved {
    room: Room,
    tenant: Arc<Tenant>,
    /// KiB from the namespace's share, and from the memory for all namespaces.
    own: usize,
    shared: usize,
}

impl Reserved {
    /// Waits for `bytes`, the announced length, from the namespace's own share. This takes
    /// nothing from other namespaces.
    async fn announced(&mut self, bytes: usize) {
        let needs = bytes.div_ceil(1024).min(self.room.share);
        if let Ok(permit) = self.tenant.room.acquire_many(amount(needs)).await {
            permit.forget();
            self.own += needs;
        }
    }

    /// Waits for memory for `bytes`, which have arrived.
    async fn arrived(&mut self, bytes: usize) {
        let Some(more) = self.missing(bytes, self.shared) else { return };
        if let Ok(permit) = self.room.all.acquire_many(amount(more)).await {
            permit.forget();
            self.shared += more;
        }
    }

    /// Reserves memory for `bytes`, which have arrived. Returns whether there was enough, in
    /// the namespace's share and in total.
    pub fn take_now(&mut self, bytes: usize) -> bool {
        if let Some(more) = self.missing(bytes, self.own) {
            let Ok(permit) = self.tenant.room.try_acquire_many(amount(more)) else { return false };
            permit.forget();
            self.own += more;
        }
        if let Some(more) = self.missing(bytes, self.shared) {
            let Ok(permit) = self.room.all.try_acquire_many(amount(more)) else { return false };
            permit.forget();
            self.shared += more;
        }
        true
    }

    fn missing(&self, bytes: usize, has: usize) -> Option<usize> {
        let needs = bytes.div_ceil(1024).next_multiple_of(STEP).min(self.room.share);
        needs.checked_sub(has).filter(|more| *more > 0)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.tenant.room.add_permits(self.own);
        self.room.all.add_permits(self.shared);
    }
}

fn amount(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Reads bodies of requests.
#[derive(Clone)]
pub struct Reader {
    most: usize,
    timeout: Duration,
    room: Room,
}

impl Reader {
    /// `most` bytes each, within `timeout`.
    pub fn new(most: usize, timeout: Duration, room: Room) -> Self {
        Self { most, timeout, room }
    }

    /// The whole body. The gate must inspect it, and waiting costs nothing: the server
    /// does not begin before it has the whole body, either.
    ///
    /// # Errors
    /// 413 when it is too long, as declared or in fact; 408 when it takes
    /// too long; 415 when it is compressed; 400 when it ends early.
    pub async fn read(
        &self,
        tenant: &Arc<Tenant>,
        headers: &HeaderMap,
        mut body: Body,
    ) -> Result<Bytes, Problem> {
        if headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "body-encoded",
                "the body has a Content-Encoding, which the server does not support",
            ));
        }
        let declared = hyper::body::Body::size_hint(&body).exact();
        let declared = declared.map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        if declared.is_some_and(|size| size > self.most) {
            // A client that sent `Expect: 100-continue` has not sent any of the body yet.
            if !headers.contains_key(header::EXPECT) {
                discard(body).await;
            }
            return Err(self.too_large());
        }
        let deadline = Instant::now() + self.timeout;
        let late = |_| {
            let said = "the body did not arrive in time";
            Problem::new(StatusCode::REQUEST_TIMEOUT, "body-timeout", said)
        };
        let mut reserved: Option<Reserved> = None;
        let mut whole = BytesMut::new();
        loop {
            let frame = match timeout_at(deadline, body.frame()).await.map_err(late)? {
                None => return Ok(whole.freeze()),
                Some(Ok(frame)) => frame,
                Some(Err(_)) => {
                    return Err(Problem::bad_request("body-broken", "the body ended early"));
                }
            };
            let Ok(data) = frame.into_data() else { continue };
            let length = whole.len() + data.len();
            if length > self.most {
                drop((whole, reserved));
                discard(body).await;
                return Err(self.too_large());
            }
            if whole.is_empty() && declared == Some(data.len()) {
                return Ok(data);
            }
            if length > SMALL {
                let waited = async {
                    if reserved.is_none() {
                        let mut new = self.room.reserve(tenant.clone());
                        new.announced(declared.unwrap_or(self.most)).await;
                        reserved = Some(new);
                    }
                    if let Some(reserved) = &mut reserved {
                        reserved.arrived(length).await;
                    }
                };
                timeout_at(deadline, waited).await.map_err(late)?;
            }
            whole.extend_from_slice(&data);
        }
    }

    fn too_large(&self) -> Problem {
        let said = format!("the body is larger than {} bytes", self.most);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", said)
    }
}

/// Reads and discards the rest of a body, up to a limit.
async fn discard(mut body: Body) {
    let reading = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Bytes::len);
            if read > DISCARDED {
                break;
            }
        }
    };
    // Anything that arrives later meets a closed connection.
    let _late = timeout(DISCARDING, reading).await;
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;
    use crate::config::Limits;
    use crate::tenants::Tenants;

    fn reader(most: usize, timeout: Duration) -> (Reader, Arc<Tenant>) {
        let room = Room::new(most);
        let tenants = Tenants::new(&Limits::default(), room.share());
        (Reader::new(most, timeout, room), tenants.of(&"a".parse().unwrap()))
    }

    fn chunked(parts: &'static [&'static str]) -> Body {
        Body::from_stream(stream::iter(parts.iter().map(|part| Ok::<_, std::io::Error>(*part))))
    }

    async fn read(body: Body) -> Result<Bytes, u16> {
        let (reader, tenant) = reader(8, Duration::from_secs(5));
        reader
            .read(&tenant, &HeaderMap::new(), body)
            .await
            .map_err(|problem| problem.status().as_u16())
    }

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_read_whole() {
        assert_eq!(read(Body::from("12345678")).await.unwrap(), "12345678");
        assert_eq!(read(chunked(&["1234", "", "5678"])).await.unwrap(), "12345678");
        assert_eq!(read(Body::empty()).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_longer_body_is_413_whether_it_declares_its_length_or_not() {
        assert_eq!(read(Body::from("123456789")).await.unwrap_err(), 413);
        assert_eq!(read(chunked(&["1234", "5678", "9"])).await.unwrap_err(), 413);
    }

    #[tokio::test]
    async fn a_body_that_does_not_arrive_is_408_and_a_compressed_one_415() {
        let (reader, tenant) = reader(8, Duration::from_millis(20));
        let never = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let problem = reader.read(&tenant, &HeaderMap::new(), never).await.unwrap_err();
        assert_eq!(problem.status(), 408);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("gzip"));
        let problem = reader.read(&tenant, &headers, Body::from("1")).await.unwrap_err();
        assert_eq!(problem.status(), 415);
    }

    #[tokio::test]
    async fn m4_bodies_that_are_announced_and_do_not_arrive_take_nothing_from_others() {
        let room = Room::new(10 << 20);
        let tenants = Tenants::new(&Limits::default(), room.share());
        let reader = Reader::new(10 << 20, Duration::from_secs(20), room.clone());
        let (alice, bob) = (tenants.of(&"a".parse().unwrap()), tenants.of(&"b".parse().unwrap()));
        let mut slow = Vec::new();
        for _ in 0..60 {
            let (reader, bob) = (reader.clone(), bob.clone());
            slow.push(tokio::spawn(async move {
                // A body without a length counts as one of the largest size.
                let part = stream::once(async { Ok::<_, std::io::Error>(vec![0; 70 * 1024]) });
                let body = Body::from_stream(futures::StreamExt::chain(part, stream::pending()));
                reader.read(&bob, &HeaderMap::new(), body).await
            }));
        }
        let waits = || bob.room.available_permits() >= 1024 * 10;
        while waits() {
            tokio::task::yield_now().await;
        }
        let parts: Vec<_> = (0..80).map(|_| Ok::<_, std::io::Error>(vec![1; 100 * 1024])).collect();
        let (headers, body) = (HeaderMap::new(), Body::from_stream(stream::iter(parts)));
        let honest = reader.read(&alice, &headers, body);
        let read = timeout(Duration::from_secs(2), honest).await.expect("alice waits").unwrap();
        assert_eq!(read.len(), 80 * 100 * 1024);
        for task in slow {
            task.abort();
            let _ = task.await;
        }
        assert_eq!(bob.room.available_permits(), room.share);
        assert_eq!(room.all.available_permits(), ROOM);
    }
}
