//! `kubectl mintage status`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::ListParams;
use kube::{Api, Resource, ResourceExt as _};
use mintage_core::TenantRef;
use mintage_core::code::Coded as _;
use mintage_core::managed::{self, Content};
use mintage_crds::status::ready;
use mintage_crds::{ApiAudience, CustomDomain, Tenant};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Scene, reach};
use crate::Failure;
use crate::output::{self, Output};

/// Show the tenants: whether each is ready, its APIs and domains, its namespaces, and whatever is not as it should be.
///
/// Ends with 1 if anything is not ready.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this tenant: `<namespace>/<name>`, or its name in the namespace of --namespace.
    #[arg(value_name = "TENANT")]
    tenant: Option<String>,
}

/// How a tenant fares.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    tenant: String,
    issuer: Option<String>,
    ready: bool,
    /// The APIs that are ready, and all.
    apis: (usize, usize),
    /// The custom domains that are ready, and all.
    domains: (usize, usize),
    /// The namespaces that are told about it; `None` if whoever asks may not see Secrets.
    namespaces: Option<usize>,
    /// What is not as it should be.
    findings: Vec<Finding>,
}

/// A condition that is not as it should be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// `Tenant`, …
    pub kind: String,
    /// Namespace and name.
    pub object: String,
    /// Its type.
    pub condition: String,
    /// Why, in one word.
    pub reason: String,
    /// Why, in words.
    pub message: String,
}

/// Runs the command.
pub async fn run(args: &Args, scene: &Scene) -> Result<(), Failure> {
    let asked = args.tenant.as_deref();
    let asked = asked.map(|typed| scene.tenant(typed)).transpose()?;
    let rows = rows(scene, asked.as_ref()).await?;
    if let (Some(asked), true) = (&asked, rows.is_empty()) {
        return Err(Failure::Input(format!("there is no Tenant {asked}")));
    }
    match scene.output {
        Output::Json => output::json(&rows)?,
        Output::Text => print(&rows)?,
    }
    if rows.iter().any(|row| !row.findings.is_empty()) {
        // It was said above.
        return Err(Failure::Refused(String::new()));
    }
    Ok(())
}

async fn rows(scene: &Scene, asked: Option<&TenantRef>) -> Result<Vec<Row>, Failure> {
    let tenants: Vec<Tenant> = all(scene).await?;
    let audiences: Vec<ApiAudience> = all(scene).await?;
    let domains: Vec<CustomDomain> = all(scene).await?;
    let told = told(scene).await?;
    let mut by_tenant: BTreeMap<String, Row> = tenants
        .iter()
        .map(|tenant| {
            let at = place(tenant);
            let status = tenant.status.as_ref();
            let conditions = status.map(|status| &*status.conditions).unwrap_or_default();
            let row = Row {
                issuer: status.and_then(|status| status.issuer.clone()),
                ready: is_ready(conditions),
                apis: (0, 0),
                domains: (0, 0),
                namespaces: told
                    .as_ref()
                    .map(|told| told.get(&at).map_or(0, BTreeSet::len)),
                findings: findings("Tenant", &at, conditions),
                tenant: at.clone(),
            };
            (at, row)
        })
        .collect();
    let mut orphans = Vec::new();
    let mut count = |tenant: String, kind, at: &str, conditions: &[Condition]| {
        let Some(row) = by_tenant.get_mut(&tenant) else {
            orphans.push((tenant, findings(kind, at, conditions)));
            return;
        };
        let number = match kind {
            "ApiAudience" => &mut row.apis,
            _ => &mut row.domains,
        };
        number.0 += usize::from(is_ready(conditions));
        number.1 += 1;
        row.findings.extend(findings(kind, at, conditions));
    };
    for audience in &audiences {
        let of = &audience.spec.tenant_ref;
        let conditions = audience.status.as_ref().map(|status| &*status.conditions);
        let tenant = format!("{}/{}", of.namespace, of.name);
        count(
            tenant,
            "ApiAudience",
            &place(audience),
            conditions.unwrap_or_default(),
        );
    }
    for domain in &domains {
        let conditions = domain.status.as_ref().map(|status| &*status.conditions);
        let namespace = domain.namespace().unwrap_or_default();
        let tenant = format!("{namespace}/{}", domain.spec.tenant_ref.name);
        count(
            tenant,
            "CustomDomain",
            &place(domain),
            conditions.unwrap_or_default(),
        );
    }
    // What names a tenant that is not there stands under its name.
    for (tenant, findings) in orphans {
        let row = by_tenant.entry(tenant.clone()).or_insert_with(|| Row {
            tenant: tenant.clone(),
            issuer: None,
            ready: false,
            apis: (0, 0),
            domains: (0, 0),
            namespaces: None,
            findings: vec![Finding {
                kind: "Tenant".to_owned(),
                object: tenant,
                condition: "Ready".to_owned(),
                reason: "TenantNotFound".to_owned(),
                message: "it is named, and is not there".to_owned(),
            }],
        });
        row.findings.extend(findings);
    }
    let asked = asked.map(ToString::to_string);
    let rows = by_tenant.into_values();
    Ok(rows
        .filter(|row| asked.as_ref().is_none_or(|asked| *asked == row.tenant))
        .collect())
}

async fn all<K>(scene: &Scene) -> Result<Vec<K>, Failure>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::all(scene.client.clone());
    let listed = api.list(&ListParams::default()).await;
    let listed = listed.map_err(|error| reach::failure(&K::plural(&()), &error))?;
    Ok(listed.items)
}

/// The namespaces that are told about each tenant; `None` if whoever asks may not see Secrets. Their content is not asked
/// for.
async fn told(scene: &Scene) -> Result<Option<BTreeMap<String, BTreeSet<String>>>, Failure> {
    let api: Api<Secret> = Api::all(scene.client.clone());
    let bundles = format!("{}={}", managed::LABEL, Content::Bundle.code());
    let listed = api
        .list_metadata(&ListParams::default().labels(&bundles))
        .await;
    let listed = match listed {
        Ok(listed) => listed,
        Err(kube::Error::Api(status)) if status.code == 403 => return Ok(None),
        Err(error) => return Err(reach::failure("Secrets", &error)),
    };
    let mut told: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for secret in listed {
        let label = |name: &str| secret.labels().get(name).cloned().unwrap_or_default();
        let tenant = format!(
            "{}/{}",
            label(managed::TENANT_NAMESPACE),
            label(managed::TENANT_NAME)
        );
        told.entry(tenant).or_default().extend(secret.namespace());
    }
    Ok(Some(told))
}

/// Namespace and name.
pub fn place(object: &impl Resource) -> String {
    let meta = object.meta();
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("{}/{}", part(&meta.namespace), part(&meta.name))
}

fn is_ready(conditions: &[Condition]) -> bool {
    ready(conditions).is_some_and(|ready| ready.status == "True")
}

/// The conditions that are not as they should be. All but `Degraded` should hold; one that was never said counts.
pub fn findings(kind: &str, object: &str, conditions: &[Condition]) -> Vec<Finding> {
    let finding = |condition: &str, reason: &str, message: &str| Finding {
        kind: kind.to_owned(),
        object: object.to_owned(),
        condition: condition.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
    };
    if conditions.is_empty() {
        let text = "the operator has not looked at it yet: does it run? (kubectl get pods -n mintage-system)";
        return vec![finding("Ready", "Unknown", text)];
    }
    let wrong = conditions.iter().filter(|condition| {
        let should = if condition.type_ == "Degraded" {
            "False"
        } else {
            "True"
        };
        condition.status != should
    });
    wrong
        .map(|condition| finding(&condition.type_, &condition.reason, &condition.message))
        .collect()
}

fn print(rows: &[Row]) -> std::io::Result<()> {
    if rows.is_empty() {
        return output::line("there are no tenants");
    }
    let longest =
        |of: fn(&Row) -> usize, head: &str| rows.iter().map(of).max().unwrap_or(0).max(head.len());
    let tenant = longest(|row| row.tenant.len(), "TENANT");
    let issuer = longest(|row| row.issuer.as_deref().unwrap_or("-").len(), "ISSUER");
    output::line(format!(
        "{:<tenant$}  {:<5}  {:<issuer$}  {:>7}  {:>7}  {:>10}",
        "TENANT", "READY", "ISSUER", "APIS", "DOMAINS", "NAMESPACES"
    ))?;
    let share = |(ready, all): (usize, usize)| format!("{ready}/{all}");
    for row in rows {
        // Padded before it is coloured: the colour has a width of its own.
        let ready = format!("{:<5}", if row.ready { "yes" } else { "no" });
        let ready = if row.ready {
            output::good(&ready)
        } else {
            output::bad(&ready)
        };
        let namespaces = row
            .namespaces
            .map_or("?".to_owned(), |count| count.to_string());
        output::line(format!(
            "{:<tenant$}  {ready}  {:<issuer$}  {:>7}  {:>7}  {namespaces:>10}",
            row.tenant,
            row.issuer.as_deref().unwrap_or("-"),
            share(row.apis),
            share(row.domains),
        ))?;
    }
    for finding in rows.iter().flat_map(|row| &row.findings) {
        let Finding {
            kind,
            object,
            condition,
            reason,
            message,
        } = finding;
        let what = output::doubtful(&format!("{kind} {object}"));
        output::line(format!("\n{what}: {condition}: {reason}\n  {message}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(type_: &str, status: &str) -> Condition {
        serde_json::from_value(serde_json::json!({
            "type": type_, "status": status, "reason": "Why", "message": "In words",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    }

    #[test]
    fn what_is_not_as_it_should_be_is_found() {
        let said = |conditions: &[Condition]| {
            let found = findings("Tenant", "identity/acme", conditions);
            found
                .into_iter()
                .map(|one| format!("{}: {}", one.condition, one.reason))
                .collect::<Vec<_>>()
        };
        let well = [condition("Ready", "True"), condition("Degraded", "False")];
        assert_eq!(said(&well), [""; 0]);
        assert!(is_ready(&well));
        let ill = [
            condition("Ready", "Unknown"),
            condition("Degraded", "True"),
            condition("SidecarsCurrent", "False"),
        ];
        assert_eq!(
            said(&ill),
            ["Ready: Why", "Degraded: Why", "SidecarsCurrent: Why"]
        );
        assert!(!is_ready(&ill));
        assert_eq!(said(&[]), ["Ready: Unknown"], "nobody looked at it");
    }
}
