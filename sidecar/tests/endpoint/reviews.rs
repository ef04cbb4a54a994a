//! What the cluster's API server says of workloads' tokens, and what it is not asked.

use anyhow::Result;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cluster::NOW;
use crate::cluster::endpoint::WORKER;
use crate::site::{HOST, post};
use crate::support::api_server::{Cluster, Manner};
use crate::workloads::{ISSUER, LATER, Scene, form, refused};

/// What can be seen of a token is looked at first, and the API server never hears of it.
#[tokio::test]
async fn attack_37_what_is_plainly_no_good_token_never_reaches_the_api_server() -> Result<()> {
    let scene = Scene::new().await?;
    let (cluster, own) = (&scene.cluster, scene.token());
    scene.ask(&own, &[]).await.good();
    let before = cluster.asked();
    let parts: Vec<&str> = own.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        unreachable!("three parts")
    };
    let of_another = cluster.token(WORKER, "https://globex.test/", LATER);
    for token in [
        of_another,
        cluster.token(WORKER, "mintage.dev", LATER),
        cluster.token(WORKER, "https://acme.test", LATER),
        cluster.token(WORKER, "https://kubernetes.default.svc", LATER),
        cluster.token(WORKER, ISSUER, NOW),
        cluster.token(WORKER, ISSUER, NOW - 1),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}.{signature}.{signature}"),
        format!("{header}.e30.{signature}"),
        format!("{header}.{claims}=.{signature}"),
        format!("{own}{}", "A".repeat(17_000)),
        "x".to_owned(),
    ] {
        let reply = scene.ask(&token, &[]).await;
        refused(&reply, 401, "invalid_client", "assertion-invalid");
        assert!(!reply.body.contains(claims), "{reply:?}");
    }
    assert_eq!(cluster.asked(), before);
    Ok(())
}

/// A change to the status of a review.
type Change = fn(&mut Value);

/// Each with one change to what the API server says of a good token.
#[tokio::test]
async fn attack_37_a_token_that_is_not_a_pods_for_this_issuer_gets_nothing() -> Result<()> {
    let scene = Scene::new().await?;
    let changes: [(&str, Change); 15] = [
        ("not authenticated", |status| {
            status["authenticated"] = false.into();
        }),
        ("not said to be", |status| {
            status.as_object_mut().unwrap().remove("authenticated");
        }),
        ("for another audience", |status| {
            status["audiences"] = json!(["mintage.dev"]);
        }),
        ("for no audience", |status| {
            status.as_object_mut().unwrap().remove("audiences");
        }),
        ("for an audience that begins alike", |status| {
            status["audiences"] = json!(["https://acme.test"]);
        }),
        ("of no pod", |status| status["user"]["extra"] = json!({})),
        ("of two pods", |status| {
            let uid = "authentication.kubernetes.io/pod-uid";
            status["user"]["extra"][uid] = json!(["a", "b"]);
        }),
        ("of a pod without a name", |status| {
            status["user"]["extra"]["authentication.kubernetes.io/pod-uid"] = json!([""]);
        }),
        ("of a node", |status| {
            status["user"]["username"] = "system:node:payments".into();
        }),
        ("of a person", |status| {
            status["user"]["username"] = "payments:worker".into();
        }),
        ("of a person who looks like one", |status| {
            status["user"]["username"] = "x-system:serviceaccount:payments:worker".into();
        }),
        ("without a namespace", |status| {
            status["user"]["username"] = "system:serviceaccount:worker".into();
        }),
        ("with one part too many", |status| {
            status["user"]["username"] = "system:serviceaccount:payments:worker:x".into();
        }),
        ("with a slash", |status| {
            status["user"]["username"] = "system:serviceaccount:payments:a/worker".into();
        }),
        ("of nobody", |status| status["user"] = json!({})),
    ];
    for (what, change) in changes {
        let own = scene.token();
        scene.cluster.answer(Manner::Saying(change));
        let reply = scene.ask(&own, &[]).await;
        refused(&reply, 401, "invalid_client", "assertion-invalid");
        // The refusal is not remembered.
        scene.cluster.answer(Manner::Good);
        assert_eq!(scene.ask(&own, &[]).await.status, 200, "{what}");
    }
    let node = "system:node:a-node";
    let of_a_node = scene.cluster.token_of(node, None, ISSUER, LATER);
    let account = "system:serviceaccount:payments:worker";
    let of_no_pod = scene.cluster.token_of(account, None, ISSUER, LATER);
    for token in [of_a_node, of_no_pod] {
        let reply = scene.ask(&token, &[]).await;
        refused(&reply, 401, "invalid_client", "assertion-invalid");
    }
    Ok(())
}

#[tokio::test]
async fn attack_37_a_pod_that_is_gone_gets_nothing_after_a_minute() -> Result<()> {
    let scene = Scene::new().await?;
    let own = scene.token();
    scene.ask(&own, &[]).await.good();
    scene.cluster.delete_pod_of(&own);
    scene.site.clock.set(NOW + 59);
    scene.ask(&own, &[]).await.good();
    assert_eq!(scene.cluster.asked(), 1);
    scene.site.clock.set(NOW + 60);
    let reply = scene.ask(&own, &[]).await;
    refused(&reply, 401, "invalid_client", "assertion-invalid");
    // Nor does a clock that is set back bring it to life.
    scene.site.clock.set(NOW - 1);
    let reply = scene.ask(&own, &[]).await;
    refused(&reply, 401, "invalid_client", "assertion-invalid");
    Ok(())
}

#[tokio::test]
async fn a_word_is_remembered_no_longer_than_its_token_lives() -> Result<()> {
    let scene = Scene::new().await?;
    let own = scene.cluster.token(WORKER, ISSUER, NOW + 10);
    scene.ask(&own, &[]).await.good();
    scene.site.clock.set(NOW + 9);
    scene.ask(&own, &[]).await.good();
    scene.site.clock.set(NOW + 10);
    let reply = scene.ask(&own, &[]).await;
    refused(&reply, 401, "invalid_client", "assertion-invalid");
    assert_eq!(scene.cluster.asked(), 1);
    Ok(())
}

/// An API server that is away or mad is no reason to believe, and known pods go on.
#[tokio::test]
async fn without_an_api_server_known_pods_go_on_and_others_wait() -> Result<()> {
    let scene = Scene::new().await?;
    let (known, unknown) = (scene.token(), scene.token());
    scene.ask(&known, &[]).await.good();
    for manner in [
        Manner::Status(StatusCode::INTERNAL_SERVER_ERROR),
        Manner::Status(StatusCode::FORBIDDEN),
        Manner::Status(StatusCode::TOO_MANY_REQUESTS),
        Manner::Status(StatusCode::UNAUTHORIZED),
        Manner::Huge,
        Manner::Garbage,
        Manner::Redirecting,
        Manner::Saying(|status| status["user"] = "a text".into()),
    ] {
        scene.cluster.answer(manner);
        scene.ask(&known, &[]).await.good();
        let reply = scene.ask(&unknown, &[]).await;
        refused(
            &reply,
            503,
            "temporarily_unavailable",
            "assertion-unreviewed",
        );
        assert!(
            reply.text("error_description").contains("API server"),
            "{reply:?}"
        );
    }
    // Who stands in its place with another certificate hears nothing.
    let another = Cluster::start();
    let ca = std::fs::read(another.account().join("ca.crt"))?;
    let good = std::fs::read(scene.cluster.account().join("ca.crt"))?;
    let asked = scene.cluster.asked();
    std::fs::write(scene.cluster.account().join("ca.crt"), ca)?;
    scene.cluster.answer(Manner::Good);
    let reply = scene.ask(&unknown, &[]).await;
    refused(
        &reply,
        503,
        "temporarily_unavailable",
        "assertion-unreviewed",
    );
    assert_eq!(scene.cluster.asked(), asked);
    std::fs::write(scene.cluster.account().join("ca.crt"), good)?;
    scene.ask(&unknown, &[]).await.good();
    let Scene { site, cluster } = scene;
    let late = cluster.token(WORKER, ISSUER, LATER);
    cluster.server.stop().await;
    let reply = site.token(&form(&late, &[])).await;
    refused(
        &reply,
        503,
        "temporarily_unavailable",
        "assertion-unreviewed",
    );
    site.token(&form(&known, &[])).await.good();
    Ok(())
}

/// However many ask at once, the API server sees so many and no more.
#[tokio::test]
async fn attack_41_the_api_server_is_not_flooded_by_way_of_the_endpoint() -> Result<()> {
    let scene = Scene::new().await?;
    let (go_on, told) = watch::channel(false);
    scene.cluster.answer(Manner::Slow(told));
    let mut requests = JoinSet::new();
    for _ in 0..40 {
        let own = scene.token();
        requests.spawn(scene.site.post(HOST, "/oauth/token", &form(&own, &[])));
    }
    for _ in 0..24 {
        let reply = requests.join_next().await.unwrap()?;
        refused(
            &reply,
            503,
            "temporarily_unavailable",
            "assertion-unreviewed",
        );
        assert!(reply.body.contains("too many"), "{reply:?}");
    }
    assert_eq!(scene.cluster.asked(), 16);
    go_on.send_replace(true);
    while let Some(reply) = requests.join_next().await {
        reply?.good();
    }
    scene.ask(&scene.token(), &[]).await.good();
    assert!(scene.metric("token_reviews_total{outcome=\"busy\"} 24"));
    Ok(())
}

#[tokio::test]
async fn an_address_that_shows_bad_tokens_waits_and_no_other_does() -> Result<()> {
    let scene = Scene::new().await?;
    let (eve, pod) = (Some("192.0.2.1".parse()?), Some("192.0.2.2".parse()?));
    let send = |token: &str, peer| {
        let request = post(HOST, "/oauth/token", &form(token, &[]));
        scene.site.send(request, peer)
    };
    let known = scene.token();
    send(&known, eve).await.good();
    scene.cluster.answer(Manner::Saying(|status| {
        status["authenticated"] = false.into();
    }));
    let bad = |number: i64| scene.cluster.token(WORKER, ISSUER, LATER + number);
    for number in 1..=60 {
        let reply = send(&bad(number), eve).await;
        refused(&reply, 401, "invalid_client", "assertion-invalid");
    }
    let asked = scene.cluster.asked();
    scene.site.clock.set(NOW + 20);
    let reply = send(&bad(61), eve).await;
    refused(&reply, 429, "too_many_requests", "too-many-requests");
    assert_eq!(reply.header("retry-after"), "40");
    assert_eq!(scene.cluster.asked(), asked, "nobody is asked");
    assert!(scene.metric("token_reviews_total{outcome=\"throttled\"} 1"));
    assert!(scene.metric("refusals_total{rule=\"too-many-requests\"} 1"));

    scene.cluster.answer(Manner::Good);
    send(&bad(62), pod).await.good();
    // Nor does it, where nobody has to be asked, or when the minute is over.
    send(&known, eve).await.good();
    let reply = send(&bad(63), eve).await;
    refused(&reply, 429, "too_many_requests", "too-many-requests");
    scene.site.clock.set(NOW + 60);
    send(&bad(63), eve).await.good();
    Ok(())
}
