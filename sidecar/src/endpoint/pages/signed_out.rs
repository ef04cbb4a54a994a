//! The end of a session, and of the question whether to end it.

use axum::http::StatusCode;
use minijinja::Value;
use serde::Serialize;

use super::address::Link;
use super::headers::Allowed;
use super::name::{Name, html};
use super::shell::Content;
use super::{Page, Scene};

/// The page that says so.
#[derive(Clone, Copy, Debug)]
pub struct SignedOut<'a> {
    /// The application that the person came from, and its address, where they are known to belong together.
    pub back: Option<(Name<'a>, &'a Link)>,
}

/// The page that says that nothing has happened, to who wanted to stay and goes nowhere from here.
#[derive(Clone, Copy, Debug)]
pub struct Stayed;

#[derive(Serialize)]
struct View<'a> {
    back: Option<&'a str>,
    back_text: Value,
    heading: &'static str,
    lead: Value,
}

impl SignedOut<'_> {
    /// The page.
    pub fn page(&self, scene: &Scene<'_>) -> Page {
        let words = &scene.language.words().signed_out;
        let back_text = self
            .back
            .map(|(application, _)| html(&(words.back)(application)));
        let content = Content {
            template: "signed_out.html",
            status: StatusCode::OK,
            title: words.title,
            view: View {
                back: self.back.map(|(_, link)| link.as_str()),
                back_text: back_text.unwrap_or_default(),
                heading: words.title,
                lead: html(&(words.lead)(scene.look.name())),
            },
        };
        content.page(scene, &Allowed::default())
    }
}

impl Stayed {
    /// The page.
    pub fn page(self, scene: &Scene<'_>) -> Page {
        let words = &scene.language.words().sign_out;
        let content = Content {
            template: "signed_out.html",
            status: StatusCode::OK,
            title: words.stayed,
            view: View {
                back: None,
                back_text: Value::default(),
                heading: words.stayed,
                lead: html(&(words.stayed_lead)(scene.look.name())),
            },
        };
        content.page(scene, &Allowed::default())
    }
}
