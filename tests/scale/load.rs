//! What there is to manage: one tenant with half of the namespaces, and ten that share the others.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use mintage_crds::status::{READY, find};
use mintage_crds::{ApiAudience, Tenant};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;

/// So many requests at once.
const AT_ONCE: usize = 24;

/// The APIs of each namespace.
const APIS: usize = 10;

/// The tenants that share the half of the namespaces that the first one has not.
const SMALL_TENANTS: usize = 10;

/// How many namespaces there are.
#[derive(Clone, Copy)]
pub struct Size(usize);

impl Size {
    /// The design's.
    pub const FULL: Self = Self(1000);
    /// A tenth of it.
    pub const TENTH: Self = Self(100);

    /// How many APIs there are.
    pub fn audiences(self) -> usize {
        self.0 * APIS
    }

    /// How many tenants there are.
    pub fn tenants() -> usize {
        SMALL_TENANTS + 1
    }

    /// The tenant of a namespace, and the namespaces that it shares it with: the first, and how many.
    fn tenant(self, namespace: usize) -> (usize, usize, usize) {
        let half = self.0 / 2;
        if namespace < half {
            return (0, 0, half);
        }
        let each = half / SMALL_TENANTS;
        let number = (namespace - half) / each;
        (number + 1, half + number * each, each)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ApiAudiences (RS256, 3 grants each) in {} namespaces under {} tenants, one of which has {} namespaces",
            self.audiences(),
            self.0,
            Self::tenants(),
            self.0 / 2
        )
    }
}

/// Makes all of it.
pub async fn load(client: &Client, size: Size) -> Result<()> {
    let namespace = |name: String| {
        let labels = json!({"mintage.dev/injection": "enabled"});
        json!({"metadata": {"name": name, "labels": labels}})
    };
    let api: Api<Namespace> = Api::all(client.clone());
    let names = (0..size.0).map(|number| format!("n{number}"));
    let namespaces = ["identity".to_owned()].into_iter().chain(names);
    create(namespaces.map(|name| (api.clone(), namespace(name)))).await?;

    let api: Api<Tenant> = Api::namespaced(client.clone(), "identity");
    let tenant = |number| {
        let spec =
            json!({"domain": format!("t{number}.test"), "allowedNamespaces": {"from": "All"}});
        object("Tenant", &format!("t{number}"), &spec)
    };
    create((0..Size::tenants()).map(|number| (api.clone(), tenant(number)))).await?;

    let audiences = (0..size.audiences()).map(|number| {
        let at = number / APIS;
        let api: Api<ApiAudience> = Api::namespaced(client.clone(), &format!("n{at}"));
        (api, audience(size, number))
    });
    create(audiences).await
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "mintage.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    })
}

fn audience(size: Size, number: usize) -> Value {
    let (tenant, first, count) = size.tenant(number / APIS);
    let own = number / APIS - first;
    // Neighbours near and far, so that every bundle is about many namespaces.
    let grants = [1, 7, 31].map(|step| {
        let namespace = format!("n{}", first + (own + step) % count);
        json!({"workload": {"namespace": namespace, "serviceAccount": format!("s{step}")}, "scopes": ["read"]})
    });
    let spec = json!({
        "tenantRef": {"name": format!("t{tenant}"), "namespace": "identity"},
        "identifier": format!("https://a{number}.test"),
        "scopes": [{"name": "read"}, {"name": "write"}],
        "grants": grants,
    });
    object("ApiAudience", &format!("a{number}"), &spec)
}

async fn create<K>(objects: impl Iterator<Item = (Api<K>, Value)>) -> Result<()>
where
    K: Clone + fmt::Debug + DeserializeOwned + serde::Serialize,
{
    let made = objects.map(async |(api, object)| -> Result<()> {
        let object: K = serde_json::from_value(object)?;
        api.create(&PostParams::default(), &object).await?;
        Ok(())
    });
    futures::stream::iter(made)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// Changes APIs one after the other; how long it took each time until the status was about the change.
pub async fn changes(client: &Client, size: Size, count: usize) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for change in 0..count {
        let number = change * (size.audiences() / count);
        let (namespace, name) = (format!("n{}", number / APIS), format!("a{number}"));
        let api: Api<ApiAudience> = Api::namespaced(client.clone(), &namespace);
        let patch = Patch::Merge(json!({"spec": {"tokenLifetimeSeconds": 1800}}));
        let changed = api.patch(&name, &PatchParams::default(), &patch).await?;
        // From when the API server said that it is changed.
        let begun = Instant::now();
        let generation = changed.metadata.generation.context("no generation")?;
        loop {
            let status = api.get(&name).await?.status.context("no status")?;
            let ready = find(&status.conditions, READY).context("no Ready")?;
            if status.observed_generation == Some(generation) && ready.status == "True" {
                times.push(begun.elapsed());
                break;
            }
            ensure!(
                begun.elapsed() < Duration::from_mins(1),
                "{name}: {ready:?}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(times)
}
