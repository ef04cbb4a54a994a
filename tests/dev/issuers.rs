//! The issuers over TLS.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use mintage_tests::dev::Dev;
use mintage_tests::quickstart;
use reqwest::Certificate;
use serde_json::Value;

/// A client that trusts the CA of `dev` alone and finds the issuers' hosts at its listener.
fn client(dev: &Dev) -> Result<reqwest::Client> {
    // The only one that is built in, whoever comes first.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    let address: SocketAddr = dev.tls_addr().parse()?;
    let ca = Certificate::from_pem(&std::fs::read(dev.ca_file())?)?;
    let mut builder = reqwest::Client::builder().no_proxy().tls_certs_only([ca]);
    for host in [
        "acme.localhost",
        "globex.localhost",
        "login.acme.localhost",
        "evil.example.com",
    ] {
        builder = builder.resolve(host, address);
    }
    Ok(builder.build()?)
}

fn url(dev: &Dev, host: &str, path: &str) -> Result<String> {
    let address: SocketAddr = dev.tls_addr().parse()?;
    Ok(format!("https://{host}:{}/{path}", address.port()))
}

#[tokio::test]
async fn each_issuer_has_its_own_discovery_and_keys() -> Result<()> {
    let dev = Dev::start(&quickstart(), &[]).await?;
    let client = client(&dev)?;
    let get = async |host: &str, path: &str| -> Result<Value> {
        Ok(client
            .get(url(&dev, host, path)?)
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?)
    };
    let mut key_sets = Vec::new();
    for (host, issuer) in [
        ("acme.localhost", "https://acme.localhost:7743/"),
        ("login.acme.localhost", "https://login.acme.localhost:7743/"),
        ("globex.localhost", "https://globex.localhost:7743/"),
    ] {
        for path in [
            ".well-known/openid-configuration",
            ".well-known/oauth-authorization-server",
        ] {
            let document = get(host, path).await?;
            ensure!(document["issuer"] == issuer, "{document}");
            ensure!(
                document["jwks_uri"] == format!("{issuer}.well-known/jwks.json"),
                "{document}"
            );
        }
        let keys = get(host, ".well-known/jwks.json").await?;
        for key in keys["keys"].as_array().into_iter().flatten() {
            ensure!(
                key["kty"] == "RSA"
                    && key["use"] == "sig"
                    && key["kid"].is_string()
                    && key["alg"].is_string()
            );
            ensure!(key.get("d").is_none());
        }
        key_sets.push(keys);
    }
    ensure!(
        key_sets[0] == key_sets[1],
        "a custom domain has the tenant's keys"
    );
    ensure!(key_sets[0] != key_sets[2], "tenants share nothing");
    Ok(())
}

#[tokio::test]
async fn a_host_that_is_no_issuer_gets_no_certificate_and_no_keys() -> Result<()> {
    let dev = Dev::start(&quickstart(), &[]).await?;
    let client = client(&dev)?;
    let path = ".well-known/jwks.json";
    ensure!(
        client
            .get(url(&dev, "evil.example.com", path)?)
            .send()
            .await
            .is_err(),
        "the certificate fits any host"
    );
    let misdirected = client
        .get(url(&dev, "acme.localhost", path)?)
        .header("Host", "evil.example.com")
        .send()
        .await?;
    ensure!(misdirected.status() == 421);
    Ok(())
}

#[tokio::test]
async fn the_issuer_is_the_custom_domain_that_was_asked_for() -> Result<()> {
    let dev = Dev::start(
        &quickstart(),
        &[
            "--domain",
            "login.acme.localhost:7743",
            "--also",
            "orders/api=127.0.0.1:0",
        ],
    )
    .await?;
    let token = dev.token(0, "https://orders.example.com").await?;
    let document = dev.json(0, "/.well-known/openid-configuration").await?;
    ensure!(document["issuer"] == "https://login.acme.localhost:7743/");
    // Row S5: validation accepts every issuer of the tenant.
    ensure!(dev.validate(1, &token).await?.0 == 200);
    let (status, answer) = {
        // As a pod says it: the command line is looked at when dev starts.
        let asks = |text: String| {
            text.replace(
                "      labels:\n        app: checkout\n",
                "      labels:\n        app: checkout\n      annotations: {mintage.dev/domain: login.globex.example.com}\n",
            )
        };
        let other = Dev::start_edited(&quickstart(), asks, &["--as", "shop/checkout"]).await?;
        other
            .ask(0, &[("audience", "https://orders.example.com")])
            .await?
    };
    ensure!(
        status == 403
            && answer["error_description"]
                .as_str()
                .is_some_and(|text| text.contains("domain-not-served"))
    );
    Ok(())
}
