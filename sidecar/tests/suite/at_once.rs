//! Many orders of Central tokens at once.

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use mintage_core::world::{Audience, Issuance};
use tokio::sync::watch;
use tokio::task::{JoinSet, yield_now};
use tower::ServiceExt as _;

use crate::central::Scene;
use crate::cluster::{ACME, Cluster, REPORTS, audience, grant};
use crate::pod::Pod;
use crate::tenant_endpoint::{Manner, TenantEndpoint, with_endpoint};

/// A request of the workload API, without a connection.
fn ask_at_once(pod: &Pod, requests: impl Iterator<Item = String>) -> JoinSet<(u16, String)> {
    let mut all = JoinSet::new();
    for audience in requests {
        let form = format!("grant_type=client_credentials&audience={audience}");
        let request = Request::post("/oauth/token")
            .header("host", "127.0.0.1")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form))
            .unwrap();
        let router = pod.router.clone();
        all.spawn(async move {
            let Ok(response) = router.oneshot(request).await;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8(body.to_vec()).unwrap())
        });
    }
    all
}

#[tokio::test]
async fn equal_orders_at_once_share_one_request() {
    let scene = Scene::new();
    let (go_on, told) = watch::channel(false);
    scene.endpoint.answer(Manner::Slow(told));
    let mut requests = ask_at_once(&scene.pod, (0..20).map(|_| REPORTS.to_owned()));
    while scene.endpoint.asked().is_empty() {
        yield_now().await;
    }
    go_on.send_replace(true);
    let first = requests.join_next().await.unwrap().unwrap();
    assert_eq!(first.0, 200, "{first:?}");
    while let Some(other) = requests.join_next().await {
        assert_eq!(other.unwrap(), first);
    }
    assert_eq!(scene.endpoint.asked().len(), 1);
    assert_eq!(
        (scene.handed_out("central"), scene.handed_out("shared")),
        (1, 19)
    );
}

/// The one who asked may go away; the others are answered all the same.
#[tokio::test]
async fn who_leaves_leaves_the_others_their_answer() {
    let scene = Scene::new();
    let (go_on, told) = watch::channel(false);
    scene.endpoint.answer(Manner::Slow(told));
    let mut first = ask_at_once(&scene.pod, std::iter::once(REPORTS.to_owned()));
    while scene.endpoint.asked().is_empty() {
        yield_now().await;
    }
    let mut second = ask_at_once(&scene.pod, std::iter::once(REPORTS.to_owned()));
    for _ in 0..100 {
        yield_now().await;
    }
    first.abort_all();
    go_on.send_replace(true);
    let (status, body) = second.join_next().await.unwrap().unwrap();
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn the_endpoint_is_asked_by_sixteen_at_once() {
    let mut world = with_endpoint();
    let names: Vec<String> = (0..20).map(|n| format!("https://api{n}.test")).collect();
    world
        .audiences
        .extend(names.iter().enumerate().map(|(n, identifier)| {
            let api = Audience {
                grants: vec![grant("shop/checkout", "")],
                issuance: Issuance::Central,
                ..audience(ACME, &format!("payments/api{n}"), identifier)
            };
            api.into()
        }));
    let cluster = Cluster::new(world);
    let endpoint = TenantEndpoint::start(&cluster, "acme.test");
    let pod = endpoint.pod(&cluster);
    let (go_on, told) = watch::channel(false);
    endpoint.answer(Manner::Slow(told));
    let mut requests = ask_at_once(&pod, names.into_iter());
    while endpoint.asked().len() < 16 {
        yield_now().await;
    }
    go_on.send_replace(true);
    while let Some(answer) = requests.join_next().await {
        let (status, body) = answer.unwrap();
        assert_eq!(status, 200, "{body}");
    }
    assert_eq!((endpoint.asked().len(), endpoint.most_at_once()), (20, 16));
}
