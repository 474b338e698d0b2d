//! Shows the data of an answer to an observer while it passes to the client.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// What wants to see the data of an answer.
pub trait Observe: Send + Unpin + 'static {
    /// The next piece, before the client gets it.
    fn data(&mut self, data: &[u8]);

    /// The answer is complete. It may be told twice, and not at all when it breaks off.
    fn ended(&mut self);
}

/// The same body, which `observer` sees.
pub fn tap(body: Body, mut observer: impl Observe) -> Body {
    if body.is_end_stream() {
        observer.ended();
    }
    Body::new(Tapped { body, observer })
}

struct Tapped<O> {
    body: Body,
    observer: O,
}

impl<O: Observe> HttpBody for Tapped<O> {
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
                    self.observer.data(data);
                }
                // A client that knows the length may not poll for the end.
                if self.body.is_end_stream() {
                    self.observer.ended();
                }
            }
            None => self.observer.ended(),
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
