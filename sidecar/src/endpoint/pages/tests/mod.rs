//! All pages at once: what holds for every one of them.

mod escaping;
mod names;
mod policy;
mod texts;

use std::time::Duration;

use super::*;

/// What stands at a position of a page, by the position's name.
type Text<'a> = &'a dyn Fn(&'static str) -> String;

/// The paths of URLs, and all else that somebody says to the pages.
const POSITIONS: [&str; 22] = [
    "action",
    "answer-name",
    "answer-value",
    "api",
    "application",
    "back",
    "back-path",
    "callback-path",
    "connection-address",
    "connection-label",
    "description",
    "detail",
    "failure-label",
    "hidden-name",
    "hidden-value",
    "logo-path",
    "problem-label",
    "request",
    "scope",
    "support-path",
    "tenant",
    "user",
];

/// Each kind of failure.
fn failures(label: Name<'_>) -> Vec<Failure<'_>> {
    let wait = Duration::from_secs(30);
    vec![
        Failure::CallbackMismatch,
        Failure::ConnectionFailed { label },
        Failure::ConnectionUnusable { label },
        Failure::CookiesMissing,
        Failure::Expired,
        Failure::Internal,
        Failure::LogoutMismatch,
        Failure::NoConnection,
        Failure::NotFound,
        Failure::RequestWrong,
        Failure::TooMany { wait },
        Failure::Unavailable,
        Failure::UnknownApplication,
    ]
}

/// Every page, with every part that it can have.
fn pages(language: Language, window: Window, text: Text<'_>) -> Vec<(&'static str, Page)> {
    let url = |host: &str, path| format!("https://{host}.example.com/{}", text(path));
    let link = |host, path| Link::parse(&url(host, path)).unwrap();
    let look = Look {
        name: text("tenant"),
        logo: Some(link("logo", "logo-path")),
        colour: Some("#123456".parse().unwrap()),
        support: Some(link("support", "support-path")),
    };
    let nonce = Nonce::new([0xa5; 16]);
    let scene = Scene {
        look: &look,
        language,
        nonce: &nonce,
        window,
    };

    let (action, name, value) = (text("action"), text("hidden-name"), text("hidden-value"));
    let leads_to = [Destination::of("https://app.example.com/cb").unwrap()];
    let hidden = [(name.as_str(), value.as_str())];
    let form = Form {
        action: &action,
        hidden: &hidden,
        leads_to: &leads_to,
    };

    let mut pages = signing_in(&scene, form, text);
    pages.push(("consent", consenting(&scene, form, text)));

    let (detail, request, label) = (text("detail"), text("request"), text("failure-label"));
    for failure in failures(Name::new(&label)) {
        let failed = Failed {
            failure,
            detail: Some(&detail),
            request: &request,
        };
        pages.push(("failed", failed.page(&scene)));
    }

    let (back, back_link) = (text("back"), link("back", "back-path"));
    let signed_out = SignedOut {
        back: Some((Name::new(&back), &back_link)),
    };
    pages.push(("signed out", signed_out.page(&scene)));
    pages.push(("stayed", Stayed.page(&scene)));
    pages.push(("front", Front.page(&scene)));
    pages.push(("sign out?", SignOut { form }.page(&scene)));

    let (name, value) = (text("answer-name"), text("answer-value"));
    let answer = [(name.as_str(), value.as_str())];
    let callback = url("app", "callback-path");
    let form_post = FormPost::new(&callback, &answer).unwrap();
    pages.push(("form post", form_post.page(&scene)));
    let target = Origin::of(&callback).unwrap();
    let web_message = WebMessage {
        target: &target,
        framed_by: std::slice::from_ref(&target),
        answer: &answer,
    };
    pages.push(("web message", web_message.page(&scene)));
    pages
}

/// Signing in, at first and after each problem.
fn signing_in(scene: &Scene<'_>, form: Form<'_>, text: Text<'_>) -> Vec<(&'static str, Page)> {
    let (address, label) = (text("connection-address"), text("connection-label"));
    let connections = [Connection {
        address: &address,
        label: Name::new(&label),
    }];
    let (application, username) = (text("application"), text("user"));
    let mut sign_in = SignIn {
        application: Name::new(&application),
        password: Some(form),
        username: Some(Name::new(&username)),
        connect: &connections,
        problem: None,
    };
    let mut pages = vec![("sign in", sign_in.page(scene))];
    let label = text("problem-label");
    let label = Name::new(&label);
    let wait = Duration::from_secs(30);
    for problem in [
        Problem::Wrong,
        Problem::TooMany { wait },
        Problem::ConnectionFailed { label },
    ] {
        sign_in.problem = Some(problem);
        pages.push(("sign in again", sign_in.page(scene)));
    }
    pages
}

/// Consent to all that there is.
fn consenting(scene: &Scene<'_>, form: Form<'_>, text: Text<'_>) -> Page {
    let (api, scope, description) = (text("api"), text("scope"), text("description"));
    let scopes = [
        Scope {
            name: Name::new(&scope),
            description: None,
        },
        Scope {
            name: Name::new("write:orders"),
            description: Some(Name::new(&description)),
        },
    ];
    let apis = [Api {
        name: Name::new(&api),
        scopes: &scopes,
    }];
    let (application, user) = (text("application"), text("user"));
    let consent = Consent {
        application: Name::new(&application),
        first_party: false,
        user: Name::new(&user),
        identity: &[Identity::Openid, Identity::Email],
        apis: &apis,
        returns_to: &form.leads_to[0],
        form: Form {
            leads_to: &[],
            ..form
        },
    };
    consent.page(scene)
}

/// Every page with words that harm nobody.
fn plain(language: Language, window: Window) -> Vec<(&'static str, Page)> {
    pages(language, window, &|position| position.into())
}
