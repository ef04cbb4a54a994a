//! What the endpoint shows to people: signing in, consent, errors, signed out.
//!
//! ```text
//!  Look (the tenant's) ─┐
//!  Language ────────────┼─► Scene ─┐
//!  Nonce, Window ───────┘          ├─► Page: status, headers, HTML
//!  SignIn, Consent, Failure, … ────┘
//! ```
//!
//! Everything here is pure: the same arguments give the same bytes. A page loads nothing but the tenant's logo. Its
//! stylesheet stands in the page, under the nonce of its policy: it is small, the tenant's colours are part of it, people
//! come here too seldom for a cache to help, and no second request can fail.

mod address;
mod colour;
mod consent;
mod failure;
mod form;
mod form_post;
mod front;
mod headers;
mod language;
mod look;
mod name;
mod palette;
mod shell;
mod sign_in;
mod sign_out;
mod signed_out;
#[cfg(test)]
mod tests;
mod web_message;
mod words;

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use address::{Destination, Link, NoAddress, Origin};
pub use colour::{Colour, NoColour};
pub use consent::{Api, Consent, DECISION, Decision, Identity, Scope};
pub use failure::{Failed, Failure, FailureCode};
pub use form::Form;
pub use form_post::FormPost;
pub use front::Front;
pub use language::Language;
pub use look::Look;
pub use name::Name;
pub use sign_in::{Connection, PASSWORD, Problem, SignIn, USERNAME};
pub use sign_out::{Leaving, SignOut};
pub use signed_out::{SignedOut, Stayed};
pub use web_message::WebMessage;

/// What all pages need, whatever they say.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// How the tenant's pages look.
    pub look: &'a Look,
    /// The language of this request.
    pub language: Language,
    /// Fresh for each page.
    pub nonce: &'a Nonce,
    /// What is known of the window that shows the page.
    pub window: Window,
}

/// Whether another window waits for what comes of this one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Window {
    /// Nobody waits: the page is cut off from whoever opened it, who could move it from under a double click.
    Own,
    /// A popup of the application (`response_mode=web_message`, `display=popup`): once cut off, it would seem closed to
    /// the application, and the answer could never reach it.
    Opened,
}

/// Random bytes that mark the style and script of one page as its own.
#[derive(Clone, Debug)]
pub struct Nonce(String);

impl Nonce {
    /// From fresh random bytes.
    pub fn new(random: [u8; 16]) -> Self {
        Self(STANDARD.encode(random))
    }

    fn as_str(&self) -> &str {
        &self.0
    }
}

/// A page to send.
#[derive(Clone, Debug)]
pub struct Page {
    /// The HTTP status.
    pub status: StatusCode,
    /// All headers.
    pub headers: HeaderMap,
    /// HTML.
    pub body: String,
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        (self.status, self.headers, self.body).into_response()
    }
}
