//! The request that a task works on: its id, in each log line and in the answer.

use std::future::Future;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::clock;

/// Names a request, in it and in its answer.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a client.
const MAX_ID: usize = 128;

/// What identifies a request.
#[derive(Clone, Debug)]
pub struct Context {
    id: HeaderValue,
    trace: Option<String>,
}

tokio::task_local! {
    static CURRENT: Context;
}

impl Context {
    /// Takes the client's id where it is one that a log can hold, or makes a new one; and the trace that a
    /// `traceparent` names (W3C Trace Context section 3.2).
    pub fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(REQUEST_ID).filter(|id| is_id(id));
        Self {
            id: given.cloned().unwrap_or_else(fresh_id),
            trace: headers.get("traceparent").and_then(trace_id),
        }
    }

    /// The same, as part of a trace.
    pub fn traced(mut self, trace: String) -> Self {
        self.trace = Some(trace);
        self
    }

    /// The id: `X-Request-Id` of the answer.
    pub fn header(&self) -> HeaderValue {
        self.id.clone()
    }

    /// The id as text.
    pub fn id(&self) -> &str {
        self.id.to_str().unwrap_or_default()
    }

    /// The trace that the request belongs to.
    pub fn trace_id(&self) -> Option<&str> {
        self.trace.as_deref()
    }

    /// Runs a future as work on this request.
    pub async fn scope<T>(self, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }
}

/// Shows the request that is being worked on, if any is.
pub fn with(show: impl FnOnce(&Context)) {
    // An error says that no request is being worked on.
    CURRENT.try_with(show).ok();
}

fn is_id(id: &HeaderValue) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte);
    (1..=MAX_ID).contains(&id.len()) && id.as_bytes().iter().all(allowed)
}

/// Eight random digits for the process, then a count: unique enough to find lines that belong together, and cheap.
fn fresh_id() -> HeaderValue {
    static PROCESS: LazyLock<u32> = LazyLock::new(clock::random_u32);
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut id = [0; 16];
    for (place, digit) in id.iter_mut().enumerate() {
        let (half, place) = if place < 8 {
            (*PROCESS, place)
        } else {
            (count, place - 8)
        };
        *digit = b"0123456789abcdef"[(half >> (28 - 4 * place)) as usize & 15];
    }
    HeaderValue::from_bytes(&id).expect("hexadecimal digits can be a header")
}

/// The second field of `00-<32 digits>-<16 digits>-<2 digits>`; all zeros is none.
fn trace_id(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let hex = |part: &str| {
        part.bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let whole = version.len() == 2 && hex(version) && trace.len() == 32 && hex(trace);
    (whole && trace.bytes().any(|byte| byte != b'0')).then(|| trace.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &[u8]) -> HeaderMap {
        let value = HeaderValue::from_bytes(value).unwrap();
        HeaderMap::from_iter([(HeaderName::from_static(name), value)])
    }

    #[test]
    fn a_sound_id_is_kept_and_another_is_replaced() {
        let long = "x".repeat(MAX_ID);
        for good in ["a", "7f3e-4b.c_d:e/f+g=h@i", &long] {
            assert_eq!(
                Context::of(&headers("x-request-id", good.as_bytes())).id(),
                good
            );
        }
        let longer = "x".repeat(MAX_ID + 1);
        for bad in ["", "a b", "a\"b", "a,b", "\u{fc}", &longer] {
            let id = Context::of(&headers("x-request-id", bad.as_bytes()))
                .id()
                .to_owned();
            assert_ne!(id, bad);
            assert!(
                id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{id}"
            );
        }
    }

    #[test]
    fn no_two_requests_share_a_fresh_id() {
        let ids = (0..1000)
            .map(|_| fresh_id())
            .collect::<std::collections::HashSet<_>>();
        assert_eq!(ids.len(), 1000);
    }

    #[test]
    fn a_trace_is_taken_from_a_whole_traceparent() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let given = format!("00-{trace}-00f067aa0ba902b7-01");
        let context = Context::of(&headers("traceparent", given.as_bytes()));
        assert_eq!(context.trace_id(), Some(trace));
        let zeros = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        for bad in [
            "",
            "00",
            "00-4bf9-00f0-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-0-1",
            &zeros,
        ] {
            let context = Context::of(&headers("traceparent", bad.as_bytes()));
            assert_eq!(context.trace_id(), None, "{bad}");
        }
    }
}
