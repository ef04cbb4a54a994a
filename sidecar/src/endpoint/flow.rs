//! From one page to the next: the request is carried by the forms, sealed, and nothing is kept of a visitor who has not
//! signed in.
//!
//! What is sealed opens in the browser that it was sent to, on the same host, for an hour, or a quarter of one where it goes to a
//! provider. So a form of somebody else's browser signs nobody in (login CSRF), and a link that was passed on is of no use.

use axum::http::HeaderMap;
use mintage_core::endpoint::{Purpose, Request};
use mintage_core::{Seconds, UnixTime};
use serde::{Deserialize, Serialize};

use super::cookies::Cookie;
use super::pages::Failure;
use super::session::random_text;
use super::visit::Visit;
use crate::clock;

/// Takes the name and the password.
pub const SIGN_IN: &str = "/u/login";
/// Takes the decision on a consent.
pub const CONSENT: &str = "/u/consent";
/// Leads to a provider.
pub const CONNECT: &str = "/u/connect";
/// Goes on with a request.
pub const CONTINUE: &str = "/u/continue";
/// Takes the decision to sign out.
pub const SIGN_OUT: &str = "/u/logout";

/// The form that a text was sealed for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// After signing in.
    Continue,
    /// The question what an application may do.
    Consent,
    /// The provider's own pages.
    Provider,
    /// Name and password, or the choice of a provider.
    SignIn,
    /// The question whether to sign out.
    SignOut,
}

impl Step {
    /// How long it may take, in seconds: a form may lie open; a `state` goes to others, and comes back sooner.
    pub const fn life(self) -> Seconds {
        match self {
            Self::Provider => 900,
            Self::Consent | Self::Continue | Self::SignIn | Self::SignOut => 3600,
        }
    }
}

#[derive(Deserialize, Serialize)]
struct Carried<T> {
    step: Step,
    ends: UnixTime,
    what: T,
}

/// The browser of a request: what its cookie says, or a new value that `headers` set.
pub fn browser(visit: &Visit, headers: &mut HeaderMap) -> Option<String> {
    if let Some(known) = Cookie::Browser.of(&visit.headers) {
        return Some(known.to_owned());
    }
    let fresh = random_text()?;
    Cookie::Browser.set(headers, &fresh, None);
    Some(fresh)
}

fn context(visit: &Visit, browser: &str) -> String {
    format!("{}\n{browser}", visit.domain)
}

/// Seals something for a form of this browser.
pub fn carry<T: Serialize>(visit: &Visit, browser: &str, step: Step, what: T) -> Option<String> {
    let carried = Carried {
        step,
        ends: visit.now + step.life(),
        what,
    };
    let plain = serde_json::to_vec(&carried).ok()?;
    let nonce = clock::random::<12>()?;
    let context = context(visit, browser);
    Some(
        visit
            .realm
            .master
            .seal(Purpose::Form, visit.now, nonce, &context, &plain),
    )
}

/// Opens what a form of this browser carried.
pub fn open<T: for<'de> Deserialize<'de>>(
    visit: &Visit,
    step: Step,
    sealed: &str,
) -> Result<T, Failure<'static>> {
    let browser = Cookie::Browser
        .of(&visit.headers)
        .ok_or(Failure::CookiesMissing)?;
    let context = context(visit, browser);
    let plain = visit
        .realm
        .master
        .open(Purpose::Form, visit.now, &context, sealed);
    let plain = plain.ok_or(Failure::Expired)?;
    let carried: Carried<T> = serde_json::from_slice(&plain).map_err(|_| Failure::Expired)?;
    if carried.step == step && visit.now < carried.ends {
        Ok(carried.what)
    } else {
        Err(Failure::Expired)
    }
}

/// Opens a request whose application is still as it was.
pub fn open_request(visit: &Visit, step: Step, sealed: &str) -> Result<Request, Failure<'static>> {
    let request: Request = open(visit, step, sealed)?;
    standing(visit, &request).map(|()| request)
}

/// The same for a request that a user has signed in for: with the name of the session that began by that.
pub fn open_signed_in(visit: &Visit, sealed: &str) -> Result<(Request, String), Failure<'static>> {
    let signed_in: (Request, String) = open(visit, Step::Continue, sealed)?;
    standing(visit, &signed_in.0).map(|()| signed_in)
}

/// Whether the application of a request is there, and has the place to go back to.
pub fn standing(visit: &Visit, request: &Request) -> Result<(), Failure<'static>> {
    let application = visit.application(request.client.as_str());
    let stands = application.is_some_and(|application| application.admits(&request.redirect));
    if stands {
        Ok(())
    } else {
        Err(Failure::UnknownApplication)
    }
}
