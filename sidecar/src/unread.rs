//! Bodies that an answer came before: the connection ends after it, and the answer has to say so (RFC 9112 section 9.6), else
//! the client sends its next request into nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::http::Response;
use axum::http::header::{CONNECTION, HeaderValue};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

/// Whether the body of a connection's request was read to its end. One connection of HTTP/1 has one request at a time.
#[derive(Clone, Default)]
pub struct Reading(Arc<AtomicBool>);

impl Reading {
    /// The body of the next request.
    pub fn watch(&self, body: Incoming) -> Watched {
        let watched = Watched {
            body,
            reading: self.clone(),
        };
        self.0
            .store(watched.body.is_end_stream(), Ordering::Relaxed);
        watched
    }

    /// Has an answer say that the connection ends with it, if not all of the body was read.
    pub fn conclude<B>(&self, response: &mut Response<B>) {
        if !self.0.load(Ordering::Relaxed) {
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// A body that tells when it was read.
pub struct Watched {
    body: Incoming,
    reading: Reading,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.reading.0.store(true, Ordering::Relaxed);
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
