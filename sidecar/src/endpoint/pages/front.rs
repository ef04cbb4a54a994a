//! The page at the address of the tenant itself, for who opens that and not an application.

use axum::http::StatusCode;
use minijinja::Value;
use serde::Serialize;

use super::headers::Allowed;
use super::name::html;
use super::shell::Content;
use super::{Page, Scene};

/// The page that says whose users sign in here, and where that begins. It tells no more than the sign-in page shows anyhow.
#[derive(Clone, Copy, Debug)]
pub struct Front;

#[derive(Serialize)]
struct View {
    heading: Value,
    lead: &'static str,
}

impl Front {
    /// The page.
    pub fn page(self, scene: &Scene<'_>) -> Page {
        let words = &scene.language.words().front;
        let content = Content {
            template: "front.html",
            status: StatusCode::OK,
            title: words.title,
            view: View {
                heading: html(&(words.heading)(scene.look.name())),
                lead: words.lead,
            },
        };
        content.page(scene, &Allowed::default())
    }
}
