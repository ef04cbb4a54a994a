//! Compact tokens, given to the verifier of an API.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use mintage_core::jose::{Compact, PrivateKey};
use mintage_core::verify::{Expected, Rejection, Verifier};
use mintage_core::{Alg, Identifier};
use mintage_fuzz::edited;
use serde_json::Value;

use crate::cluster::{ACME, Cluster, Forge, NOW, ORDERS, PAYMENTS, name, sign_texts, verdict};

const WORDS: &[&str] = &[
    ".",
    "..",
    "=",
    "\"",
    ",",
    "{",
    "}",
    "[",
    "]",
    ":",
    "\\u0061",
    "null",
    "-1",
    "1e3",
    "0",
    "9223372036854775807",
    "\"aud\":",
    "\"exp\":",
    "\"iat\":",
    "\"nbf\":1,",
    "\"iss\":",
    "\"azp\":\"shop/x\",",
    "\"cnf\":{},",
    "\"act\":{},",
    "\"crit\":[],",
    "\"alg\":\"none\",",
    "\"kid\":",
    "\"zip\":\"DEF\",",
    "https://orders.test",
    "shop/",
    "other/worker",
    "@clients",
    "refund",
    " ",
    "\u{0}",
    "\u{fffd}",
];

/// One API: who verifies, what is accepted, and how a namespace's key signs.
struct Api {
    audience: &'static str,
    verifier: Verifier,
    accepted: BTreeSet<Identifier>,
    good: String,
    key: PrivateKey,
}

impl Api {
    fn new(namespace: &str, audience: &'static str, alg: Alg) -> Self {
        let cluster = Cluster::standard();
        Self {
            audience,
            verifier: cluster.verifier(ACME, namespace),
            accepted: [name(audience)].into(),
            good: cluster.good(audience).token,
            key: cluster.key("identity/acme/shop", alg),
        }
    }

    /// The verdict, which has to be the same a second time.
    fn verdict(&self, token: &str) -> Result<(), Rejection> {
        let judge = || verdict(&self.verifier, token, Expected::Apis(&self.accepted), NOW);
        let (first, second) = (judge().map(|_| ()), judge().map(|_| ()));
        assert_eq!(first, second, "{token}");
        first
    }
}

static OF_ORDERS: LazyLock<Api> = LazyLock::new(|| Api::new("orders", ORDERS, Alg::RS256));
static OF_PAYMENTS: LazyLock<Api> = LazyLock::new(|| Api::new("payments", PAYMENTS, Alg::ES256));

pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for api in [&*OF_ORDERS, &*OF_PAYMENTS] {
        unsigned(api, &text);
        let changed = edited(api.good.as_bytes(), input, WORDS);
        unsigned(api, &String::from_utf8_lossy(&changed));
    }
    // Signed again by a key that is trusted: now everything depends on how the claims are read. ES256 is quick to sign.
    let api = &*OF_PAYMENTS;
    let (header, claims) = Forge::of(&api.good).texts();
    let change = |text: &str, script| {
        let changed = edited(text.as_bytes(), script, WORDS);
        String::from_utf8_lossy(&changed).into_owned()
    };
    match input.split_first() {
        Some((0..=63, script)) => signed(api, &change(&header, script), &claims),
        Some((_, script)) => signed(api, &header, &change(&claims, script)),
        None => signed(api, &header, &claims),
    }
}

/// Without the key, nothing is accepted but the good token itself, to the byte.
fn unsigned(api: &Api, token: &str) {
    let accepted = api.verdict(token).is_ok();
    assert_eq!(accepted, token == api.good, "{token}");
    if let Ok(compact) = Compact::parse(token) {
        assert!(token.starts_with(compact.signing_input));
        assert_eq!(token.matches('.').count(), 2);
        assert!(!compact.signature.is_empty());
        let again = serde_json::to_vec(&compact.header).unwrap();
        let again = mintage_core::json::parse(&again).unwrap();
        assert_eq!(again, Value::Object(compact.header));
    }
}

/// With the key of the namespace shop, what is accepted stays in its bounds, by a reading of its own.
fn signed(api: &Api, header: &str, claims: &str) {
    let token = sign_texts(header, claims, &api.key);
    if api.verdict(&token).is_err() {
        return;
    }
    let read = |text: &str| -> BTreeMap<String, Value> { serde_json::from_str(text).unwrap() };
    let (header_of, of) = (read(header), read(claims));
    let names = |members: &BTreeMap<String, Value>| members.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&header_of), ["alg", "kid", "typ"], "{header}");
    assert_eq!(header_of["alg"], "ES256");
    assert_eq!(header_of["kid"], api.key.kid().as_str());
    let known = [
        "aud",
        "client_id",
        "exp",
        "iat",
        "iss",
        "jti",
        "nbf",
        "scope",
        "sub",
    ];
    assert!(
        names(&of).iter().all(|name| known.contains(&name.as_str())),
        "{claims}"
    );
    let text = |name: &str| of[name].as_str().unwrap();
    let time = |name: &str| of[name].as_i64().unwrap();
    assert_eq!(of["aud"], api.audience);
    assert!(text("client_id").starts_with("shop/"), "{claims}");
    assert_eq!(text("sub"), format!("{}@clients", text("client_id")));
    assert!(["https://acme.test/", "https://login.acme.test/"].contains(&text("iss")));
    assert!((1..=600).contains(&(time("exp") - time("iat"))), "{claims}");
    assert!(
        time("iat") <= NOW.0 + 30 && time("exp") > NOW.0 - 30,
        "{claims}"
    );
    assert!(
        of.get("nbf")
            .is_none_or(|nbf| nbf.as_i64().unwrap() <= NOW.0 + 30)
    );
    assert!(
        of.get("scope").is_none_or(|scope| scope == "pay"),
        "{claims}"
    );
    assert!(!text("jti").is_empty());
}
