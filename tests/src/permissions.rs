//! The permissions of the chart, given to the `ServiceAccount`s of the operator.

use anyhow::Result;
use k8s_openapi::api::rbac::v1::PolicyRule;
use mintage_crds::permissions::{Names, Permission, Scope};

use crate::cluster::Cluster;
use crate::operator::NAMESPACE;

/// The name of the webhook's configuration, as the chart calls it.
pub const WEBHOOK: &str = "mintage";

/// The `ServiceAccount` of endpoints, as the chart calls it.
pub const REVIEWER: &str = "mintage-endpoints";

/// Lets a `ServiceAccount` of the operator's namespace do what a table says, and nothing else.
pub async fn grant(cluster: &Cluster, account: &str, table: &[Permission]) -> Result<()> {
    let user = format!("system:serviceaccount:{NAMESPACE}:{account}");
    give(cluster, &user, table).await
}

/// Lets a user do what a table says, and nothing else.
pub async fn give(cluster: &Cluster, user: &str, table: &[Permission]) -> Result<()> {
    let rules = |scope: Scope| -> Vec<PolicyRule> {
        let rows = table.iter().filter(|row| row.scope == scope);
        rows.map(rule).collect()
    };
    cluster.allow(user, None, &rules(Scope::Cluster)).await?;
    let own = rules(Scope::OperatorNamespace);
    cluster.allow(user, Some(NAMESPACE), &own).await
}

fn rule(row: &Permission) -> PolicyRule {
    let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    PolicyRule {
        api_groups: Some(vec![row.group.to_owned()]),
        resources: Some(owned(row.resources)),
        verbs: owned(row.verbs),
        resource_names: match row.names {
            Names::Any => None,
            Names::Reviewer => Some(vec![REVIEWER.to_owned()]),
            Names::WebhookConfiguration => Some(vec![WEBHOOK.to_owned()]),
        },
        ..PolicyRule::default()
    }
}
