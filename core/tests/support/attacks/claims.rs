//! Attacks 12 and 13: claims that are missing, malformed, or for somebody else.

use mintage_core::Alg;
use mintage_core::verify::Rejection;
use serde_json::{Value, json};

use super::super::{Forge, NOW, ORDERS, PAYMENTS, sign_texts};
use super::{Attempt, orders, shop_key};

/// Attack 12: times that are no whole seconds.
pub fn attack_12_times() -> Vec<Attempt> {
    let (good, key) = (orders(), shop_key(Alg::RS256));
    let (header, claims) = Forge::of(&good.token).claim("nbf", NOW.0).texts();
    let mut attempts = Vec::new();
    for (claim, value) in [("exp", NOW.0 + 86_400), ("iat", NOW.0), ("nbf", NOW.0)] {
        let written = format!(r#""{claim}":{value}"#);
        assert!(claims.contains(&written), "{claims}");
        for other in [
            format!(r#""{value}""#),
            format!("{value}.5"),
            format!("{value}.0"),
            "-1".to_owned(),
            "-0".to_owned(),
            "18446744073709551616".to_owned(),
            "9223372036854775808".to_owned(),
            "9223372036854775807".to_owned(),
            "253402300800".to_owned(),
            "1e3".to_owned(),
            "1.795e9".to_owned(),
            "null".to_owned(),
            "true".to_owned(),
            format!("[{value}]"),
            "{}".to_owned(),
            r#""""#.to_owned(),
        ] {
            let changed = claims.replace(&written, &format!(r#""{claim}":{other}"#));
            let token = sign_texts(&header, &changed, &key);
            let what = format!("{claim} {other}");
            attempts.push(Attempt::new(&good, what, token, Rejection::Claim(claim)));
        }
    }
    for claim in ["exp", "iat"] {
        let token = Forge::of(&good.token).claim(claim, Value::Null).sign(&key);
        let what = format!("no {claim}");
        attempts.push(Attempt::new(&good, what, token, Rejection::Claim(claim)));
    }
    attempts
}

/// Attack 12: numbers that JSON does not have.
pub fn attack_12_no_numbers() -> Vec<Attempt> {
    let (good, key) = (orders(), shop_key(Alg::RS256));
    let (header, claims) = Forge::of(&good.token).texts();
    let written = format!(r#""exp":{}"#, NOW.0 + 86_400);
    [
        "1e400",
        "NaN",
        "Infinity",
        "0x7fffffff",
        "01",
        "+1",
        "1_000",
    ]
    .map(|other| {
        let changed = claims.replace(&written, &format!(r#""exp":{other}"#));
        let token = sign_texts(&header, &changed, &key);
        Attempt::new(&good, other, token, Rejection::Claim("set"))
    })
    .into()
}

/// Attack 12: lives of any length.
pub fn attack_12_lives() -> Vec<Attempt> {
    let (good, key) = (orders(), shop_key(Alg::RS256));
    [86_401, 253_402_300_799 - NOW.0, 0, -1]
        .map(|life| {
            let token = Forge::of(&good.token).claim("exp", NOW.0 + life).sign(&key);
            Attempt::new(&good, life, token, Rejection::Lifetime)
        })
        .into()
}

/// Attack 13: `aud` of every kind.
pub fn attack_13_audiences() -> Vec<Attempt> {
    let (good, key) = (orders(), shop_key(Alg::RS256));
    let with = |aud: Value, refused| {
        let token = Forge::of(&good.token).claim("aud", aud.clone()).sign(&key);
        Attempt::new(&good, aud, token, refused)
    };
    let malformed = [
        Value::Null,
        json!([]),
        json!(""),
        json!(0),
        json!(true),
        json!({ "aud": ORDERS }),
        json!([ORDERS, 1]),
        json!([ORDERS, null]),
        json!([[ORDERS]]),
        json!([ORDERS, ""]),
        json!([ORDERS, { "aud": ORDERS }]),
        json!(vec![ORDERS; 9]),
        json!(format!("{ORDERS}\n")),
    ];
    let of_others = [
        json!("https://orders.test/"),
        json!("https://orders.tes"),
        json!("https://orders.testing"),
        json!("HTTPS://ORDERS.TEST"),
        json!(" https://orders.test"),
        json!("orders"),
        json!("*"),
        json!([PAYMENTS]),
    ];
    let malformed = malformed.map(|aud| with(aud, Rejection::Claim("aud")));
    let of_others = of_others.map(|aud| with(aud, Rejection::Audience));
    malformed.into_iter().chain(of_others).collect()
}
