//! What a bare word of YAML means to Kubernetes.
//!
//! kubectl reads YAML 1.1 through go-yaml 2: a bare `yes`, `on` or `off` is a boolean, `0o17`, `017` and `0x0f` are
//! numbers, `1_000` is a thousand. Times of day and dates stay strings.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Number, Value};

/// The type that a tag asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Boolean,
    Float,
    Integer,
    Null,
    String,
}

/// A bare or tagged word as JSON.
///
/// # Errors
/// The reason, if JSON has no word for it or the tag asks for another type.
pub(super) fn resolve(text: &str, tag: Option<Tag>) -> Result<Value, String> {
    if tag == Some(Tag::String) {
        return Ok(Value::String(text.to_owned()));
    }
    let value = plain(text)?;
    let fits = match tag {
        None | Some(Tag::String) => true,
        Some(Tag::Boolean) => value.is_boolean(),
        Some(Tag::Null) => value.is_null(),
        Some(Tag::Integer) => value.is_i64(),
        Some(Tag::Float) => value.is_number(),
    };
    if fits {
        Ok(value)
    } else {
        Err(format!(
            "{text:?} is not of the type that its tag asks for (take the tag out)"
        ))
    }
}

fn plain(text: &str) -> Result<Value, String> {
    static DECIMAL: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
            .expect("our own pattern compiles")
    });
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Ok(true.into());
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Ok(false.into());
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF"
        | "-.inf" | "-.Inf" | "-.INF" => {
            return Err(format!(
                "{text} is no number that Kubernetes can store (write another value)"
            ));
        }
        _ => {}
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return Ok(Value::String(text.to_owned()));
    }
    // Underscores are nothing; after a leading dot only those between digits.
    let separated = !text.starts_with('.') || is_separated(text);
    let digits = if separated {
        text.replace('_', "")
    } else {
        text.to_owned()
    };
    if let Some(integer) = integer(&digits) {
        return Ok(number(integer));
    }
    if DECIMAL.is_match(&digits)
        && let Ok(float) = digits.parse::<f64>()
        && float.is_finite()
    {
        return Ok(decimal(float));
    }
    Ok(Value::String(text.to_owned()))
}

/// Whether each underscore is between digits.
fn is_separated(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    (0..bytes.len())
        .filter(|at| bytes[*at] == b'_')
        .all(|at| digit(at.checked_sub(1)) && digit(at.checked_add(1)))
}

/// A whole number as Go writes it in source code: decimal, or with `0x`, `0o`, `0` or `0b` in front.
fn integer(text: &str) -> Option<i128> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = unsigned.to_ascii_lowercase();
    let (digits, radix) = if let Some(digits) = lower.strip_prefix("0x") {
        (digits, 16)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (digits, 8)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (digits, 2)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (&lower[1..], 8)
    } else {
        (lower.as_str(), 10)
    };
    // Rust would take a sign here.
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_alphanumeric()) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix)
        .ok()
        .filter(|value| *value <= i128::from(u64::MAX))?;
    let value = if negative { -value } else { value };
    (value >= i128::from(i64::MIN)).then_some(value)
}

/// Kubernetes has integers of 64 bits, and floats for what is larger.
#[expect(clippy::cast_precision_loss, reason = "as the API server loses it")]
fn number(integer: i128) -> Value {
    i64::try_from(integer).map_or_else(|_| float(integer as f64), Value::from)
}

/// A float that is whole is written, and so stored, as an integer.
#[expect(clippy::cast_possible_truncation, reason = "within 2^63")]
fn decimal(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9_223_372_036_854_775_808.0 {
        Value::from(value as i64)
    } else {
        float(value)
    }
}

fn float(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bare_words_as_kubernetes_reads_them() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("nULL", json!("nULL")),
            ("yes", json!(true)),
            ("On", json!(true)),
            ("y", json!(true)),
            ("off", json!(false)),
            ("N", json!(false)),
            ("yEs", json!("yEs")),
            ("orders", json!("orders")),
            ("0", json!(0)),
            ("-0", json!(0)),
            ("7743", json!(7743)),
            ("+5", json!(5)),
            ("-5", json!(-5)),
            ("1_000", json!(1000)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("017", json!(15)),
            ("08", json!(8)),
            ("0b101", json!(5)),
            ("-0b101", json!(-5)),
            ("0x", json!("0x")),
            ("--5", json!("--5")),
            ("0-5", json!("0-5")),
            ("-", json!("-")),
            (".", json!(".")),
            ("9223372036854775807", json!(9_223_372_036_854_775_807_i64)),
            (
                "-9223372036854775808",
                json!(-9_223_372_036_854_775_808_i64),
            ),
            (
                "18446744073709551615",
                json!(18_446_744_073_709_551_615_f64),
            ),
            ("1e3", json!(1000)),
            ("1.0", json!(1)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            (".5_0", json!(0.5)),
            (".5_0_0", json!(0.5)),
            ("._5", json!("._5")),
            (".5__0", json!(".5__0")),
            ("-.5", json!(-0.5)),
            ("5.", json!(5)),
            ("1e400", json!("1e400")),
            ("1:30", json!("1:30")),
            ("127.0.0.1", json!("127.0.0.1")),
            ("2026-11-23", json!("2026-11-23")),
            ("2026-11-23T12:00:00Z", json!("2026-11-23T12:00:00Z")),
            ("720h", json!("720h")),
            ("1e", json!("1e")),
        ] {
            assert_eq!(resolve(text, None), Ok(value), "{text:?}");
        }
        assert!(resolve(".nan", None).is_err());
        assert!(resolve("-.INF", None).is_err());
    }

    #[test]
    fn tags_are_kept() {
        assert_eq!(resolve("yes", Some(Tag::String)), Ok(json!("yes")));
        assert_eq!(resolve("5", Some(Tag::Integer)), Ok(json!(5)));
        assert_eq!(resolve("5", Some(Tag::Float)), Ok(json!(5)));
        assert!(resolve("x", Some(Tag::Integer)).is_err());
        assert!(resolve("5", Some(Tag::Boolean)).is_err());
    }
}
