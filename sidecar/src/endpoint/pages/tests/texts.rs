//! What people read.

use std::collections::BTreeSet;

use mintage_core::code::Coded as _;

use super::*;

fn scene<'a>(look: &'a Look, language: Language, nonce: &'a Nonce) -> Scene<'a> {
    Scene {
        look,
        language,
        nonce,
        window: Window::Own,
    }
}

fn form(action: &str) -> Form<'_> {
    Form {
        action,
        hidden: &[("state", "sealed")],
        leads_to: &[],
    }
}

#[test]
fn every_page_is_in_the_language_that_it_says() {
    for (language, yes, no) in [
        (
            Language::English,
            "<html lang=\"en\">",
            "<html lang=\"de\">",
        ),
        (Language::German, "<html lang=\"de\">", "<html lang=\"en\">"),
    ] {
        for (name, page) in plain(language, Window::Own) {
            assert!(page.body.contains(yes) && !page.body.contains(no), "{name}");
        }
    }
    let english = plain(Language::English, Window::Own);
    let german = plain(Language::German, Window::Own);
    for ((name, english), (_, german)) in english.iter().zip(&german) {
        let title = |page: &Page| {
            let (_, rest) = page.body.split_once("<h1>").unwrap();
            rest[..rest.find("</h1>").unwrap()].to_owned()
        };
        assert_ne!(title(english), title(german), "{name}");
    }
}

#[test]
fn every_failure_has_its_own_code_and_words() {
    let all = failures(Name::new("x"));
    let codes: Vec<_> = all.iter().map(|failure| failure.code()).collect();
    assert_eq!(codes, FailureCode::ALL, "whose pages are looked at");
    for language in Language::ALL {
        let explain = language.words().failed.explain;
        let titles: BTreeSet<_> = all.iter().map(|it| explain(*it).title).collect();
        assert_eq!(titles.len(), all.len(), "{language:?}");
        // A title is no sentence.
        assert!(
            titles.iter().all(|title| !title.ends_with('.')),
            "{titles:?}"
        );
    }
}

#[test]
fn the_texts_that_others_know() {
    let (look, nonce) = (Look::plain("Acme"), Nonce::new([1; 16]));
    let scene = scene(&look, Language::English, &nonce);
    let failed = Failed {
        failure: Failure::CallbackMismatch,
        detail: None,
        request: "r-1",
    };
    let page = failed.page(&scene);
    assert!(page.body.contains("<h1>Callback URL mismatch</h1>"));
    assert!(page.body.contains("<code>callback-mismatch</code>"));
    assert!(page.body.contains("<code>r-1</code>"));
    let sign_in = SignIn {
        application: Name::new("Shop"),
        password: Some(form("/u/login")),
        username: None,
        connect: &[],
        problem: Some(Problem::Wrong),
    };
    assert!(
        sign_in
            .page(&scene)
            .body
            .contains(">Wrong email or password.<")
    );
}

#[test]
fn a_page_has_the_ways_to_sign_in_that_there_are() {
    let (look, nonce) = (Look::plain("Acme"), Nonce::new([1; 16]));
    let scene = scene(&look, Language::English, &nonce);
    let connections = [
        Connection {
            address: "/u/connect?connection=google",
            label: Name::new("Google"),
        },
        Connection {
            address: "/u/connect?connection=corp",
            label: Name::new("Corp"),
        },
    ];
    for (password, connect) in [
        (Some(form("/u/login")), &connections[..0]),
        (None, &connections),
        (Some(form("/u/login")), &connections),
    ] {
        let sign_in = SignIn {
            application: Name::new("Shop"),
            password,
            username: None,
            connect,
            problem: None,
        };
        let page = sign_in.page(&scene);
        let body = page.body;
        assert_eq!(body.contains("type=\"password\""), password.is_some());
        assert_eq!(
            body.contains("action=\"&#x2f;u&#x2f;login\""),
            password.is_some()
        );
        let link = "<a class=\"button second\" href=\"&#x2f;u&#x2f;connect?connection=google\"><span>Continue with <bdi>Google</bdi></span></a>";
        assert_eq!(body.contains(link), !connect.is_empty(), "{body}");
        assert_eq!(
            body.contains("Continue with <bdi>Corp</bdi>"),
            !connect.is_empty()
        );
        let both = password.is_some() && !connect.is_empty();
        assert_eq!(body.contains("class=\"or\""), both);
        let state = "<input type=\"hidden\" name=\"state\" value=\"sealed\">";
        let count = usize::from(password.is_some());
        assert_eq!(body.matches(state).count(), count, "{body}");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert_eq!(policy.contains("form-action 'none'"), password.is_none());
    }
}

#[test]
fn fields_are_named_as_their_readers_expect() {
    let (look, nonce) = (Look::plain("Acme"), Nonce::new([1; 16]));
    let scene = scene(&look, Language::English, &nonce);
    let sign_in = SignIn {
        application: Name::new("Shop"),
        password: Some(form("/u/login")),
        username: None,
        connect: &[],
        problem: None,
    };
    let body = sign_in.page(&scene).body;
    for field in [USERNAME, PASSWORD] {
        assert!(
            body.contains(&format!(" name=\"{field}\"")),
            "{field}: {body}"
        );
    }
    let body = SignOut {
        form: form("/u/logout"),
    }
    .page(&scene)
    .body;
    for leaving in [Leaving::Everywhere, Leaving::Here, Leaving::Stay] {
        let button = format!("name=\"{DECISION}\" value=\"{}\"", leaving.as_str());
        assert!(body.contains(&button), "{body}");
        assert_eq!(Leaving::parse(leaving.as_str()), Some(leaving));
    }
    assert_eq!(Leaving::parse("yes"), None);
}

#[test]
fn consent_speaks_in_the_apis_own_words() {
    let (look, nonce) = (Look::plain("Acme"), Nonce::new([1; 16]));
    let scene = scene(&look, Language::English, &nonce);
    let scopes = [
        Scope {
            name: Name::new("read:orders"),
            description: Some(Name::new("See all orders")),
        },
        Scope {
            name: Name::new("write:orders"),
            description: Some(Name::new(" ")),
        },
    ];
    let apis = [
        Api {
            name: Name::new("Orders"),
            scopes: &scopes,
        },
        Api {
            name: Name::new("Reports"),
            scopes: &[],
        },
    ];
    let consent = Consent {
        application: Name::new("Shop"),
        first_party: true,
        user: Name::new("ada@example.com"),
        identity: &[],
        apis: &apis,
        returns_to: &Destination::of("https://shop.example.com/cb").unwrap(),
        form: form("/u/consent"),
    };
    let body = consent.page(&scene).body;
    assert!(
        body.contains("<li><bdi>See all orders</bdi></li>"),
        "{body}"
    );
    assert!(!body.contains("read:orders"), "{body}");
    assert!(
        body.contains("<li><code><bdi>write:orders</bdi></code></li>"),
        "{body}"
    );
    assert!(body.contains("<li>Call it in your name</li>"), "{body}");
    assert!(!body.contains("Your account"), "{body}");
    assert!(!body.contains("class=\"caution\""), "{body}");
    // Where it leads stands before what is pressed, however long the list is.
    let (leads, pressed) = (body.find("sent to shop.example.com."), body.find("<button"));
    assert!(leads.is_some() && leads < pressed, "{body}");
    let stranger = Consent {
        first_party: false,
        ..consent
    };
    let body = stranger.page(&scene).body;
    assert!(
        body.contains("<bdi>Shop</bdi> is not run by <bdi>Acme</bdi>."),
        "{body}"
    );
    for (scope, expected) in [
        ("openid", Some(Identity::Openid)),
        ("offline_access", Some(Identity::OfflineAccess)),
        ("read:orders", None),
    ] {
        assert_eq!(Identity::of(scope), expected);
    }
}
