//! Workloads that call APIs without a pause, and what came of it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use mintage_tests::bare::Bare;
use mintage_tests::cluster::within;
use mintage_tests::release;
use mintage_tests::stage::{Report, Stage};
use serde_json::{Value, json};

use super::{ORDERS, PAYMENTS};

/// Who calls whom: namespace, account, the host of the API, its identifier, and a scope.
const CALLERS: [(&str, &str, &str, &str, &str); 3] = [
    ("shop", "checkout", "orders", ORDERS, "read:orders"),
    ("shop", "checkout", "payments", PAYMENTS, "charge"),
    ("orders", "api", "payments", PAYMENTS, "refund"),
];

/// Running callers: three, beside two pods of each API.
pub struct Traffic<'a> {
    bare: &'a Bare,
    pods: Vec<Pod>,
}

/// What came of calls so far.
#[derive(Debug, Default)]
pub struct Tally {
    /// Calls that succeeded.
    pub good: u64,
    /// What was said of each other call, in its order.
    pub bad: Vec<Value>,
}

impl<'a> Traffic<'a> {
    /// Starts it, as a step of the report.
    pub async fn begin(stage: &'a Stage, report: &mut Report) -> Result<Self> {
        let what = "workloads call without a pause: 7 pods in 3 namespaces";
        report.step(what, Self::start(stage)).await
    }

    /// Starts it, and waits until calls succeed.
    async fn start(stage: &'a Stage) -> Result<Self> {
        let bare = stage
            .bare()
            .context("parts of a given cluster are not ours to stop")?;
        for namespace in ["orders", "payments"] {
            let scale = ["scale", "deployment/api", "--replicas=2"];
            stage.kubectl(namespace, &scale).await?;
            let ready = ["rollout", "status", "deployment/api", "--timeout=120s"];
            stage.kubectl(namespace, &ready).await?;
        }
        let mut pods = Vec::new();
        for (namespace, account, host, audience, scope) in CALLERS {
            let name = format!("calls-{host}");
            let object = caller(&name, namespace, account, host, audience, scope);
            stage
                .apply(&format!("{namespace}-{name}.json"), &object.to_string())
                .await?;
            let ready = [
                "wait",
                "--for=condition=Ready",
                &format!("pod/{name}"),
                "--timeout=60s",
            ];
            stage.kubectl(namespace, &ready).await?;
            let api: Api<Pod> = Api::namespaced(stage.client.clone(), namespace);
            pods.push(api.get(&name).await?);
        }
        let traffic = Self { bare, pods };
        traffic.flows().await?;
        Ok(traffic)
    }

    /// All calls of all callers so far.
    pub fn tally(&self) -> Result<Tally> {
        let mut all = Tally::default();
        for pod in &self.pods {
            let tally = self.of(pod)?;
            all.good += tally.good;
            all.bad.extend(tally.bad);
        }
        Ok(all)
    }

    /// Each caller, for what concerns one of them alone.
    pub fn callers(&self) -> &[Pod] {
        &self.pods
    }

    /// The calls of one of them so far, over all starts of its container.
    pub fn of(&self, pod: &Pod) -> Result<Tally> {
        let mut tally = Tally::default();
        for line in self.bare.node.log(pod, "app")?.lines() {
            let said: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
            if said["event"] == "counted" {
                tally.good += said["good"].as_u64().context("no number")?;
            } else {
                tally.bad.push(said);
            }
        }
        Ok(tally)
    }

    /// Waits until every caller has succeeded again, from now on.
    pub async fn flows(&self) -> Result<()> {
        for pod in &self.pods {
            let before = self.of(pod)?.good;
            let what = format!("{} calls on", pod.name_any());
            within(Duration::from_mins(1), &what, async || {
                let tally = self.of(pod)?;
                ensure!(tally.good > before + 10, "{tally:?}");
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// The other calls since a number of them, which there must not be.
    pub fn no_bad_since(&self, before: usize) -> Result<u64> {
        let tally = self.tally()?;
        let new = &tally.bad[before..];
        ensure!(
            new.is_empty(),
            "{} calls failed, first {:?}",
            new.len(),
            &new[..new.len().min(3)]
        );
        Ok(tally.good)
    }
}

fn caller(
    name: &str,
    namespace: &str,
    account: &str,
    host: &str,
    audience: &str,
    scope: &str,
) -> Value {
    let url = format!("http://api.{host}.svc.cluster.local/?needs={scope}");
    let mut pod = release::pod(name, namespace);
    pod["spec"]["serviceAccountName"] = account.into();
    pod["spec"]["containers"][0]["args"] = json!(["calls", url, audience, scope]);
    pod
}

/// The pods of the operator.
pub async fn operators(stage: &Stage) -> Result<Vec<Pod>> {
    let pods: Api<Pod> = Api::namespaced(stage.client.clone(), mintage_tests::operator::NAMESPACE);
    let selector = ListParams::default().labels("app.kubernetes.io/component=operator");
    Ok(pods.list(&selector).await?.items)
}

/// A pod that is admitted and never scheduled: all that counts where many are made.
pub fn gated() -> Result<Pod> {
    let mut pod = release::pod("", "shop");
    pod["metadata"] = json!({ "generateName": "made-" });
    pod["spec"]["schedulingGates"] = json!([{ "name": "example.com/never" }]);
    Ok(serde_json::from_value(pod)?)
}

/// Whether a pod was given one.
pub fn has_sidecar(pod: &Pod) -> bool {
    let initial = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.init_containers.as_ref()?.first());
    initial.is_some_and(|first| first.name == "mintage-sidecar")
}
