//! Reads replication indexes from the primary's answer while it passes to the client.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};

use super::index::Question;
use super::scan::{Scanner, Shown};

/// Wraps `response` so that `question` learns its indexes before the client gets the bytes
/// that show them. `readable` says whether it is JSON of a pipeline or a cursor.
pub fn watched(response: Response<Body>, mut question: Question, readable: bool) -> Response<Body> {
    if response.status() == StatusCode::NOT_FOUND {
        question.absent();
    }
    let scanner = (readable && response.status() == StatusCode::OK).then(Scanner::default);
    response.map(|body| {
        let mut watched = Watched { body, question, scanner };
        if watched.body.is_end_stream() {
            watched.ended();
        }
        Body::new(watched)
    })
}

struct Watched {
    body: Body,
    question: Question,
    scanner: Option<Scanner>,
}

impl Watched {
    fn passes(&mut self, data: &[u8]) {
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

impl HttpBody for Watched {
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
                    self.passes(data);
                }
                // A client that knows the length may not poll for the end.
                if self.body.is_end_stream() {
                    self.ended();
                }
            }
            None => self.ended(),
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
