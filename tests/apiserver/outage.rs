//! A control plane of a test's own goes away, stands still, forgets.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{PostParams, WatchEvent, WatchParams};
use kube::{Api, ResourceExt as _};
use mintage_tests::cluster::{self, Options};
use tokio::time::timeout;

#[tokio::test]
async fn an_api_server_goes_and_comes_back_with_all_that_it_stored() -> Result<()> {
    let test = "outage::an_api_server_goes_and_comes_back_with_all_that_it_stored";
    let options = Options {
        controllers: false,
        definitions: false,
        ..Options::default()
    };
    let Some(plane) = cluster::private(test, options).await? else {
        return Ok(());
    };
    let maps =
        async || -> Result<Api<ConfigMap>> { Ok(Api::namespaced(plane.admin().await?, "default")) };
    let make = async |name: &str| -> Result<String> {
        let mut map = ConfigMap::default();
        map.metadata.name = Some(name.into());
        let map = maps().await?.create(&PostParams::default(), &map).await?;
        map.resource_version().context("no resourceVersion")
    };
    let old = make("first").await?;

    // Paused, it takes the connection and says nothing.
    plane.pause()?;
    let short = Duration::from_millis(400);
    let silent = timeout(short, maps().await?.get("first")).await;
    ensure!(silent.is_err(), "{silent:?}");
    plane.resume()?;
    maps().await?.get("first").await?;

    plane.stop_api_server()?;
    let refused = timeout(Duration::from_secs(5), maps().await?.get("first")).await;
    ensure!(!matches!(refused, Ok(Ok(_))), "{refused:?}");
    plane.start_api_server().await?;
    maps().await?.get("first").await?;

    // What is forgotten cannot be watched from.
    make("second").await?;
    plane.stop_api_server()?;
    plane.compact_etcd().await?;
    plane.start_api_server().await?;
    let params = WatchParams::default();
    let api = maps().await?;
    let gone = async {
        let mut events = Box::pin(api.watch(&params, &old).await?);
        events.try_next().await
    };
    let gone = gone.await;
    let code = match &gone {
        Ok(Some(WatchEvent::Error(status))) | Err(kube::Error::Api(status)) => status.code,
        _ => 0,
    };
    ensure!(code == 410, "{gone:?}");
    Ok(())
}
