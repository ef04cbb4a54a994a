//! Attacks 14, 16 and 17: texts that two readers read differently, that are expensive to read, or that are cut off.

use mintage_core::Alg;
use mintage_core::jose::InvalidCompact;
use mintage_core::verify::Rejection;
use serde_json::json;

use super::super::{Forge, segment, sign_texts};
use super::{Attempt, malformed, orders, parts, shop_key};

/// Attack 14: members named twice.
pub fn attack_14_twice() -> Vec<Attempt> {
    let (good, key) = (orders(), shop_key(Alg::RS256));
    let (header, claims) = Forge::of(&good.token).texts();
    let in_header = [
        r#"{"alg":"none","#,
        r#"{"kid":"a","#,
        r#"{"\u0061lg":"RS256","#,
    ]
    .map(|twice| {
        let token = sign_texts(&header.replacen('{', twice, 1), &claims, &key);
        Attempt::new(&good, twice, token, malformed(InvalidCompact::Header))
    });
    let in_claims = [
        r#"{"aud":"https://evil.test","#,
        r#"{"\u0061ud":"https://evil.test","#,
        r#"{"exp":9999999999,"#,
        r#"{"x":{"a":1,"a":2},"#,
    ]
    .map(|twice| {
        let token = sign_texts(&header, &claims.replacen('{', twice, 1), &key);
        Attempt::new(&good, twice, token, Rejection::Claim("set"))
    });
    in_header.into_iter().chain(in_claims).collect()
}

/// Attack 14: the JSON serialisation, and a text that is both.
pub fn attack_14_serialisations() -> Vec<Attempt> {
    let good = orders();
    let [header, claims, signature] = parts(&good.token);
    let json = json!({ "protected": header, "payload": claims, "signature": signature });
    let polyglot = format!(r#"{{"a":".{claims}.{signature}","protected":"{header}"}}"#);
    vec![
        Attempt::new(
            &good,
            "JSON",
            json.to_string(),
            malformed(InvalidCompact::Segments),
        ),
        Attempt::new(
            &good,
            "polyglot",
            polyglot,
            malformed(InvalidCompact::Base64),
        ),
    ]
}

/// Attack 14: other spellings of the same bytes.
pub fn attack_14_base64() -> Vec<Attempt> {
    let good = orders();
    let base64 = || malformed(InvalidCompact::Base64);
    let [header, claims, signature] = parts(&good.token);
    // 256 bytes end in two characters with four unused bits: the next letter decodes to the same bytes elsewhere.
    let last = char::from(signature.as_bytes()[341] + 1);
    let bits = format!("{header}.{claims}.{}{last}", &signature[..341]);
    let alphabet = good.token.replace('-', "+").replace('_', "/");
    let mut attempts = vec![
        Attempt::new(&good, "unused bits", bits, base64()),
        Attempt::new(&good, "the standard alphabet", alphabet, base64()),
    ];
    let spellings = |part: &str| {
        [
            format!("{part}="),
            format!("{part}=="),
            format!(" {part}"),
            format!("{part}\n"),
            format!("{}\n{}", &part[..4], &part[4..]),
            format!("{part}%"),
        ]
    };
    // A payload is read after its signature was checked, and that covers the spelling.
    attempts.extend(spellings(header).map(|part| {
        let token = format!("{part}.{claims}.{signature}");
        Attempt::new(&good, "header", token, base64())
    }));
    attempts.extend(spellings(claims).map(|part| {
        let token = format!("{header}.{part}.{signature}");
        Attempt::new(&good, "payload", token, Rejection::Signature)
    }));
    attempts.extend(spellings(signature).map(|part| {
        let token = format!("{header}.{claims}.{part}");
        Attempt::new(&good, "signature", token, base64())
    }));
    attempts
}

/// Attack 16: many dots and huge tokens.
pub fn attack_16_huge() -> Vec<Attempt> {
    let good = orders();
    let attempt =
        |what: &str, token: String, cause| Attempt::new(&good, what, token, malformed(cause));
    let (segments, large) = (InvalidCompact::Segments, InvalidCompact::TooLarge);
    let mut attempts: Vec<Attempt> = [".", "..", "...", "a.b", "a.b.c.d.e"]
        .map(|text| attempt(text, text.to_owned(), segments))
        .into();
    let scopes = Forge::of(&good.token).claim("scope", "x ".repeat(4000));
    attempts.extend([
        attempt("8192 dots", ".".repeat(8192), segments),
        attempt("a MiB of dots", ".".repeat(1 << 20), large),
        attempt("a MiB of letters", "a".repeat(1 << 20), large),
        attempt(
            "two tokens",
            format!("{}.{}", good.token, good.token),
            segments,
        ),
        attempt("a long scope", scopes.sign(&shop_key(Alg::RS256)), large),
    ]);
    attempts
}

/// Attack 17: a token cut off at every character.
pub fn attack_17_truncated() -> Vec<Attempt> {
    let good = orders();
    let [header, claims, _] = parts(&good.token);
    let signature_starts = header.len() + claims.len() + 2;
    (1..good.token.len())
        .map(|length| {
            let signature = length.saturating_sub(signature_starts);
            let refused = if signature == 0 {
                malformed(InvalidCompact::Segments)
            } else if is_base64(&good.token[signature_starts..length]) {
                Rejection::Signature
            } else {
                malformed(InvalidCompact::Base64)
            };
            let token = good.token[..length].to_owned();
            Attempt::new(&good, format!("{length} characters"), token, refused)
        })
        .collect()
}

/// Whether a cut piece of base64url is the canonical spelling of some bytes.
fn is_base64(text: &str) -> bool {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    URL_SAFE_NO_PAD.decode(text).is_ok()
}

/// Attack 17: opaque tokens, whole and cut off; a sidecar takes none.
pub fn attack_17_opaque() -> Vec<Attempt> {
    let good = orders();
    let sealed = segment([0x5a; 64]);
    let whole = [
        sealed.clone(),
        format!("mintage_{sealed}"),
        format!("v1.{sealed}"),
        // Five segments, as sealed by others.
        format!("{sealed}..{sealed}.{sealed}.{sealed}"),
    ];
    let cut = |text: &String| {
        [1, text.len() / 2, text.len() - 1, text.len()].map(|length| text[..length].to_owned())
    };
    whole
        .iter()
        .flat_map(cut)
        .map(|token| {
            // Three segments look like a token; the first one is no header then.
            let refused = malformed(if token.matches('.').count() == 2 {
                InvalidCompact::Header
            } else {
                InvalidCompact::Segments
            });
            Attempt::new(&good, token.clone(), token, refused)
        })
        .collect()
}
