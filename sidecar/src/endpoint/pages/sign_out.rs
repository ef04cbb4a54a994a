//! Asks whether to sign out, where no application shows that the person wants to (`OpenID` Connect RP-Initiated Logout
//! section 6: a link alone must not sign anybody out).

use axum::http::StatusCode;
use serde::Serialize;

use super::consent::{DECISION, Decision};
use super::form::Form;
use super::headers::Allowed;
use super::shell::{Content, sources};
use super::{Page, Scene};

/// The page that asks.
#[derive(Clone, Copy, Debug)]
pub struct SignOut<'a> {
    /// Takes `decision`.
    pub form: Form<'a>,
}

#[derive(Serialize)]
struct View<'a> {
    decision: &'static str,
    form: Form<'a>,
    heading: &'a str,
    lead: &'static str,
    no: &'static str,
    stay: &'static str,
    submit: &'static str,
    yes: &'static str,
}

impl SignOut<'_> {
    /// The page.
    pub fn page(&self, scene: &Scene<'_>) -> Page {
        let words = &scene.language.words().sign_out;
        let title = (words.title)(&scene.look.name);
        let content = Content {
            template: "sign_out.html",
            status: StatusCode::OK,
            title: words.submit,
            view: View {
                decision: DECISION,
                form: self.form,
                heading: &title,
                lead: words.lead,
                no: Decision::No.as_str(),
                stay: words.stay,
                submit: words.submit,
                yes: Decision::Yes.as_str(),
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
