//! Reloads while requests are answered, as the running sidecar does them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mintage_sidecar::reload::Reloader;
use mintage_sidecar::server::Limits;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::cluster::{ACME, Cluster, ORDERS, PAYMENTS, standard};
use crate::folder::Folder;
use crate::pod::{Pod, answer, files, identity};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_fails_while_bundles_are_swapped() {
    let mut cluster = Cluster::new(standard());
    let pod = Pod::empty(identity("shop/checkout", ""), Limits::default());
    let mut folder = Folder::new(&files(&cluster, ACME, "shop"));
    let (shared, metrics) = (Arc::clone(&pod.shared), Arc::clone(&pod.metrics));
    let reloader = Reloader::new(folder.path(), pod.identity.clone(), shared, metrics);
    tokio::spawn(reloader.run());
    arrives(&pod, cluster.bundle(ACME, "shop").version).await;

    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let (stop, asked) = (Arc::clone(&stop), Arc::clone(&asked));
            let audience = if number % 2 == 0 { ORDERS } else { PAYMENTS };
            let request = pod.ask(&[("audience", audience)]);
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let answer = answer(request.try_clone().unwrap()).await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                    assert_eq!(answer.text("access_token").split('.').count(), 3);
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for round in 0..20 {
        let lifetime = 300 - round;
        cluster.edit_audience("orders/orders", |audience| audience.lifetime = lifetime);
        folder.swap(&files(&cluster, ACME, "shop"));
        arrives(&pod, cluster.bundle(ACME, "shop").version).await;
        let before = asked.load(Ordering::SeqCst);
        until(|| {
            asked.load(Ordering::SeqCst) >= before + 16
                || clients.iter().any(JoinHandle::is_finished)
        })
        .await;
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    let fresh = answer(pod.ask(&[("audience", ORDERS)])).await;
    assert_eq!(fresh.json()["expires_in"], 281);
}

/// Waits until a version is in use.
async fn arrives(pod: &Pod, version: u64) {
    until(|| {
        let current = pod.shared.current();
        current.is_some_and(|loaded| loaded.bundle.version == version)
    })
    .await;
}

/// Waits; a test that waits for what never comes is ended by its runner.
async fn until(done: impl Fn() -> bool) {
    while !done() {
        sleep(Duration::from_millis(5)).await;
    }
}
