//! The chart's admission policies, on the real API server: each attempt beside one that must work.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace as NamespaceObject, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use mintage_core::{Domain, ObjectName, TenantRef, managed};
use mintage_tests::cluster::{ControlPlane, MASTERS, Namespace, eventually, rule};
use serde_json::{Value, json};

use crate::release::{NAMESPACE, RESTORER, installed, kind, refused, secret, tenant, tenants};

const SECRETS: &str = "mintage-managed-secrets";
const NAMES: &str = "mintage-secret-names";
const OPERATOR: &str = "mintage-operator";
const STATUS: &str = "mintage-status";

const MANAGED: [(&str, &str); 1] = [(managed::LABEL, "keyring")];

/// A namespace, one who may do everything in it that the test is about, and the operator.
struct Scene {
    namespace: Namespace,
    owner: Client,
    operator: Client,
    admin: Client,
}

impl Scene {
    async fn new(plane: &ControlPlane) -> Result<Self> {
        let namespace = plane.namespace("policies", &[]).await?;
        let user = format!("owner-of-{namespace}");
        let verbs = [
            "create",
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "update",
        ];
        let ours = ["apiaudiences", "applications", "customdomains", "tenants"];
        let statuses = ours.map(|kind| format!("{kind}/status"));
        let statuses = statuses.each_ref().map(String::as_str);
        let rules = [
            rule("", &["secrets"], &verbs),
            rule("mintage.dev", &ours, &verbs),
            rule("mintage.dev", &statuses, &verbs),
        ];
        plane.allow(&user, Some(&namespace.name), &rules).await?;
        Ok(Self {
            owner: plane.client(&user, &[]).await?,
            operator: plane.service_account_client(NAMESPACE, "mintage").await?,
            admin: plane.admin().await?,
            namespace,
        })
    }

    fn secrets(&self, client: &Client) -> Api<Secret> {
        Api::namespaced(client.clone(), &self.namespace.name)
    }

    /// A Secret of the operator's.
    async fn managed(&self, name: &str) -> Result<Secret> {
        let api = self.secrets(&self.operator);
        let secret = secret(name, &MANAGED);
        Ok(api.create(&PostParams::default(), &secret).await?)
    }

    /// A Secret of the owner's.
    async fn own(&self, name: &str) -> Result<Secret> {
        let api = self.secrets(&self.owner);
        Ok(api
            .create(&PostParams::default(), &secret(name, &[]))
            .await?)
    }
}

fn merge(patch: Value) -> (PatchParams, Patch<Value>) {
    (PatchParams::default(), Patch::Merge(patch))
}

#[tokio::test]
async fn managed_secrets_are_written_by_the_operator_only() -> Result<()> {
    let test = "policies::managed_secrets_are_written_by_the_operator_only";
    let Some(plane) = installed(test).await? else {
        return Ok(());
    };
    let scene = Scene::new(plane).await?;
    scene.managed("managed").await?;
    scene.own("own").await?;
    // A cluster admin is no better: whoever wants to break in has to say so first.
    for client in [&scene.owner, &scene.admin] {
        let api = scene.secrets(client);
        let post = PostParams::default();
        for value in ["keyring", ""] {
            let labels = [(managed::LABEL, value)];
            refused(api.create(&post, &secret("forged", &labels)).await, SECRETS)?;
        }
        for (name, patch) in [
            ("managed", json!({ "stringData": { "key": "mine" } })),
            (
                "managed",
                json!({ "metadata": { "labels": { managed::LABEL: null } } }),
            ),
            (
                "managed",
                json!({ "metadata": { "labels": { managed::LABEL: "claim" } } }),
            ),
            (
                "managed",
                json!({ "metadata": { "annotations": { "a": "b" } } }),
            ),
            (
                "managed",
                json!({ "metadata": { "finalizers": ["example.com/a"] } }),
            ),
            (
                "managed",
                json!({ "metadata": { "ownerReferences": [
                { "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "1" },
            ] } }),
            ),
            ("managed", json!({ "immutable": true })),
            (
                "own",
                json!({ "metadata": { "labels": { managed::LABEL: "keyring" } } }),
            ),
        ] {
            let (params, patch) = merge(patch);
            let outcome = api.patch(name, &params, &patch).await;
            refused(outcome, SECRETS).with_context(|| format!("{name}: {patch:?}"))?;
        }
        let delete = DeleteParams::default();
        refused(api.delete("managed", &delete).await, SECRETS)?;
        let all = ListParams::default().labels(managed::LABEL);
        refused(api.delete_collection(&delete, &all).await, SECRETS)?;
        api.get("managed").await?;

        // The same with what is not managed.
        let (params, patch) = merge(json!({ "stringData": { "key": "mine" } }));
        api.patch("own", &params, &patch).await?;
        api.create(&post, &secret("other", &[])).await?;
        api.delete("other", &delete).await?;
    }

    let api = scene.secrets(&scene.operator);
    let mut managed = api.get("managed").await?;
    managed.string_data = Some([("key".to_owned(), "next".to_owned())].into());
    let written = api
        .replace("managed", &PostParams::default(), &managed)
        .await?;
    let data = written.data.context("no data")?;
    ensure!(data["key"].0 == b"next", "{data:?}");
    api.delete("managed", &DeleteParams::default()).await?;
    Ok(())
}

/// What `kubectl replace` does with every Secret when the cluster's keys for encryption at rest have changed.
#[tokio::test]
async fn a_managed_secret_may_be_written_unchanged() -> Result<()> {
    let Some(plane) = installed("policies::a_managed_secret_may_be_written_unchanged").await?
    else {
        return Ok(());
    };
    let scene = Scene::new(plane).await?;
    scene.managed("managed").await?;
    let api = scene.secrets(&scene.owner);
    let same = api.get("managed").await?;
    let post = PostParams::default();
    api.replace("managed", &post, &same).await?;
    let mut other = same;
    other.data.as_mut().context("no data")?.remove("key");
    refused(api.replace("managed", &post, &other).await, SECRETS)
}

#[tokio::test]
async fn names_that_the_operator_will_need_are_kept_for_it() -> Result<()> {
    let test = "policies::names_that_the_operator_will_need_are_kept_for_it";
    let Some(plane) = installed(test).await? else {
        return Ok(());
    };
    let scene = Scene::new(plane).await?;
    let at = TenantRef::parse("identity/acme")?;
    let name = ObjectName::parse("acme")?;
    let kept = [
        managed::bundle(&at, 0),
        managed::domain_claim(&Domain::parse("acme.example.com")?),
        managed::keyring(&at),
        managed::tenant_keyring(&name),
        managed::truth(&name, None),
        managed::truth(&name, Some("a0")),
    ];
    let post = PostParams::default();
    for kept in &kept {
        for client in [&scene.owner, &scene.admin] {
            let api = scene.secrets(client);
            refused(api.create(&post, &secret(kept, &[])).await, NAMES)?;
        }
        scene.managed(kept).await?;
    }
    let owner = scene.secrets(&scene.owner);
    for free in ["mintage", "mintage-keys-backup", "my-mintage-keys.a.b"] {
        owner.create(&post, &secret(free, &[])).await?;
    }
    // A name that the API server makes is known to it only later than the request.
    let from = |start: &str| {
        let mut secret = secret("", &[]);
        secret.metadata.name = None;
        secret.metadata.generate_name = Some(start.to_owned());
        secret
    };
    refused(
        owner.create(&post, &from("mintage-keys.identity-")).await,
        NAMES,
    )?;
    owner.create(&post, &from("keys.identity-")).await?;
    Ok(())
}

#[tokio::test]
async fn the_operator_cannot_be_talked_into_touching_what_is_not_its_own() -> Result<()> {
    let test = "policies::the_operator_cannot_be_talked_into_touching_what_is_not_its_own";
    let Some(plane) = installed(test).await? else {
        return Ok(());
    };
    let scene = Scene::new(plane).await?;
    let own = scene.own("own").await?;
    let api = scene.secrets(&scene.operator);
    let post = PostParams::default();
    refused(
        api.create(&post, &secret("unlabelled", &[])).await,
        OPERATOR,
    )?;
    for labels in [
        None,
        Some([(managed::LABEL.to_owned(), "keyring".to_owned())].into()),
    ] {
        let mut taken = own.clone();
        taken.metadata.labels = labels;
        taken.string_data = Some([("key".to_owned(), "taken".to_owned())].into());
        refused(api.replace("own", &post, &taken).await, OPERATOR)?;
    }
    refused(api.delete("own", &DeleteParams::default()).await, OPERATOR)?;
    // Nor does it let go of what is its own.
    let mut managed = scene.managed("managed").await?;
    managed.metadata.labels = None;
    refused(api.replace("managed", &post, &managed).await, OPERATOR)?;

    let still = scene.secrets(&scene.owner).get("own").await?;
    ensure!(still.resource_version() == own.resource_version());
    Ok(())
}

#[tokio::test]
async fn statuses_are_written_by_the_operator_only() -> Result<()> {
    let Some(plane) = installed("policies::statuses_are_written_by_the_operator_only").await?
    else {
        return Ok(());
    };
    let scene = Scene::new(plane).await?;
    let namespace = &scene.namespace.name;
    let reference = json!({ "name": "acme", "namespace": namespace });
    let audience = json!({
        "apiVersion": "mintage.dev/v1alpha1", "kind": "ApiAudience",
        "metadata": { "name": "acme" },
        "spec": { "tenantRef": reference, "identifier": "https://orders.example.com" },
    });
    let application = json!({
        "apiVersion": "mintage.dev/v1alpha1", "kind": "Application",
        "metadata": { "name": "acme" },
        "spec": { "tenantRef": reference, "type": "Machine" },
    });
    let domain = json!({
        "apiVersion": "mintage.dev/v1alpha1", "kind": "CustomDomain",
        "metadata": { "name": "acme" },
        "spec": { "tenantRef": { "name": "acme" }, "domain": "login.example.com" },
    });
    let status = json!({ "status": { "observedGeneration": 1 } });
    for (name, object) in [
        ("Tenant", tenant("acme")),
        ("ApiAudience", audience),
        ("Application", application),
        ("CustomDomain", domain),
    ] {
        let owner = kind(&scene.owner, namespace, name);
        let object = serde_json::from_value(object)?;
        owner.create(&PostParams::default(), &object).await?;
        for client in [&scene.owner, &scene.admin] {
            let api = kind(client, namespace, name);
            let (params, patch) = merge(status.clone());
            refused(api.patch_status("acme", &params, &patch).await, STATUS)?;
            let mut applied = status.clone();
            applied["apiVersion"] = "mintage.dev/v1alpha1".into();
            applied["kind"] = name.into();
            let params = PatchParams::apply("somebody");
            let patch = Patch::Apply(&applied);
            refused(api.patch_status("acme", &params, &patch).await, STATUS)?;
        }
        // Whoever writes the object itself cannot say its status by the way.
        let (params, patch) = merge(json!({
            "metadata": { "annotations": { "a": "b" } }, "status": { "observedGeneration": 7 },
        }));
        let written = owner.patch("acme", &params, &patch).await?;
        ensure!(written.data["status"].is_null(), "{:?}", written.data);

        let operator = kind(&scene.operator, namespace, name);
        let (params, patch) = merge(status.clone());
        let written = operator.patch_status("acme", &params, &patch).await?;
        ensure!(written.data["status"]["observedGeneration"] == 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_namespace_with_managed_secrets_can_be_deleted() -> Result<()> {
    let test = "policies::a_namespace_with_managed_secrets_can_be_deleted";
    let Some(plane) = installed(test).await? else {
        return Ok(());
    };
    if !plane.has_controllers() {
        return mintage_tests::skip::skip(test, "kube-controller-manager is not to be had");
    }
    let scene = Scene::new(plane).await?;
    scene.managed("managed").await?;
    let namespaces: Api<NamespaceObject> = Api::all(scene.admin.clone());
    let name = &scene.namespace.name;
    namespaces.delete(name, &DeleteParams::default()).await?;
    eventually("the namespace is gone", async || {
        let left = namespaces.get_opt(name).await?;
        ensure!(left.is_none(), "{left:?}");
        Ok(())
    })
    .await
}

/// What clears up in a cluster may delete, and make nothing; so may the hook that runs before the release goes.
#[tokio::test]
async fn what_clears_up_deletes_and_makes_nothing() -> Result<()> {
    let Some(plane) = installed("policies::what_clears_up_deletes_and_makes_nothing").await? else {
        return Ok(());
    };
    let scene = Scene::new(plane).await?;
    let post = PostParams::default();
    let uninstall = format!("system:serviceaccount:{NAMESPACE}:mintage-uninstall");
    for user in [
        "system:serviceaccount:kube-system:namespace-controller",
        "system:serviceaccount:kube-system:generic-garbage-collector",
        "system:kube-controller-manager",
        &uninstall,
    ] {
        let client = plane.client(user, &[MASTERS]).await?;
        let api = scene.secrets(&client);
        refused(api.create(&post, &secret("made", &MANAGED)).await, SECRETS)?;
        scene.managed("managed").await?;
        api.delete("managed", &DeleteParams::default()).await?;
    }
    // Of the same names in another namespace nobody has heard.
    let stranger = "system:serviceaccount:default:namespace-controller";
    let client = plane.client(stranger, &[MASTERS]).await?;
    scene.managed("managed").await?;
    let api = scene.secrets(&client);
    let delete = DeleteParams::default();
    refused(api.delete("managed", &delete).await, SECRETS)?;

    // The hook deletes no more than the operator would.
    let client = plane.client(&uninstall, &[MASTERS]).await?;
    let hook = scene.secrets(&client);
    scene.own("own").await?;
    refused(hook.delete("own", &DeleteParams::default()).await, OPERATOR)?;
    let (params, patch) = merge(json!({ "stringData": { "key": "mine" } }));
    refused(hook.patch("managed", &params, &patch).await, SECRETS)
}

#[tokio::test]
async fn who_is_exempt_restores_a_backup() -> Result<()> {
    let Some(plane) = installed("policies::who_is_exempt_restores_a_backup").await? else {
        return Ok(());
    };
    let scene = Scene::new(plane).await?;
    let client = plane.client(RESTORER, &[MASTERS]).await?;
    let name = managed::tenant_keyring(&ObjectName::parse("acme")?);
    let restored = scene.secrets(&client);
    restored
        .create(&PostParams::default(), &secret(&name, &MANAGED))
        .await?;
    // Statuses follow from the rest, and need no restoring.
    let owner = tenants(&scene.owner, &scene.namespace.name);
    let object = serde_json::from_value(tenant("acme"))?;
    owner.create(&PostParams::default(), &object).await?;
    let api = tenants(&client, &scene.namespace.name);
    let (params, patch) = merge(json!({ "status": { "observedGeneration": 1 } }));
    refused(api.patch_status("acme", &params, &patch).await, STATUS)
}
