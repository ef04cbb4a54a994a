//! From Kubernetes objects to what `mintage-core` plans with. The schema has let only well-formed values through, so
//! an error here means that the object did not pass the schema.

mod application;
mod login;

use std::collections::BTreeSet;
use std::sync::Arc;

use mintage_core::ident::InvalidName;
use mintage_core::world::{self, AllowedNamespaces, AudienceAlg, Dialect, Grantee, UserRules};
use mintage_core::{
    Alg, Domain, Identifier, Kid, Namespace, ObjectName, ObjectRef, Scope, TenantRef, Uid,
    UnixTime, WorkloadId, managed,
};

use kube::core::ObjectMeta;

use crate::audience::{
    ApiAudience, ApiAudienceSpec, Grant, Issuance, SigningAlgorithm, TokenDialect,
};
use crate::domain::Tls;
use crate::duration::GoDuration;
use crate::selector::{LabelSelector, Operator, Requirement};
use crate::tenant::{From as AllowedFrom, Tenant};
use crate::{CustomDomain, reference};

pub use application::application;

/// Annotation on an `ApiAudience`: what is taken back from its grants is refused at once.
pub const REVOKE_NOW: &str = "mintage.dev/revoke-now";

/// Annotation on a `Tenant`: any new value asks for new keys.
pub const ROTATE_NOW: &str = "mintage.dev/rotate-now";

/// Annotation on a `Tenant`: identifiers of its APIs and domains of its namespace, with commas between them, that nobody
/// holds any more and that are free for others at once. Without it they are kept until the last token of the former holder
/// has ended.
pub const RELEASE_CLAIM: &str = "mintage.dev/release-claim";

/// Annotation on a `Tenant`: names of keys, with commas between them, that are refused from now on.
pub const REVOKE_KEY: &str = "mintage.dev/revoke-key";

/// The object cannot have passed its schema.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unobservable {
    /// A metadata field that the API server always sets is absent.
    #[error("metadata.{0} is missing")]
    Metadata(&'static str),
    /// A name has not the form its schema asks for.
    #[error(transparent)]
    Name(#[from] InvalidName),
}

/// Reads a `Tenant`.
pub fn tenant(object: &Tenant) -> Result<world::Tenant, Unobservable> {
    let meta = Meta::of(&object.metadata)?;
    let spec = &object.spec;
    let default_audience = spec
        .default_audience_ref
        .as_ref()
        .map(object_ref)
        .transpose()?;
    let key_secret = spec.signing.key_secret_ref.as_ref();
    let key_secret = key_secret
        .map(|secret| ObjectName::parse(&secret.name))
        .transpose()?;
    let (mut revoke_keys, mut no_keys) = (BTreeSet::new(), Vec::new());
    for entry in listed(&object.metadata, REVOKE_KEY) {
        match Kid::parse(entry) {
            Ok(kid) => {
                revoke_keys.insert(kid);
            }
            Err(_) => no_keys.push(entry),
        }
    }
    Ok(world::Tenant {
        allow_non_rsa: spec.jwks.allow_non_rsa,
        allowed: match spec.allowed_namespaces.from {
            AllowedFrom::All => AllowedNamespaces::All,
            AllowedFrom::Same => AllowedNamespaces::Same,
            AllowedFrom::Selector => {
                let selector = spec.allowed_namespaces.selector.as_ref();
                AllowedNamespaces::Selector(selector.map(label_selector).unwrap_or_default())
            }
        },
        at: TenantRef::new(meta.at.namespace, meta.at.name),
        created: meta.created,
        default_audience,
        deleting: object.metadata.deletion_timestamp.is_some(),
        domain: Domain::parse(&spec.domain)?,
        endpoint: spec
            .endpoint
            .enabled
            .then(|| login::wishes(spec).map(Arc::new))
            .transpose()?,
        key_secret,
        max_bundle_age: seconds(spec.max_bundle_age),
        propagation_delay: seconds(spec.signing.propagation_delay),
        release_claims: listed(&object.metadata, RELEASE_CLAIM)
            .map(str::to_owned)
            .collect(),
        revoke_keys,
        rotate_request: annotation(&object.metadata, ROTATE_NOW).map(str::to_owned),
        rotation_period: seconds(spec.signing.rotation_period),
        uid: meta.uid,
        unreadable: not_revoked(&no_keys).into_iter().collect(),
    })
}

/// What is wrong with the entries of [`REVOKE_KEY`] that name no key.
fn not_revoked(entries: &[&str]) -> Option<String> {
    // Anything may stand in an annotation, and much of it; a key or token by mistake is not to be repeated.
    let shown = entries.iter().take(3).map(|entry| {
        let start: String = entry.chars().take(16).collect();
        let mark = if start.len() < entry.len() { "…" } else { "" };
        format!("{:?}", start + mark)
    });
    let shown: Vec<String> = shown.collect();
    let more = match entries.len().saturating_sub(shown.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!shown.is_empty()).then(|| {
        format!(
            "{REVOKE_KEY} names {}{more}, which cannot be a key, so nothing is revoked by that: write the kid of each key as the header of its tokens has it (1 to 64 characters of A-Z a-z 0-9 - _), with commas between them",
            shown.join(", ")
        )
    })
}

/// Reads an `ApiAudience`.
pub fn audience(object: &ApiAudience) -> Result<world::Audience, Unobservable> {
    let meta = Meta::of(&object.metadata)?;
    let spec = &object.spec;
    let scopes = spec.scopes.iter().map(|scope| Scope::parse(&scope.name));
    Ok(world::Audience {
        about: about(spec)?,
        alg: algorithm(spec.signing_algorithm),
        at: meta.at,
        created: meta.created,
        dialect: match spec.token_dialect {
            TokenDialect::Auth0 => Dialect::Auth0,
            TokenDialect::Rfc9068 => Dialect::Rfc9068,
        },
        grants: spec
            .grants
            .iter()
            .filter_map(|grant| read_grant(grant).transpose())
            .collect::<Result<_, _>>()?,
        identifier: Identifier::parse(&spec.identifier)?,
        issuance: match spec.issuance {
            Issuance::Central => world::Issuance::Central,
            Issuance::Local => world::Issuance::Local,
        },
        lifetime: spec.token_lifetime_seconds.into(),
        revoke_now: object
            .metadata
            .annotations
            .as_ref()
            .is_some_and(|all| all.contains_key(REVOKE_NOW)),
        scopes: scopes.collect::<Result<_, _>>()?,
        tenant: TenantRef::new(
            Namespace::parse(&spec.tenant_ref.namespace)?,
            ObjectName::parse(&spec.tenant_ref.name)?,
        ),
        uid: meta.uid,
        users: UserRules {
            offline_access: spec.allow_offline_access,
            rbac: spec.enforce_rbac,
            skip_consent: spec.skip_consent_for_first_party,
        },
    })
}

/// The names of an API for people, if it has any.
fn about(spec: &ApiAudienceSpec) -> Result<Option<Arc<world::About>>, InvalidName> {
    let described = spec.scopes.iter().filter_map(|scope| {
        let description = scope.description.as_ref()?;
        Some(Scope::parse(&scope.name).map(|name| (name, description.clone())))
    });
    let about = world::About {
        name: spec.display_name.clone(),
        scopes: described.collect::<Result<_, _>>()?,
    };
    Ok((about != world::About::default()).then(|| Arc::new(about)))
}

/// Reads a `CustomDomain`; `verified` is what the verifier found out.
pub fn custom_domain(
    object: &CustomDomain,
    verified: bool,
) -> Result<world::CustomDomain, Unobservable> {
    let meta = Meta::of(&object.metadata)?;
    let tenant = ObjectName::parse(&object.spec.tenant_ref.name)?;
    Ok(world::CustomDomain {
        tenant: TenantRef::new(meta.at.namespace.clone(), tenant),
        at: meta.at,
        certificate: certificate(object.spec.tls.as_ref(), &object.spec.domain)?,
        created: meta.created,
        domain: Domain::parse(&object.spec.domain)?,
        uid: meta.uid,
        verified,
    })
}

/// The Secret with the certificate of a domain: one that is there, or that cert-manager makes.
fn certificate(tls: Option<&Tls>, domain: &str) -> Result<Option<ObjectName>, InvalidName> {
    let Some(tls) = tls else {
        return Ok(None);
    };
    let name = match &tls.secret_name {
        Some(name) => ObjectName::parse(name),
        None => ObjectName::parse(&managed::certificate(&Domain::parse(domain)?)),
    };
    name.map(Some)
}

struct Meta {
    at: ObjectRef,
    uid: Uid,
    created: UnixTime,
}

impl Meta {
    fn of(meta: &ObjectMeta) -> Result<Self, Unobservable> {
        let need = |value: &Option<String>, name| value.clone().ok_or(Unobservable::Metadata(name));
        let namespace = Namespace::parse(&need(&meta.namespace, "namespace")?)?;
        let name = ObjectName::parse(&need(&meta.name, "name")?)?;
        // An object that no API server has seen has no age: all of a folder are equally old.
        let created = meta
            .creation_timestamp
            .as_ref()
            .map_or(UnixTime(0), |time| UnixTime(time.0.as_second()));
        Ok(Self {
            at: ObjectRef::new(namespace, name),
            uid: Uid::parse(&need(&meta.uid, "uid")?)?,
            created,
        })
    }
}

fn annotation<'a>(meta: &'a ObjectMeta, name: &str) -> Option<&'a str> {
    meta.annotations.as_ref()?.get(name).map(String::as_str)
}

/// The entries of an annotation that is a list with commas.
pub fn listed<'a>(meta: &'a ObjectMeta, name: &str) -> impl Iterator<Item = &'a str> {
    let entries = annotation(meta, name).unwrap_or_default().split(',');
    entries.map(str::trim).filter(|entry| !entry.is_empty())
}

fn algorithm(algorithm: SigningAlgorithm) -> AudienceAlg {
    AudienceAlg::Asymmetric(match algorithm {
        SigningAlgorithm::HS256 => return AudienceAlg::Hs256,
        SigningAlgorithm::ES256 => Alg::ES256,
        SigningAlgorithm::EdDSA => Alg::EdDSA,
        SigningAlgorithm::PS256 => Alg::PS256,
        SigningAlgorithm::RS256 => Alg::RS256,
        SigningAlgorithm::RS384 => Alg::RS384,
        SigningAlgorithm::RS512 => Alg::RS512,
    })
}

/// A grant; `None` for one without a grantee, which the schema refuses.
fn read_grant(grant: &Grant) -> Result<Option<world::Grant>, InvalidName> {
    let to = match (&grant.workload, &grant.application) {
        (Some(workload), _) => Grantee::Workload(WorkloadId::new(
            Namespace::parse(&workload.namespace)?,
            ObjectName::parse(&workload.service_account)?,
        )),
        (None, Some(application)) => Grantee::Application(object_ref(application)?),
        (None, None) => return Ok(None),
    };
    let scopes = grant
        .scopes
        .iter()
        .map(|scope| Scope::parse(scope))
        .collect::<Result<_, _>>()?;
    Ok(Some(world::Grant { scopes, to }))
}

fn object_ref(reference: &reference::ObjectRef) -> Result<ObjectRef, InvalidName> {
    Ok(ObjectRef::new(
        Namespace::parse(&reference.namespace)?,
        ObjectName::parse(&reference.name)?,
    ))
}

fn label_selector(selector: &LabelSelector) -> world::LabelSelector {
    let requirement = |Requirement {
                           key,
                           operator,
                           values,
                       }: &Requirement| {
        let (key, values) = (key.clone(), values.iter().cloned().collect());
        match operator {
            Operator::DoesNotExist => world::Requirement::DoesNotExist(key),
            Operator::Exists => world::Requirement::Exists(key),
            Operator::In => world::Requirement::In(key, values),
            Operator::NotIn => world::Requirement::NotIn(key, values),
        }
    };
    world::LabelSelector {
        match_labels: selector.match_labels.clone(),
        requirements: selector.match_expressions.iter().map(requirement).collect(),
    }
}

fn seconds(duration: GoDuration) -> mintage_core::Seconds {
    // Bounded to 99999 hours in each of four parts by the schema's pattern.
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mintage_core::{Domain, Identifier, Namespace, ObjectName, Scope};
    use regex::Regex;

    use super::{label_selector, tenant};
    use crate::field;
    use crate::selector::{LabelSelector, Operator, Requirement};
    use crate::{Tenant, TenantSpec};

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn requirement(operator: Operator, values: &[&str]) -> LabelSelector {
        LabelSelector {
            match_labels: BTreeMap::new(),
            match_expressions: vec![Requirement {
                key: "team".to_owned(),
                operator,
                values: values.iter().map(|value| (*value).to_owned()).collect(),
            }],
        }
    }

    #[test]
    fn selectors_select_as_in_kubernetes() {
        let everything = label_selector(&LabelSelector::default());
        assert!(everything.matches(&labels(&[])) && everything.matches(&labels(&[("a", "b")])));

        let with = labels(&[("team", "shop")]);
        let without = labels(&[("other", "shop")]);
        for (operator, values, on_with, on_without) in [
            (Operator::In, &["shop", "pay"][..], true, false),
            (Operator::In, &["pay"], false, false),
            (Operator::NotIn, &["shop"], false, true),
            (Operator::NotIn, &["pay"], true, true),
            (Operator::Exists, &[], true, false),
            (Operator::DoesNotExist, &[], false, true),
        ] {
            let selector = label_selector(&requirement(operator, values));
            assert_eq!(selector.matches(&with), on_with, "{operator:?} {values:?}");
            assert_eq!(
                selector.matches(&without),
                on_without,
                "{operator:?} {values:?}"
            );
        }

        let both = LabelSelector {
            match_labels: labels(&[("env", "prod")]),
            ..requirement(Operator::Exists, &[])
        };
        let both = label_selector(&both);
        assert!(both.matches(&labels(&[("env", "prod"), ("team", "x")])));
        assert!(!both.matches(&labels(&[("env", "dev"), ("team", "x")])));
        assert!(!both.matches(&labels(&[("env", "prod")])));
    }

    #[test]
    fn a_key_that_cannot_be_one_leaves_the_tenant_readable_and_is_said() {
        let read = |revoke: &str| {
            let spec = serde_json::from_value(serde_json::json!({"domain": "acme.test"}));
            let spec: TenantSpec = spec.unwrap();
            let mut object = Tenant::new("acme", spec);
            object.metadata.namespace = Some("identity".to_owned());
            object.metadata.uid = Some("uid".to_owned());
            object.metadata.annotations = Some(labels(&[("mintage.dev/revoke-key", revoke)]));
            tenant(&object).unwrap()
        };
        let kids = |tenant: &mintage_core::world::Tenant| -> Vec<String> {
            tenant.revoke_keys.iter().map(ToString::to_string).collect()
        };
        let fine = read(" one, two ,");
        assert_eq!(kids(&fine), ["one", "two"]);
        assert_eq!(fine.unreadable, Vec::<String>::new());

        let mixed = read("one,a key,two");
        assert_eq!(
            kids(&mixed),
            ["one", "two"],
            "the others are revoked all the same"
        );
        let [text] = &mixed.unreadable[..] else {
            panic!("{:?}", mixed.unreadable)
        };
        for part in ["mintage.dev/revoke-key", "\"a key\"", "kid", "commas"] {
            assert!(text.contains(part), "{text}");
        }

        let long = read(&["-----BEGIN PRIVATE KEY-----\nMC4CAQAw"; 1000].join(","));
        let [text] = &long.unreadable[..] else {
            panic!("{:?}", long.unreadable)
        };
        assert!(text.contains("and 997 more") && text.len() < 500, "{text}");
        assert!(!text.contains("MC4") && !text.contains('\n'), "{text}");
    }

    /// What a schema lets through, core can read; and what core cannot read, the schema refuses.
    #[test]
    fn schemas_and_parsers_agree() {
        let texts = (0..=127_u8).flat_map(|byte| {
            let c = char::from(byte);
            [
                format!("{c}"),
                format!("a{c}"),
                format!("{c}a"),
                format!("a{c}b"),
                format!("a.{c}b"),
                format!("a:{c}"),
            ]
        });
        let more = [
            "", "a:443", "a:80", "a:0", "a:65535", "a:65536", "a:080", "a..b", "a-.b", "\u{e9}",
            "a:80:80",
        ];
        let texts: Vec<String> = texts.chain(more.map(str::to_owned)).collect();
        let agree = |pattern: &str, parses: &dyn Fn(&str) -> bool| {
            let regex = Regex::new(pattern).unwrap();
            for text in &texts {
                assert_eq!(
                    regex.is_match(text),
                    parses(text),
                    "{pattern} and the parser differ on {text:?}"
                );
            }
        };
        agree(field::IDENTIFIER, &|text| Identifier::parse(text).is_ok());
        agree(field::SCOPE, &|text| Scope::parse(text).is_ok());
        agree(field::DNS_LABEL, &|text| Namespace::parse(text).is_ok());
        agree(field::DNS_SUBDOMAIN, &|text| {
            ObjectName::parse(text).is_ok()
        });
        agree(field::AUTHORITY, &|text| Domain::parse(text).is_ok());
    }
}
