//! The stream to sidecars: news at once, for the pods whose tokens say so and nobody else.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt as _};
use mintage_crds::Tenant;
use mintage_crds::tenant::Propagation;
use mintage_tests::cluster::{free_port, within};
use mintage_tests::mintage::mintage;
use mintage_tests::operator::{Operator, Options};
use mintage_tests::pod::{Sidecar, header};
use mintage_tests::volume::Volume;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::scene::{PATIENCE, Scene};

const ORDERS: &str = "https://orders.test";

/// A cluster with an operator that serves a stream, an API, and a workload that calls it.
struct Fleet {
    scene: Scene,
    options: Options,
    leader: Operator,
}

/// A pod's sidecar.
struct Follower {
    volume: Volume,
    sidecar: Sidecar,
}

impl Fleet {
    async fn start(test: &str, delay: &str) -> Result<Option<Self>> {
        let Some(scene) = Scene::with_shop(test).await? else {
            return Ok(None);
        };
        scene.opted_in("orders").await?;
        let tenant = json!({
            "domain": "acme.test",
            "allowedNamespaces": {"from": "All"},
            "signing": {"propagationDelay": delay},
        });
        scene.tenant("identity/acme", tenant).await?;
        let grant = json!({"workload": {"namespace": "shop", "serviceAccount": "checkout"}, "scopes": ["read"]});
        let orders = json!({
            "tenantRef": {"namespace": "identity", "name": "acme"},
            "identifier": ORDERS,
            "scopes": [{"name": "read"}],
            "grants": [grant],
        });
        scene.audience("orders/orders", orders).await?;
        for (namespace, name) in [("shop", "checkout"), ("orders", "api")] {
            let accounts: Api<ServiceAccount> = Api::namespaced(scene.client.clone(), namespace);
            let account = serde_json::from_value(json!({"metadata": {"name": name}}))?;
            accounts.create(&PostParams::default(), &account).await?;
        }
        let feed = format!("127.0.0.1:{}", free_port()?);
        let enabled = json!({"matchLabels": {"mintage.dev/injection": "enabled"}});
        let mut options = scene.webhook(free_port()?, enabled).await?;
        let arguments = ["--feed-listen", &feed, "--feed-address", &feed];
        options.arguments.extend(arguments.map(str::to_owned));
        let leader = scene.operator(&options).await?;
        scene.webhook_trusted().await?;
        scene.audience_ready("orders/orders").await?;
        Ok(Some(Self {
            scene,
            options,
            leader,
        }))
    }

    /// Makes a pod; it gets its sidecar on paper, as there is no node.
    async fn pod(&self, namespace: &str, account: &str, name: &str) -> Result<Pod> {
        let pod = json!({
            "metadata": {"name": name},
            "spec": {"serviceAccountName": account, "containers": [{"name": "app", "image": "app"}]},
        });
        let pods: Api<Pod> = Api::namespaced(self.scene.client.clone(), namespace);
        let params = PostParams::default();
        Ok(pods.create(&params, &serde_json::from_value(pod)?).await?)
    }

    /// Says of a pod what its kubelet would, once its containers run.
    async fn runs(&self, namespace: &str, name: &str) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.scene.client.clone(), namespace);
        let status = Patch::Merge(json!({"status": {"phase": "Running"}}));
        pods.patch_status(name, &PatchParams::default(), &status)
            .await?;
        Ok(())
    }

    /// A token as kubelet gets it for a pod, or one of the `ServiceAccount` alone.
    async fn token(
        &self,
        namespace: &str,
        account: &str,
        audience: &str,
        pod: Option<&Pod>,
    ) -> Result<String> {
        let bound = pod.map(|pod| {
            json!({"apiVersion": "v1", "kind": "Pod", "name": pod.name_any(), "uid": pod.uid()})
        });
        let request = json!({
            "spec": {"audiences": [audience], "expirationSeconds": 3600, "boundObjectRef": bound},
        });
        let request: TokenRequest = serde_json::from_value(request)?;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.scene.client.clone(), namespace);
        let params = PostParams::default();
        let answer = accounts
            .create_token_request(account, &params, &request)
            .await?;
        Ok(answer.status.context("no token")?.token)
    }

    /// A sidecar that shows this token; its files are those of its namespace now.
    async fn sidecar(&self, workload: &str, name: &str, token: &str) -> Result<(Volume, Sidecar)> {
        let (namespace, _) = workload.split_once('/').context("a workload")?;
        let dir: PathBuf = self
            .scene
            .plane
            .folder()
            .join(format!("{namespace}-{name}"));
        let mut volume = Volume::new(self.scene.client.clone(), namespace, "identity/acme", &dir)?;
        // Of the volume's sources the token is there like the others, once the operator knows of the pod.
        within(PATIENCE, "the bundle names the stream", async || {
            let files = volume.read().await?;
            let first = files.get("bundle-0").context("there is no bundle")?;
            ensure!(String::from_utf8_lossy(first).contains("\"feed\":"));
            Ok(())
        })
        .await?;
        volume.sync().await?;
        std::fs::write(dir.join("operator-token"), token)?;
        let sidecar = Sidecar::start(&dir, workload, &[]).await?;
        Ok((volume, sidecar))
    }

    /// A pod, and its sidecar that follows.
    async fn follower(&self, workload: &str, name: &str) -> Result<Follower> {
        let (namespace, account) = workload.split_once('/').context("a workload")?;
        let pod = self.pod(namespace, account, name).await?;
        let token = self.token(namespace, account, "mintage.dev", Some(&pod));
        let (volume, sidecar) = self.sidecar(workload, name, &token.await?).await?;
        follows(&sidecar, 1).await?;
        Ok(Follower { volume, sidecar })
    }

    async fn propagation(&self) -> Result<Propagation> {
        let tenants: Api<Tenant> = Api::namespaced(self.scene.client.clone(), "identity");
        let status = tenants.get("acme").await?.status.context("no status")?;
        status.propagation.context("it says nothing of sidecars")
    }

    /// Waits until the status counts so many pods, all of them as new as can be and newer than a version.
    async fn all_have_heard(&self, pods: i32, after: i64) -> Result<Propagation> {
        within(PATIENCE, "all pods have heard", async || {
            let known = self.propagation().await?;
            ensure!(
                (known.pods, known.acknowledged) == (pods, pods)
                    && known.missing.is_empty()
                    && known.version > after,
                "{known:?}"
            );
            Ok(known)
        })
        .await
    }

    async fn refusals(&self, code: &str) -> Result<f64> {
        let line = format!("mintage_operator_feed_refusals_total{{code=\"{code}\"}}");
        Ok(self.leader.metric(&line).await?.unwrap_or_default())
    }
}

/// Waits until a sidecar follows, or does not.
async fn follows(sidecar: &Sidecar, connected: u64) -> Result<()> {
    within(PATIENCE, "the stream", async || {
        let now = sidecar.metric("mintage_feed_connected ").await?;
        ensure!(now == Some(connected), "connected: {now:?}");
        Ok(())
    })
    .await
}

async fn refuses(sidecar: &Sidecar, token: &str) -> Result<()> {
    within(PATIENCE, "the token is refused", async || {
        let status = sidecar.validate(token).await?.status();
        ensure!(status == 401, "{status}");
        Ok(())
    })
    .await
}

/// The mounts stay as they were all the while.
#[tokio::test]
async fn a_revocation_is_in_force_without_kubelet_and_a_new_leader_goes_on() -> Result<()> {
    let test = "operator::feed::a_revocation_is_in_force_without_kubelet_and_a_new_leader_goes_on";
    let Some(mut fleet) = Fleet::start(test, "5m").await? else {
        return Ok(());
    };
    let mut checkout = fleet.follower("shop/checkout", "checkout-1").await?;
    let api = fleet.follower("orders/api", "api-1").await?;
    let token = checkout.sidecar.token(ORDERS).await?;
    ensure!(api.sidecar.validate(&token).await?.status() == 200);
    let before = fleet.all_have_heard(2, 0).await?;

    let begun = Instant::now();
    let kid = header(&token)?["kid"].clone();
    let revoke = json!({"mintage.dev/revoke-key": kid});
    fleet.scene.annotate("identity/acme", revoke).await?;
    refuses(&api.sidecar, &token).await?;
    println!("refused {:?} after the patch", begun.elapsed());
    let revoked = fleet.all_have_heard(2, before.version).await?;
    let kubeconfig = fleet.scene.plane.kubeconfig("admin", &["system:masters"])?;
    let kubeconfig = kubeconfig.to_str().context("the path is no text")?;
    let kid = header(&token)?["kid"].as_str().context("a kid")?.to_owned();
    let words = [
        "cluster",
        "revoke",
        "identity/acme",
        "--kubeconfig",
        kubeconfig,
        "--",
        &kid,
    ];
    let said = mintage(&words).await?;
    ensure!(
        said.code == Some(0) && said.out.contains("by all 2 sidecars"),
        "{}",
        said.said()
    );
    // What was heard is not forgotten when an older mount is looked at again.
    checkout.volume.sync().await?;
    ensure!(api.sidecar.validate(&token).await?.status() == 401);

    // The private key of the successor comes with the mount alone, and the next leader tells of what it does.
    let mut options = fleet.options.clone();
    let at = options
        .arguments
        .iter()
        .position(|word| word == "--webhook-listen");
    options.arguments[at.context("there is a webhook")? + 1] =
        format!("127.0.0.1:{}", free_port()?);
    let second = fleet.scene.operator(&options).await?;
    fleet.leader.kill().await?;
    fleet.leader = second;
    fleet.leader.leads().await?;
    let rename = json!({
        "tenantRef": {"namespace": "identity", "name": "acme"},
        "identifier": ORDERS,
        "scopes": [{"name": "read"}, {"name": "write"}],
    });
    let known = api.sidecar.bundle_version().await?;
    fleet.scene.audience("orders/orders", rename).await?;
    within(PATIENCE, "the new leader tells", async || {
        let now = api.sidecar.bundle_version().await?;
        ensure!(now > known, "{now}");
        Ok(())
    })
    .await?;
    fleet.all_have_heard(2, revoked.version).await?;
    let secret = std::fs::read_to_string(api.volume.dir().join("operator-token"))?;
    ensure!(
        !fleet.leader.log()?.contains(&secret),
        "the token is in the log"
    );
    Ok(())
}

/// Attack: somebody else's token, or none, follows a namespace's news or speaks for its pods.
#[tokio::test]
async fn attack_37_only_a_living_pod_with_a_sidecar_follows() -> Result<()> {
    let test = "operator::feed::attack_37_only_a_living_pod_with_a_sidecar_follows";
    let Some(fleet) = Fleet::start(test, "5m").await? else {
        return Ok(());
    };
    let api = fleet.follower("orders/api", "api-1").await?;
    fleet.all_have_heard(1, 0).await?;

    let pod = fleet.pod("shop", "checkout", "checkout-1").await?;
    let other_audience = fleet
        .token(
            "shop",
            "checkout",
            "https://kubernetes.default.svc",
            Some(&pod),
        )
        .await?;
    let no_pod = fleet.token("shop", "checkout", "mintage.dev", None).await?;
    let good = fleet
        .token("shop", "checkout", "mintage.dev", Some(&pod))
        .await?;
    let (rest, signature) = good.rsplit_once('.').context("a token")?;
    let turned: String = signature.chars().rev().collect();
    let forged = format!("{rest}.{turned}");
    for (number, bad) in ["", "no-token", &other_audience, &no_pod, &forged]
        .into_iter()
        .enumerate()
    {
        let before = fleet.refusals("UNAUTHENTICATED").await?;
        let (_volume, sidecar) = fleet
            .sidecar("shop/checkout", &format!("bad-{number}"), bad)
            .await?;
        within(
            PATIENCE,
            &format!("number {number} is refused"),
            async || {
                ensure!(fleet.refusals("UNAUTHENTICATED").await? > before);
                Ok(())
            },
        )
        .await?;
        follows(&sidecar, 0).await?;
        // It does its work all the same.
        sidecar.token(ORDERS).await?;
    }

    // A pod without a sidecar has no part in this, though its token is for the operator.
    let plain = json!({
        "metadata": {"name": "plain", "labels": {"mintage.dev/inject": "false"}},
        "spec": {"serviceAccountName": "checkout", "containers": [{"name": "app", "image": "app"}]},
    });
    let pods: Api<Pod> = Api::namespaced(fleet.scene.client.clone(), "shop");
    let plain = pods
        .create(&PostParams::default(), &serde_json::from_value(plain)?)
        .await?;
    ensure!(
        !plain
            .annotations()
            .contains_key("mintage.dev/injection-hash")
    );
    let token = fleet
        .token("shop", "checkout", "mintage.dev", Some(&plain))
        .await?;
    let (_plain, sidecar) = fleet.sidecar("shop/checkout", "plain", &token).await?;
    within(PATIENCE, "the plain pod is refused", async || {
        let denied = fleet.refusals("PERMISSION_DENIED").await?;
        let unseen = fleet.refusals("UNAVAILABLE").await?;
        ensure!(denied + unseen > 0.0);
        Ok(())
    })
    .await?;
    follows(&sidecar, 0).await?;

    // The good token follows, until its pod is gone.
    let (_volume, sidecar) = fleet.sidecar("shop/checkout", "good", &good).await?;
    follows(&sidecar, 1).await?;
    let now = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    pods.delete("checkout-1", &now).await?;
    follows(&sidecar, 0).await?;
    follows(&api.sidecar, 1).await?;
    Ok(())
}

/// Attack: a namespace hastens or forges what counts for others. Its reports only ever put a key off.
#[tokio::test]
async fn a_key_waits_for_a_sidecar_that_has_not_heard_of_it() -> Result<()> {
    let test = "operator::feed::a_key_waits_for_a_sidecar_that_has_not_heard_of_it";
    let Some(fleet) = Fleet::start(test, "16s").await? else {
        return Ok(());
    };
    let mut checkout = fleet.follower("shop/checkout", "checkout-1").await?;
    // A pod of the API's namespace never says anything; one of a third namespace does not matter.
    fleet.pod("orders", "api", "silent").await?;
    // Nobody waits for it while it is still to start, as all pods are that have no node.
    fleet.all_have_heard(1, 0).await?;
    fleet.runs("orders", "silent").await?;
    let missing = within(PATIENCE, "the silent pod is named", async || {
        let known = fleet.propagation().await?;
        ensure!((known.pods, known.acknowledged) == (2, 1), "{known:?}");
        Ok(known.missing)
    })
    .await?;
    ensure!(missing == ["orders/silent (not connected)"], "{missing:?}");

    let first = header(&checkout.sidecar.token(ORDERS).await?)?["kid"].clone();
    let now = json!({"mintage.dev/rotate-now": "1"});
    fleet.scene.annotate("identity/acme", now).await?;
    let key = within(PATIENCE, "the next key is put off", async || {
        let files = checkout.volume.read().await?;
        let shard = String::from_utf8(files["bundle-0"].clone())?;
        let (_, body) = shard.split_once('\n').context("a manifest")?;
        let bundle: Value = serde_json::from_str(body)?;
        let keys = bundle["body"]["keys"].as_array().context("keys")?;
        let next = keys
            .iter()
            .find(|trusted| trusted["namespace"] == "shop" && trusted["key"]["generation"] == 2);
        let key = next.context("no second key")?["key"].clone();
        ensure!(key["firstActivateAt"].is_number(), "{key}");
        Ok(key)
    })
    .await?;
    let moment = |name: &str| key[name].as_i64().context("a moment");
    let (published, first_at) = (moment("publishedAt")?, moment("firstActivateAt")?);
    let at = key["schedule"]["activateAt"].as_i64().context("a moment")?;
    ensure!(
        first_at == published + 16 && at > first_at && at <= published + 32,
        "{key}"
    );
    // In the end it signs: nobody can keep it from that.
    within(PATIENCE, "the second key signs", async || {
        checkout.volume.sync().await?;
        let kid = header(&checkout.sidecar.token(ORDERS).await?)?["kid"].clone();
        ensure!(kid != first);
        Ok(())
    })
    .await?;
    Ok(())
}
