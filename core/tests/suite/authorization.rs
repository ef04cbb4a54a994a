//! Authorization requests: what is read of them, and where it is said what is wrong with them.

use mintage_core::endpoint::{Config, Misuse, Request, ResponseMode, Unanswerable};
use mintage_core::verify::IdClaims;

use crate::support::endpoint::{MACHINE, NATIVE, SPA, WEB, config, with_endpoints};
use crate::support::{ACME, Cluster, ORDERS, name};

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn acme() -> Config {
    config(&mut Cluster::new(with_endpoints()), ACME)
}

/// The `client_id` of the application at a place.
fn client_of(config: &Config, at: &str) -> String {
    let mut all = config.applications.values();
    let found = all.find(|application| application.at.to_string() == at);
    found.unwrap().client.to_string()
}

/// A request that is read, with some parameters changed; an empty value is as good as none.
fn read(
    config: &Config,
    at: &str,
    changes: &[(&str, &str)],
) -> Result<Result<Request, Misuse>, Unanswerable> {
    let client = client_of(config, at);
    let redirect = format!("https://{}.test/callback", at.split_once('/').unwrap().1);
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", &*client),
        ("redirect_uri", &*redirect),
        ("scope", "openid read"),
        ("state", "xyz"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    parameters.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    parameters.extend(changes);
    // As an ID token that the tenant gave to the application of that name.
    let hint = |token: &str| {
        let (at, subject) = token.split_once(' ')?;
        Some(IdClaims {
            subject: subject.to_owned(),
            client: client_of(config, at),
        })
    };
    Request::read(config, parameters, &hint)
}

fn good(config: &Config, at: &str, changes: &[(&str, &str)]) -> Request {
    read(config, at, changes).unwrap().unwrap()
}

#[test]
fn all_that_a_request_says_is_read() {
    let config = acme();
    let request = good(
        &config,
        WEB,
        &[
            ("audience", ORDERS),
            ("connection", "staff"),
            ("id_token_hint", "identity/web staff|ada"),
            ("login_hint", "ada@acme.test"),
            ("max_age", "60"),
            ("nonce", "n"),
            ("prompt", "login consent select_account"),
            ("response_mode", "form_post"),
            ("ui_locales", "de en"),
            ("not_ours", "ignored"),
        ],
    );
    assert_eq!(request.audience.as_deref(), Some(ORDERS));
    assert_eq!(request.connection.as_deref(), Some("staff"));
    assert_eq!(request.login_hint.as_deref(), Some("ada@acme.test"));
    assert_eq!(request.max_age, Some(60));
    assert_eq!(request.nonce.as_deref(), Some("n"));
    let prompt = request.prompt;
    assert_eq!(
        (prompt.login, prompt.consent, prompt.select_account),
        (true, true, true)
    );
    assert!(!prompt.none);
    assert_eq!(request.mode, ResponseMode::FormPost);
    assert_eq!(request.scope, ["openid", "read"].map(name));
    assert_eq!(request.state.as_deref(), Some("xyz"));
    assert_eq!(request.ui_locales.as_deref(), Some("de en"));
    assert_eq!(request.user.as_deref(), Some("staff|ada"));
    assert_eq!(request.challenge, Some(name_of_challenge()));
    let by_resource = good(&config, WEB, &[("resource", ORDERS)]);
    assert_eq!(by_resource.audience.as_deref(), Some(ORDERS));
    let nothing = good(
        &config,
        WEB,
        &[("audience", ""), ("state", ""), ("scope", "")],
    );
    assert_eq!(
        (nothing.audience, nothing.state, nothing.scope),
        (None, None, vec![])
    );
}

fn name_of_challenge() -> mintage_core::endpoint::Challenge {
    mintage_core::endpoint::Challenge::parse(CHALLENGE).unwrap()
}

/// A parameter, a wrong value of it, `error`, and how `error_description` begins.
const MISUSES: &str = "
    id_token_hint | x             | invalid_request            | id_token_hint is no ID token
    id_token_hint | orders/spa a  | invalid_request            | id_token_hint is no ID token that this tenant gave to this client
    response_type |               | invalid_request            | Missing required parameter: response_type
    response_type | token         | unsupported_response_type  | Unsupported response type: token
    response_type | code id_token | unsupported_response_type  | Unsupported response type
    response_mode | query.jwt     | invalid_request            | Unsupported response_mode: query.jwt
    prompt        | create        | invalid_request            | Unsupported prompt: create
    prompt        | none login    | invalid_request            | prompt=none goes with no other value
    max_age       | -1            | invalid_request            | max_age must be a number of seconds
    max_age       | +1            | invalid_request            | max_age must be a number of seconds
    max_age       | soon          | invalid_request            | max_age must be a number of seconds
    scope         | a\u{e4}      | invalid_scope              |
    nonce         | <long>        | invalid_request            | The parameter nonce is longer than 600 bytes
    login_hint    | a\tb         | invalid_request            | The parameter login_hint is longer
    request       | e30.e30.      | request_not_supported      | The parameter request
    request_uri   | https://web.test/r | request_uri_not_supported | The parameter request_uri
    registration  | {}            | registration_not_supported | The parameter registration
    code_challenge | short        | invalid_request            |
    code_challenge |              | invalid_request            | code_challenge_method came without
    code_challenge_method | plain | invalid_request            | code_challenge_method must be S256
    code_challenge_method |       | invalid_request            | code_challenge_method must be S256
";

/// What is wrong is told to the application, with its state.
#[test]
fn misuse_is_said_to_the_application() {
    let config = acme();
    let long = "a".repeat(601);
    for line in MISUSES.trim().lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [parameter, value, error, text] = cells[..] else {
            panic!("{line}")
        };
        let value = if value == "<long>" { &long } else { value };
        let misuse = read(&config, WEB, &[(parameter, value)])
            .unwrap()
            .unwrap_err();
        assert_eq!(misuse.error, error, "{line}");
        assert!(misuse.description.starts_with(text), "{line}: {misuse:?}");
        assert_eq!(misuse.redirect.as_str(), "https://web.test/callback");
        assert_eq!(misuse.state.as_deref(), Some("xyz"));
    }
    let scope = |length: usize| {
        read(
            &config,
            WEB,
            &[("scope", &" abcdefg".repeat(length / 8)[1..])],
        )
    };
    assert!(scope(2048).unwrap().is_ok());
    let misuse = scope(2056).unwrap().unwrap_err();
    let text = "The parameter scope is longer than 2048 bytes";
    assert!(misuse.description.starts_with(text), "{misuse:?}");
    let both = [("audience", ORDERS), ("resource", "https://other.test")];
    let misuse = read(&config, WEB, &both).unwrap().unwrap_err();
    assert_eq!(misuse.error, "invalid_target");
}

/// The answer goes the way that was asked for, also when it is an error; a state that no header takes is left out.
#[test]
fn errors_come_back_the_way_that_was_asked_for() {
    let config = acme();
    let changes = [("response_mode", "fragment"), ("response_type", "token")];
    let misuse = read(&config, WEB, &changes).unwrap().unwrap_err();
    assert_eq!(misuse.mode, ResponseMode::Fragment);
    let long = "s".repeat(2049);
    let misuse = read(&config, WEB, &[("state", &long)])
        .unwrap()
        .unwrap_err();
    assert_eq!((misuse.error, misuse.state), ("invalid_request", None));
    assert!(good(&config, WEB, &[("state", &long[1..])]).state.is_some());
}

/// Attack 23: who has no secret cannot leave PKCE out; who has one may.
#[test]
fn attack_23_a_request_of_a_public_client_without_a_challenge_is_misuse() {
    let config = acme();
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    assert_eq!(good(&config, WEB, &without).challenge, None);
    for at in [SPA, NATIVE] {
        good(&config, at, &[]);
        let misuse = read(&config, at, &without).unwrap().unwrap_err();
        assert_eq!(misuse.error, "invalid_request");
        assert!(misuse.description.contains("code_challenge"), "{misuse:?}");
    }
}

/// Attacks 19 and 20: where nobody says safely whom to answer, nobody is answered but the person.
#[test]
fn attack_20_what_cannot_be_answered_safely_is_answered_here() {
    let config = acme();
    good(&config, SPA, &[]);
    let missing = |name| Unanswerable::Missing(name);
    assert_eq!(
        read(&config, SPA, &[("client_id", "")]),
        Err(missing("client_id"))
    );
    assert_eq!(
        read(&config, SPA, &[("redirect_uri", "")]),
        Err(missing("redirect_uri"))
    );
    assert_eq!(
        read(&config, SPA, &[("client_id", "nobody")]),
        Err(Unanswerable::Client("nobody".into()))
    );
    for asked in [
        "https://evil.test/callback",
        "https://spa.test/callback/",
        "https://spa.test/callback?x=1",
        "https://spa.test:443/callback",
        "https://web.test/callback",
        "javascript:alert(1)",
    ] {
        let refused = read(&config, SPA, &[("redirect_uri", asked)]);
        let callback = Unanswerable::Callback {
            asked: asked.into(),
            application: SPA.into(),
        };
        assert_eq!(refused, Err(callback));
    }
    let twice = [("state", "a"), ("state", "b")];
    assert_eq!(
        read(&config, SPA, &twice),
        Err(Unanswerable::Repeated("state".into()))
    );
    // A machine has nowhere to send users back to.
    let machine = client_of(&config, MACHINE);
    let refused = read(&config, WEB, &[("client_id", &machine)]);
    assert!(matches!(refused, Err(Unanswerable::Callback { .. })));
}

/// A message goes to a page of the application's own alone.
#[test]
fn a_web_message_is_for_an_origin_of_the_application() {
    let mut cluster = Cluster::new(with_endpoints());
    let config_ = config(&mut cluster, ACME);
    let by_message = [("response_mode", "web_message")];
    assert_eq!(
        good(&config_, SPA, &by_message).mode,
        ResponseMode::WebMessage
    );
    cluster.edit(|world| {
        let mut all = world.applications.iter_mut();
        let spa = all
            .find(|application| application.at.to_string() == SPA)
            .unwrap();
        spa.web_origins = vec!["https://elsewhere.test".into()];
    });
    let refused = read(&config(&mut cluster, ACME), SPA, &by_message);
    assert!(
        matches!(refused, Err(Unanswerable::WebOrigin { .. })),
        "{refused:?}"
    );
}
