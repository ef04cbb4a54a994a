//! What users, applications and strangers meet at the front door.

use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use kube::ResourceExt as _;
use kube::api::ListParams;
use mintage_tests::people::{API, Door, STAY, claims, of_code, of_refresh, set_up, text};
use mintage_tests::stage::Stage;
use reqwest::header::LOCATION;
use serde_json::Value;

use super::controllers;
use super::way::Way;
use super::{HOSTS, NAMESPACE};

/// An address that nobody here has (RFC 5737).
const NOBODY: &str = "203.0.113.9";

/// Each domain is an issuer of its own: discovery, a token for a client secret, and a user who signs in with cookies.
pub async fn serves(stage: &Stage, way: &Way, authority: &str) -> Result<()> {
    let batch = set_up(stage, NAMESPACE, "batch").await?;
    let web = set_up(stage, NAMESPACE, "web").await?;
    for host in HOSTS {
        let issuer = format!("https://{host}/");
        let mut door = way.door(host, authority)?;
        ensure!(discovery(&door, &[]).await?["issuer"] == issuer, "{host}");
        let form = [("grant_type", "client_credentials"), ("audience", API)];
        let given = door.given(&batch, &form).await?;
        door.verified(&text(&given, "access_token")?, API, &issuer)
            .await?;
        let code = door.code(&web).await?;
        let given = door.given(&web, &of_code(&code)).await?;
        let claims = claims(&text(&given, "id_token")?)?;
        ensure!(
            claims["iss"] == issuer && claims["sub"] == "staff|ada",
            "{claims}"
        );
        let has_session = door
            .visitor
            .cookies()
            .any(|name| name.starts_with("__Host-"));
        ensure!(has_session, "no cookie of a session");
        door.silent_code(&web, STAY).await?;
        let refresh = text(&given, "refresh_token")?;
        door.given(&web, &of_refresh(&refresh)).await?;
    }
    Ok(())
}

async fn discovery(door: &Door, headers: &[(&str, &str)]) -> Result<Value> {
    let url = format!("{}/.well-known/openid-configuration", door.url);
    let mut request = door.visitor.client().get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Ok(request.send().await?.error_for_status()?.json().await?)
}

/// Who comes by HTTP is sent to the same page by HTTPS.
pub async fn redirects(way: &Way, authority: &str) -> Result<()> {
    let passer_by = way.passer_by(&HOSTS, authority)?;
    for host in HOSTS {
        let url = format!("http://{host}/authorize?client_id=a&state=b");
        let answer = passer_by.client().get(&url).send().await?;
        let location = answer.headers().get(LOCATION);
        let location = location
            .with_context(|| answer.status().to_string())?
            .to_str()?;
        ensure!(
            answer.status().is_redirection()
                && location == format!("https://{host}/authorize?client_id=a&state=b"),
            "{}: {location}",
            answer.status()
        );
    }
    Ok(())
}

/// Attack 32: what a client says of itself and of the host in headers of proxies has no effect.
pub async fn is_not_fooled(stage: &Stage, way: &Way, authority: &str) -> Result<()> {
    let [host, other] = HOSTS;
    let door = way.door(host, authority)?;
    let forwarded = format!("for={NOBODY};host={other};proto=http");
    let lies = [
        ("x-forwarded-for", NOBODY),
        ("x-forwarded-host", other),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-port", "80"),
        ("x-real-ip", NOBODY),
        ("forwarded", &forwarded),
    ];
    let said = discovery(&door, &lies).await?;
    ensure!(said["issuer"] == format!("https://{host}/"), "{said}");
    let mut request = door
        .visitor
        .client()
        .post(format!("{}/oauth/token", door.url));
    for (name, value) in lies {
        request = request.header(name, value);
    }
    let batch = set_up(stage, NAMESPACE, "batch").await?;
    let form = [("grant_type", "client_credentials"), ("audience", API)];
    let request = request.basic_auth(&batch["CLIENT_ID"], Some("guessed"));
    let refused = request.form(&form).send().await?;
    ensure!(refused.status() == 401, "{}", refused.status());

    let log = ["logs", "deployment/mintage-endpoint-staff", "--tail=200"];
    let log = stage.kubectl(NAMESPACE, &log).await?;
    ensure!(!log.contains(NOBODY), "the log believes it: {log}");
    let mut addresses = log.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        line["address"].as_str()?.parse::<IpAddr>().ok()
    });
    let address = addresses.next_back().context("no address in the log")?;
    let proxies: kube::Api<k8s_openapi::api::core::v1::Pod> =
        kube::Api::namespaced(stage.client.clone(), controllers::NAMESPACE);
    for pod in proxies.list(&ListParams::default()).await? {
        let own = pod.status.as_ref().and_then(|status| status.pod_ip.clone());
        ensure!(
            own != Some(address.to_string()),
            "{} is the client",
            pod.name_any()
        );
    }
    Ok(())
}
