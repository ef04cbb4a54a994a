//! What a run writes to its log: one line for each refusal, and no secret.

use std::collections::BTreeMap;

use mintage_core::bundle::KeyringFile;
use serde_json::Value;

use crate::cluster::{Forge, ORDERS, PAYMENTS};
use crate::pod::{Answer, answer, client};
use crate::sidecar::Sidecar;

/// Everything secret in a token: the signature, and what it signs.
fn parts(token: &str) -> Vec<String> {
    token.split('.').map(str::to_owned).collect()
}

#[tokio::test]
async fn the_log_has_a_line_for_each_refusal_and_no_secret() {
    let sidecar = Sidecar::start().await;
    let client = client();
    let url = |path: &str| format!("http://{}{path}", sidecar.workload_api);
    let ask = async |params: &[(&str, &str)]| -> Answer {
        let request = client.post(url("/oauth/token"));
        answer(request.form(params).header("Mintage-Cache", "allow")).await
    };
    let mut secrets = Vec::new();
    let mut tokens = Vec::new();
    for audience in [ORDERS, PAYMENTS, PAYMENTS] {
        let good = ask(&[("grant_type", "client_credentials"), ("audience", audience)]).await;
        assert_eq!(good.status, 200, "{good:?}");
        let token = good.text("access_token");
        assert_eq!(Forge::of(&token).claims["aud"], audience);
        secrets.extend(parts(&token));
        tokens.push(token.clone());
        for request in [
            client.get(url("/validate")).bearer_auth(&token),
            client.post(url("/introspect")).form(&[("token", &token)]),
            client
                .get(url(&format!("/validate?access_token={token}")))
                .bearer_auth(&token),
        ] {
            assert_eq!(
                answer(request).await.status / 100,
                4,
                "it accepts no audience"
            );
        }
    }
    let credentials = ("grant_type", "client_credentials");
    ask(&[credentials, ("audience", "https://no.test")]).await;
    ask(&[credentials, ("audience", ORDERS), ("scope", "admin:orders")]).await;
    ask(&[
        credentials,
        ("audience", ORDERS),
        ("client_id", "other/worker"),
        ("client_secret", "s3cr3t"),
    ])
    .await;
    ask(&[credentials, ("audience", "a\nb")]).await;
    ask(&[("grant_type", "password"), ("password", "s3cr3t")]).await;
    answer(client.get(url("/oauth/token"))).await;
    answer(client.get(url("/nowhere"))).await;
    answer(client.get(url("/validate")).header("Origin", "null")).await;
    answer(client.get(url("/validate")).header("Host", "evil.test")).await;

    let file = KeyringFile::parse(sidecar.files.get("keyring.json").unwrap()).unwrap();
    let keyring: Value = serde_json::from_slice(&file.to_bytes()).unwrap();
    for key in keyring["keys"].as_array().unwrap() {
        let pkcs8 = key["pkcs8"].as_str().unwrap();
        secrets.push(pkcs8[pkcs8.len() / 2..][..24].to_owned());
        secrets.push(pkcs8[..24].to_owned());
    }
    secrets.push("s3cr3t".to_owned());

    sidecar.terminate();
    let (code, lines) = sidecar.ended().await;
    assert_eq!(code, Some(0));
    let mut refusals = BTreeMap::new();
    for line in &lines {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(event["event"].is_string(), "{line}");
        if let Some(rule) = event["rule"].as_str() {
            *refusals.entry(rule.to_owned()).or_default() += 1;
        }
        for secret in &secrets {
            assert!(!line.contains(secret), "{secret} in {line}");
        }
    }
    let expected = [
        ("audience-not-chosen", 6),
        ("query-malformed", 3),
        ("audience-unknown", 2),
        ("scope-not-granted", 1),
        ("client-not-own", 1),
        ("grant-type-of-others", 1),
        ("method", 1),
        ("path", 1),
        ("origin-refused", 1),
        ("host-not-loopback", 1),
    ];
    let expected = expected.map(|(rule, count)| (rule.to_owned(), count));
    assert_eq!(refusals, BTreeMap::from(expected));
    each_token_has_its_line(&lines, &tokens);
    let refused = lines
        .iter()
        .filter(|line| line.contains("\"token-refused\""));
    for line in refused {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["client"], "shop/checkout", "{line}");
        assert!(event["request_id"].is_string(), "{line}");
    }
}

/// The lines of the audit say what the tokens say.
fn each_token_has_its_line(lines: &[String], tokens: &[String]) {
    let issued: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["event"] == "token-issued")
        .collect();
    assert_eq!(
        issued.len(),
        tokens.len(),
        "a line for each token that was handed out"
    );
    for (event, token) in issued.iter().zip(tokens) {
        let token = Forge::of(token);
        assert_eq!(event["client"], "shop/checkout");
        assert_eq!(event["kid"], token.header["kid"]);
        let claims = [
            ("audience", "aud"),
            ("scope", "scope"),
            ("iat", "iat"),
            ("exp", "exp"),
            ("jti", "jti"),
        ];
        for (field, claim) in claims {
            assert_eq!(event.get(field), token.claims.get(claim), "{field}");
        }
    }
    let sources: Vec<_> = issued
        .iter()
        .map(|event| event["source"].as_str().unwrap())
        .collect();
    assert_eq!(sources, ["signed", "signed", "reused"]);
}
