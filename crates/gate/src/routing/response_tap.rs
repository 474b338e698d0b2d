//! Reads replication indexes from the primary's answer while it passes to the client.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;

use super::index::Question;
use super::scan::{Scanner, Shown};
use crate::body_tap::{Observe, tap};

/// Wraps `response` so that `question` learns its indexes before the client gets the bytes
/// that show them. `readable` says whether it is JSON of a pipeline or a cursor.
pub fn watched(response: Response<Body>, mut question: Question, readable: bool) -> Response<Body> {
    if response.status() == StatusCode::NOT_FOUND {
        question.absent();
    }
    let scanner = (readable && response.status() == StatusCode::OK).then(Scanner::default);
    response.map(|body| tap(body, Indexes { question, scanner }))
}

struct Indexes {
    question: Question,
    scanner: Option<Scanner>,
}

impl Observe for Indexes {
    fn data(&mut self, data: &[u8]) {
        let Some(scanner) = &mut self.scanner else { return };
        let before = scanner.shown();
        let now = scanner.take(data);
        if now.highest > before.highest
            && let Some(index) = now.highest
        {
            self.question.shows(index);
        }
    }

    fn ended(&mut self) {
        let shown = self.scanner.as_ref().map_or_else(Shown::default, Scanner::shown);
        if shown.numbers == 0 && shown.nulls > 0 {
            self.question.shows(0);
        }
        self.question.settle(shown.numbers > 0 && !shown.error);
    }
}

/// The whole body, or `None` when it is longer than `most`.
///
/// # Errors
/// When the connection breaks.
pub async fn whole(body: Body, most: usize) -> Result<Option<Bytes>, ()> {
    match http_body_util::Limited::new(body, most).collect().await {
        Ok(whole) => Ok(Some(whole.to_bytes())),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Ok(None),
        Err(_) => Err(()),
    }
}
