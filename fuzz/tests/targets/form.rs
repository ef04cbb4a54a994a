//! Form bodies and queries, given to the sidecar's routes.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use mintage_fuzz::edited;
use serde_json::{Map, Value};

use crate::api::{FORM, JSON, ORDERS_API, SHOP};
use crate::cluster::{Cluster, LEDGER, ORDERS, PAYMENTS};

const WORDS: &[&str] = &[
    "&",
    "=",
    "%",
    "%00",
    "%zz",
    "%ff",
    "%ef%bf%bd",
    "+",
    "%2B",
    "&&",
    "audience=",
    "resource=",
    "scope=",
    "client_id=",
    "grant_type=",
    "token=",
    "client_credentials",
    "refresh_token",
    "https://orders.test",
    "https://payments.test",
    "https%3A%2F%2Fledger.test",
    "read:orders",
    "write:orders",
    "admin:orders",
    "pay",
    "shop/checkout",
    "shop/audit",
    "%20",
    "\u{e9}",
    "\u{0}",
];

const GOOD: [&str; 3] = [
    "grant_type=client_credentials&audience=https%3A%2F%2Forders.test&scope=read%3Aorders",
    "grant_type=client_credentials&resource=https://payments.test&client_id=shop/checkout&scope=pay",
    "grant_type=client_credentials&audience=https://ledger.test",
];

static TOKEN: LazyLock<String> = LazyLock::new(|| Cluster::standard().good(ORDERS).token);

pub fn check(input: &[u8]) {
    token(input);
    for good in GOOD {
        token(&edited(good.as_bytes(), input, WORDS));
    }
    introspect(input);
    let good = format!("token={}&token_type_hint=access_token", *TOKEN);
    introspect(&edited(good.as_bytes(), input, WORDS));
    validate(input);
    let query = b"audience=https%3A%2F%2Forders.test&scope=read:orders";
    validate(&edited(query, input, WORDS));
}

/// The parameters, as another reader reads them.
fn pairs(form: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(form).into_owned().collect()
}

fn token(form: &[u8]) {
    let answer = SHOP.post("/oauth/token", FORM, form);
    let pairs = pairs(form);
    let names: BTreeSet<&String> = pairs.iter().map(|(name, _)| name).collect();
    let value = |name: &str| {
        let mut values = pairs.iter().filter(|(known, _)| known == name);
        values.next().map_or("", |(_, value)| value.as_str())
    };
    if answer.status == StatusCode::OK {
        assert_eq!(names.len(), pairs.len(), "a parameter is there twice");
        assert_eq!(value("grant_type"), "client_credentials");
        let audience = if value("audience").is_empty() {
            value("resource")
        } else {
            value("audience")
        };
        let granted = match audience {
            ORDERS => "read:orders write:orders",
            PAYMENTS => "pay",
            LEDGER => "post",
            other => panic!("a token for {other:?}"),
        };
        assert!(["", "shop/checkout"].contains(&value("client_id")));
        let given = answer.body["scope"].as_str().unwrap().split(' ');
        let granted: BTreeSet<&str> = granted.split(' ').collect();
        let given: BTreeSet<&str> = given.collect();
        assert!(given.is_subset(&granted), "{given:?}");
        let asked: BTreeSet<&str> = value("scope").split_whitespace().collect();
        assert!(asked.is_empty() || asked == given, "{asked:?} {given:?}");
    }
    // The same parameters as JSON have the same answer, where both forms can write them.
    let rule = answer.body["error_description"]
        .as_str()
        .unwrap_or_default();
    let only_in_forms = [
        "(form-malformed",
        "(parameter-repeated",
        "(resource-several",
    ];
    if names.len() == pairs.len() && !only_in_forms.iter().any(|only| rule.contains(only)) {
        let members = pairs.iter().cloned();
        let members: Map<String, Value> = members
            .map(|(name, value)| (name, Value::String(value)))
            .collect();
        let body = Value::Object(members).to_string();
        let by_json = SHOP.post("/oauth/token", JSON, body.as_bytes());
        assert_eq!(by_json.status, answer.status, "{body}");
        for member in ["error", "error_description", "scope"] {
            assert_eq!(by_json.body.get(member), answer.body.get(member), "{body}");
        }
    }
}

fn introspect(form: &[u8]) {
    let answer = ORDERS_API.post("/introspect", FORM, form);
    if answer.body["active"] == true {
        let tokens = pairs(form).into_iter().filter(|(name, _)| name == "token");
        let tokens: Vec<String> = tokens.map(|(_, token)| token).collect();
        assert_eq!(tokens, [TOKEN.as_str()]);
    } else if answer.status == StatusCode::OK {
        assert_eq!(answer.body.to_string(), r#"{"active":false}"#);
    }
    assert_eq!(answer, ORDERS_API.post("/introspect", FORM, form));
}

/// A query narrows: whatever it says, the answer is not wider than without it.
fn validate(query: &[u8]) {
    let query: String = query
        .iter()
        .map(|byte| char::from(*byte))
        .filter(|c| c.is_ascii_graphic() && *c != '#')
        .collect();
    let request = Request::get(format!("/validate?{query}"));
    let Ok(request) = request
        .header("Authorization", format!("Bearer {}", *TOKEN))
        .body(Body::empty())
    else {
        return;
    };
    let answer = ORDERS_API.send(request);
    if answer.status == StatusCode::OK {
        assert_eq!(answer.audience.as_deref(), Some(ORDERS));
        for (name, value) in pairs(query.as_bytes()) {
            match name.as_str() {
                "audience" => assert_eq!(value, ORDERS),
                "scope" => assert!(
                    value
                        .split_whitespace()
                        .all(|scope| ["read:orders", "write:orders"].contains(&scope)),
                    "{value}"
                ),
                other => panic!("{other} was accepted"),
            }
        }
    } else {
        assert_eq!(answer.audience, None);
    }
}
