//! What is to happen next with an authorization request.

use std::collections::BTreeSet;

use mintage_core::endpoint::{Config, Prompt, Request, Step, Visitor};
use mintage_core::{LEEWAY, Scope, Seconds, UnixTime, UserId};

use crate::support::endpoint::{BRIEF, NATIVE, SPA, WEB, config, with_endpoints};
use crate::support::{ACME, Cluster, NOW, ORDERS, name};

const LOGIN: Step = Step::Refuse("login_required", "Login required");
const CONSENT: Step = Step::Refuse("consent_required", "Consent required");

/// A request, and who makes it.
#[derive(Clone)]
struct Case {
    application: &'static str,
    redirect: Option<&'static str>,
    audience: Option<&'static str>,
    scope: &'static str,
    prompt: Prompt,
    max_age: Option<Seconds>,
    signed_in: Option<UnixTime>,
    consented: &'static str,
    just: bool,
    answered: bool,
    meant: Option<&'static str>,
}

/// Asked just now for the user's profile and a scope, by somebody who signed in an hour ago.
const CASE: Case = Case {
    application: WEB,
    redirect: None,
    audience: Some(ORDERS),
    scope: "openid read",
    prompt: Prompt {
        consent: false,
        login: false,
        none: false,
        select_account: false,
    },
    max_age: None,
    signed_in: Some(UnixTime(NOW.0 - 3600)),
    consented: "",
    just: false,
    answered: false,
    meant: None,
};

const LOGIN_AGAIN: Prompt = Prompt {
    login: true,
    ..CASE.prompt
};
const ASK_AGAIN: Prompt = Prompt {
    consent: true,
    ..CASE.prompt
};
const SHOW_NOTHING: Prompt = Prompt {
    none: true,
    ..CASE.prompt
};

fn step(config: &Config, case: &Case) -> Step {
    let mut all = config.applications.values();
    let application = all
        .find(|application| application.at.to_string() == case.application)
        .unwrap();
    let scope: Vec<Scope> = case.scope.split_whitespace().map(name).collect();
    let redirect = case.redirect.map(name);
    let request = Request {
        audience: case.audience.map(str::to_owned),
        challenge: None,
        client: application.client.clone(),
        connection: None,
        login_hint: None,
        max_age: case.max_age,
        mode: mintage_core::endpoint::ResponseMode::Query,
        nonce: None,
        prompt: case.prompt,
        redirect: redirect.unwrap_or_else(|| application.redirect_uris[0].clone()),
        scope,
        state: None,
        ui_locales: None,
        user: case.meant.map(str::to_owned),
    };
    let asked = config
        .asked(application, case.audience, &request.scope, None)
        .unwrap();
    let consented: BTreeSet<Scope> = case.consented.split_whitespace().map(name).collect();
    let ada: UserId = name("staff|ada");
    let visitor = Visitor {
        user: case.signed_in.map(|_| &ada),
        authenticated_at: case.signed_in,
        consented: &consented,
        signed_in: case.just,
        answered: case.answered,
    };
    asked.step(NOW + 5, application, &request, visitor)
}

fn acme() -> Config {
    config(&mut Cluster::new(with_endpoints()), ACME)
}

/// OpenID Connect Core section 3.1.2.1: `id_token_hint` gets a code for the user whom it is for, or none.
#[test]
fn nobody_else_signs_in_than_whom_the_application_means() {
    let config = acme();
    let another = Step::Refuse(
        "login_required",
        "Another user signed in than id_token_hint or connection is for",
    );
    let table = [
        (Some("staff|ada"), CASE.prompt, Step::Issue, Step::Issue),
        (Some("staff|ada"), SHOW_NOTHING, Step::Issue, Step::Issue),
        (Some("staff|bob"), CASE.prompt, Step::SignIn, another),
        (Some("staff|bob"), SHOW_NOTHING, LOGIN, another),
        (Some("staff|bob"), ASK_AGAIN, Step::SignIn, another),
    ];
    for (meant, prompt, before, after) in table {
        let case = Case {
            prompt,
            meant,
            ..CASE
        };
        assert_eq!(step(&config, &case), before, "{meant:?} {prompt:?}");
        for (just, answered) in [(true, false), (false, true)] {
            let done = Case {
                just,
                answered,
                ..case.clone()
            };
            assert_eq!(step(&config, &done), after, "{meant:?} {prompt:?}");
        }
        let nobody = Case {
            signed_in: None,
            ..case
        };
        let expected = if prompt.none { LOGIN } else { Step::SignIn };
        assert_eq!(step(&config, &nobody), expected);
    }
}

#[test]
fn who_signs_in_and_when() {
    let config = acme();
    let an_hour_ago = Some(UnixTime(NOW.0 - 3600));
    let table = [
        (None, CASE.prompt, None, Step::SignIn),
        (None, SHOW_NOTHING, None, LOGIN),
        (an_hour_ago, CASE.prompt, None, Step::Issue),
        (an_hour_ago, SHOW_NOTHING, None, Step::Issue),
        (an_hour_ago, LOGIN_AGAIN, None, Step::SignIn),
        // However short a while ago it was, it was not for this request.
        (Some(NOW + 5), LOGIN_AGAIN, None, Step::SignIn),
        (Some(NOW + 5), CASE.prompt, Some(0), Step::SignIn),
        (an_hour_ago, CASE.prompt, Some(3605), Step::Issue),
        (an_hour_ago, CASE.prompt, Some(3604), Step::SignIn),
        (an_hour_ago, SHOW_NOTHING, Some(3604), LOGIN),
        // By a clock that was set back since; as far as two clocks differ anyway it does not matter.
        (Some(NOW + 5 + LEEWAY), CASE.prompt, Some(60), Step::Issue),
        (Some(NOW + 6 + LEEWAY), CASE.prompt, Some(60), Step::SignIn),
        (Some(NOW + 6 + LEEWAY), SHOW_NOTHING, Some(60), LOGIN),
        (Some(NOW + 6 + LEEWAY), CASE.prompt, None, Step::Issue),
    ];
    for (signed_in, prompt, max_age, expected) in table {
        let case = Case {
            prompt,
            max_age,
            signed_in,
            ..CASE
        };
        let found = step(&config, &case);
        assert_eq!(found, expected, "{signed_in:?} {prompt:?} {max_age:?}");
        let just = Case { just: true, ..case };
        if signed_in.is_some() {
            assert_eq!(step(&config, &just), Step::Issue, "for this request");
        }
    }
}

#[test]
fn who_is_asked_for_consent() {
    let config = acme();
    let of = |application, audience| Case {
        application,
        audience,
        ..CASE
    };
    let orders = Some(ORDERS);
    let table = [
        ("its own, and the API lets it", of(WEB, orders), Step::Issue),
        (
            "its own, and the API does not",
            of(WEB, Some(BRIEF)),
            Step::Consent,
        ),
        ("its own, for the profile alone", of(WEB, None), Step::Issue),
        (
            "the Management API",
            of(WEB, Some("https://acme.test/api/v2/")),
            Step::Consent,
        ),
        ("somebody else's", of(SPA, orders), Step::Consent),
        (
            "somebody else's, for the profile alone",
            of(SPA, None),
            Step::Consent,
        ),
    ];
    for (what, case, expected) in table {
        assert_eq!(step(&config, &case), expected, "{what}");
        let answered = Case {
            answered: true,
            ..case.clone()
        };
        assert_eq!(step(&config, &answered), Step::Issue, "{what}, answered");
        let again = Case {
            prompt: ASK_AGAIN,
            ..case.clone()
        };
        assert_eq!(step(&config, &again), Step::Consent, "{what}, asked for");
        let silent = Case {
            prompt: SHOW_NOTHING,
            ..case
        };
        let expected = if expected == Step::Consent {
            CONSENT
        } else {
            Step::Issue
        };
        assert_eq!(step(&config, &silent), expected, "{what}, silent");
    }
}

#[test]
fn consent_is_of_scopes_and_of_nothing_beyond() {
    let config = acme();
    let table = [
        ("openid read", "openid read", Step::Issue),
        ("openid", "openid read", Step::Issue),
        ("openid read write", "openid read", Step::Consent),
        ("openid offline_access read", "openid read", Step::Consent),
        // A scope that the API does not know is not given, so nobody is asked about it.
        ("openid read fly", "openid read", Step::Issue),
    ];
    for (scope, consented, expected) in table {
        let case = Case {
            application: SPA,
            scope,
            consented,
            ..CASE
        };
        assert_eq!(step(&config, &case), expected, "{scope} of {consented}");
    }
}

/// Attack 31: a token without any scope says in the user's name who the user is.
#[test]
fn attack_31_no_scopes_are_not_no_question() {
    let config = acme();
    let mut case = Case {
        application: SPA,
        scope: "",
        ..CASE
    };
    assert_eq!(step(&config, &case), Step::Consent);
    case.consented = "read";
    assert_eq!(
        step(&config, &case),
        Step::Issue,
        "it may call the API already"
    );
    case.consented = "";
    case.audience = None;
    assert_eq!(
        step(&config, &case),
        Step::Issue,
        "such a token is good for nothing"
    );
}

/// Attack 31: another program may stand where an app's own scheme or a port of the loopback leads.
#[test]
fn attack_31_a_place_that_any_program_may_take_is_asked_about_each_time() {
    let config = acme();
    let at = |redirect, prompt| Case {
        application: NATIVE,
        redirect: Some(redirect),
        prompt,
        consented: "openid read",
        ..CASE
    };
    let verifiable = "https://native.test/callback";
    assert_eq!(step(&config, &at(verifiable, SHOW_NOTHING)), Step::Issue);
    for redirect in ["com.acme.app:/callback", "http://127.0.0.1/callback"] {
        assert_eq!(step(&config, &at(redirect, CASE.prompt)), Step::Consent);
        assert_eq!(step(&config, &at(redirect, SHOW_NOTHING)), CONSENT);
    }
}
