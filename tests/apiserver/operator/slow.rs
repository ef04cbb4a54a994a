//! F8: an API server that has no room for the operator (429), and an etcd that answers in fits and starts.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::ListParams;
use mintage_tests::cluster::{Event, within};
use mintage_tests::operator::{ACCOUNT, NAMESPACE, Options};
use serde_json::{Value, json};

use super::convergence::silence;
use super::jail;
use super::scene::{PATIENCE, Scene};

async fn scene(name: &str) -> Result<Option<Scene>> {
    Scene::with_shop(&format!("operator::slow::{name}")).await
}

fn api(number: u32, scopes: &[&str]) -> Value {
    let declared: Vec<Value> = scopes.iter().map(|name| json!({ "name": name })).collect();
    json!({
        "tenantRef": {"name": "acme", "namespace": "identity"},
        "identifier": format!("https://a{number}.test"),
        "signingAlgorithm": "ES256",
        "scopes": declared,
        "grants": [{"workload": {"namespace": "shop", "serviceAccount": "app"}, "scopes": scopes}],
    })
}

/// What the operator asked for, its Lease apart.
fn asked(events: Vec<Event>) -> Vec<Event> {
    let account = jail::account();
    let ours = |event: &Event| {
        event.user == account && !["configmaps", "leases"].contains(&event.resource.as_str())
    };
    events.into_iter().filter(ours).collect()
}

/// Makes sure that nothing was made twice, and nothing tried to be made that was there.
fn made_once(events: &[Event]) -> Result<()> {
    let mut made: BTreeMap<String, u32> = BTreeMap::new();
    let creates = events
        .iter()
        .filter(|event| event.verb == "create" && event.resource == "secrets");
    for event in creates {
        // The name of what is made stands in the answer's object.
        let place = format!("{}/{}", event.namespace, event.name);
        ensure!(event.code != 409, "{place} was there already");
        if event.code == 201 {
            *made.entry(place).or_default() += 1;
        }
    }
    ensure!(!made.is_empty(), "nothing was made");
    ensure!(made.values().all(|count| *count == 1), "{made:?}");
    Ok(())
}

#[tokio::test]
async fn while_the_api_server_has_no_room_the_operator_asks_seldom_and_then_catches_up()
-> Result<()> {
    let name = "while_the_api_server_has_no_room_the_operator_asks_seldom_and_then_catches_up";
    let Some(scene) = scene(name).await? else {
        return Ok(());
    };
    jail::build(&scene).await?;
    let mut operator = scene.operator(&Options::default()).await?;
    scene.audience("shop/a1", api(1, &["read"])).await?;
    scene.audience_ready("shop/a1").await?;
    silence(&scene, Duration::from_secs(2)).await?;

    jail::hold(&scene, &jail::account()).await?;
    let (listener, sitter) = jail::take_the_seat(&scene).await?;
    let operators = scene
        .plane
        .service_account_client(NAMESPACE, ACCOUNT)
        .await?;
    let secrets: Api<Secret> = Api::all(operators);
    let begun = scene.plane.audit_mark();
    within(PATIENCE, "there is no room for the operator", async || {
        // The client tries again by itself for as long as it is let: the log says what it was told.
        let all = ListParams::default();
        let listed = secrets.list_metadata(&all);
        drop(tokio::time::timeout(Duration::from_secs(1), listed).await);
        let events = asked(scene.plane.audit_since(begun)?);
        ensure!(events.iter().any(|event| event.code == 429), "{events:?}");
        Ok(())
    })
    .await?;
    let mark = scene.plane.audit_mark();
    scene.opted_in("late").await?;
    scene.audience("shop/a2", api(2, &["read"])).await?;
    within(
        PATIENCE,
        "the operator is refused for want of room",
        async || {
            let events = asked(scene.plane.audit_since(mark)?);
            ensure!(events.iter().any(|event| event.code == 429), "{events:?}");
            Ok(())
        },
    )
    .await?;
    // Every change is a reason to look again, and none to hurry.
    for number in 0..20 {
        let scopes = [&["read"][..], &["read", "write"]][number % 2];
        scene.audience("shop/a1", api(1, scopes)).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let refused = asked(scene.plane.audit_since(mark)?);
    let refused = refused.iter().filter(|event| event.code == 429);
    let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
    for event in refused {
        let kind = format!("{} {} {}", event.verb, event.resource, event.subresource);
        *kinds.entry(kind).or_default() += 1;
    }
    let count: u32 = kinds.values().sum();
    ensure!(count <= 60, "{count} requests in 20 s: {kinds:?}");

    sitter.abort();
    drop(listener);
    jail::hold(&scene, "nobody").await?;
    scene.audience_ready("shop/a1").await?;
    scene.audience_ready("shop/a2").await?;
    silence(&scene, Duration::from_secs(3)).await?;
    ensure!(
        scene
            .secret("late", "mintage-keys.identity.acme")
            .await?
            .is_some(),
        "the namespace of that time was forgotten"
    );
    made_once(&asked(scene.plane.audit()?))?;
    ensure!(
        operator.terminate().await? == Some(0),
        "{}",
        operator.log()?
    );
    Ok(())
}

#[tokio::test]
async fn an_etcd_that_answers_in_fits_and_starts_makes_nothing_twice() -> Result<()> {
    let Some(scene) = scene("an_etcd_that_answers_in_fits_and_starts_makes_nothing_twice").await?
    else {
        return Ok(());
    };
    let mut operator = scene.operator(&Options::default()).await?;
    scene.tenant_ready("identity/acme").await?;
    let mark = scene.plane.audit_mark();
    let changes = async {
        for number in 0..6 {
            let namespace = format!("n{number}");
            within(PATIENCE, "a namespace is made", async || {
                match scene.opted_in(&namespace).await {
                    // It was made by an attempt whose answer was too late.
                    Err(error) if format!("{error:#}").contains("AlreadyExists") => Ok(()),
                    other => other,
                }
            })
            .await?;
            within(PATIENCE, "an API is made", async || {
                let at = format!("n{number}/api");
                scene.audience(&at, api(number, &["read"])).await.map(drop)
            })
            .await?;
        }
        anyhow::Ok(())
    };
    let fits = async {
        for _ in 0..15 {
            scene.plane.pause_etcd()?;
            tokio::time::sleep(Duration::from_millis(700)).await;
            scene.plane.resume_etcd()?;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        anyhow::Ok(())
    };
    tokio::try_join!(changes, fits)?;
    for number in 0..6 {
        scene.audience_ready(&format!("n{number}/api")).await?;
    }
    silence(&scene, Duration::from_secs(3)).await?;
    let events = asked(scene.plane.audit_since(mark)?);
    ensure!(events.len() < 400, "{} requests", events.len());
    made_once(&asked(scene.plane.audit()?))?;
    ensure!(
        operator.terminate().await? == Some(0),
        "{}",
        operator.log()?
    );
    Ok(())
}
