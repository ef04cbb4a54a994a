//! Pages of the tenant that was asked.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use mintage_core::code::Coded as _;

use super::pages::{Failed, Failure, Language, Nonce, Page, Scene, Window};
use super::visit::Visit;
use super::{audit, store};
use crate::oauth::RefusedBy;
use crate::{clock, context};

/// Draws a page in the tenant's look and the visitor's language.
pub fn draw(
    visit: &Visit,
    ui_locales: Option<&str>,
    window: Window,
    page: impl FnOnce(&Scene<'_>) -> Page,
) -> Response {
    let Some(random) = clock::random::<16>() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let scene = Scene {
        look: &visit.realm.look,
        language: Language::choose(ui_locales, visit.accept_language()),
        nonce: &Nonce::new(random),
        window,
    };
    page(&scene).into_response()
}

/// The error page, and one line of the log.
pub fn fail(visit: &Visit, failure: Failure<'_>, detail: Option<&str>) -> Response {
    audit::page_refused(visit, failure, detail);
    let mut request = String::new();
    context::with(|context| context.id().clone_into(&mut request));
    let mut response = draw(visit, None, Window::Own, |scene| {
        let failed = Failed {
            failure,
            detail,
            request: &request,
        };
        failed.page(scene)
    });
    response
        .extensions_mut()
        .insert(RefusedBy(failure.code().code()));
    response
}

/// The error page for a store that gave no answer.
pub fn unavailable(visit: &Visit, error: &store::Error) -> Response {
    tracing::error!(event = "store-failed", tenant = %visit.realm.config.tenant, %error);
    fail(visit, Failure::Unavailable, None)
}
