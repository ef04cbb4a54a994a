//! Hands an answer to the application by a form that sends itself (OAuth 2.0 Form Post Response Mode).

use axum::http::StatusCode;
use serde::Serialize;

use super::address::{Destination, NoAddress};
use super::headers::Allowed;
use super::shell::Content;
use super::{Page, Scene};

/// The page with the form.
#[derive(Clone, Debug)]
pub struct FormPost<'a> {
    action: &'a str,
    destination: Destination,
    /// The members of the answer, such as `code`, `state` and `iss`.
    answer: &'a [(&'a str, &'a str)],
}

#[derive(Serialize)]
struct View<'a> {
    action: &'a str,
    answer: &'a [(&'a str, &'a str)],
    go_on: &'static str,
    heading: &'static str,
    no_script: &'static str,
}

impl<'a> FormPost<'a> {
    /// Only a web site takes a form.
    pub fn new(redirect_uri: &'a str, answer: &'a [(&'a str, &'a str)]) -> Result<Self, NoAddress> {
        match Destination::of(redirect_uri)? {
            Destination::Application(_) => Err(NoAddress::Scheme),
            destination @ Destination::Site(_) => Ok(Self {
                action: redirect_uri,
                destination,
                answer,
            }),
        }
    }

    /// The page.
    pub fn page(&self, scene: &Scene<'_>) -> Page {
        let words = &scene.language.words().passing;
        let content = Content {
            template: "form_post.html",
            status: StatusCode::OK,
            title: words.title,
            view: View {
                action: self.action,
                answer: self.answer,
                go_on: words.go_on,
                heading: words.title,
                no_script: words.no_script,
            },
        };
        // The answer goes to one address in any case: the form has no other.
        let allowed = Allowed {
            forms: &[self.destination.source()],
            script: true,
            ..Allowed::default()
        };
        content.page(scene, &allowed)
    }
}
