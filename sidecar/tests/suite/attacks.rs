//! The attack tokens of core's table over HTTP: `/validate` refuses each with its reason, and `/introspect` says no
//! more than that it is not active. `docs/attacks.md` lists them by number.

use mintage_core::Alg;
use mintage_sidecar::files::{Files, KEYRING};
use mintage_sidecar::server::Limits;
use reqwest::header::HeaderValue;

use crate::cluster::attacks::{self, Attempt};
use crate::cluster::{ACME, Cluster, Forge, ORDERS, PAYMENTS};
use crate::pod::{Pod, answer, files, identity};

/// The largest header block and body that are read.
const MAX_HEADERS: usize = 16 * 1024;
const MAX_BODY: usize = 64 * 1024;

/// Asserts that each attempt is refused where it is sent, and that good tokens are accepted before and after.
async fn refused(attempts: Vec<Attempt>) {
    assert!(!attempts.is_empty());
    let cluster = Cluster::standard();
    let of_orders = Pod::of(cluster, "orders/api", "orders,ledger");
    let of_payments = Pod::of(cluster, "payments/api", "payments");
    // The good tokens are remembered now, and no part of one may pass for it.
    accepted(&of_orders, ORDERS).await;
    accepted(&of_payments, PAYMENTS).await;
    let mut validated = 0;
    for attempt in attempts {
        let pod = if attempt.audience == PAYMENTS {
            &of_payments
        } else {
            &of_orders
        };
        if attempt.token.len() < MAX_BODY {
            let inactive = pod.introspect(&attempt.token).await;
            let expected = (200, r#"{"active":false}"#);
            let answered = (inactive.status, inactive.body.as_str());
            assert_eq!(answered, expected, "{}", attempt.what);
        } else {
            assert_eq!(pod.introspect(&attempt.token).await.status, 413);
        }
        if is_sent_as_it_is(&attempt.token) {
            validated += 1;
            let denied = pod.validate("", &attempt.token).await;
            let challenge = denied.header("www-authenticate");
            assert_eq!(denied.status, 401, "{}: {challenge}", attempt.what);
            let code = format!(" ({})\"", attempt.refused.code());
            assert!(challenge.contains(&code), "{}: {challenge}", attempt.what);
            assert_eq!(denied.header("x-mintage-subject"), "");
        }
    }
    assert!(validated > 0, "none could be sent");
    accepted(&of_orders, ORDERS).await;
    accepted(&of_payments, PAYMENTS).await;
}

async fn accepted(pod: &Pod, audience: &'static str) {
    let good = Cluster::standard().good(audience).token;
    assert_eq!(pod.validate("", &good).await.status, 200);
    assert_eq!(pod.introspect(&good).await.json()["active"], true);
}

/// Whether an `Authorization` header can carry a token: HTTP itself drops white space around it, refuses control
/// characters and bounds the length.
fn is_sent_as_it_is(token: &str) -> bool {
    token.trim() == token && HeaderValue::from_str(token).is_ok() && token.len() < MAX_HEADERS - 500
}

#[tokio::test]
async fn attack_01_over_http() {
    refused(attacks::attack_01_none()).await;
    refused(attacks::attack_01_empty_signature()).await;
}

#[tokio::test]
async fn attack_02_over_http() {
    refused(attacks::attack_02_hmac()).await;
    refused(attacks::attack_02_family()).await;
}

#[tokio::test]
async fn attack_03_over_http() {
    refused(attacks::attack_03_wrapped()).await;
}

#[tokio::test]
async fn attack_04_over_http() {
    refused(attacks::attack_04_embedded()).await;
}

#[tokio::test]
async fn attack_05_over_http() {
    refused(attacks::attack_05_kids()).await;
}

#[tokio::test]
async fn attack_06_over_http() {
    refused(attacks::attack_06_other_keys()).await;
}

#[tokio::test]
async fn attack_07_over_http() {
    refused(attacks::attack_07_fetches()).await;
}

/// Attack 8 over HTTP: tokens under a revoked key, remembered or not.
#[tokio::test]
async fn attack_08_over_http() {
    let mut cluster = Cluster::standard().clone();
    let pod = Pod::of(&cluster, "orders/api", "orders");
    let remembered = cluster.token(ACME, "shop/checkout", ORDERS);
    let another = cluster.token(ACME, "shop/audit", ORDERS);
    assert_eq!(pod.validate("", &remembered).await.status, 200);
    let kid = attacks::shop_key(Alg::RS256).kid().clone();
    cluster.edit(|world| world.tenants[0].revoke_keys = [kid].into());
    pod.load(&cluster);
    for token in [remembered, another] {
        let denied = pod.validate("", &token).await;
        assert_eq!(denied.status, 401);
        let challenge = denied.header("www-authenticate");
        assert!(challenge.contains("(key-revoked)"), "{challenge}");
        assert_eq!(pod.introspect(&token).await.body, r#"{"active":false}"#);
    }
}

/// Attack 9: before keys arrive nothing is answered, and when they fail to arrive the last good ones go on, alone.
#[tokio::test]
async fn attack_09_over_http() {
    let cluster = Cluster::standard();
    let good = cluster.good(ORDERS).token;
    let pod = Pod::empty(identity("orders/api", "orders"), Limits::default());
    let unavailable = async || {
        let text = "no usable bundle has arrived yet";
        for answer in [
            pod.validate("", &good).await,
            pod.introspect(&good).await,
            answer(pod.ask(&[("audience", PAYMENTS)])).await,
        ] {
            answer.refused(503, "temporarily_unavailable", "bundle-missing", text);
        }
        assert_eq!(pod.get("/.well-known/jwks.json").await.status, 503);
    };
    unavailable().await;
    for broken in broken_files(cluster) {
        assert!(pod.shared.load(&broken, &pod.identity).is_err());
        unavailable().await;
    }
    pod.load(cluster);
    let stranger = Cluster::standard().key("identity/globex/shop", Alg::RS256);
    let forged = Forge::of(&good).sign_as(&stranger);
    for broken in broken_files(cluster) {
        assert!(pod.shared.load(&broken, &pod.identity).is_err());
        assert_eq!(pod.validate("", &good).await.status, 200);
        assert_eq!(pod.validate("", &forged).await.status, 401);
        assert_eq!(pod.introspect(&forged).await.json()["active"], false);
    }
}

/// Files of the namespace orders that cannot be used.
fn broken_files(cluster: &Cluster) -> Vec<Files> {
    let whole = files(cluster, ACME, "orders");
    let with = |change: &dyn Fn(&mut Files)| {
        let mut files = whole.clone();
        change(&mut files);
        files
    };
    let shard = whole.get("bundle-0").unwrap().to_vec();
    let cut = shard[..shard.len() / 2].to_vec();
    vec![
        Files::default(),
        with(&|files| files.remove("bundle-0")),
        with(&|files| files.insert("bundle-0", Vec::new())),
        with(&|files| files.insert("bundle-0", cut.clone())),
        with(&|files| files.remove(KEYRING)),
        with(&|files| files.insert(KEYRING, b"{}".to_vec())),
        files(cluster, ACME, "shop"),
    ]
}

#[tokio::test]
async fn attack_10_over_http() {
    refused(attacks::attack_10_zeros()).await;
    refused(attacks::attack_10_forms()).await;
}

#[tokio::test]
async fn attack_11_over_http() {
    refused(attacks::attack_11_extensions()).await;
}

#[tokio::test]
async fn attack_12_over_http() {
    refused(attacks::attack_12_times()).await;
    refused(attacks::attack_12_no_numbers()).await;
    refused(attacks::attack_12_lives()).await;
}

#[tokio::test]
async fn attack_13_over_http() {
    refused(attacks::attack_13_audiences()).await;
}

#[tokio::test]
async fn attack_14_over_http() {
    refused(attacks::attack_14_twice()).await;
    refused(attacks::attack_14_serialisations()).await;
    refused(attacks::attack_14_base64()).await;
}

#[tokio::test]
async fn attack_15_over_http() {
    refused(attacks::attack_15_bombs()).await;
}

/// Attack 15: a compressed body is not unpacked either: it is read as the bytes that it is.
#[tokio::test]
async fn attack_15_compressed_bodies() {
    let pod = Pod::orders();
    let good = Cluster::standard().good(ORDERS).token;
    let post = pod.client.post(pod.url("/introspect"));
    let request = post
        .form(&[("token", &good)])
        .header("Content-Encoding", "gzip");
    let answered = answer(request).await;
    assert_eq!(
        answered.json()["active"],
        true,
        "it was no gzip, and nobody tried"
    );
}

#[tokio::test]
async fn attack_16_over_http() {
    refused(attacks::attack_16_huge()).await;
}

#[tokio::test]
async fn attack_17_over_http() {
    refused(attacks::attack_17_truncated()).await;
    refused(attacks::attack_17_opaque()).await;
}
