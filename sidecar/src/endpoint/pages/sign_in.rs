//! Signing in: by a password, by an upstream provider, or as one likes.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use minijinja::Value;
use serde::Serialize;

use super::failure::retry_after;
use super::form::Form;
use super::headers::Allowed;
use super::name::{Name, html};
use super::shell::{Content, sources};
use super::{Page, Scene};

/// The field of the name.
pub const USERNAME: &str = "username";

/// The field of the password.
pub const PASSWORD: &str = "password";

/// The page on which people sign in.
#[derive(Clone, Copy, Debug)]
pub struct SignIn<'a> {
    /// The application that they come from.
    pub application: Name<'a>,
    /// Takes `username` and `password`, where users have passwords.
    pub password: Option<Form<'a>>,
    /// The name that stands there already: `login_hint`, or what was typed before.
    pub username: Option<Name<'a>>,
    /// The providers that they may choose among, in the order in which they are shown.
    pub connect: &'a [Connection<'a>],
    /// What became of the last attempt.
    pub problem: Option<Problem<'a>>,
}

/// An upstream provider. Its button is a link: what a form leads to is held to the page's policy, and nobody knows all places
/// that a provider leads to.
#[derive(Clone, Copy, Debug)]
pub struct Connection<'a> {
    /// The address on this host that leads there.
    pub address: &'a str,
    /// The name that people know it by.
    pub label: Name<'a>,
}

/// Why nobody is signed in yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Problem<'a> {
    /// The provider refused, or the person turned back there.
    ConnectionFailed {
        /// The connection's label.
        label: Name<'a>,
    },
    /// A rate limit, for users that exist and for those that do not.
    TooMany {
        /// Until when nothing is taken.
        wait: Duration,
    },
    /// No such user, or another password: the page does not tell which.
    Wrong,
}

impl Problem<'_> {
    fn status(self) -> StatusCode {
        match self {
            Self::ConnectionFailed { .. } | Self::Wrong => StatusCode::BAD_REQUEST,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

#[derive(Serialize)]
struct View<'a> {
    /// Addresses, and what stands on their buttons.
    connect: Vec<(&'a str, Value)>,
    heading: &'static str,
    lead: Value,
    or: &'static str,
    password: Option<Form<'a>>,
    password_label: &'static str,
    problem: Option<Value>,
    /// Whether the fields are what is wrong.
    refused: bool,
    submit: &'static str,
    username: String,
    username_label: &'static str,
}

impl SignIn<'_> {
    /// The page.
    pub fn page(&self, scene: &Scene<'_>) -> Page {
        let words = &scene.language.words().sign_in;
        let problem = self.problem.map(|problem| match problem {
            Problem::ConnectionFailed { label } => html(&(words.connection_failed)(label)),
            Problem::TooMany { wait } => (words.too_many)(wait).into(),
            Problem::Wrong => words.wrong.into(),
        });
        // Who hears the page learns from its title that it did not work.
        let title = match problem {
            Some(_) => format!("{}: {}", words.problem, words.title),
            None => words.title.into(),
        };
        let connect = self.connect.iter();
        let connect = connect.map(|it| (it.address, html(&(words.connect)(it.label))));
        let content = Content {
            template: "sign_in.html",
            status: self.problem.map_or(StatusCode::OK, Problem::status),
            title: &title,
            view: View {
                connect: connect.collect(),
                heading: words.title,
                lead: html(&(words.lead)(self.application)),
                or: words.or,
                password: self.password,
                password_label: words.password,
                problem,
                refused: self.problem == Some(Problem::Wrong),
                submit: words.submit,
                username: self.username.map(Name::alone).unwrap_or_default(),
                username_label: words.username,
            },
        };
        // A page without a form posts nothing.
        let forms = self.password.as_ref().map(|form| sources([form]));
        let forms = forms.unwrap_or_default();
        let allowed = Allowed {
            forms: &forms,
            ..Allowed::default()
        };
        let mut page = content.page(scene, &allowed);
        if let Some(Problem::TooMany { wait }) = self.problem {
            page.headers.insert(RETRY_AFTER, retry_after(wait));
        }
        page
    }
}
