//! Applications: their addresses, and what of them has no effect.

use mintage_core::ownership::{Kind, Object};
use mintage_core::world::{Application, ApplicationKind, ClientAuth, GrantType};
use mintage_crds::Application as Written;
use mintage_crds::manifest::Located;

use super::{Code, Finding, View};
use crate::place::{self, Place};

/// Parameters of the answer to an authorization request (RFC 6749 section 4.1.2, RFC 9207).
const OF_ANSWERS: [&str; 4] = ["code", "error", "iss", "state"];

/// Looks at every application.
pub fn look(view: &View<'_>, findings: &mut Vec<Finding>) {
    let applications = view.folder.world.applications.iter();
    for (application, written) in applications.zip(&view.manifests.applications) {
        let mut found = |code, field: &str, text: String| {
            let place = of(view, application, field);
            findings.extend(place.map(|place| Finding { code, place, text }));
        };
        for (field, uris) in addresses(application) {
            for (index, uri) in uris.iter().enumerate() {
                if let Some(text) = doubtful(uri) {
                    let field = format!("spec.{field}[{index}]");
                    found(Code::RedirectUriDoubtful, &field, text);
                }
            }
        }
        if application
            .grant_types
            .iter()
            .eq([&GrantType::RefreshToken])
        {
            let text =
                "refresh tokens come with a sign-in only, so it gets none: add authorization_code";
            found(
                Code::RefreshWithoutSignIn,
                "spec.grantTypes",
                text.to_owned(),
            );
        }
        for (field, text) in without_effect(application, written) {
            found(Code::FieldWithoutEffect, field, text.to_owned());
        }
    }
}

fn of(view: &View<'_>, application: &Application, field: &str) -> Option<Place> {
    let object = Object {
        kind: Kind::Application,
        at: application.at.clone(),
    };
    place::of_object(view.manifests, &object, field)
}

fn addresses(application: &Application) -> [(&'static str, &[String]); 2] {
    [
        ("redirectUris", &application.redirect_uris),
        ("logoutUris", &application.logout_uris),
    ]
}

/// What of an address is likely to be meant otherwise.
fn doubtful(uri: &str) -> Option<String> {
    if uri.contains('*') {
        let text = format!(
            "{uri}: addresses are compared byte for byte, so * stands for itself: list each address"
        );
        return Some(text);
    }
    let (_, query) = uri.split_once('?')?;
    let names = query.split('&').map(|pair| pair.split('=').next());
    let own = names.flatten().find(|name| OF_ANSWERS.contains(name))?;
    Some(format!(
        "{uri}: the answer has a parameter {own} of its own, and the application may read this one: choose another name"
    ))
}

/// Fields that are written and change nothing.
fn without_effect(
    application: &Application,
    Located { source, .. }: &Located<Written>,
) -> Vec<(&'static str, &'static str)> {
    // The default is nobody's mistake.
    let is_written = |field: &str| {
        let (around, _) = field.rsplit_once('.').unwrap_or_default();
        source.at(field) != source.at(around)
    };
    let refresh = &application.refresh;
    let found = [
        (
            "spec.redirectUris",
            application.kind == ApplicationKind::Machine && !application.redirect_uris.is_empty(),
            "nobody signs in at a Machine, so nobody comes back there: take them out, or choose the type Web",
        ),
        (
            "spec.clientSecret",
            application.auth == ClientAuth::None && is_written("spec.clientSecret"),
            "it has no secret, since whoever runs it could read it: take this out, or choose the type Web",
        ),
        (
            "spec.refreshTokens.leeway",
            !refresh.rotates && refresh.leeway > 0 && is_written("spec.refreshTokens.leeway"),
            "a token that is Reusable may come again at any time: take this out, or choose Rotating",
        ),
        (
            "spec.refreshTokens.idleLifetime",
            refresh.idle > refresh.lifetime && is_written("spec.refreshTokens.idleLifetime"),
            "they end after lifetime, which is shorter: shorten this one, or lengthen lifetime",
        ),
    ];
    let found = found.into_iter().filter(|(_, is, _)| *is);
    found.map(|(field, _, text)| (field, text)).collect()
}
