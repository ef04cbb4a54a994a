//! The endpoint behind a real listener: whose address it sees.

use std::sync::Arc;

use anyhow::Result;
use mintage_sidecar::endpoint::store::{Place, open};
use mintage_sidecar::metrics::Metrics;
use mintage_sidecar::server::{Limits, Listener};
use tokio::sync::watch;

use crate::site::Site;

#[tokio::test]
async fn the_listener_says_which_proxy_speaks() -> Result<()> {
    let site = Site::over(open(&Place::Memory).await?);
    let listener = Listener::bind("127.0.0.1:0".parse()?, None)?.telling_peers();
    let address = listener.local_addr()?;
    let (end, ended) = watch::channel(false);
    let router = site.router.clone();
    let metrics = Arc::new(Metrics::default());
    let serving = tokio::spawn(listener.serve(router, Limits::default(), metrics, ended));
    // It fails if another test was faster, and that installed the same.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    let client = reqwest::Client::builder().no_proxy().build()?;
    let issuer = async || -> Result<String> {
        let request = client.get(format!("http://{address}/.well-known/openid-configuration"));
        let request = request.header("host", "acme.test");
        let response = request
            .header("x-forwarded-host", "login.acme.test")
            .send()
            .await?;
        let said: serde_json::Value = response.json().await?;
        Ok(said["issuer"].to_string())
    };
    assert_eq!(issuer().await?, "\"https://acme.test/\"");
    site.edit(|world, _| {
        let wishes = world.tenants[0].endpoint.as_mut().unwrap();
        Arc::make_mut(wishes).trusted_proxies = vec!["127.0.0.0/8".into()];
    });
    assert_eq!(issuer().await?, "\"https://login.acme.test/\"");
    end.send(true)?;
    serving.await?;
    Ok(())
}
