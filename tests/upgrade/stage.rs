//! A control plane, two generations of Helm, and what lives there besides the releases.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::Api;
use kube::api::{Patch, PatchParams};
use mintage_core::managed::FIELD_MANAGER;
use mintage_tests::cluster::{ControlPlane, Options, command_line, eventually, private, within};
use mintage_tests::mintage::Run;
use mintage_tests::operator::{self, ACCOUNT, NAMESPACE, Operator};
use mintage_tests::{quickstart, skip};
use serde_json::{Value, json};

use crate::objects::Objects;

/// The release of the chart `mintage`.
const RELEASE: &str = "mintage";

/// A generation of Helm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Helm {
    Three,
    Four,
}

/// A control plane with the kinds of the Prometheus operator, so that releases have objects of kinds that are not
/// Kubernetes' own: those are merged in another way.
pub struct Stage {
    pub plane: ControlPlane,
}

impl Stage {
    /// Starts one; `None` where there are no programs for it, and then the test is skipped.
    pub async fn start(test: &str) -> Result<Option<Self>> {
        for tool in ["helm", "helm3", "kubectl"] {
            if let Err(reason) = command_line(tool)? {
                return skip::skip(test, &format!("{tool}: {reason}")).map(|()| None);
            }
        }
        let options = Options {
            definitions: false,
            ..Options::default()
        };
        let Some(plane) = private(test, options).await? else {
            return Ok(None);
        };
        let stage = Self { plane };
        let kinds = [
            ("PrometheusRule", "prometheusrules"),
            ("PodMonitor", "podmonitors"),
        ];
        let kinds = json!({ "apiVersion": "v1", "kind": "List", "items": kinds.map(foreign_kind) });
        let file = stage.file("kinds.json", &kinds.to_string())?;
        stage.kubectl(&["apply", "-f", &file]).await?;
        let served = [
            "wait",
            "--for=condition=Established",
            "--timeout=30s",
            "-f",
            &file,
        ];
        stage.kubectl(&served).await?;
        Ok(Some(stage))
    }

    /// Writes a file; its path.
    fn file(&self, name: &str, text: &str) -> Result<String> {
        let path: PathBuf = self.plane.folder().join(name);
        std::fs::write(&path, text)?;
        let path = path.to_str().context("the path is no text")?;
        Ok(path.to_owned())
    }

    /// Runs kubectl, which must succeed.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let run = self.plane.kubectl(arguments).await?;
        ensure!(run.code == Some(0), "kubectl {arguments:?}: {}", run.said());
        Ok(run.out)
    }

    /// Runs a Helm, which must succeed.
    pub async fn helm(&self, helm: Helm, arguments: &[&str]) -> Result<String> {
        let run: Run = match helm {
            Helm::Three => self.plane.helm_3(arguments).await?,
            Helm::Four => self.plane.helm(arguments).await?,
        };
        ensure!(
            run.code == Some(0),
            "Helm {helm:?} {arguments:?}: {}",
            run.said()
        );
        Ok(run.out)
    }

    /// Installs both charts.
    pub async fn install(&self, helm: Helm, values: &Value) -> Result<()> {
        let values = self.file("values.json", &values.to_string())?;
        let definitions = ["install", "mintage-crds", "charts/mintage-crds"];
        self.helm(helm, &definitions).await?;
        let install = ["install", RELEASE, "charts/mintage", "--create-namespace"];
        let with = ["--namespace", NAMESPACE, "--values", &values];
        self.helm(helm, &[&install[..], &with[..]].concat()).await?;
        self.write_authority().await
    }

    /// Upgrades both releases to values.
    pub async fn upgrade(&self, helm: Helm, values: &Value, options: &[&str]) -> Result<()> {
        let values = self.file("values.json", &values.to_string())?;
        let definitions = ["upgrade", "mintage-crds", "charts/mintage-crds"];
        self.helm(helm, &[&definitions[..], options].concat())
            .await?;
        let upgrade = ["upgrade", RELEASE, "charts/mintage"];
        let with = ["--namespace", NAMESPACE, "--values", &values];
        self.helm(helm, &[&upgrade[..], &with[..], options].concat())
            .await?;
        Ok(())
    }

    /// Brings the release of `mintage` back to a revision.
    pub async fn roll_back(&self, revision: &str, options: &[&str]) -> Result<()> {
        let back = ["rollback", RELEASE, revision, "--namespace", NAMESPACE];
        self.helm(Helm::Four, &[&back[..], options].concat())
            .await?;
        Ok(())
    }

    /// The revisions of the release of `mintage`, as `<number> <status>`.
    pub async fn history(&self) -> Result<Vec<String>> {
        let history = [
            "history",
            RELEASE,
            "--namespace",
            NAMESPACE,
            "--output=json",
        ];
        let history = self.helm(Helm::Four, &history).await?;
        let history: Value = serde_json::from_str(&history)?;
        let revisions = history.as_array().context("no revisions")?.iter();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(revisions
            .map(|one| format!("{} {}", one["revision"], text(&one["status"])))
            .collect())
    }

    /// The objects of both releases, as the API server has them.
    pub async fn objects(&self) -> Result<Objects> {
        let mut all = Objects::default();
        for file in self.manifests().await? {
            let get = ["get", "-f", &file, "--output=json", "--show-managed-fields"];
            all.0.extend(Objects::parse(&self.kubectl(&get).await?)?.0);
        }
        Ok(all)
    }

    /// The manifests of both releases, in files.
    pub async fn manifests(&self) -> Result<Vec<String>> {
        let mut files = Vec::new();
        for (release, namespace) in [("mintage-crds", "default"), (RELEASE, NAMESPACE)] {
            let get = ["get", "manifest", release, "--namespace", namespace];
            let manifest = self.helm(Helm::Four, &get).await?;
            files.push(self.file(&format!("{release}.yaml"), &manifest)?);
        }
        Ok(files)
    }

    /// Removes both releases. No pod runs that the hook could run in.
    pub async fn uninstall(&self) -> Result<()> {
        let mintage = ["uninstall", RELEASE, "--namespace", NAMESPACE, "--no-hooks"];
        self.helm(Helm::Four, &mintage).await?;
        self.helm(Helm::Four, &["uninstall", "mintage-crds"])
            .await?;
        Ok(())
    }

    /// What there is of kinds of the releases that says that it is of one of them; and what Helm keeps for itself.
    pub async fn left(&self, kinds: &str) -> Result<Vec<String>> {
        let label = "--selector=app.kubernetes.io/managed-by=Helm";
        let get = ["get", kinds, "-A", "--output=name", label];
        let mut left = self.kubectl(&get).await?;
        let kept = [
            "get",
            "secrets",
            "-A",
            "--output=name",
            "--selector=owner=helm",
        ];
        left.push_str(&self.kubectl(&kept).await?);
        let definitions = ["get", "customresourcedefinitions", "--output=name"];
        left.push_str(&self.kubectl(&definitions).await?);
        Ok(left.lines().map(str::to_owned).collect())
    }

    /// The operator, outside of the cluster, as the `ServiceAccount` of the release.
    pub async fn operator(&self) -> Result<Operator> {
        let account = self.plane.service_account(NAMESPACE, ACCOUNT).await?;
        let options = operator::Options::default();
        let mut operator = Operator::start(&account, self.plane.folder(), &options)?;
        operator.ready().await?;
        operator.leads().await?;
        Ok(operator)
    }

    /// Applies the manifests of the README and waits until the operator is done with them.
    pub async fn declare(&self) -> Result<()> {
        let folder = quickstart();
        let folder = folder.to_str().context("the path is no text")?;
        // A moment passes before the API server has taken up the policies and the kinds.
        eventually("the quickstart is taken", async || {
            self.kubectl(&["apply", "-f", folder]).await.map(drop)
        })
        .await?;
        for what in ["tenants", "apiaudiences"] {
            let wait = [
                "wait",
                "--for=condition=Ready",
                "--timeout=60s",
                "--all",
                "-A",
                what,
            ];
            self.kubectl(&wait).await?;
        }
        Ok(())
    }

    /// What has to outlive all of it: the definitions by their uids, and our resources and Secrets by uid and version.
    pub async fn lives(&self) -> Result<Vec<String>> {
        let of = |fields: &str| {
            format!("--output=jsonpath={{range .items[*]}}{fields}{{\"\\n\"}}{{end}}")
        };
        let name = "{.kind} {.metadata.namespace}/{.metadata.name} {.metadata.uid}";
        let definitions = of(name);
        let versions = of(&format!("{name} {{.metadata.resourceVersion}}"));
        let label = "--selector=mintage.dev/managed";
        let mut lives = self
            .kubectl(&["get", "customresourcedefinitions", &definitions])
            .await?;
        for get in [
            &["get", "mintage", "-A", &versions][..],
            &["get", "secrets", "-A", label, &versions][..],
        ] {
            lives.push_str(&self.kubectl(get).await?);
        }
        let lives: Vec<String> = lives.lines().map(str::to_owned).collect();
        ensure!(
            lives.iter().any(|one| one.starts_with("Tenant ")),
            "{lives:?}"
        );
        ensure!(
            lives.iter().any(|one| one.starts_with("Secret ")),
            "{lives:?}"
        );
        Ok(lives)
    }

    /// Waits until nothing of [`Self::lives`] has changed for a while.
    pub async fn settled(&self) -> Result<Vec<String>> {
        let pause = std::time::Duration::from_secs(3);
        within(
            std::time::Duration::from_mins(1),
            "it is settled",
            async || {
                let before = self.lives().await?;
                tokio::time::sleep(pause).await;
                let after = self.lives().await?;
                ensure!(before == after, "{before:#?}\n{after:#?}");
                Ok(after)
            },
        )
        .await
    }

    /// Writes the CA of the webhook as the operator does, as its `ServiceAccount`.
    async fn write_authority(&self) -> Result<()> {
        let client = self
            .plane
            .service_account_client(NAMESPACE, ACCOUNT)
            .await?;
        let api: Api<MutatingWebhookConfiguration> = Api::all(client);
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let change = |index: usize| {
            json!({
                "op": "add", "path": format!("/webhooks/{index}/clientConfig/caBundle"), "value": "Zm9v",
            })
        };
        let change: json_patch::Patch = serde_json::from_value(json!([change(0), change(1)]))?;
        let change = Patch::Json::<()>(change);
        eventually("the operator's role is known", async || {
            Ok(api.patch(RELEASE, &params, &change).await?)
        })
        .await?;
        Ok(())
    }

    /// Makes sure that the CA is the one that the operator wrote.
    pub async fn authority_is_kept(&self) -> Result<()> {
        let api: Api<MutatingWebhookConfiguration> = Api::all(self.plane.admin().await?);
        let webhooks = api.get(RELEASE).await?.webhooks.context("no webhooks")?;
        ensure!(webhooks.len() == 2, "there are {}", webhooks.len());
        for webhook in webhooks {
            let kept = webhook.client_config.ca_bundle;
            let kept = kept.with_context(|| format!("{} has none", webhook.name))?;
            ensure!(kept.0 == b"foo", "{} has another", webhook.name);
        }
        Ok(())
    }
}

/// A kind of the Prometheus operator that takes anything.
fn foreign_kind((kind, plural): (&str, &str)) -> Value {
    let group = "monitoring.coreos.com";
    let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": {
            "group": group,
            "names": { "kind": kind, "plural": plural, "singular": kind.to_lowercase() },
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": schema },
            }],
        },
    })
}
