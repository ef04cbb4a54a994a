//! What a cluster declares, as manifests: whatever looks at a folder looks at a cluster in the same way.

use std::fmt::Debug;
use std::sync::Arc;

use anyhow::Result;
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Error, Resource};
use mintage_core::WorkloadId;
use mintage_crds::manifest::{self, Text};
use mintage_crds::{ApiAudience, Application, CustomDomain, Manifests, Tenant, status};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::reach;
use crate::Failure;
use crate::dev::folder::Folder;
use crate::place::CLUSTER;

/// So many objects are asked for at a time.
const PAGE: u32 = 500;

/// Why objects were not listed.
#[derive(Debug)]
pub enum Unlisted {
    /// Whoever asks may not.
    Forbidden,
    /// The cluster has no such kind.
    Unknown,
    /// Something else is wrong.
    Failed(Failure),
}

/// What was not read as a whole: of what is not there it cannot be said that it does not exist.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Gaps {
    /// Among the `Tenant`s.
    pub tenants: bool,
    /// Among the `Namespace`s.
    pub namespaces: bool,
    /// Among the `ServiceAccount`s.
    pub accounts: bool,
}

/// The objects of a cluster that say who may do what.
#[derive(Debug, Default)]
pub struct Seen {
    /// As a folder would have them.
    pub manifests: Manifests,
    /// The pods that were looked at, whole.
    pub pods: Vec<Pod>,
    /// What could not be read, and what that means.
    pub unread: Vec<String>,
    /// The same, for those who draw conclusions.
    pub gaps: Gaps,
    /// The kinds of ours that the cluster does not know.
    pub unknown: Vec<String>,
}

/// Lists everything that an API gives.
pub async fn list<K>(api: &Api<K>, what: &str) -> Result<Vec<K>, Unlisted>
where
    K: Clone + Debug + DeserializeOwned,
{
    let mut all = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let listed = api.list(&page).await.map_err(|error| match &error {
            Error::Api(status) if status.code == 403 => Unlisted::Forbidden,
            Error::Api(status) if status.code == 404 => Unlisted::Unknown,
            error => Unlisted::Failed(reach::failure(what, error)),
        })?;
        all.extend(listed.items);
        let next = listed.metadata.continue_.filter(|next| !next.is_empty());
        let Some(next) = next else { return Ok(all) };
        page = page.continue_token(&next);
    }
}

/// The API of a kind in one namespace, or in all.
pub fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

impl Seen {
    /// Reads what matters to the workloads of one namespace, or of all: pods and accounts of these only, and of
    /// everything else as much as may be read.
    pub async fn read(client: &Client, namespace: Option<&str>) -> Result<Self, Failure> {
        let mut seen = Self::default();
        seen.gaps.tenants = !seen.ours::<Tenant>(client, namespace).await?;
        seen.ours::<ApiAudience>(client, namespace).await?;
        seen.ours::<Application>(client, namespace).await?;
        seen.ours::<CustomDomain>(client, namespace).await?;
        seen.namespaces(client, namespace).await?;
        let accounts: Api<ServiceAccount> = api(client, namespace);
        let unread = seen.unread.len();
        for account in seen.some(&accounts, "ServiceAccounts", namespace).await? {
            seen.add(&account)?;
        }
        seen.gaps.accounts = seen.unread.len() > unread;
        let pods: Api<Pod> = api(client, namespace);
        let pods = seen.some(&pods, "Pods", namespace).await?;
        let running = pods.into_iter().filter(|pod| {
            let phase = pod
                .status
                .as_ref()
                .and_then(|status| status.phase.as_deref());
            !matches!(phase, Some("Succeeded" | "Failed"))
                && pod.metadata.deletion_timestamp.is_none()
        });
        seen.pods = running.collect();
        for index in 0..seen.pods.len() {
            let manifest = manifest_of(&seen.pods[index]);
            seen.take(&manifest);
        }
        Ok(seen)
    }

    /// What a plan is made from. `acting` counts as having a sidecar.
    pub fn folder(&self, acting: Option<&WorkloadId>) -> Result<Folder> {
        // What the namespaces are told stands in their bundles: the delay of new grants is in these.
        let verified = |domain: &CustomDomain| {
            let conditions = domain.status.as_ref().map(|status| &*status.conditions);
            let verified = conditions.and_then(|all| status::find(all, "Verified"));
            verified.is_some_and(|condition| condition.status == "True")
        };
        Folder::observe_with(&self.manifests, acting.into_iter(), 0, verified)
    }

    /// Whether all were read.
    async fn ours<K>(&mut self, client: &Client, namespace: Option<&str>) -> Result<bool, Failure>
    where
        K: Resource<DynamicType = ()>,
    {
        // One that this version cannot read must not hide the others.
        let kind = ApiResource::erase::<K>(&());
        let all: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
        let (plural, what) = (K::plural(&()), format!("{}s", K::kind(&())));
        let mut listed = list(&all, &plural).await;
        let whole = listed.is_ok();
        if let (Err(Unlisted::Forbidden), Some(namespace)) = (&listed, namespace) {
            let of_one: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
            listed = list(&of_one, &plural).await;
            self.unread.push(format!(
                "{what} of other namespaces than {namespace}: you may not list them, so what they say is left out"
            ));
        }
        match listed {
            Ok(objects) => {
                for object in objects {
                    self.add_of(&K::api_version(&()), &K::kind(&()), &object)?;
                }
            }
            Err(Unlisted::Forbidden) => self.unread.push(format!(
                "{what}: you may not list them; the role view has that right, in a namespace by a RoleBinding (-n), in all by a ClusterRoleBinding"
            )),
            Err(Unlisted::Unknown) => self.unknown.push(K::kind(&()).into_owned()),
            Err(Unlisted::Failed(failure)) => return Err(failure),
        }
        Ok(whole)
    }

    async fn namespaces(&mut self, client: &Client, one: Option<&str>) -> Result<(), Failure> {
        let api: Api<Namespace> = Api::all(client.clone());
        match list(&api, "Namespaces").await {
            Ok(namespaces) => {
                for namespace in &namespaces {
                    self.add(namespace)?;
                }
                return Ok(());
            }
            Err(Unlisted::Failed(failure)) => return Err(failure),
            Err(Unlisted::Forbidden | Unlisted::Unknown) => self.gaps.namespaces = true,
        }
        let found = match one {
            Some(name) => api.get_opt(name).await,
            None => Ok(None),
        };
        match found {
            Ok(Some(namespace)) => {
                self.add(&namespace)?;
                self.unread.push("other Namespaces: you may not list them, so whether one that is named exists is not known".to_owned());
            }
            Ok(None) => self.unread.push("Namespaces: you may not list them, so who is admitted where is not known".to_owned()),
            Err(Error::Api(status)) if status.code == 403 => self.unread.push(
                "Namespaces: you may not read them, so whether this one is admitted by a tenant is not known".to_owned(),
            ),
            Err(error) => return Err(reach::failure("Namespaces", &error)),
        }
        Ok(())
    }

    /// Objects that need not be there to be looked for.
    async fn some<K>(
        &mut self,
        api: &Api<K>,
        what: &str,
        namespace: Option<&str>,
    ) -> Result<Vec<K>, Failure>
    where
        K: Clone + Debug + DeserializeOwned,
    {
        match list(api, what).await {
            Ok(listed) => Ok(listed),
            Err(Unlisted::Failed(failure)) => Err(failure),
            Err(Unlisted::Forbidden | Unlisted::Unknown) => {
                let place = namespace.map_or("of all namespaces".to_owned(), |name| {
                    format!("of namespace {name}")
                });
                self.unread
                    .push(format!("{what} {place}: you may not list them"));
                Ok(Vec::new())
            }
        }
    }

    fn add<K>(&mut self, object: &K) -> Result<(), Failure>
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        self.add_of(&K::api_version(&()), &K::kind(&()), object)
    }

    fn add_of(
        &mut self,
        api_version: &str,
        kind: &str,
        object: &impl Serialize,
    ) -> Result<(), Failure> {
        let mut value = serde_json::to_value(object).map_err(Failure::input)?;
        value["apiVersion"] = api_version.into();
        value["kind"] = kind.into();
        if let Some(metadata) = value["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        self.take(&value);
        Ok(())
    }

    /// Reads one object as a file with it alone would be read.
    pub fn take(&mut self, object: &Value) {
        let text = Text {
            file: Arc::from(CLUSTER),
            text: object.to_string(),
        };
        match manifest::parse(&[text]) {
            Ok(mut one) => {
                // A file has no status, and what stands there in one is not read. Without a sound one nobody has looked
                // at the object.
                macro_rules! add_status {
                    ($list:expr) => {
                        for located in &mut $list {
                            let status = object["status"].clone();
                            located.object.status = serde_json::from_value(status).ok();
                        }
                    };
                }
                add_status!(one.tenants);
                add_status!(one.audiences);
                add_status!(one.domains);
                let all = &mut self.manifests;
                all.tenants.append(&mut one.tenants);
                all.audiences.append(&mut one.audiences);
                all.domains.append(&mut one.domains);
                all.namespaces.append(&mut one.namespaces);
                all.workloads.append(&mut one.workloads);
            }
            Err(problems) => {
                let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
                let problems = problems.iter().map(|problem| problem.fault.to_string());
                self.unread.push(format!(
                    "{} {}/{}: this version does not understand it ({}); use the command of the operator's version",
                    object["kind"].as_str().unwrap_or_default(),
                    text("namespace"),
                    text("name"),
                    problems.collect::<Vec<_>>().join("; ")
                ));
            }
        }
    }
}

/// A pod, as far as it says who it is and what it asks for.
fn manifest_of(pod: &Pod) -> Value {
    let account = pod.spec.as_ref();
    let account = account.and_then(|spec| spec.service_account_name.as_deref());
    let meta = &pod.metadata;
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": meta.name,
            "namespace": meta.namespace,
            "labels": meta.labels.clone().unwrap_or_default(),
            "annotations": meta.annotations.clone().unwrap_or_default(),
        },
        "spec": { "serviceAccountName": account.unwrap_or("default") },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_a_newer_version_hides_no_other() {
        let mut seen = Seen::default();
        let tenant = |name: &str, field: &str| {
            json!({
                "apiVersion": "mintage.dev/v1alpha1", "kind": "Tenant",
                "metadata": { "name": name, "namespace": "identity", "uid": "1", "generation": 3,
                    "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z" },
                "spec": { "domain": format!("{name}.test"), field: "x" },
                "status": { "observedGeneration": 3, "conditions": [] },
            })
        };
        seen.take(&tenant("acme", "displayName"));
        seen.take(&tenant("globex", "hologram"));
        assert_eq!(seen.unread.len(), 1, "{:?}", seen.unread);
        let said = &seen.unread[0];
        assert!(
            said.contains("Tenant identity/globex") && said.contains("hologram"),
            "{said}"
        );
        let folder = seen.folder(None).unwrap();
        assert_eq!(folder.world.tenants.len(), 1);
        let status = seen.manifests.tenants[0].object.status.as_ref();
        assert_eq!(status.unwrap().observed_generation, Some(3));
    }

    #[test]
    fn a_pod_says_who_it_is() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": { "name": "a", "namespace": "shop", "annotations": { "mintage.dev/accept-audiences": "orders" } },
            "spec": { "containers": [], "serviceAccountName": "checkout" },
        }))
        .unwrap();
        let mut seen = Seen::default();
        seen.take(&manifest_of(&pod));
        let workload = &seen.manifests.workloads[0].object;
        assert_eq!(workload.service_account, "checkout");
        assert!(
            workload
                .annotations
                .contains_key("mintage.dev/accept-audiences")
        );
    }
}
