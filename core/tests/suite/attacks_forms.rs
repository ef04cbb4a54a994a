//! Attacks 14 and 16: texts that two readers read differently, or that are expensive to read.

use mintage_core::Alg;
use mintage_core::jose::InvalidCompact;
use mintage_core::verify::Rejection;
use serde_json::json;

use super::attacks_tokens::{malformed, orders, parts, shop_key};
use crate::support::{Forge, sign_texts};

#[test]
fn attack_14_members_named_twice() {
    let good = orders();
    let key = shop_key(Alg::RS256);
    let (header, claims) = Forge::of(&good.token).texts();
    for twice in [
        r#"{"alg":"none","#,
        r#"{"kid":"a","#,
        r#"{"\u0061lg":"RS256","#,
    ] {
        let token = sign_texts(&header.replacen('{', twice, 1), &claims, &key);
        assert_eq!(good.verdict(&token), malformed(InvalidCompact::Header));
    }
    for twice in [
        r#"{"aud":"https://evil.test","#,
        r#"{"\u0061ud":"https://evil.test","#,
        r#"{"exp":9999999999,"#,
        r#"{"x":{"a":1,"a":2},"#,
    ] {
        let token = sign_texts(&header, &claims.replacen('{', twice, 1), &key);
        assert_eq!(
            good.verdict(&token),
            Err(Rejection::Claim("set")),
            "{twice}"
        );
    }
}

#[test]
fn attack_14_json_serialisation_and_polyglots() {
    let good = orders();
    let [header, claims, signature] = parts(&good.token);
    let json = json!({ "protected": header, "payload": claims, "signature": signature });
    let flat = json.to_string();
    let polyglot = format!(r#"{{"a":".{claims}.{signature}","protected":"{header}"}}"#);
    assert_eq!(good.verdict(&flat), malformed(InvalidCompact::Segments));
    assert_eq!(good.verdict(&polyglot), malformed(InvalidCompact::Base64));
}

#[test]
fn attack_14_base64_that_is_not_canonical() {
    let good = orders();
    let [header, claims, signature] = parts(&good.token);
    // 256 bytes end in two characters with four unused bits: the next letter decodes to the same bytes elsewhere.
    let last = char::from(signature.as_bytes()[341] + 1);
    let bits = format!("{header}.{claims}.{}{last}", &signature[..341]);
    let mut spellings = vec![bits];
    for (from, to) in [
        (header, "header"),
        (claims, "claims"),
        (signature, "signature"),
    ] {
        for spelling in [
            format!("{from}="),
            format!("{from}=="),
            format!(" {from}"),
            format!("{from}\n"),
            format!("{}\n{}", &from[..4], &from[4..]),
            format!("{from}%"),
        ] {
            spellings.push(match to {
                "header" => format!("{spelling}.{claims}.{signature}"),
                "claims" => format!("{header}.{spelling}.{signature}"),
                _ => format!("{header}.{claims}.{spelling}"),
            });
        }
    }
    for token in spellings {
        let refused = good.verdict(&token);
        // A payload is read after its signature was checked, and that covers the spelling.
        assert!(
            refused == malformed(InvalidCompact::Base64) || refused == Err(Rejection::Signature),
            "{token}: {refused:?}"
        );
    }
}

#[test]
fn attack_14_standard_alphabet() {
    let good = orders();
    let token = good.token.replace('-', "+").replace('_', "/");
    assert_eq!(good.verdict(&token), malformed(InvalidCompact::Base64));
}

#[test]
fn attack_16_many_dots_and_huge_tokens() {
    let good = orders();
    let segments = malformed(InvalidCompact::Segments);
    let large = malformed(InvalidCompact::TooLarge);
    for text in ["", ".", "..", "...", "a.b", "a.b.c.d.e"] {
        assert_eq!(good.verdict(text), segments, "{text}");
    }
    assert_eq!(good.verdict(&".".repeat(8192)), segments);
    assert_eq!(good.verdict(&".".repeat(1 << 20)), large);
    assert_eq!(good.verdict(&"a".repeat(1 << 20)), large);
    assert_eq!(
        good.verdict(&format!("{}.{}", good.token, good.token)),
        segments
    );
    let long = Forge::of(&good.token).claim("scope", "x ".repeat(4000));
    let long = long.sign(&shop_key(Alg::RS256));
    assert_eq!(good.verdict(&long), large);
}
