//! The names of what the operator makes in a cluster: one place for operator, webhook, command line and charts.
//!
//! ```text
//!  mintage-system          mintage-domain.<hash>               who holds a domain (one claim space in the cluster)
//!  tenant's namespace      mintage-truth.<tenant>[.<shard>]    public keys, promises, claims on identifiers
//!                          mintage-tenant-keys.<tenant>        the tenant's own private keys
//!                          mintage-master.<tenant>             everything else secret of its endpoint
//!                          mintage-endpoint-<n>.<tenant>       what its endpoint is told
//!                          mintage-reviewer.<tenant>           by what its endpoint asks the API server about tokens
//!  workload's namespace    mintage-keys.<ns>.<tenant>          the namespace's private keys
//!                          mintage-bundle-<n>.<ns>.<tenant>    what its sidecars are told
//!  Application's           mintage-client.<application>        what it is set up with
//!  ApiAudience's           mintage-api.<audience>              the secret that it shares, with HS256
//! ```
//!
//! A namespace has no dots and a tenant's name has none either, so no two owners meet in one name.

use aws_lc_rs::digest::{SHA256, digest};

use crate::{Domain, ObjectName, TenantRef};

/// Label of every object that the operator made and alone writes; its value says what it holds ([`Content`]).
pub const LABEL: &str = "mintage.dev/managed";

/// Label with the tenant's namespace.
pub const TENANT_NAMESPACE: &str = "mintage.dev/tenant-namespace";

/// Label with the tenant's name.
pub const TENANT_NAME: &str = "mintage.dev/tenant-name";

/// The one field manager.
pub const FIELD_MANAGER: &str = "mintage-operator";

/// Finalizer of Tenants: what is in other namespaces is removed before they go.
pub const FINALIZER: &str = "mintage.dev/tenant";

crate::coded! {
    /// What a managed object holds.
    pub enum Content {
        /// The secret that an API shares with its tenant's endpoint.
        Api = "api",
        /// A shard of a bundle.
        Bundle = "bundle",
        /// A claim on a domain.
        Claim = "claim",
        /// What an application is set up with.
        Client = "client",
        /// A shard of what an endpoint is told.
        Endpoint = "endpoint",
        /// Private keys.
        Keyring = "keyring",
        /// Everything secret of an endpoint but its signing keys.
        Master = "master",
        /// The token by which an endpoint asks the API server about tokens of workloads.
        Reviewer = "reviewer",
        /// What must be remembered of a tenant.
        Truth = "truth",
        /// The certificates of the operator's own listeners.
        Tls = "tls",
    }
}

/// The Secret with the private keys of a namespace under a tenant, in that namespace.
pub fn keyring(tenant: &TenantRef) -> String {
    format!("mintage-keys.{}.{}", tenant.namespace, tenant.name)
}

/// The Secret with the private keys of the tenant itself, in the tenant's namespace.
pub fn tenant_keyring(tenant: &ObjectName) -> String {
    format!("mintage-tenant-keys.{tenant}")
}

/// The Secret with a shard of the bundle of a namespace under a tenant, in that namespace.
pub fn bundle(tenant: &TenantRef, index: usize) -> String {
    format!(
        "mintage-bundle-{index}.{}.{}",
        tenant.namespace, tenant.name
    )
}

/// The Secret with a part of what must be remembered of a tenant, in the tenant's namespace. The part `None` is about the
/// tenant itself.
pub fn truth(tenant: &ObjectName, part: Option<&str>) -> String {
    match part {
        None => format!("mintage-truth.{tenant}"),
        Some(part) => format!("mintage-truth.{tenant}.{part}"),
    }
}

/// The Secret with everything secret of a tenant's endpoint but its signing keys, in the tenant's namespace.
pub fn master(tenant: &ObjectName) -> String {
    format!("mintage-master.{tenant}")
}

/// The Secret with the token by which the endpoint of a tenant asks the API server about others, in the tenant's namespace.
pub fn reviewer(tenant: &ObjectName) -> String {
    format!("mintage-reviewer.{tenant}")
}

/// The Secret with a shard of what the endpoint of a tenant is told, in the tenant's namespace.
pub fn endpoint(tenant: &ObjectName, index: usize) -> String {
    format!("mintage-endpoint-{index}.{tenant}")
}

/// The Secret with what an application is set up with, in its namespace.
pub fn client(application: &ObjectName) -> String {
    of_object("mintage-client", application)
}

/// The Secret with the secret that an API shares with its tenant's endpoint, in its namespace.
pub fn api(audience: &ObjectName) -> String {
    of_object("mintage-api", audience)
}

/// The name of the Deployment of a tenant's endpoint and of what goes with it, in the tenant's namespace.
pub fn endpoint_pods(tenant: &ObjectName) -> String {
    short_name("mintage-endpoint", tenant.as_str())
}

/// `<prefix>-<name>`, where that is a DNS label: the name of a Service or a volume has 63 characters and no dots. Else a hash
/// takes the name's place.
pub fn short_name(prefix: &str, name: &str) -> String {
    let whole = format!("{prefix}-{name}");
    if whole.len() <= 63 && !name.contains('.') {
        return whole;
    }
    format!("{prefix}-{}", hash_of(name))
}

/// `<prefix>.<name>` of an object whose name may be as long as a name can be.
fn of_object(prefix: &str, object: &ObjectName) -> String {
    let whole = format!("{prefix}.{object}");
    if whole.len() <= LONGEST_NAME {
        return whole;
    }
    format!("{prefix}.{}", hash_of(object.as_str()))
}

/// Of any object in Kubernetes.
const LONGEST_NAME: usize = 253;

/// The Secret with the certificate of a domain that cert-manager makes, and its Certificate, in the tenant's namespace.
pub fn certificate(domain: &Domain) -> String {
    format!("mintage-tls.{}", hash_of(domain.as_str()))
}

/// What stands for a name that is too long. No other name has the same, unless somebody finds a collision of SHA-256 in 160 bits.
fn hash_of(name: &str) -> String {
    let hash = digest(&SHA256, name.as_bytes());
    crate::bundle::hex(&hash.as_ref()[..20])
}

/// The Secret that says who holds a domain, in the operator's namespace. The name derives from the value, so that of two
/// who create it one fails.
pub fn domain_claim(domain: &Domain) -> String {
    format!("mintage-domain.{}", hash_of(domain.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_owners_meet_in_one_name() {
        let tenant = |text| TenantRef::parse(text).unwrap();
        assert_eq!(keyring(&tenant("a-b/c")), "mintage-keys.a-b.c");
        assert_ne!(keyring(&tenant("a-b/c")), keyring(&tenant("a/b-c")));
        assert_ne!(bundle(&tenant("a/b"), 1), bundle(&tenant("a/b"), 2));
        let name = ObjectName::parse("acme").unwrap();
        assert_eq!(truth(&name, None), "mintage-truth.acme");
        assert_eq!(truth(&name, Some("a0f")), "mintage-truth.acme.a0f");
    }

    #[test]
    fn the_longest_name_of_an_object_gives_a_name_too() {
        let name = |text: &str| ObjectName::parse(text).unwrap();
        assert_eq!(client(&name("shop.web")), "mintage-client.shop.web");
        assert_eq!(api(&name("ledger")), "mintage-api.ledger");
        // Labels have 63 characters.
        let of = |letter: &str, length: usize| {
            let whole = format!("{}.", letter.repeat(63)).repeat(4);
            name(&whole[..length])
        };
        let long = [client(&of("a", 253)), client(&of("b", 253))];
        assert_ne!(long[0], long[1]);
        assert!(
            long.iter()
                .all(|of| of.len() == "mintage-client.".len() + 40)
        );
        assert_eq!(client(&of("a", 238)).len(), 253);
    }

    #[test]
    fn a_service_has_a_label_for_a_name() {
        let name = |text: &str| endpoint_pods(&ObjectName::parse(text).unwrap());
        assert_eq!(name("acme"), "mintage-endpoint-acme");
        for long in [name("a.b"), name(&"a".repeat(63))] {
            assert!(long.len() <= 63 && !long.contains('.'), "{long}");
        }
    }

    #[test]
    fn a_claim_is_named_by_its_domain() {
        let name = |text| domain_claim(&Domain::parse(text).unwrap());
        assert_eq!(name("acme.test"), name("acme.test"));
        assert_ne!(name("acme.test"), name("acme.test:8443"));
        assert_eq!(name("acme.test").len(), "mintage-domain.".len() + 40);
    }
}
