//! The error page: what happened, how to mend it, and what to tell whoever helps.

use std::time::Duration;

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use minijinja::Value;
use mintage_core::code::Coded as _;
use serde::Serialize;

use super::headers::Allowed;
use super::name::{Name, html};
use super::shell::Content;
use super::{Page, Scene};

/// The most characters of a detail: a client may have sent it.
const MAX_DETAIL: usize = 300;

mintage_core::coded! {
    /// The failures by name.
    pub enum FailureCode {
        /// [`Failure::CallbackMismatch`].
        CallbackMismatch = "callback-mismatch",
        /// [`Failure::ConnectionFailed`].
        ConnectionFailed = "connection-failed",
        /// [`Failure::ConnectionUnusable`].
        ConnectionUnusable = "connection-unusable",
        /// [`Failure::CookiesMissing`].
        CookiesMissing = "cookies-missing",
        /// [`Failure::Expired`]; not `expired`, which tokens have.
        Expired = "page-expired",
        /// [`Failure::Internal`].
        Internal = "internal",
        /// [`Failure::LogoutMismatch`].
        LogoutMismatch = "logout-mismatch",
        /// [`Failure::NoConnection`].
        NoConnection = "no-connection",
        /// [`Failure::NotFound`].
        NotFound = "not-found",
        /// [`Failure::RequestWrong`].
        RequestWrong = "request-wrong",
        /// [`Failure::TooMany`].
        TooMany = "too-many",
        /// [`Failure::Unavailable`].
        Unavailable = "unavailable",
        /// [`Failure::UnknownApplication`].
        UnknownApplication = "unknown-application",
    }
}

/// Why a person sees an error instead of being sent back to the application.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure<'a> {
    /// The `redirect_uri` is not one of the application's.
    CallbackMismatch,
    /// The upstream provider gave no answer that can be used.
    ConnectionFailed {
        /// The connection's label.
        label: Name<'a>,
    },
    /// The tenant declares the connection, and nobody can sign in by it as it is.
    ConnectionUnusable {
        /// The connection's label.
        label: Name<'a>,
    },
    /// The browser did not send the cookie that belongs to this sign-in.
    CookiesMissing,
    /// The state is too old, or was used.
    Expired,
    /// A fault of ours.
    Internal,
    /// The `post_logout_redirect_uri` or `returnTo` is not one of the application's.
    LogoutMismatch,
    /// The tenant has no such connection, or none at all.
    NoConnection,
    /// There is no such path.
    NotFound,
    /// The request is malformed in a way that lets nobody be sent back.
    RequestWrong,
    /// A rate limit.
    TooMany {
        /// Until when nothing is taken.
        wait: Duration,
    },
    /// The store or another part does not answer.
    Unavailable,
    /// There is no such `client_id`.
    UnknownApplication,
}

impl Failure<'_> {
    /// Its name. Stable, for support and for tests.
    pub fn code(self) -> FailureCode {
        match self {
            Self::CallbackMismatch => FailureCode::CallbackMismatch,
            Self::ConnectionFailed { .. } => FailureCode::ConnectionFailed,
            Self::ConnectionUnusable { .. } => FailureCode::ConnectionUnusable,
            Self::CookiesMissing => FailureCode::CookiesMissing,
            Self::Expired => FailureCode::Expired,
            Self::Internal => FailureCode::Internal,
            Self::LogoutMismatch => FailureCode::LogoutMismatch,
            Self::NoConnection => FailureCode::NoConnection,
            Self::NotFound => FailureCode::NotFound,
            Self::RequestWrong => FailureCode::RequestWrong,
            Self::TooMany { .. } => FailureCode::TooMany,
            Self::Unavailable => FailureCode::Unavailable,
            Self::UnknownApplication => FailureCode::UnknownApplication,
        }
    }

    /// The page's status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::CallbackMismatch
            | Self::CookiesMissing
            | Self::Expired
            | Self::LogoutMismatch
            | Self::NoConnection
            | Self::RequestWrong
            | Self::UnknownApplication => StatusCode::BAD_REQUEST,
            Self::ConnectionFailed { .. } => StatusCode::BAD_GATEWAY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::ConnectionUnusable { .. } | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// The error page.
#[derive(Clone, Copy, Debug)]
pub struct Failed<'a> {
    /// What went wrong.
    pub failure: Failure<'a>,
    /// For developers, in English: the parameter that is wrong, or the rule that refused. It may quote what was sent.
    pub detail: Option<&'a str>,
    /// The name of the request, as the log has it.
    pub request: &'a str,
}

#[derive(Serialize)]
struct View<'a> {
    code: &'static str,
    code_label: &'static str,
    detail: Option<Value>,
    detail_label: &'static str,
    for_support: &'static str,
    heading: &'static str,
    mend: &'a str,
    request: &'a str,
    request_label: &'static str,
    what: Value,
}

impl Failed<'_> {
    /// The page.
    pub fn page(&self, scene: &Scene<'_>) -> Page {
        let words = &scene.language.words().failed;
        let explained = (words.explain)(self.failure);
        let content = Content {
            template: "failure.html",
            status: self.failure.status(),
            title: explained.title,
            view: View {
                code: self.failure.code().code(),
                code_label: words.code,
                detail: self.detail.map(beginning),
                detail_label: words.detail,
                for_support: words.for_support,
                heading: explained.title,
                mend: &explained.mend,
                request: self.request,
                request_label: words.request,
                what: html(&explained.what),
            },
        };
        let mut page = content.page(scene, &Allowed::default());
        if let Failure::TooMany { wait } = self.failure {
            page.headers.insert(RETRY_AFTER, retry_after(wait));
        }
        page
    }
}

/// The beginning of a text.
fn beginning(detail: &str) -> Value {
    let mut rest = detail.char_indices();
    let end = rest.nth(MAX_DETAIL).map_or(detail.len(), |(end, _)| end);
    Name::new(&detail[..end]).html()
}

/// In whole seconds, never too few.
pub fn retry_after(wait: Duration) -> HeaderValue {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_short_and_says_what_it_seems_to_say() {
        let html = |detail: &str| beginning(detail).to_string();
        assert_eq!(html("a\u{202e}b\r\nc"), "<bdi>ab  c</bdi>");
        let most = "ä".repeat(MAX_DETAIL);
        assert_eq!(html(&most), format!("<bdi>{most}</bdi>"));
        assert_eq!(html(&"ä".repeat(1000)), format!("<bdi>{most}</bdi>"));
    }

    #[test]
    fn nobody_is_told_to_come_back_too_early() {
        assert_eq!(retry_after(Duration::from_millis(1)), "1");
        assert_eq!(retry_after(Duration::from_mins(1)), "60");
    }
}
