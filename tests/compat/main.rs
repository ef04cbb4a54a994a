//! Client libraries that nobody here wrote, against a running `mintage dev`: the same process of each sees good tokens,
//! then bad ones, before, during and after a rotation.

mod forge;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::client::Client;
use mintage_tests::dev::{Dev, eventually};
use mintage_tests::{quickstart, skip};
use serde_json::{Value, json};

const ISSUER: &str = "https://acme.localhost:7743/";
const ORDERS: &str = "https://orders.example.com";
const PAYMENTS: &str = "https://payments.example.com";
const REPORTS: &str = "https://reports.example.com";

/// `dev` as the caller and as the two APIs. A rotation takes two seconds, so that there is a time during it.
async fn dev() -> Result<Dev> {
    let options = [
        "--as",
        "shop/checkout",
        "--also",
        "orders/api=127.0.0.1:0",
        "--also",
        "payments/api=127.0.0.1:0",
        "--propagation-delay",
        "2s",
    ];
    Dev::start(&quickstart(), &options).await
}

/// Where a library finds the keys.
enum Keys {
    /// At the JWKS URL of the API's own pod.
    Pod(usize),
    /// By discovery over TLS.
    Discovery,
}

/// An API as a library is told of it.
struct Api {
    audience: &'static str,
    alg: &'static str,
    typ: &'static str,
    keys: Keys,
}

const APIS: [Api; 3] = [
    Api {
        audience: ORDERS,
        alg: "RS256",
        typ: "JWT",
        keys: Keys::Pod(1),
    },
    Api {
        audience: PAYMENTS,
        alg: "ES256",
        typ: "at+jwt",
        keys: Keys::Pod(2),
    },
    Api {
        audience: REPORTS,
        alg: "PS256",
        typ: "JWT",
        keys: Keys::Discovery,
    },
];

fn settings(dev: &Dev, api: &Api) -> Value {
    let mut settings = json!({ "issuer": ISSUER, "audience": api.audience, "algorithms": [api.alg], "typ": api.typ });
    match api.keys {
        Keys::Pod(workload) => {
            settings["mode"] = "jwks".into();
            settings["jwks_uri"] = format!("{}/.well-known/jwks.json", dev.url(workload)).into();
        }
        Keys::Discovery => {
            settings["mode"] = "discovery".into();
            settings["ca_file"] = dev.ca_file().to_string_lossy().into();
            settings["connect"] = dev.tls_addr().into();
        }
    }
    settings
}

/// The library's own words for a refusal: each class or code that fits.
struct Words {
    signature: &'static [&'static str],
    audience: &'static [&'static str],
    algorithm: &'static [&'static str],
    unknown_key: &'static [&'static str],
}

const PYTHON: Words = Words {
    signature: &["InvalidSignatureError"],
    audience: &["InvalidAudienceError"],
    algorithm: &["InvalidAlgorithmError"],
    unknown_key: &["PyJWKClientError"],
};

const NODE: Words = Words {
    signature: &["ERR_JWS_SIGNATURE_VERIFICATION_FAILED"],
    audience: &["ERR_JWT_CLAIM_VALIDATION_FAILED"],
    algorithm: &["ERR_JOSE_ALG_NOT_ALLOWED"],
    unknown_key: &["ERR_JWKS_NO_MATCHING_KEY"],
};

/// go-oidc has one error type for most refusals; the texts tell them apart.
const GO: Words = Words {
    signature: &["failed to verify signature"],
    audience: &["expected audience"],
    algorithm: &[
        "unexpected signature algorithm",
        "unsupported algorithm",
        "signed with unsupported",
    ],
    unknown_key: &["failed to verify signature"],
};

async fn refused(client: &mut Client, token: &str, words: &[&str]) -> Result<()> {
    let (error, message) = client.refuses(token).await?;
    let fits = words
        .iter()
        .any(|word| error == *word || message.contains(word));
    ensure!(
        fits,
        "refused with {error} ({message}), not with one of {words:?}"
    );
    Ok(())
}

/// One library at one API, through a rotation.
async fn through_a_rotation(
    dev: &Dev,
    client: &mut Client,
    api: &Api,
    words: &Words,
    request: &str,
) -> Result<()> {
    client.configure(settings(dev, api)).await?;
    let before = dev.token(0, api.audience).await?;
    let claims = client.accepts(&before).await?;
    ensure!(
        claims["aud"] == api.audience && claims["sub"] == "shop/checkout@clients",
        "{claims}"
    );

    let other = if api.audience == ORDERS {
        REPORTS
    } else {
        ORDERS
    };
    let other = APIS
        .iter()
        .find(|api| api.audience == other)
        .context("no such API")?;
    for (bad, words) in [
        (forge::with_other_signature(&before)?, words.signature),
        (
            forge::with_claim(&before, "scope", "everything")?,
            words.signature,
        ),
        (forge::with_header(&before, "alg", "none")?, words.algorithm),
        (forge::hmac_confusion(&before)?, words.algorithm),
        (
            forge::with_header(&before, "kid", "nobody")?,
            words.unknown_key,
        ),
    ] {
        refused(client, &bad, words).await?;
    }
    if other.alg == api.alg {
        refused(client, &dev.token(0, other.audience).await?, words.audience).await?;
    }
    // A token for another API of the same algorithm and key: only the expectation differs.
    let mut elsewhere = settings(dev, api);
    elsewhere["audience"] = "https://elsewhere.example.com".into();
    client.configure(elsewhere).await?;
    refused(client, &before, words.audience).await?;
    client.configure(settings(dev, api)).await?;
    client.accepts(&before).await?;

    let keys_before = keys_of(dev, api).await?;
    rotate(dev, request)?;
    let kid = forge::kid(&before)?;
    // During: the next key is published and does not sign yet.
    eventually("the next key is published", async || {
        Ok((keys_of(dev, api).await? > keys_before).then_some(()))
    })
    .await?;
    client.accepts(&before).await?;
    client.accepts(&dev.token(0, api.audience).await?).await?;
    // After: another key signs, and what the old one signed is still good.
    let after = eventually("another key signs", async || {
        let token = dev.token(0, api.audience).await?;
        Ok((forge::kid(&token)? != kid).then_some(token))
    })
    .await?;
    client.accepts(&after).await?;
    client.accepts(&before).await?;
    refused(
        client,
        &forge::with_other_signature(&after)?,
        words.signature,
    )
    .await
}

/// How many keys of the API's algorithm are published.
async fn keys_of(dev: &Dev, api: &Api) -> Result<usize> {
    let workload = match api.keys {
        Keys::Pod(workload) => workload,
        Keys::Discovery => 0,
    };
    let keys = dev.json(workload, "/.well-known/jwks.json").await?;
    Ok(keys["keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|key| key["alg"] == api.alg)
        .count())
}

/// Asks for a rotation of the tenant's keys and of its namespaces'.
fn rotate(dev: &Dev, request: &str) -> Result<()> {
    dev.edit("tenants.yaml", |text| {
        let line = format!("    mintage.dev/rotate-now: \"{request}\"\n");
        match text.find("    mintage.dev/rotate-now:") {
            None => text.replacen(
                "  name: acme\n",
                &format!("  name: acme\n  annotations:\n{line}"),
                1,
            ),
            Some(start) => {
                let end = text[start..]
                    .find('\n')
                    .map_or(text.len(), |end| start + end + 1);
                format!("{}{line}{}", &text[..start], &text[end..])
            }
        }
    })
}

async fn library(test: &str, name: &str, words: &Words) -> Result<()> {
    let mut client = match Client::start(name)? {
        Ok(client) => client,
        Err(reason) => return skip::skip(test, &reason),
    };
    let dev = dev().await?;
    for (index, api) in APIS.iter().enumerate() {
        let request = format!("rotation {index}");
        let outcome = through_a_rotation(&dev, &mut client, api, words, &request).await;
        outcome.with_context(|| format!("{name}, {}", api.audience))?;
    }
    Ok(())
}

#[tokio::test]
async fn pyjwt_verifies_through_a_rotation() -> Result<()> {
    library("pyjwt_verifies_through_a_rotation", "python", &PYTHON).await
}

#[tokio::test]
async fn jose_verifies_through_a_rotation() -> Result<()> {
    library("jose_verifies_through_a_rotation", "node", &NODE).await
}

#[tokio::test]
async fn go_oidc_verifies_through_a_rotation() -> Result<()> {
    library("go_oidc_verifies_through_a_rotation", "go", &GO).await
}

#[tokio::test]
async fn openid_client_gets_and_introspects_a_token() -> Result<()> {
    let mut client = match Client::start("node")? {
        Ok(client) => client,
        Err(reason) => return skip::skip("openid_client_gets_and_introspects_a_token", &reason),
    };
    let dev = dev().await?;
    let discovery = |workload| format!("{}/.well-known/openid-configuration", dev.url(workload));
    let ask = |workload, scope| {
        json!({ "op": "token", "discovery_uri": discovery(workload), "client_id": "shop/checkout",
            "audience": ORDERS, "scope": scope })
    };
    let answer = client.ask(&ask(0, "read:orders")).await?;
    ensure!(answer["ok"] == true, "{answer}");
    let token = answer["response"]["access_token"]
        .as_str()
        .context("no token")?
        .to_owned();
    ensure!(
        answer["response"]["expires_in"] == 86_400 && answer["response"]["scope"] == "read:orders",
        "{answer}"
    );

    // Refused with the library's own error.
    let answer = client.ask(&ask(0, "delete:orders")).await?;
    ensure!(
        answer["ok"] == false && answer["message"].as_str().is_some(),
        "{answer}"
    );

    // The API's own sidecar introspects; the caller's accepts no audience.
    let of_api = json!({ "op": "token", "discovery_uri": discovery(1), "client_id": "orders/api",
        "audience": PAYMENTS, "scope": "refund" });
    let answer = client.ask(&of_api).await?;
    ensure!(answer["ok"] == true, "{answer}");
    let answer = client
        .ask(&json!({ "op": "introspect", "token": token }))
        .await?;
    ensure!(
        answer["claims"]["active"] == true && answer["claims"]["client_id"] == "shop/checkout",
        "{answer}"
    );
    let bad = forge::with_other_signature(&token)?;
    let answer = client
        .ask(&json!({ "op": "introspect", "token": bad }))
        .await?;
    ensure!(answer["claims"] == json!({ "active": false }), "{answer}");
    Ok(())
}
