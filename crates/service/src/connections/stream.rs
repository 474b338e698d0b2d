//! A connection that reports to the table what passes through it: its bytes, the bodies
//! of its requests and those of its answers.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::response::Response;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Entry;
use super::place::{Place, Turn};

/// A connection with its entry in the table, which lasts as long as the connection, even
/// after an upgrade.
pub struct Stream {
    inner: TcpStream,
    entry: Entry,
}

impl Stream {
    pub fn new(inner: TcpStream, entry: Entry) -> Self {
        Self { inner, entry }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(context, buffer))?;
        self.entry.place().has_read(buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// The body of a request that is arriving.
pub struct Arriving {
    body: Incoming,
    place: Option<Arc<Place>>,
    http2: bool,
}

impl Arriving {
    /// `place` has counted the body since [`Place::begin`].
    pub fn new(body: Incoming, place: Arc<Place>, http2: bool) -> Self {
        Self { body, place: Some(place), http2 }
    }

    fn received(&mut self) {
        if let Some(place) = self.place.take() {
            place.received(self.http2);
        }
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) || self.body.is_end_stream() {
            self.received();
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

impl Drop for Arriving {
    fn drop(&mut self) {
        self.received();
    }
}

/// The body of an answer on its way to the client.
pub struct Leaving {
    body: Body,
    turn: Option<Turn>,
}

impl Leaving {
    /// The answer to the request of `turn`, which ends with the body of the answer. After an
    /// upgrade, it does not end here.
    pub fn answer(response: Response, mut turn: Turn) -> axum::http::Response<Self> {
        let (head, body) = response.into_parts();
        let turn = if head.status == axum::http::StatusCode::SWITCHING_PROTOCOLS {
            turn.keep();
            None
        } else {
            turn.waits_for_client(!body.is_end_stream());
            Some(turn)
        };
        axum::http::Response::from_parts(head, Self { body, turn })
    }
}

impl HttpBody for Leaving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Some(turn) = &mut self.turn {
            turn.waits_for_client(frame.is_ready());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
