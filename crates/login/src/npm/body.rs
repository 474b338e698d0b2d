//! Reads request bodies as JSON, within limits on size and time.

use std::time::Duration;

use axum::body::{Body, HttpBody};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::answer::Refusal;

/// The longest body. Clients send about 300 bytes.
const MOST: usize = 64 * 1024;
const DEADLINE: Duration = Duration::from_secs(10);
/// How much of a body that is too large is read and discarded, and for how long: if a
/// connection is closed with unread bytes, the client may not get the answer.
const DRAINED: usize = 32 * 1024 * 1024;
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// Reads a body as JSON, whatever its content type, as the reference service does.
///
/// # Errors
/// 413, 408 and 400.
pub async fn json<T: DeserializeOwned>(mut body: Body) -> Result<T, Refusal> {
    if body.size_hint().lower() > MOST as u64 {
        drain(body);
        return Err(Refusal::too_large(MOST));
    }
    let read = Limited::new(&mut body, MOST).collect();
    let bytes = match tokio::time::timeout(DEADLINE, read).await {
        Err(_elapsed) => return Err(Refusal::too_slow()),
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            drain(body);
            return Err(Refusal::too_large(MOST));
        }
        Ok(Err(_cut_off)) => return Err(Refusal::bad_request("the body ended early")),
    };
    // The parser's own message may contain a password.
    serde_json::from_slice(&bytes).map_err(|error| {
        let why = if error.is_data() { "has a field of the wrong type" } else { "is not JSON" };
        let (line, column) = (error.line(), error.column());
        Refusal::bad_request(format!("the body {why}, at line {line}, column {column}"))
    })
}

/// Discards the rest of a body in the background, so that the answer need not wait.
fn drain(body: Body) {
    tokio::spawn(async move {
        let mut rest = Limited::new(body, DRAINED);
        let read = async { while let Some(Ok(_frame)) = rest.frame().await {} };
        // A client that sends more, or slowly, is disconnected.
        let _elapsed = tokio::time::timeout(DRAIN_DEADLINE, read).await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn status(text: impl Into<Body>) -> u16 {
        match json::<std::collections::BTreeMap<String, String>>(text.into()).await {
            Ok(_) => 200,
            Err(refusal) => refusal.status().as_u16(),
        }
    }

    #[tokio::test]
    async fn bodies_are_small_json() {
        assert_eq!(status("{\"a\":\"b\"}").await, 200);
        assert_eq!(status("{\"a\":").await, 400);
        assert_eq!(status("[]").await, 400);
        assert_eq!(status(vec![b' '; MOST + 1]).await, 413);
        let part = |_| Ok::<_, std::io::Error>(vec![b' '; 1000]);
        let parts = futures::stream::iter((0..100).map(part));
        assert_eq!(status(Body::from_stream(parts)).await, 413);
    }

    #[tokio::test]
    async fn a_password_in_a_broken_body_is_not_repeated() {
        let body = Body::from("{\"password\":12345678}");
        let refusal = json::<std::collections::BTreeMap<String, String>>(body).await.unwrap_err();
        assert!(!format!("{refusal:?}").contains("12345678"), "{refusal:?}");
    }
}
