//! What users may do.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, ResourceExt as _};

use super::access::Cluster;
use super::wait::eventually;

/// A rule: verbs on resources of a group, which is empty for the core group.
pub fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let owned = |words: &[&str]| {
        words
            .iter()
            .map(|&word| word.to_owned())
            .collect::<Vec<_>>()
    };
    PolicyRule {
        api_groups: Some(owned(&[group])),
        resources: Some(owned(resources)),
        verbs: owned(verbs),
        ..PolicyRule::default()
    }
}

impl Cluster {
    /// Lets a user do what rules say, in one namespace or everywhere, and waits until the API server knows. Users named
    /// `system:serviceaccount:<namespace>:<name>` are `ServiceAccounts`.
    pub async fn allow(
        &self,
        user: &str,
        namespace: Option<&str>,
        rules: &[PolicyRule],
    ) -> Result<()> {
        let client = self.admin().await?;
        let params = PostParams::default();
        let metadata = ObjectMeta {
            generate_name: Some("tests-".into()),
            ..ObjectMeta::default()
        };
        let subjects = Some(vec![subject(user)]);
        let role_ref = |kind: &str, name: String| RoleRef {
            api_group: "rbac.authorization.k8s.io".into(),
            kind: kind.into(),
            name,
        };
        if let Some(namespace) = namespace {
            let made: Api<Role> = Api::namespaced(client.clone(), namespace);
            let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), namespace);
            let role = Role {
                metadata: metadata.clone(),
                rules: Some(rules.to_vec()),
            };
            let role = made.create(&params, &role).await?;
            let binding = RoleBinding {
                metadata,
                role_ref: role_ref("Role", role.name_any()),
                subjects,
            };
            bindings.create(&params, &binding).await?;
        } else {
            let made: Api<ClusterRole> = Api::all(client.clone());
            let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
            let role = ClusterRole {
                metadata: metadata.clone(),
                rules: Some(rules.to_vec()),
                ..ClusterRole::default()
            };
            let role = made.create(&params, &role).await?;
            let binding = ClusterRoleBinding {
                metadata,
                role_ref: role_ref("ClusterRole", role.name_any()),
                subjects,
            };
            bindings.create(&params, &binding).await?;
        }

        let reviews: Api<SubjectAccessReview> = Api::all(client);
        for rule in rules {
            let review = review(user, namespace, rule)?;
            eventually(&format!("{user} may do {rule:?}"), async || {
                let status = reviews.create(&params, &review).await?.status;
                let status = status.context("no status")?;
                ensure!(status.allowed, "{:?}", status.reason);
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}

fn subject(user: &str) -> Subject {
    let account = user.strip_prefix("system:serviceaccount:");
    match account.and_then(|account| account.split_once(':')) {
        Some((namespace, name)) => Subject {
            kind: "ServiceAccount".into(),
            name: name.into(),
            namespace: Some(namespace.into()),
            ..Subject::default()
        },
        None => Subject {
            api_group: Some("rbac.authorization.k8s.io".into()),
            kind: "User".into(),
            name: user.into(),
            ..Subject::default()
        },
    }
}

/// The question whether a user may do the first thing of a rule.
fn review(user: &str, namespace: Option<&str>, rule: &PolicyRule) -> Result<SubjectAccessReview> {
    let first = |words: &Option<Vec<String>>| words.as_ref().and_then(|all| all.first().cloned());
    let resource = first(&rule.resources).context("a rule without resources")?;
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource.to_owned(), Some(subresource.to_owned())),
        None => (resource, None),
    };
    Ok(SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(user.into()),
            resource_attributes: Some(ResourceAttributes {
                group: first(&rule.api_groups),
                name: first(&rule.resource_names),
                namespace: namespace.map(Into::into),
                resource: Some(resource),
                subresource,
                verb: rule.verbs.first().cloned(),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    })
}
