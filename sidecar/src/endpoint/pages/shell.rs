//! Makes HTML of a template and what a page says.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use serde::Serialize;

use super::address::Link;
use super::form::Form;
use super::headers::{Allowed, headers};
use super::{Page, Scene, palette};

const STYLE: &str = include_str!("templates/style.css");

/// The source of a POST to this host.
const SELF: &str = "'self'";

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::empty();
    // No filters, tests or functions, and no names by which a template could escape in another way.
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, source) in [
        ("base.html", include_str!("templates/base.html")),
        ("consent.html", include_str!("templates/consent.html")),
        ("failure.html", include_str!("templates/failure.html")),
        ("form_post.html", include_str!("templates/form_post.html")),
        ("front.html", include_str!("templates/front.html")),
        ("hidden.html", include_str!("templates/hidden.html")),
        ("sign_in.html", include_str!("templates/sign_in.html")),
        ("sign_out.html", include_str!("templates/sign_out.html")),
        ("signed_out.html", include_str!("templates/signed_out.html")),
        (
            "web_message.html",
            include_str!("templates/web_message.html"),
        ),
    ] {
        templates
            .add_template(name, source)
            .expect("the tests render every template");
    }
    templates
});

/// What a page says, for its template.
pub struct Content<'a, V> {
    /// The template's name.
    pub template: &'static str,
    pub status: StatusCode,
    /// The window's title; the tenant's name follows it.
    pub title: &'a str,
    /// The template's own values.
    pub view: V,
}

impl<V: Serialize> Content<'_, V> {
    /// The whole page.
    pub fn page(self, scene: &Scene<'_>, allowed: &Allowed<'_>) -> Page {
        match self.html(scene) {
            Ok(body) => Page {
                status: self.status,
                headers: headers(scene, allowed),
                body,
            },
            Err(error) => broken(self.template, &error),
        }
    }

    fn html(&self, scene: &Scene<'_>) -> Result<String, minijinja::Error> {
        let look = scene.look;
        let css = format!("{}{STYLE}", palette::css(look.colour));
        let words = scene.language.words();
        TEMPLATES.get_template(self.template)?.render(context! {
            css => Value::from_safe_string(css),
            initial => look.initial(),
            language => scene.language.tag(),
            logo => look.logo.as_ref().map(Link::as_str),
            nonce => scene.nonce.as_str(),
            support => look.support.as_ref().map(Link::as_str),
            support_text => words.support,
            tenant => look.name().html(),
            tenant_title => look.name().to_string(),
            title => self.title,
            view => Value::from(Serde(&self.view)),
        })
    }
}

/// Sources of `form-action` for forms that post to this host.
pub fn sources<'a>(forms: impl IntoIterator<Item = &'a Form<'a>>) -> Vec<String> {
    let mut all = vec![SELF.to_owned()];
    for destination in forms.into_iter().flat_map(|form| form.leads_to) {
        let source = destination.source();
        if !all.contains(&source) {
            all.push(source);
        }
    }
    all
}

/// A template that does not fit its page shows nothing of either.
fn broken(template: &str, error: &minijinja::Error) -> Page {
    tracing::error!(event = "page-broken", template, error = %error, "report this as a bug");
    Page {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        headers: HeaderMap::from_iter([
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (CONTENT_TYPE, HeaderValue::from_static("text/plain")),
        ]),
        body: "The page could not be made. Try again later.\n".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::pages::{Language, Look, Nonce, Window};

    #[test]
    fn a_template_that_misses_a_value_shows_nothing() {
        let look = Look::plain("Acme");
        let scene = Scene {
            look: &look,
            language: Language::English,
            nonce: &Nonce::new([7; 16]),
            window: Window::Own,
        };
        let content = Content {
            template: "consent.html",
            status: StatusCode::OK,
            title: "x",
            view: context! { title => "half" },
        };
        let page = content.page(&scene, &Allowed::default());
        assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!page.body.contains("half"), "{}", page.body);
    }
}
