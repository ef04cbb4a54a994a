//! `EndpointReady`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use mintage_core::TenantRef;
use mintage_crds::status::find;

use super::{Facts, Say};
use crate::endpoints::Standing;

/// Condition of a Tenant: its endpoint answers. Absent where it has none.
const ENDPOINT_READY: &str = "EndpointReady";

/// What it is to say.
pub fn ready<'a>(
    tenant: &TenantRef,
    facts: &Facts,
    old: Option<&'a Vec<Condition>>,
) -> Option<Say<'a>> {
    let say = |holds, reason, message| Say {
        type_: ENDPOINT_READY,
        holds,
        reason,
        message,
    };
    let Some(standing) = facts.endpoints.get(tenant)? else {
        let troubles = facts.endpoint_troubles.get(tenant);
        let message = troubles.map_or_else(
            || "its pods are not made yet".to_owned(),
            |troubles| troubles.join("\n"),
        );
        return Some(say(false, "NotMade", message));
    };
    let Standing {
        wanted,
        ready,
        trouble,
        is_current,
    } = standing;
    if !is_current && let Some(old) = old.and_then(|old| find(old, ENDPOINT_READY)) {
        // The pods are those of before until the cluster has taken up the change.
        let holds = old.status == "True";
        return Some(say(holds, old.reason.as_str(), old.message.clone()));
    }
    let holds = *is_current && *ready > 0;
    let mut message = format!("{ready} of {wanted} pods are ready");
    if let Some(trouble) = trouble {
        message = format!("{message}; its Deployment says: {trouble}");
    }
    let reason = if holds { "Serving" } else { "NotServing" };
    Some(say(holds, reason, message))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mintage_core::UnixTime;

    use super::super::conditions;
    use super::*;

    fn said(facts: &Facts, old: Option<&Vec<Condition>>) -> Option<(bool, String, String)> {
        let tenant = TenantRef::parse("identity/acme").unwrap();
        let say = ready(&tenant, facts, old)?;
        Some((say.holds, say.reason.to_owned(), say.message))
    }

    fn facts(standing: Option<Standing>) -> Facts {
        let tenant = TenantRef::parse("identity/acme").unwrap();
        Facts {
            endpoints: BTreeMap::from([(tenant, standing)]),
            ..Facts::default()
        }
    }

    fn standing(ready: i64, is_current: bool) -> Standing {
        Standing {
            wanted: 2,
            ready,
            trouble: None,
            is_current,
        }
    }

    #[test]
    fn an_endpoint_that_cannot_be_made_is_not_ready_and_says_why() {
        assert_eq!(said(&Facts::default(), None), None);
        let mut facts = facts(None);
        let (holds, reason, _) = said(&facts, None).unwrap();
        assert!(!holds && reason == "NotMade");
        let tenant = TenantRef::parse("identity/acme").unwrap();
        let why = vec!["the Deployment of its endpoint: no".to_owned()];
        facts.endpoint_troubles.insert(tenant, why.clone());
        assert_eq!(said(&facts, None).unwrap().2, why[0]);
    }

    #[test]
    fn pods_of_before_a_change_turn_nothing() {
        assert!(said(&facts(Some(standing(1, true))), None).unwrap().0);
        assert!(!said(&facts(Some(standing(0, true))), None).unwrap().0);
        let stale = facts(Some(standing(1, false)));
        assert!(!said(&stale, None).unwrap().0);
        for holds in [false, true] {
            let say = Say {
                type_: ENDPOINT_READY,
                holds,
                reason: "OfBefore",
                message: String::new(),
            };
            let old = conditions(None, [say], Some(1), UnixTime(1_795_000_000));
            let of_before = (holds, "OfBefore".to_owned(), String::new());
            assert_eq!(said(&stale, Some(&old)), Some(of_before));
        }
    }
}
