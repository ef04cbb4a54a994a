//! Everything that is looked at, as far as it may be.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ListParams;
use kube::client::Body;
use kube::{Api, Client, Error, ResourceExt as _};
use mintage_core::bundle::Bundle;
use mintage_core::code::Coded as _;
use mintage_core::managed::{self, Content};
use mintage_core::{Namespace, TenantRef};
use mintage_sidecar::clock::{Clock as _, SystemClock};
use serde::de::DeserializeOwned;

use crate::Failure;
use crate::cluster::bundles::Bundles;
use crate::cluster::reach;
use crate::cluster::seen::Seen;

/// The Lease that the operator leads by.
pub const LEASE: &str = "mintage-operator";

/// What the names of the webhook's entries end with.
const WEBHOOK: &str = "inject.mintage.dev";

/// Chooses the operator among Deployments.
const OPERATOR: &str = "app.kubernetes.io/part-of=mintage,app.kubernetes.io/component=operator";

/// What was read; `None` where it may not be.
pub struct Look {
    /// The only namespace that is looked at.
    pub namespace: Option<String>,
    /// The definitions of ours, by name.
    pub definitions: Option<Vec<CustomResourceDefinition>>,
    /// The Leases of the operator's name.
    pub leases: Option<Vec<Lease>>,
    /// The operator's Deployments.
    pub deployments: Option<Vec<Deployment>>,
    /// The configurations of the webhook.
    pub webhooks: Option<Vec<MutatingWebhookConfiguration>>,
    /// What is declared.
    pub seen: Seen,
    /// The names of the Secrets that the operator made, by namespace.
    pub secrets: Option<BTreeSet<(String, String)>>,
    /// What namespaces are told.
    pub bundles: BTreeMap<(TenantRef, Namespace), Bundle>,
    /// What this machine's clock is ahead of the API server's, in seconds; `None` if that does not say.
    pub ahead: Option<i64>,
    /// What was not read, besides what of the declared objects was not.
    pub more_unread: Vec<String>,
}

impl Look {
    /// Looks at a cluster, or at one namespace.
    pub async fn at(client: &Client, namespace: Option<&str>) -> Result<Self, Failure> {
        let mut unread = Vec::new();
        let ahead = ahead(client).await?;
        let all = ListParams::default();
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        let definitions = allowed(&definitions, &all, "CustomResourceDefinitions").await?;
        let definitions = definitions.map(|all| {
            let ours = all.into_iter();
            ours.filter(|one| one.spec.group == mintage_crds::GROUP)
                .collect()
        });
        let leases: Api<Lease> = Api::all(client.clone());
        let named = ListParams::default().fields(&format!("metadata.name={LEASE}"));
        let leases = allowed(&leases, &named, "Leases").await?;
        let deployments: Api<Deployment> = Api::all(client.clone());
        let labelled = ListParams::default().labels(OPERATOR);
        let deployments = allowed(&deployments, &labelled, "Deployments").await?;
        let webhooks: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
        let webhooks = allowed(&webhooks, &all, "MutatingWebhookConfigurations").await?;
        let webhooks = webhooks.map(|all| {
            let ours = all.into_iter();
            ours.filter(|one| {
                let mut entries = one.webhooks.iter().flatten();
                entries.any(|entry| entry.name.ends_with(WEBHOOK))
            })
            .collect()
        });
        for (what, known) in [
            ("CustomResourceDefinitions", definitions.is_some()),
            ("the operator's Lease", leases.is_some()),
            ("the operator's Deployment", deployments.is_some()),
            ("the webhook's configuration", webhooks.is_some()),
        ] {
            if !known {
                unread.push(format!("{what}: you may not list such objects in all namespaces; that is for a cluster admin to look at"));
            }
        }
        let seen = Seen::read(client, namespace).await?;
        let secrets = secrets(client, namespace).await?;
        let mut bundles = BTreeMap::new();
        if secrets.is_some() {
            for tenant in &seen.folder(None)?.world.tenants {
                match Bundles::read(client, &tenant.at, namespace).await {
                    Ok(found) => {
                        let found = found.by_namespace();
                        bundles.extend(found.map(|(of, one)| ((tenant.at.clone(), of), one)));
                    }
                    Err(Failure::Refused(text)) => unread.push(format!("bundles: {text}")),
                    Err(failure) => return Err(failure),
                }
            }
        } else {
            unread.push(
                "keyrings and bundles: you may not list Secrets, so whether each namespace has its own is not known"
                    .to_owned(),
            );
        }
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            definitions,
            leases,
            deployments,
            webhooks,
            seen,
            secrets,
            bundles,
            ahead,
            more_unread: unread,
        })
    }

    /// What was not looked at.
    pub fn unread(&self) -> Vec<String> {
        let all = self.more_unread.iter().chain(&self.seen.unread);
        all.cloned().collect()
    }

    /// Whether a namespace is looked at.
    pub fn concerns(&self, namespace: &str) -> bool {
        self.namespace
            .as_deref()
            .is_none_or(|only| only == namespace)
    }

    /// Nothing, of a cluster in which all may be read.
    #[cfg(test)]
    pub fn nothing() -> Self {
        Self {
            namespace: None,
            definitions: Some(Vec::new()),
            leases: Some(Vec::new()),
            deployments: Some(Vec::new()),
            webhooks: Some(Vec::new()),
            seen: Seen::default(),
            secrets: Some(BTreeSet::new()),
            bundles: BTreeMap::new(),
            ahead: Some(0),
            more_unread: Vec::new(),
        }
    }
}

/// What an API gives; `None` if whoever asks may not.
async fn allowed<K>(
    api: &Api<K>,
    params: &ListParams,
    what: &str,
) -> Result<Option<Vec<K>>, Failure>
where
    K: Clone + Debug + DeserializeOwned,
{
    match api.list(params).await {
        Ok(listed) => Ok(Some(listed.items)),
        Err(Error::Api(status)) if status.code == 403 => Ok(None),
        Err(error) => Err(reach::failure(what, &error)),
    }
}

/// The Secrets that the operator made, by name; their content is not asked for.
async fn secrets(
    client: &Client,
    namespace: Option<&str>,
) -> Result<Option<BTreeSet<(String, String)>>, Failure> {
    let api: Api<Secret> = crate::cluster::seen::api(client, namespace);
    let (keyring, bundle) = (Content::Keyring.code(), Content::Bundle.code());
    let ours = format!("{} in ({keyring},{bundle})", managed::LABEL);
    match api
        .list_metadata(&ListParams::default().labels(&ours))
        .await
    {
        Ok(listed) => Ok(Some(
            listed
                .into_iter()
                .map(|secret| (secret.namespace().unwrap_or_default(), secret.name_any()))
                .collect(),
        )),
        Err(Error::Api(status)) if status.code == 403 => Ok(None),
        Err(error) => Err(reach::failure("Secrets", &error)),
    }
}

/// Asks the API server what time it is: every answer of HTTP says it, to the second.
async fn ahead(client: &Client) -> Result<Option<i64>, Failure> {
    let request = http::Request::get("/version").body(Body::empty());
    let request = request.map_err(Failure::input)?;
    let before = SystemClock.now().0;
    let answer = client.send(request).await;
    let answer = answer.map_err(|error| reach::failure("the version", &error))?;
    let after = SystemClock.now().0;
    let date = answer.headers().get("date");
    let date = date.and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    Ok(date.map(|date| {
        let there = date.timestamp().as_second();
        // It was said some time in between.
        if there < before {
            before - there
        } else {
            (after - there).min(0)
        }
    }))
}
