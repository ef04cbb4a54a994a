//! Strict JSON, and JSON bodies given to the sidecar's routes.

use axum::http::StatusCode;
use mintage_fuzz::edited;
use serde_json::Value;

use crate::api::{JSON, SHOP};

const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u0061",
    "\\ud800",
    "\\u0000",
    "\"a\":1,",
    "\"audience\":",
    "\"scope\":null,",
    "\"grant_type\":",
    "null",
    "true",
    "1e400",
    "-0",
    "0.1",
    "18446744073709551616",
    "[[[[[[[[",
    "{\"a\":{\"a\":",
    " ",
    "\u{feff}",
    "\u{0}",
    "//",
    "/**/",
    "NaN",
    "'",
];

const GOOD: [&str; 2] = [
    r#"{"grant_type":"client_credentials","audience":"https://orders.test","scope":"read:orders"}"#,
    r#"{"a":[1,-2.5,{"b":null,"a":"\u0061\n"}],"b":{"a":true,"c":[]}}"#,
];

pub fn check(input: &[u8]) {
    read(input);
    for good in GOOD {
        read(&edited(good.as_bytes(), input, WORDS));
    }
}

fn read(bytes: &[u8]) {
    let strict = mintage_core::json::parse(bytes);
    let lenient = serde_json::from_slice::<Value>(bytes);
    match (&strict, &lenient) {
        (Ok(strict), Ok(lenient)) => {
            assert_eq!(strict, lenient);
            let written = strict.to_string();
            let again = mintage_core::json::parse(written.as_bytes());
            let again = again.unwrap();
            assert!(is_same(&again, strict), "{again} was written as {written}");
            assert_eq!(members(strict), colons(bytes), "none was named twice");
        }
        // The one thing that is stricter: a member named twice, which the lenient reader has lost.
        (Err(error), Ok(lenient)) => {
            assert!(error.to_string().contains("named twice"), "{error}");
            assert!(members(lenient) < colons(bytes));
        }
        (Err(_), Err(_)) => {}
        (Ok(strict), Err(error)) => panic!("{strict} is no JSON: {error}"),
    }
    let answer = SHOP.post("/oauth/token", JSON, bytes);
    if answer.status == StatusCode::OK {
        let asked = strict.unwrap();
        // Members that are not known may be anything (RFC 6749 section 3.2).
        for known in ["audience", "client_id", "grant_type", "resource", "scope"] {
            assert!(
                asked[known].is_string() || asked[known].is_null(),
                "{asked}"
            );
        }
        assert_eq!(asked["grant_type"], "client_credentials");
    }
}

/// Whether two values are the same but for the last digits of floats: `serde_json` reads those quickly rather than
/// exactly, and nothing here is decided by a float.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let is_there =
                |(name, a): (&String, &Value)| b.get(name).is_some_and(|b| is_same(a, b));
            a.len() == b.len() && a.iter().all(is_there)
        }
        (Value::Number(a), Value::Number(b)) if a.is_f64() && b.is_f64() => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= a.abs() * 1e-12
        }
        _ => a == b,
    }
}

/// How many members a value has, at any depth.
fn members(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(members).sum(),
        Value::Object(fields) => fields.values().map(|value| 1 + members(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// How many members a JSON text names: the colons outside its strings.
fn colons(bytes: &[u8]) -> usize {
    let (mut count, mut in_string, mut escaped) = (0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b':' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}
