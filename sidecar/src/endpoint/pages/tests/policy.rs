//! What the headers of every page say.

use super::*;

fn header<'a>(page: &'a Page, name: &str) -> &'a str {
    page.headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

fn directive<'a>(page: &'a Page, name: &str) -> Option<&'a str> {
    let directives = header(page, "content-security-policy").split("; ");
    directives
        .filter_map(|directive| directive.split_once(' '))
        .find_map(|(found, value)| (found == name).then_some(value))
}

const NONCE: &str = "'nonce-paWlpaWlpaWlpaWlpaWlpQ=='";

#[test]
fn a_page_loads_nothing_but_the_logo() {
    for (name, page) in plain(Language::English, Window::Own) {
        assert_eq!(directive(&page, "default-src"), Some("'none'"), "{name}");
        assert_eq!(directive(&page, "base-uri"), Some("'none'"), "{name}");
        assert_eq!(directive(&page, "style-src"), Some(NONCE), "{name}");
        let logo = Some("https://logo.example.com");
        assert_eq!(directive(&page, "img-src"), logo, "{name}");
        let script = page.body.contains("<script").then_some(NONCE);
        assert_eq!(directive(&page, "script-src"), script, "{name}");
        assert_eq!(
            script.is_some(),
            ["form post", "web message"].contains(&name)
        );
        assert!(!page.body.contains(" style="), "{name}");
        assert!(!page.body.contains("<link"), "{name}");
    }
}

#[test]
fn a_page_without_a_logo_loads_nothing() {
    let look = Look::plain("Acme");
    let scene = Scene {
        look: &look,
        language: Language::English,
        nonce: &Nonce::new([1; 16]),
        window: Window::Own,
    };
    let page = SignedOut { back: None }.page(&scene);
    assert_eq!(directive(&page, "img-src"), None);
    assert!(!page.body.contains("<img"), "{}", page.body);
}

#[test]
fn a_form_goes_where_its_page_says() {
    for (name, page) in plain(Language::English, Window::Own) {
        let expected = match name {
            "consent" | "sign in" | "sign in again" | "sign out?" => "'self' https:",
            "form post" => "https:",
            _ => "'none'",
        };
        assert_eq!(directive(&page, "form-action"), Some(expected), "{name}");
    }
}

#[test]
fn only_a_message_is_shown_in_a_frame_and_only_in_the_applications() {
    for (name, page) in plain(Language::English, Window::Own) {
        let (ancestors, options) = match name {
            "web message" => ("https://app.example.com", ""),
            _ => ("'none'", "DENY"),
        };
        assert_eq!(
            directive(&page, "frame-ancestors"),
            Some(ancestors),
            "{name}"
        );
        assert_eq!(header(&page, "x-frame-options"), options, "{name}");
    }
}

#[test]
fn a_message_that_nobody_may_frame_is_framed_by_nobody() {
    let look = Look::plain("Acme");
    let scene = Scene {
        look: &look,
        language: Language::English,
        nonce: &Nonce::new([1; 16]),
        window: Window::Opened,
    };
    let message = WebMessage {
        target: &Origin::of("https://app.example.com").unwrap(),
        framed_by: &[],
        answer: &[],
    };
    let page = message.page(&scene);
    assert_eq!(directive(&page, "frame-ancestors"), Some("'none'"));
}

#[test]
fn a_window_that_waits_is_not_cut_off() {
    let opener = "cross-origin-opener-policy";
    for (name, page) in plain(Language::English, Window::Own) {
        let expected = if name == "web message" {
            ""
        } else {
            "same-origin"
        };
        assert_eq!(header(&page, opener), expected, "{name}");
    }
    for (name, page) in plain(Language::English, Window::Opened) {
        assert_eq!(header(&page, opener), "", "{name}");
    }
}

#[test]
fn no_page_is_kept_or_told_to_others() {
    for (name, page) in plain(Language::German, Window::Own) {
        for (header_name, expected) in [
            ("cache-control", "no-store"),
            ("content-language", "de"),
            ("content-type", "text/html; charset=utf-8"),
            ("referrer-policy", "no-referrer"),
            ("vary", "Accept-Language"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(header(&page, header_name), expected, "{name}");
        }
        assert!(
            header(&page, "permissions-policy").contains("camera=()"),
            "{name}"
        );
    }
}

#[test]
fn statuses_say_what_happened() {
    let statuses: Vec<u16> = plain(Language::English, Window::Own)
        .iter()
        .map(|(_, page)| page.status.as_u16())
        .collect();
    assert_eq!(
        statuses,
        [
            200, 400, 429, 400, // sign in
            200, // consent
            400, 502, 503, 400, 400, 500, 400, 400, 404, 400, 429, 503, 400, // failed
            200, 200, 200, 200, 200, 200,
        ]
    );
    for (_, page) in plain(Language::English, Window::Own) {
        let wait = if page.status == 429 { "30" } else { "" };
        assert_eq!(header(&page, "retry-after"), wait);
    }
}

#[test]
fn an_application_of_the_device_is_named_by_its_scheme() {
    let look = Look::plain("Acme");
    let scene = Scene {
        look: &look,
        language: Language::English,
        nonce: &Nonce::new([1; 16]),
        window: Window::Own,
    };
    for (uri, source, shown) in [
        (
            "com.example.app:/cb",
            "com.example.app:",
            "(com.example.app:)",
        ),
        ("http://127.0.0.1:4711/cb", "http:", "(127.0.0.1:4711)"),
        ("http://[::1]:4711/cb", "http:", "([::1]:4711)"),
        (
            "https://app.example.com:8443/",
            "https:",
            "to app.example.com:8443.",
        ),
    ] {
        let consent = Consent {
            application: Name::new("Shop"),
            first_party: true,
            user: Name::new("ada"),
            identity: &[Identity::Openid],
            apis: &[],
            returns_to: &Destination::of(uri).unwrap(),
            form: Form {
                action: "/u/consent",
                hidden: &[],
                leads_to: &[],
            },
        };
        let page = consent.page(&scene);
        let expected = format!("'self' {source}");
        assert_eq!(directive(&page, "form-action"), Some(expected.as_str()));
        assert!(page.body.contains(shown), "{}", page.body);
    }
}
