//! Project Wycheproof's JWS and JWK vectors, and those of its other JOSE files that have a meaning here.

#![expect(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "helpers are test code, though no test functions themselves"
)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use mintage_core::jose::{Compact, Jwk, PublicKey};
use serde_json::Value;

/// Valid vectors that are refused here, and invalid ones that are accepted, each with its argument. An entry that no
/// longer deviates fails the test.
const DEVIATIONS: &[(&str, &[u64], &str)] = &[
    (
        "json_web_signature_test.json",
        &[1, 348, 352, 357, 358, 359, 373, 376, 377],
        NO_HMAC,
    ),
    // A character outside base64url that some decoders skip; the key is HMAC's, too.
    (
        "json_web_signature_test.json",
        &[372],
        "RFC 7515 section 2 allows no other characters in base64url",
    ),
    (
        "json_web_signature_test.json",
        &[320, 321, 322, 323, 325, 326, 327, 328, 347, 351],
        NOT_OFFERED,
    ),
    ("json_web_signature_test.json", &[346, 350], ONE_ALG),
    ("json_web_key_test.json", &[2, 13, 14, 15], NO_HMAC),
    ("json_web_crypto_test.json", &[1, 48], NO_HMAC),
];

const NO_HMAC: &str = "HMAC is not verified here: whoever can check such a token can make one (HS256 audiences are \
    served by the tenant endpoint only)";
const NOT_OFFERED: &str =
    "PS384, PS512 and ES512 (which the vectors call ES521) are not among the algorithms offered";
const ONE_ALG: &str =
    "the key says PS256 and the token PS384: a key has one algorithm here (RFC 8725 section 3.1)";

fn vectors(test: &str, file: &str) -> Option<Value> {
    let folder = std::env::var_os("MINTAGE_VECTORS")
        .map_or("../../shared/vectors/wycheproof".into(), PathBuf::from);
    let path = folder.join(file);
    let Ok(bytes) = std::fs::read(&path) else {
        let reason = format!("no {} (set MINTAGE_VECTORS to its folder)", path.display());
        eprintln!("SKIPPED {test}: {reason}");
        if let Some(log) = std::env::var_os("MINTAGE_SKIP_LOG") {
            let mut log = std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(log)
                .unwrap();
            // In one write, since tests run side by side.
            log.write_all(format!("{test}: {reason}\n").as_bytes())
                .unwrap();
        }
        return None;
    };
    Some(serde_json::from_slice(&bytes).unwrap())
}

/// Reads the key or key set of a group as the core would, and verifies a token with the key it names. The error says
/// what stood in the way.
fn verify(key: &Value, token: &str) -> Result<(), String> {
    let compact = Compact::parse(token).map_err(|error| error.to_string())?;
    let keys = match key.get("keys") {
        Some(Value::Array(keys)) => keys.clone(),
        _ => vec![key.clone()],
    };
    // One key that cannot be read makes a set unusable: leaving it out would hide a mistake (verify::Verifier::new).
    let mut known: BTreeMap<String, PublicKey> = BTreeMap::new();
    for key in &keys {
        // A kid is any text elsewhere; here it names one key of a set, under our own alphabet.
        let kid = key["kid"].to_string();
        let mut key = key.clone();
        key.as_object_mut().map(|members| members.remove("kid"));
        let jwk = Jwk::from_value(&key).map_err(|error| error.to_string())?;
        let public = PublicKey::from_jwk(&jwk).map_err(|error| error.to_string())?;
        if known.insert(kid, public).is_some() {
            return Err("two keys of one name".to_owned());
        }
    }
    let named = match compact.header.get("kid") {
        Some(kid) => known.get(&kid.to_string()),
        None if known.len() == 1 => known.values().next(),
        None => None,
    };
    let key = named.ok_or("no key of this name")?;
    if compact.header.get("alg").and_then(Value::as_str) != Some(key.alg().as_str()) {
        return Err("the token's alg is not the key's".to_owned());
    }
    compact.payload().map_err(|error| error.to_string())?;
    if key.verifies(compact.signing_input.as_bytes(), &compact.signature) {
        Ok(())
    } else {
        Err("signature".to_owned())
    }
}

/// A token as it would be sent: compact, or the text of its JSON serialisation.
fn text(token: &Value) -> String {
    token
        .as_str()
        .map_or_else(|| token.to_string(), str::to_owned)
}

/// Runs every JWS of a file; how many there were.
fn run(test: &str, file: &str) -> Option<usize> {
    let vectors = vectors(test, file)?;
    let mut deviations: BTreeMap<u64, &str> = DEVIATIONS
        .iter()
        .filter(|(of, _, _)| *of == file)
        .flat_map(|(_, ids, argument)| ids.iter().map(move |id| (*id, *argument)))
        .collect();
    let mut wrong = Vec::new();
    let mut count = 0;
    for group in vectors["testGroups"].as_array().unwrap() {
        // A symmetric key has no public form: its group gives the secret itself.
        let key = group.get("public").unwrap_or(&group["private"]);
        for case in group["tests"].as_array().unwrap() {
            let Some(token) = case.get("jws").map(text) else {
                continue;
            };
            count += 1;
            let id = case["tcId"].as_u64().unwrap();
            let outcome = verify(key, &token);
            let as_expected = outcome.is_ok() == (case["result"] == "valid");
            let argued = deviations.remove(&id).is_some();
            if as_expected == argued {
                let what = format!(
                    "{} {} {}",
                    group["comment"], case["comment"], case["result"]
                );
                wrong.push(format!("{id} {what}: {outcome:?}, in the table: {argued}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{file}:\n{}", wrong.join("\n"));
    assert!(deviations.is_empty(), "no such vectors: {deviations:?}");
    Some(count)
}

#[test]
fn json_web_signature() {
    if let Some(count) = run("json_web_signature", "json_web_signature_test.json") {
        assert_eq!(count, 401);
    }
}

#[test]
fn json_web_key() {
    if let Some(count) = run("json_web_key", "json_web_key_test.json") {
        assert_eq!(count, 26);
    }
}

#[test]
fn json_web_crypto() {
    if let Some(count) = run("json_web_crypto", "json_web_crypto_test.json") {
        assert_eq!(count, 49, "the other 34 are JWE");
    }
}

/// The core accepts no encrypted token from anybody, valid or not, so what the JWE vectors test (key wrapping, padding,
/// tags, compression) has no code here. They must be refused before any of it could matter.
#[test]
fn every_encrypted_token_is_refused() {
    let mut count = 0;
    for file in ["json_web_encryption_test.json", "json_web_crypto_test.json"] {
        let Some(vectors) = vectors("every_encrypted_token_is_refused", file) else {
            return;
        };
        let groups = vectors["testGroups"].as_array().unwrap();
        let cases = groups
            .iter()
            .flat_map(|group| group["tests"].as_array().unwrap());
        for token in cases.filter_map(|case| case.get("jwe").map(text)) {
            count += 1;
            assert!(Compact::parse(&token).is_err(), "{token}");
        }
    }
    assert_eq!(count, 139 + 34);
}
