//! How each object fares, as its `status` says it.

mod endpoint;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt as _;
use mintage_core::endpoint::client_id;
use mintage_core::ownership::{Kind, Object};
use mintage_core::plan::{Reason, Status};
use mintage_core::{ObjectName, ObjectRef, TenantRef, Uid, UnixTime, managed};
use mintage_crds::application::{ApplicationStatus, ClientSecretStatus};
use mintage_crds::audience::{ApiAudienceStatus, UndeclaredScopes};
use mintage_crds::domain::{Challenge, CustomDomainStatus};
use mintage_crds::status::{READY, find};
use mintage_crds::tenant::TenantStatus;
use mintage_crds::{ApiAudience, Application, CustomDomain, Tenant};

use crate::endpoints::Standing;
use crate::feed::Propagation;
use crate::observe::VERIFIED;
use crate::secrets::Place;
use crate::snapshot::Finding;
use crate::stale::Sidecars;

pub use write::{ChallengeOf, Statuses, Written, number};

/// Condition of a Tenant: something of it could not be done or had to be restored.
const DEGRADED: &str = "Degraded";

/// Condition of a Tenant: its pods have the sidecars that they would get now. Absent where no webhook gives them any.
const SIDECARS_CURRENT: &str = "SidecarsCurrent";

/// The most bytes of a condition's message.
const MAX_MESSAGE: usize = 32_768;

/// What the plan does not know: how far its wishes have come.
#[derive(Debug, Default)]
pub struct Facts {
    /// The tenants of which something could not be done or had to be restored, in words.
    pub troubles: BTreeMap<TenantRef, Vec<String>>,
    /// The same of their endpoints alone.
    pub endpoint_troubles: BTreeMap<TenantRef, Vec<String>>,
    /// The Secrets that their applications and APIs are to be set up with and that could not be written.
    pub withheld: BTreeMap<TenantRef, BTreeMap<Place, String>>,
    /// The tenants of which nothing can be done at all.
    pub stuck: BTreeMap<TenantRef, String>,
    /// The tenants whose first keys are being made.
    pub making: BTreeSet<TenantRef>,
    /// What the checks of domains found, by the life of the object.
    pub findings: BTreeMap<Uid, Finding>,
    /// The pods without a current sidecar.
    pub sidecars: Sidecars,
    /// How far the newest bundles have come.
    pub propagation: BTreeMap<TenantRef, Propagation>,
    /// Which secrets the applications have that have one.
    pub secrets: BTreeMap<ObjectRef, ClientSecretStatus>,
    /// How the pods of the endpoints fare, as far as there are any.
    pub endpoints: BTreeMap<TenantRef, Option<Standing>>,
}

/// What a condition is to say.
struct Say<'a> {
    type_: &'a str,
    holds: bool,
    reason: &'a str,
    message: String,
}

/// The status of a Tenant.
pub fn tenant(
    object: &Tenant,
    at: &TenantRef,
    fares: &Status,
    facts: &Facts,
    now: UnixTime,
) -> TenantStatus {
    let old = object.status.as_ref().map(|status| &status.conditions);
    let troubles = [&facts.troubles, &facts.endpoint_troubles];
    let troubles = troubles.into_iter().filter_map(|troubles| troubles.get(at));
    let withheld = facts
        .withheld
        .get(at)
        .into_iter()
        .flat_map(BTreeMap::values);
    let troubles = troubles.flatten().chain(withheld);
    let troubles: Vec<&str> = troubles.map(String::as_str).collect();
    let degraded = match facts.stuck.get(at) {
        Some(text) => text.clone(),
        None => troubles.join("\n"),
    };
    let holds = !degraded.is_empty();
    let degraded = Say {
        type_: DEGRADED,
        holds,
        reason: if holds { "Trouble" } else { "AsExpected" },
        message: degraded,
    };
    let says = [ready(at, fares, facts, old), degraded];
    let says = says
        .into_iter()
        .chain(sidecars(at, &facts.sidecars, old))
        .chain(endpoint::ready(at, facts, old));
    TenantStatus {
        observed_generation: object.metadata.generation,
        issuer: Some(issuer(&object.spec.domain)),
        conditions: conditions(old, says, object.metadata.generation, now),
        propagation: facts.propagation.get(at).map(propagation),
    }
}

fn propagation(known: &Propagation) -> mintage_crds::tenant::Propagation {
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let slowest = known.slowest.map(|took| {
        let millis = took.as_millis();
        i32::try_from(millis).unwrap_or(i32::MAX)
    });
    mintage_crds::tenant::Propagation {
        version: i64::try_from(known.version).unwrap_or(i64::MAX),
        pods: count(known.pods),
        acknowledged: count(known.acknowledged),
        slowest_milliseconds: slowest,
        missing: known.missing.clone(),
    }
}

/// `SidecarsCurrent`.
fn sidecars<'a>(
    tenant: &TenantRef,
    known: &Sidecars,
    old: Option<&'a Vec<Condition>>,
) -> Option<Say<'a>> {
    let say = |holds, reason, message| Say {
        type_: SIDECARS_CURRENT,
        holds,
        reason,
        message,
    };
    match known {
        Sidecars::NotInjected => None,
        // What was said stays until somebody has looked.
        Sidecars::Unknown => {
            let known = find(old?, SIDECARS_CURRENT)?;
            let holds = known.status == "True";
            Some(say(holds, known.reason.as_str(), known.message.clone()))
        }
        Sidecars::Known(stale) => Some(match stale.get(tenant) {
            Some(stale) => say(false, "StalePods", stale.message()),
            None => say(true, "AllCurrent", String::new()),
        }),
    }
}

/// The status of an `ApiAudience`.
pub fn audience(
    object: &ApiAudience,
    at: &TenantRef,
    issuer: Option<String>,
    fares: &Status,
    facts: &Facts,
    now: UnixTime,
) -> ApiAudienceStatus {
    let old = object.status.as_ref().map(|status| &status.conditions);
    ApiAudienceStatus {
        observed_generation: object.metadata.generation,
        issuer: issuer.filter(|_| fares.reason.is_ready()),
        undeclared_scopes: undeclared(object),
        conditions: conditions(
            old,
            [ready(at, fares, facts, old)],
            object.metadata.generation,
            now,
        ),
    }
}

/// The status of an `Application`; `of` is its tenant.
pub fn application(
    object: &Application,
    at: &TenantRef,
    of: Option<&Tenant>,
    fares: &Status,
    facts: &Facts,
    now: UnixTime,
) -> ApplicationStatus {
    let old = object.status.as_ref().map(|status| &status.conditions);
    let of = of.filter(|_| fares.reason.is_ready());
    let uid = |uid: &Option<String>| Uid::parse(uid.as_deref()?).ok();
    let client_id = of.and_then(|tenant| {
        let (tenant, own) = (uid(&tenant.metadata.uid)?, uid(&object.metadata.uid)?);
        Some(client_id(&tenant, &own).to_string())
    });
    let name = client_id
        .as_ref()
        .and_then(|_| ObjectName::parse(&object.name_any()).ok());
    ApplicationStatus {
        observed_generation: object.metadata.generation,
        client_id,
        issuer: of.map(|tenant| issuer(&tenant.spec.domain)),
        secret_name: name.as_ref().map(managed::client),
        client_secret: name.and_then(|_| facts.secrets.get(&fares.object.at).cloned()),
        conditions: conditions(
            old,
            [ready(at, fares, facts, old)],
            object.metadata.generation,
            now,
        ),
    }
}

/// The status of a `CustomDomain`.
pub fn domain(
    object: &CustomDomain,
    at: &TenantRef,
    challenge: Option<Challenge>,
    fares: &Status,
    facts: &Facts,
    now: UnixTime,
) -> CustomDomainStatus {
    let old = object.status.as_ref().map(|status| &status.conditions);
    let uid = object
        .metadata
        .uid
        .as_deref()
        .and_then(|uid| Uid::parse(uid).ok());
    let finding = uid.and_then(|uid| facts.findings.get(&uid));
    let known = old.and_then(|old| find(old, VERIFIED));
    let verified = match (finding, known) {
        (Some(finding), _) => Say {
            type_: VERIFIED,
            holds: finding.verified,
            reason: if finding.verified {
                "Shown"
            } else {
                "NotShown"
            },
            message: finding.message.clone(),
        },
        // Not checked yet by this process: what was said stays.
        (None, Some(known)) => Say {
            type_: VERIFIED,
            holds: known.status == "True",
            reason: &known.reason,
            message: known.message.clone(),
        },
        (None, None) => Say {
            type_: VERIFIED,
            holds: false,
            reason: "NotChecked",
            message: "control over the domain has not been checked yet".to_owned(),
        },
    };
    let says = [ready(at, fares, facts, old), verified];
    CustomDomainStatus {
        observed_generation: object.metadata.generation,
        issuer: Some(issuer(&object.spec.domain)),
        challenge,
        conditions: conditions(old, says, object.metadata.generation, now),
    }
}

/// `Ready`: what the plan says, once it has been carried out. What is in use stays ready while something new is made or
/// cannot be written: `Degraded` says that.
fn ready<'a>(
    tenant: &TenantRef,
    fares: &'a Status,
    facts: &Facts,
    old: Option<&Vec<Condition>>,
) -> Say<'a> {
    let no = |reason: &'a str, message| Say {
        type_: READY,
        holds: false,
        reason,
        message,
    };
    if !fares.reason.is_ready() {
        return no(code(fares.reason), with_notes(&fares.message, &fares.notes));
    }
    let was_ready = old
        .and_then(|old| find(old, READY))
        .is_some_and(|ready| ready.status == "True");
    if !was_ready {
        if let Some(text) = facts.stuck.get(tenant) {
            return no("NotApplied", text.clone());
        }
        if let Some(texts) = facts.troubles.get(tenant) {
            return no("NotApplied", texts.join("\n"));
        }
        // An endpoint that cannot be made is missing to its Tenant, and to nothing else of the tenant.
        if fares.object.kind == Kind::Tenant
            && let Some(texts) = facts.endpoint_troubles.get(tenant)
        {
            return no("NotApplied", texts.join("\n"));
        }
        if let Some(text) = withheld(tenant, &fares.object, facts) {
            return no("NotApplied", text.clone());
        }
        if facts.making.contains(tenant) {
            // Without their number, which would have every status written each time that a few are finished.
            let text = format!("the first keys of tenant {tenant} are being made");
            return no("MakingKeys", text);
        }
    }
    Say {
        type_: READY,
        holds: true,
        reason: code(fares.reason),
        message: with_notes(&fares.message, &fares.notes),
    }
}

/// Why the Secret could not be written that an application or API is to be set up with.
fn withheld<'a>(tenant: &TenantRef, object: &Object, facts: &'a Facts) -> Option<&'a String> {
    let of = facts.withheld.get(tenant)?;
    let name = match object.kind {
        Kind::ApiAudience => managed::api(&object.at.name),
        Kind::Application => managed::client(&object.at.name),
        Kind::CustomDomain | Kind::Tenant => return None,
    };
    of.get(&(object.at.namespace.to_string(), name))
}

fn code(reason: Reason) -> &'static str {
    mintage_core::code::Coded::code(reason)
}

fn with_notes(message: &str, notes: &[String]) -> String {
    if notes.is_empty() {
        return message.to_owned();
    }
    format!("{message}. Note: {}", notes.join("; "))
}

/// Grants of scopes that the API does not declare.
fn undeclared(object: &ApiAudience) -> Vec<UndeclaredScopes> {
    let declared: BTreeSet<&String> = object.spec.scopes.iter().map(|scope| &scope.name).collect();
    let grants = (0_u32..).zip(&object.spec.grants);
    let undeclared = grants.map(|(grant, of)| {
        let beyond = of.scopes.iter().filter(|scope| !declared.contains(scope));
        UndeclaredScopes {
            grant,
            scopes: beyond.cloned().collect(),
        }
    });
    undeclared
        .filter(|grant| !grant.scopes.is_empty())
        .collect()
}

/// The issuer of a domain.
pub fn issuer(domain: &str) -> String {
    format!("https://{domain}/")
}

/// The conditions, each with the moment of its last transition.
fn conditions<'a>(
    old: Option<&Vec<Condition>>,
    says: impl IntoIterator<Item = Say<'a>>,
    generation: Option<i64>,
    now: UnixTime,
) -> Vec<Condition> {
    let condition = |say: Say<'a>| {
        let status = if say.holds { "True" } else { "False" };
        let known = old.and_then(|old| find(old, say.type_));
        let since = known
            .filter(|known| known.status == status)
            .map_or_else(|| moment(now), |known| known.last_transition_time.clone());
        Condition {
            type_: say.type_.to_owned(),
            status: status.to_owned(),
            reason: say.reason.to_owned(),
            message: shortened(say.message),
            observed_generation: generation,
            last_transition_time: since,
        }
    };
    says.into_iter().map(condition).collect()
}

/// A moment, as statuses have it.
pub fn moment(now: UnixTime) -> Time {
    Time(jiff::Timestamp::from_second(now.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
}

fn shortened(mut text: String) -> String {
    if text.len() > MAX_MESSAGE {
        let mut end = MAX_MESSAGE - 4;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::stale::{Reason as Why, Stale};

    fn said(known: &Sidecars, old: Option<&Vec<Condition>>) -> Option<(bool, String, String)> {
        let tenant = TenantRef::parse("identity/acme").unwrap();
        let say = sidecars(&tenant, known, old)?;
        assert_eq!(say.type_, "SidecarsCurrent");
        Some((say.holds, say.reason.to_owned(), say.message))
    }

    #[test]
    fn pods_without_a_current_sidecar_are_a_condition_where_there_is_a_webhook() {
        let pod = ObjectRef::parse("shop/app").unwrap();
        let of = |tenant: &str| {
            let mut stale = Stale::default();
            stale.add(Why::Missing, pod.clone());
            let tenant = TenantRef::parse(tenant).unwrap();
            Sidecars::Known(Arc::new(BTreeMap::from([(tenant, stale)])))
        };
        let current = (true, "AllCurrent".to_owned(), String::new());
        assert_eq!(said(&of("identity/globex"), None), Some(current.clone()));
        let (holds, reason, message) = said(&of("identity/acme"), None).unwrap();
        assert!(
            !holds && reason == "StalePods" && message.contains("shop/app"),
            "{message}"
        );
        assert_eq!(said(&Sidecars::NotInjected, None), None);
        assert_eq!(said(&Sidecars::Unknown, None), None);
        // A new leader says what the last one said until it has looked.
        let say = Say {
            type_: SIDECARS_CURRENT,
            holds,
            reason: &reason,
            message: message.clone(),
        };
        let old = conditions(None, [say], Some(1), UnixTime(1_795_000_000));
        assert_eq!(
            said(&Sidecars::Unknown, Some(&old)),
            Some((holds, reason.clone(), message))
        );
        assert_eq!(said(&Sidecars::NotInjected, Some(&old)), None);
        assert_eq!(said(&of("identity/globex"), Some(&old)), Some(current));
    }

    /// An endpoint that cannot be made is missing to its Tenant; an application whose Secret cannot be written, to itself.
    #[test]
    fn what_fails_of_an_endpoint_is_no_trouble_of_other_objects() {
        let tenant = TenantRef::parse("identity/acme").unwrap();
        let says = |facts: &Facts, kind, at| {
            let fares = Status {
                object: Object {
                    kind,
                    at: ObjectRef::parse(at).unwrap(),
                },
                reason: Reason::Served,
                message: String::new(),
                notes: Vec::new(),
            };
            let say = ready(&tenant, &fares, facts, None);
            (say.holds, say.message)
        };
        let mut facts = Facts::default();
        let text = "the Ingress of its endpoint: no".to_owned();
        let failed = BTreeMap::from([(tenant.clone(), vec![text.clone()])]);
        facts.endpoint_troubles = failed;
        assert_eq!(
            says(&facts, Kind::Tenant, "identity/acme"),
            (false, text.clone())
        );
        for kind in [Kind::ApiAudience, Kind::Application, Kind::CustomDomain] {
            assert!(says(&facts, kind, "shop/app").0, "{kind}");
        }

        let place = ("shop".to_owned(), "mintage-client.app".to_owned());
        let withheld = BTreeMap::from([(place, "no room".to_owned())]);
        let mut facts = Facts::default();
        facts.withheld.insert(tenant.clone(), withheld);
        let (holds, message) = says(&facts, Kind::Application, "shop/app");
        assert!(!holds && message == "no room");
        assert!(says(&facts, Kind::Application, "shop/other").0);
        assert!(says(&facts, Kind::ApiAudience, "shop/app").0);
        assert!(says(&facts, Kind::Tenant, "identity/acme").0);
    }
}
