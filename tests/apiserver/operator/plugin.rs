//! `kubectl mintage`, as kubectl itself starts it.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::cluster::within;
use mintage_tests::dev::binary;
use mintage_tests::mintage::{Run, mintage};
use mintage_tests::pod::{self, Sidecar};
use mintage_tests::quickstart;
use mintage_tests::volume::Volume;
use serde_json::Value;

use super::scene::Scene;

pub const ORDERS: &str = "https://orders.example.com";

/// A cluster with the quickstart, and kubectl with the plugin.
pub struct Admin(pub Scene);

impl Admin {
    pub async fn new(test: &str) -> Result<Option<Self>> {
        let Some(scene) = Scene::start(test).await? else {
            return Ok(None);
        };
        let folder = scene.plane.folder().join("home/bin");
        std::fs::create_dir_all(&folder)?;
        symlink(
            std::path::absolute(binary("mintage")?)?,
            folder.join("kubectl-mintage"),
        )?;
        scene.apply(&quickstart()).await?;
        Ok(Some(Self(scene)))
    }

    pub async fn says(&self, line: &str) -> Result<Run> {
        let words: Vec<&str> = ["mintage"].into_iter().chain(line.split(' ')).collect();
        self.0.plane.kubectl(&words).await
    }

    /// What it says, if it ends with this code.
    pub async fn ends(&self, code: i32, line: &str) -> Result<String> {
        let run = self.says(line).await?;
        ensure!(
            run.code == Some(code),
            "{line}: {:?}: {}",
            run.code,
            run.said()
        );
        Ok(run.said())
    }

    /// Applies a JSON patch to the API `orders/orders`.
    pub async fn patch_orders(&self, patch: &str) -> Result<()> {
        let words = ["patch", "apiaudience", "orders", "-n", "orders"];
        let words = [&words[..], &["--type=json", "-p", patch]].concat();
        self.0.plane.kubectl(&words).await?.succeeded()?;
        Ok(())
    }

    pub async fn all_is_ready(&self) -> Result<()> {
        // Nobody can show control over `localhost`.
        let unverified = ["delete", "customdomain", "login", "-n", "identity"];
        let run = self.0.plane.kubectl(&unverified).await?;
        ensure!(run.code == Some(0), "{}", run.said());
        within(Duration::from_mins(1), "all is ready", async || {
            self.ends(0, "status").await.map(drop)
        })
        .await
    }

    async fn keys(&self) -> Result<Vec<Value>> {
        let run = self.says("keys identity/acme -o json").await?;
        ensure!(run.code == Some(0), "{}", run.said());
        Ok(run.json()?.as_array().context("no list")?.clone())
    }
}

fn kid(key: &Value) -> Result<String> {
    Ok(key["kid"].as_str().context("no kid")?.to_owned())
}

#[tokio::test]
async fn status_shows_what_is_not_as_it_should_be() -> Result<()> {
    let test = "operator::plugin::status_shows_what_is_not_as_it_should_be";
    let Some(admin) = Admin::new(test).await? else {
        return Ok(());
    };
    let said = admin.ends(1, "status").await?;
    ensure!(
        said.contains("identity/acme") && said.contains("the operator has not looked at it yet"),
        "{said}"
    );
    let scene = &admin.0;
    let operator = scene
        .operator(&mintage_tests::operator::Options::default())
        .await?;
    within(Duration::from_mins(1), "the domain is named", async || {
        let said = admin.ends(1, "status").await?;
        let domain = "CustomDomain identity/login: Verified: NotShown";
        ensure!(said.contains(domain) && said.contains("0/1"), "{said}");
        Ok(())
    })
    .await?;
    admin.all_is_ready().await?;
    let said = admin.ends(0, "status acme -n identity").await?;
    ensure!(
        said.contains("https://acme.localhost:7743/") && !said.contains("globex"),
        "{said}"
    );
    let said = admin.ends(2, "status identity/nobody").await?;
    ensure!(
        said.contains("there is no Tenant identity/nobody"),
        "{said}"
    );

    // Somebody who may do nothing.
    let nobody = scene.plane.kubeconfig("nobody", &[])?;
    let run = scene
        .plane
        .tool("kubectl", &nobody, &["mintage", "status"])
        .await?;
    ensure!(
        run.code == Some(1) && run.said().contains("you may not"),
        "{}",
        run.said()
    );
    drop(operator);
    Ok(())
}

#[tokio::test]
async fn keys_are_rotated_and_revoked() -> Result<()> {
    let Some(admin) = Admin::new("operator::plugin::keys_are_rotated_and_revoked").await? else {
        return Ok(());
    };
    let scene = &admin.0;
    let operator = scene
        .operator(&mintage_tests::operator::Options::default())
        .await?;
    admin.all_is_ready().await?;

    // Two sidecars, and a token under the key that will be revoked.
    let dir = tempfile::tempdir()?;
    let volume = |namespace: &str| {
        let at = dir.path().join(namespace);
        Volume::new(scene.client.clone(), namespace, "identity/acme", &at)
    };
    let (mut shop, mut orders) = (volume("shop")?, volume("orders")?);
    shop.sync().await?;
    orders.sync().await?;
    let checkout = Sidecar::start(shop.dir(), "shop/checkout", &[]).await?;
    let api = Sidecar::start(orders.dir(), "orders/api", &["--accept", "orders"]).await?;
    let token = checkout.token(ORDERS).await?;
    ensure!(api.validate(&token).await?.status() == 200);

    let before = admin.keys().await?;
    let known: BTreeSet<String> = before.iter().map(kid).collect::<Result<_>>()?;
    let run = admin.says("rotate identity/acme -o json").await?;
    ensure!(run.code == Some(0), "{}", run.said());
    let fresh = run.json()?;
    let fresh = fresh["newKeys"].as_array().context("no keys")?;
    let active = before.iter().filter(|key| key["state"] == "Active").count();
    ensure!(fresh.len() == active, "{active} signed: {fresh:?}");
    for key in fresh {
        ensure!(
            key["state"] == "Next" && !known.contains(&kid(key)?),
            "{key}"
        );
    }

    let revoked = kid(&pod::header(&token)?)?;
    ensure!(known.contains(&revoked), "{revoked}: {known:?}");
    let nearly = format!("{}x", &revoked[..40]);
    let said = admin
        .ends(2, &format!("revoke identity/acme -- {nearly}"))
        .await?;
    ensure!(
        said.contains("nothing is revoked") && said.contains(&format!("did you mean {revoked}?")),
        "{said}"
    );
    let said = admin
        .ends(0, &format!("revoke identity/acme -- {revoked}"))
        .await?;
    ensure!(said.contains("is refused in"), "{said}");
    let after = admin.keys().await?;
    let state = after.iter().find(|key| key["kid"] == revoked.as_str());
    ensure!(
        state.is_some_and(|key| key["state"] == "Revoked"),
        "{after:?}"
    );
    // A second time there is nothing to do, and a second one stands beside the first.
    admin
        .ends(0, &format!("revoke identity/acme -- {revoked}"))
        .await?;
    let second = kid(&fresh[0])?;
    admin
        .ends(0, &format!("revoke identity/acme -- {second}"))
        .await?;
    let after = admin.keys().await?;
    let refused = after.iter().filter(|key| key["state"] == "Revoked").count();
    ensure!(refused == 2, "{after:?}");

    // The sidecar of the API is told when its volume is.
    orders.sync().await?;
    within(
        Duration::from_secs(20),
        "the token is refused",
        async || {
            let status = api.validate(&token).await?.status();
            ensure!(status == 401, "{status}");
            Ok(())
        },
    )
    .await?;

    // Whoever waits too short a time learns what to do.
    drop(operator);
    let said = admin.ends(3, "rotate identity/acme --wait 2").await?;
    ensure!(said.contains("not published yet"), "{said}");
    admin.ends(0, "rotate identity/acme --wait 0").await?;
    Ok(())
}

#[tokio::test]
async fn without_a_cluster_it_says_how_to_name_one() -> Result<()> {
    let run = mintage(&["cluster", "status", "--kubeconfig", "no-such-file"]).await?;
    ensure!(
        run.code == Some(3) && run.err.contains("--context"),
        "{}",
        run.said()
    );
    Ok(())
}
