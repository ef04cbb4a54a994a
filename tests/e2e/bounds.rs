//! What a thief can do who has copied a namespace's keys: speak for that namespace, and for nobody else.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mintage_core::Alg;
use mintage_core::bundle::KeyringFile;
use mintage_tests::release;
use mintage_tests::stage::{Report, Stage};
use serde_json::{Value, json};

use super::calls::{CHECKOUT, ORDERS, PAYMENTS};

/// The keyring of tenant `identity/acme` in a namespace.
const KEYRING: &str = "mintage-keys.identity.acme";

/// Copied keys, and an honest token whose claims are changed.
struct Thief {
    keys: KeyringFile,
    header: Value,
    claims: Value,
}

/// Who judges: an API, its audience, and the scope that the namespace `shop` is granted there.
const JUDGES: [(&str, &str, &str); 2] = [
    ("orders", ORDERS, "read:orders"),
    ("payments", PAYMENTS, "charge"),
];

/// A token that the thief would like to be believed.
struct Forgery {
    /// Who or what it is said to be.
    what: &'static str,
    /// The rule that refuses it where an honest token would be accepted.
    rule: &'static str,
    /// Changes of the claims, for each of the judges' dialects.
    change: fn(&mut Value),
}

/// Who the client is, in all claims of either dialect that say so.
fn as_client(claims: &mut Value, client: &str) {
    for name in ["azp", "client_id"] {
        if claims[name].is_string() {
            claims[name] = client.into();
        }
    }
    let suffix = claims["sub"]
        .as_str()
        .is_some_and(|sub| sub.ends_with(SUFFIX));
    let suffix = if suffix { SUFFIX } else { "" };
    claims["sub"] = format!("{client}{suffix}").into();
}

/// What Auth0 puts behind a client in `sub`.
const SUFFIX: &str = "@clients";

const FORGERIES: [Forgery; 7] = [
    Forgery {
        what: "another namespace's workload",
        rule: "out-of-bounds-client",
        change: |claims| as_client(claims, "payments/api"),
    },
    Forgery {
        what: "the workload of another namespace that has the grant",
        rule: "out-of-bounds-client",
        change: |claims| {
            as_client(claims, "orders/api");
            claims["scope"] = "refund".into();
        },
    },
    Forgery {
        what: "a scope that only another namespace is granted",
        rule: "out-of-bounds-scope",
        change: |claims| claims["scope"] = "refund".into(),
    },
    Forgery {
        what: "an audience of the tenant's own issuance",
        rule: "audience",
        change: |claims| claims["aud"] = "https://reports.example.com".into(),
    },
    Forgery {
        what: "two audiences",
        rule: "out-of-bounds-audience",
        change: |claims| claims["aud"] = json!([ORDERS, PAYMENTS]),
    },
    Forgery {
        what: "a user",
        rule: "out-of-bounds-subject",
        change: |claims| claims["sub"] = "auth0|mallory".into(),
    },
    Forgery {
        what: "the Management API",
        rule: "audience",
        change: |claims| claims["aud"] = "https://acme.localhost:7743/api/v2/".into(),
    },
];

/// All of it.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    let mut thieves = Vec::new();
    let copied = async {
        for (_, audience, scope) in JUDGES {
            thieves.push(Thief::copy(stage, audience, scope).await?);
        }
        for (thief, (judge, audience, _)) in thieves.iter().zip(JUDGES) {
            let token = thief.sign(|_| {})?;
            let said = judged(stage, judge, audience, &[token]).await?;
            for verdict in said {
                ensure!(accepted(&verdict), "{judge} refuses the control: {verdict}");
            }
        }
        Ok(())
    };
    let what = "with the key copied out of shop's Secret an honest token is made, and every judge accepts it";
    report.step(what, copied).await?;

    let forged = async {
        for (judge, audience, _) in JUDGES {
            let mut tokens = Vec::new();
            for thief in &thieves {
                for forgery in &FORGERIES {
                    tokens.push(thief.sign(forgery.change)?);
                }
            }
            let said = judged(stage, judge, audience, &tokens).await?;
            let all = thieves
                .iter()
                .flat_map(|thief| FORGERIES.iter().map(move |one| (thief, one)));
            for (verdict, (thief, forgery)) in said.iter().zip(all) {
                ensure!(
                    refused(verdict),
                    "{judge} accepts {}: {verdict}",
                    forgery.what
                );
                if thief.claims["aud"] == audience {
                    by_rule(verdict, forgery.rule)?;
                }
            }
        }
        Ok(())
    };
    let what = "and for no other workload, scope, audience or user, nor for the Management API";
    report.step(what, forged).await?;
    let what = "nor for an API beside one that shop is granted, where its key is known";
    report.step(what, beside(stage)).await?;

    let what = "the key of orders speaks for orders/api there, and not for shop/checkout";
    report.step(what, other(stage)).await
}

/// A pod of `payments` that is another API of that namespace, of the same algorithm.
async fn beside(stage: &Stage) -> Result<()> {
    const LEDGER: &str = "https://ledger.example.com";
    let audience = json!({
        "apiVersion": "mintage.dev/v1alpha1",
        "kind": "ApiAudience",
        "metadata": { "name": "ledger", "namespace": "payments" },
        "spec": {
            "tenantRef": { "namespace": "identity", "name": "acme" },
            "identifier": LEDGER,
            "signingAlgorithm": "ES256",
            "tokenDialect": "RFC9068",
            "scopes": [{ "name": "charge" }],
            "grants": [{
                "workload": { "namespace": "orders", "serviceAccount": "api" },
                "scopes": ["charge"],
            }],
        },
    });
    stage.apply("ledger.json", &audience.to_string()).await?;
    let ready = [
        "wait",
        "--for=condition=Ready",
        "apiaudience/ledger",
        "--timeout=30s",
    ];
    stage.kubectl("payments", &ready).await?;
    let mut pod = release::pod("ledger", "payments");
    pod["metadata"]["annotations"] = json!({ "mintage.dev/accept-audiences": "ledger" });
    stage.apply("ledger-pod.json", &pod.to_string()).await?;
    let ready = [
        "wait",
        "--for=condition=Ready",
        "pod/ledger",
        "--timeout=60s",
    ];
    stage.kubectl("payments", &ready).await?;

    let thief = Thief::copy(stage, PAYMENTS, "charge").await?;
    let token = thief.sign(|claims| claims["aud"] = LEDGER.into())?;
    let verdict = stage
        .one("payments", "pod/ledger", &["judge", LEDGER, &token])
        .await?;
    ensure!(refused(&verdict), "{verdict}");
    by_rule(&verdict, "out-of-bounds-audience")?;
    stage
        .kubectl("payments", &["delete", "pod/ledger", "--wait=false"])
        .await?;
    Ok(())
}

/// Two namespaces have a grant at `payments`, each for its own workload.
async fn other(stage: &Stage) -> Result<()> {
    let mut thief = Thief::copy(stage, PAYMENTS, "charge").await?;
    thief.keys = keys(stage, "orders").await?;
    let honest = thief.sign(|claims| {
        as_client(claims, "orders/api");
        claims["scope"] = "refund".into();
    })?;
    let forged = thief.sign(|_| {})?;
    let said = judged(stage, "payments", PAYMENTS, &[honest, forged]).await?;
    ensure!(accepted(&said[0]), "the control: {}", said[0]);
    ensure!(refused(&said[1]), "{}", said[1]);
    Ok(())
}

impl Thief {
    /// Has the keys of `shop` and a token of its workload.
    async fn copy(stage: &Stage, audience: &str, scope: &str) -> Result<Self> {
        let (namespace, name) = CHECKOUT;
        let given = stage
            .one(namespace, name, &["ask", audience, scope])
            .await?;
        let token = given["body"]["access_token"].as_str();
        let token = token.with_context(|| given.to_string())?;
        let mut parts = token.split('.').map(|part| -> Result<Value> {
            Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?)
        });
        let mut part = || parts.next().context("a token has three parts")?;
        Ok(Self {
            keys: keys(stage, namespace).await?,
            header: part()?,
            claims: part()?,
        })
    }

    /// The changed token under the copied key of its algorithm.
    fn sign(&self, change: impl FnOnce(&mut Value)) -> Result<String> {
        let (mut header, mut claims) = (self.header.clone(), self.claims.clone());
        change(&mut claims);
        let alg: Alg = serde_json::from_value(header["alg"].clone())?;
        let entry = self.keys.keys.iter().find(|entry| entry.alg == alg);
        let entry = entry.with_context(|| format!("no key for {alg:?}"))?;
        header["kid"] = entry.kid.as_str().into();
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(&header), encode(&claims));
        let signature = entry.open()?.sign(message.as_bytes())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The keys of a namespace, as who may read its Secrets finds them.
async fn keys(stage: &Stage, namespace: &str) -> Result<KeyringFile> {
    let path = "jsonpath={.data.keyring\\.json}";
    let data = stage
        .kubectl(namespace, &["get", "secret", KEYRING, "--output", path])
        .await?;
    Ok(KeyringFile::parse(&STANDARD.decode(data)?)?)
}

/// What the app of a namespace hears of its sidecar about tokens.
async fn judged(
    stage: &Stage,
    namespace: &str,
    audience: &str,
    tokens: &[String],
) -> Result<Vec<Value>> {
    let mut arguments = vec!["judge", audience];
    arguments.extend(tokens.iter().map(String::as_str));
    let said = stage.app(namespace, "deployment/api", &arguments).await?;
    ensure!(
        said.len() == tokens.len(),
        "{} verdicts: {said:?}",
        said.len()
    );
    Ok(said)
}

fn by_rule(verdict: &Value, rule: &str) -> Result<()> {
    let challenge = verdict["validate"]["challenge"]
        .as_str()
        .unwrap_or_default();
    ensure!(
        challenge.contains(&format!("({rule})")),
        "not by {rule}: {challenge}"
    );
    Ok(())
}

fn accepted(verdict: &Value) -> bool {
    verdict["validate"]["status"] == 200
        && verdict["active"] == true
        && verdict["library"] == "good"
}

/// By the sidecar, both ways; a library knows of no bounds.
fn refused(verdict: &Value) -> bool {
    verdict["validate"]["status"] == 401 && verdict["active"] == false
}
