//! The metrics: those that the page lists, and no series of a client's making.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use anyhow::Result;
use axum::body::Body;
use axum::http::Request;
use mintage_sidecar::endpoint::store::{Place, Upkeep as _, Watched, open};

use crate::audit::exposed;
use crate::cluster::endpoint::{SPA, WEB, with_endpoints};
use crate::cluster::{NOW, ORDERS};
use crate::site::{HOST, Site};
use crate::support::api_server::Cluster;

async fn site() -> Result<Site> {
    Ok(Site::over(open(&Place::Memory).await?))
}

/// The series, without their values.
fn series(shown: &str) -> BTreeSet<String> {
    let lines = shown.lines().filter(|line| !line.starts_with('#'));
    let names = lines.filter_map(|line| line.rsplit_once(' '));
    names.map(|(name, _)| name.to_owned()).collect()
}

#[tokio::test]
async fn every_metric_of_the_endpoint_is_documented_and_no_other() -> Result<()> {
    let (cluster, store) = (Cluster::start(), open(&Place::Memory).await?);
    let site = Site::of(with_endpoints(), store, |endpoint| {
        endpoint.reviewing(cluster.reached())
    });
    let assertion = [
        ("client_assertion", "x"),
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
    ];
    site.token(&assertion).await;
    site.token(&site.client(WEB).shown()).await;
    let spa = site.client(SPA);
    let token = site.refresh_token(SPA, ORDERS).await;
    for _ in 0..2 {
        site.refresh(&spa, &token).await;
    }
    let store = open(&Place::Memory).await?;
    let metrics = Arc::clone(&site.metrics);
    let watched = Watched::new(
        Arc::clone(&store),
        Arc::clone(&site.clock) as Arc<_>,
        metrics,
    );
    watched.sweep(NOW, NonZeroU32::MIN).await?;
    store.close().await;
    watched.sweep(NOW, NonZeroU32::MIN).await.unwrap_err();
    let shown = exposed(&site);
    assert!(
        shown.contains("mintage_store_errors_total{call=\"sweep\",kind=\"unavailable\"} 1\n"),
        "{shown}"
    );
    let found: BTreeSet<_> = shown
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let page = include_str!("../../../docs/observability.md");
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let name = cells.next()?.trim_end_matches('`');
        let ours = name.starts_with("mintage_endpoint_") || name.starts_with("mintage_store_");
        Some((name, cells.next()?)).filter(|_| ours)
    });
    assert_eq!(found, rows.collect());
    Ok(())
}

#[tokio::test]
async fn no_client_makes_a_series_of_its_own() -> Result<()> {
    let site = site().await?;
    let strange = async |number: usize| {
        let text = format!("strange-{number}");
        let method = Request::builder().method(&*format!("M{number}"));
        let request = method.uri("/oauth/token").header("host", HOST);
        site.send(request.body(Body::empty()).unwrap(), None).await;
        site.browser().get(&format!("/{text}")).await;
        site.browser()
            .get(&format!("/authorize?client_id={text}"))
            .await;
        let ask = site
            .ask(WEB)
            .with("response_type", &text)
            .with("audience", &text);
        site.browser().get(&ask.target()).await;
        let form = [
            ("grant_type", &*text),
            ("client_id", &text),
            ("audience", &text),
        ];
        site.token(&form).await;
        site.token(&[&site.client(WEB).shown(), &form[..1]].concat())
            .await;
        site.userinfo(HOST, &text).await;
        site.post(HOST, "/oauth/introspect", &[("token", &text)])
            .await;
    };
    strange(0).await;
    let before = series(&exposed(&site));
    for number in 1..10 {
        strange(number).await;
    }
    assert_eq!(series(&exposed(&site)), before);
    assert!(
        before.iter().all(|name| !name.contains("strange")),
        "{before:?}"
    );
    Ok(())
}
