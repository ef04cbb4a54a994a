//! Asks whether to sign out, where no application shows that the person wants to (`OpenID` Connect RP-Initiated Logout
//! section 6: a link alone must not sign anybody out).

use axum::http::StatusCode;
use minijinja::Value;
use serde::Serialize;

use super::consent::DECISION;
use super::form::Form;
use super::headers::Allowed;
use super::name::html;
use super::shell::{Content, sources};
use super::{Page, Scene};

/// What somebody wants who was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Leaving {
    /// `everywhere`: all of the user's sessions end, and all that applications keep of them.
    Everywhere,
    /// `here`: the session of this browser ends.
    Here,
    /// `stay`
    Stay,
}

impl Leaving {
    /// Reads the field. What is none of these is no wish.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Everywhere, Self::Here, Self::Stay]
            .into_iter()
            .find(|leaving| leaving.as_str() == text)
    }

    /// The value of the field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Everywhere => "everywhere",
            Self::Here => "here",
            Self::Stay => "stay",
        }
    }
}

/// The page that asks.
#[derive(Clone, Copy, Debug)]
pub struct SignOut<'a> {
    /// Takes `decision`.
    pub form: Form<'a>,
}

#[derive(Serialize)]
struct View<'a> {
    decision: &'static str,
    everywhere: (&'static str, &'static str),
    form: Form<'a>,
    heading: Value,
    here: (&'static str, &'static str),
    lead: &'static str,
    stay: (&'static str, &'static str),
}

impl SignOut<'_> {
    /// The page.
    pub fn page(&self, scene: &Scene<'_>) -> Page {
        let words = &scene.language.words().sign_out;
        let content = Content {
            template: "sign_out.html",
            status: StatusCode::OK,
            title: words.submit,
            view: View {
                decision: DECISION,
                everywhere: (Leaving::Everywhere.as_str(), words.everywhere),
                form: self.form,
                heading: html(&(words.title)(scene.look.name())),
                here: (Leaving::Here.as_str(), words.submit),
                lead: words.lead,
                stay: (Leaving::Stay.as_str(), words.stay),
            },
        };
        let forms = sources([&self.form]);
        let allowed = Allowed {
            forms: &forms,
            ..Allowed::default()
        };
        content.page(scene, &allowed)
    }
}
