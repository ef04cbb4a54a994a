//! A level of priority (API Priority and Fairness) in which there is no room: who is sent there is answered 429.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use mintage_tests::cluster::rule;
use mintage_tests::operator::{ACCOUNT, NAMESPACE};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::scene::Scene;

const JAIL: &str = "tests-no-room";

/// The operator's user.
pub fn account() -> String {
    format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}")
}

/// A level of priority in which there is no room at all, and which requests are sent there: those of a user, by a word
/// that no user has until [`hold`] says otherwise.
pub async fn build(scene: &Scene) -> Result<()> {
    let group = "flowcontrol.apiserver.k8s.io";
    for (kind, spec) in [
        (
            "PriorityLevelConfiguration",
            json!({"type": "Limited", "limited": {
                "nominalConcurrencyShares": 0,
                "borrowingLimitPercent": 0,
                "limitResponse": {"type": "Reject"},
            }}),
        ),
        ("FlowSchema", flow("nobody")),
    ] {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
        let api: Api<DynamicObject> = Api::all_with(scene.client.clone(), &resource);
        let object = json!({
            "apiVersion": format!("{group}/v1"), "kind": kind,
            "metadata": {"name": JAIL}, "spec": spec,
        });
        api.create(&PostParams::default(), &serde_json::from_value(object)?)
            .await?;
    }
    Ok(())
}

/// All that the operator asks for but its Lease: whoever holds the Lease should be seen to wait.
fn flow(user: &str) -> Value {
    let requests = |group: &str, resources: &[&str]| {
        json!({
            "apiGroups": [group], "resources": resources, "verbs": ["*"],
            "namespaces": ["*"], "clusterScope": true,
        })
    };
    json!({
        "priorityLevelConfiguration": {"name": JAIL},
        "matchingPrecedence": 2,
        "rules": [{
            "subjects": [{"kind": "User", "user": {"name": user}}],
            "resourceRules": [
                requests("", &["*"]), requests("mintage.dev", &["*"]), requests("events.k8s.io", &["*"]),
            ],
        }],
    })
}

/// Takes the one seat that a level without any still has, for half a minute: by a request whose admission asks a webhook
/// that never answers. It ends with the listener.
pub async fn take_the_seat(scene: &Scene) -> Result<(TcpListener, JoinHandle<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let hook = json!({
        "metadata": {"name": JAIL},
        "webhooks": [{
            "name": "never.example.test",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": format!("https://{}/", listener.local_addr()?)},
            "failurePolicy": "Ignore",
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
            "matchConditions": [{"name": "one", "expression": "object.metadata.name == 'sitter'"}],
            "sideEffects": "None",
            "timeoutSeconds": 30,
        }],
    });
    let hooks: Api<ValidatingWebhookConfiguration> = Api::all(scene.client.clone());
    hooks
        .create(&PostParams::default(), &serde_json::from_value(hook)?)
        .await?;
    let rules = [rule("", &["configmaps"], &["create"])];
    scene
        .plane
        .allow(&account(), Some("default"), &rules)
        .await?;
    let operators = scene
        .plane
        .service_account_client(NAMESPACE, ACCOUNT)
        .await?;
    let sitter = tokio::spawn(async move {
        let maps: Api<ConfigMap> = Api::namespaced(operators, "default");
        let mut sitter = ConfigMap::default();
        sitter.metadata.name = Some("sitter".to_owned());
        // Until it sits: before that it may be refused, or let through by a webhook that is not known yet.
        loop {
            let dry = PostParams {
                dry_run: true,
                ..PostParams::default()
            };
            drop(maps.create(&dry, &sitter).await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    Ok((listener, sitter))
}

/// Sends the requests of a user there, and of nobody else.
pub async fn hold(scene: &Scene, user: &str) -> Result<()> {
    let kind = GroupVersionKind::gvk("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema");
    let api: Api<DynamicObject> =
        Api::all_with(scene.client.clone(), &ApiResource::from_gvk(&kind));
    let patch = json!({ "spec": flow(user) });
    api.patch(JAIL, &PatchParams::default(), &Patch::Merge(&patch))
        .await?;
    Ok(())
}
