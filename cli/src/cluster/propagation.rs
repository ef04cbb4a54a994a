//! How far news have come, as the status of a Tenant says it.

use kube::Api;
use mintage_core::TenantRef;
use mintage_crds::Tenant;
use mintage_crds::tenant::Propagation;
use tokio::time::{Instant, sleep};

use super::{POLL, Scene, reach};
use crate::Failure;

/// Waits until every sidecar has said that it goes by at least this version, or until `end`; how far they are then. `None`
/// where the operator has no stream to sidecars, or no sidecar runs.
pub async fn heard(
    scene: &Scene,
    tenant: &TenantRef,
    version: u64,
    end: Instant,
) -> Result<Option<Propagation>, Failure> {
    let api: Api<Tenant> = Api::namespaced(scene.client.clone(), tenant.namespace.as_str());
    loop {
        let found = api.get(tenant.name.as_str()).await;
        let found = found.map_err(|error| reach::failure(&format!("Tenant {tenant}"), &error))?;
        let known = found.status.and_then(|status| status.propagation);
        let Some(known) = known else { return Ok(None) };
        let is_new = u64::try_from(known.version).is_ok_and(|known| known >= version);
        if (is_new && known.acknowledged >= known.pods) || Instant::now() > end {
            return Ok(Some(known));
        }
        sleep(POLL).await;
    }
}

/// In words, after what was done: by which sidecars, and which are missing.
pub fn words(known: Option<&Propagation>) -> String {
    let Some(known) = known else {
        return "; sidecars follow when kubelet brings them the Secret, within about a minute"
            .to_owned();
    };
    let slowest = known.slowest_milliseconds.map(|took| {
        let seconds = f64::from(took) / 1000.0;
        format!(" (the slowest took {seconds:.1} s)")
    });
    let slowest = slowest.unwrap_or_default();
    if known.acknowledged >= known.pods {
        return format!(", and by all {} sidecars{slowest}", known.pods);
    }
    let more = usize::try_from(known.pods - known.acknowledged)
        .is_ok_and(|missing| missing > known.missing.len());
    let more = if more { " and more" } else { "" };
    format!(
        ", and by {} of {} sidecars{slowest}; the others follow when kubelet brings them the Secret, within about a minute: {}{more}",
        known.acknowledged,
        known.pods,
        known.missing.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_name_who_is_missing() {
        let mut known = Propagation {
            version: 9,
            pods: 3,
            acknowledged: 3,
            slowest_milliseconds: Some(420),
            missing: Vec::new(),
        };
        assert_eq!(
            words(Some(&known)),
            ", and by all 3 sidecars (the slowest took 0.4 s)"
        );
        known.acknowledged = 1;
        known.missing = vec!["shop/checkout-1 (not connected)".to_owned()];
        let said = words(Some(&known));
        assert!(said.contains("by 1 of 3 sidecars"), "{said}");
        assert!(
            said.ends_with(": shop/checkout-1 (not connected) and more"),
            "{said}"
        );
        assert!(words(None).contains("kubelet"));
    }
}
