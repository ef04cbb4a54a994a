//! The headers of a page: what it may load, send and be shown in.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::address::Origin;
use super::{Scene, Window};

const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// No page of ours uses any of them.
const NO_PERMISSIONS: &str = "accelerometer=(), autoplay=(), browsing-topics=(), camera=(), \
    display-capture=(), fullscreen=(), geolocation=(), gyroscope=(), magnetometer=(), \
    microphone=(), midi=(), payment=(), screen-wake-lock=(), serial=(), usb=()";

/// What one page may do, beyond showing itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowed<'a> {
    /// Sources for `form-action`, in the policy's own syntax.
    pub forms: &'a [String],
    /// Whether it has a script, under the nonce.
    pub script: bool,
    /// Who may show it in a frame. `None`: nobody, and whoever opened it is cut off where nobody waits.
    pub framed_by: Option<&'a [Origin]>,
}

/// All headers of a page.
pub fn headers(scene: &Scene<'_>, allowed: &Allowed<'_>) -> HeaderMap {
    let mut headers = HeaderMap::from_iter(
        [
            (CACHE_CONTROL, "no-store"),
            (CONTENT_LANGUAGE, scene.language.tag()),
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (PERMISSIONS_POLICY, NO_PERMISSIONS),
            (REFERRER_POLICY, "no-referrer"),
            (VARY, "Accept-Language"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ]
        .map(|(name, value)| (name, HeaderValue::from_static(value))),
    );
    if allowed.framed_by.is_none() {
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        if scene.window == Window::Own {
            let alone = HeaderValue::from_static("same-origin");
            headers.insert(CROSS_ORIGIN_OPENER_POLICY, alone);
        }
    }
    let policy = HeaderValue::try_from(policy(scene, allowed))
        .expect("nonces and sources have visible ASCII characters only");
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers
}

fn policy(scene: &Scene<'_>, allowed: &Allowed<'_>) -> String {
    let nonce = format!("'nonce-{}'", scene.nonce.as_str());
    let mut directives = vec![
        ("default-src", "'none'".to_owned()),
        ("base-uri", "'none'".to_owned()),
        ("form-action", sources(allowed.forms.iter().cloned())),
        (
            "frame-ancestors",
            sources(
                allowed
                    .framed_by
                    .unwrap_or_default()
                    .iter()
                    .map(Origin::source),
            ),
        ),
        ("style-src", nonce.clone()),
    ];
    if let Some(logo) = &scene.look.logo {
        directives.push(("img-src", logo.origin().source()));
    }
    if allowed.script {
        directives.push(("script-src", nonce));
    }
    directives
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect::<Vec<_>>()
        .join("; ")
}

fn sources(sources: impl Iterator<Item = String>) -> String {
    let mut all: Vec<_> = sources.collect();
    all.dedup();
    if all.is_empty() {
        "'none'".into()
    } else {
        all.join(" ")
    }
}
