//! The Secrets that the operator makes: their metadata, and what tells whether two hold the same.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ObjectMeta;
use mintage_core::TenantRef;
use mintage_core::code::Coded as _;
use mintage_core::managed::{self, Content};

use crate::api::Version;

/// Annotation with the turn of leadership in which the object was last written: a leader that was deposed sees a higher
/// one and stops.
pub const EPOCH: &str = "mintage.dev/epoch";

/// Namespace and name.
pub type Place = (String, String);

/// A Secret to be.
pub struct Draft {
    pub place: Place,
    pub content: Content,
    pub tenant: Option<TenantRef>,
    pub annotations: BTreeMap<String, String>,
    pub data: BTreeMap<String, Vec<u8>>,
}

/// SHA-256 of a Secret's data.
pub type Hash = [u8; 32];

impl Draft {
    /// The Secret, to be created, or to replace a known version.
    pub fn render(&self, epoch: i32, replaces: Option<&Version>) -> Secret {
        let mut labels = BTreeMap::from([
            (managed::LABEL.to_owned(), self.content.code().to_owned()),
            (
                "app.kubernetes.io/managed-by".to_owned(),
                managed::FIELD_MANAGER.to_owned(),
            ),
        ]);
        if let Some(tenant) = &self.tenant {
            labels.insert(
                managed::TENANT_NAMESPACE.to_owned(),
                tenant.namespace.to_string(),
            );
            labels.insert(managed::TENANT_NAME.to_owned(), tenant.name.to_string());
        }
        let mut annotations = self.annotations.clone();
        annotations.insert(EPOCH.to_owned(), epoch.to_string());
        let data = self
            .data
            .iter()
            .map(|(key, bytes)| (key.clone(), ByteString(bytes.clone())));
        Secret {
            metadata: ObjectMeta {
                namespace: Some(self.place.0.clone()),
                name: Some(self.place.1.clone()),
                labels: Some(labels),
                annotations: Some(annotations),
                uid: replaces.map(|version| version.uid.clone()),
                resource_version: replaces.map(|version| version.resource_version.clone()),
                ..ObjectMeta::default()
            },
            data: Some(data.collect()),
            type_: Some("Opaque".to_owned()),
            ..Secret::default()
        }
    }

    /// What tells it from another.
    pub fn hash(&self) -> Hash {
        hash(
            self.data
                .iter()
                .map(|(key, bytes)| (key.as_str(), bytes.as_slice())),
        )
    }
}

/// What tells a Secret that was read from another.
pub fn hash_of(secret: &Secret) -> Hash {
    let data = secret.data.iter().flatten();
    hash(data.map(|(key, bytes)| (key.as_str(), bytes.0.as_slice())))
}

/// The turn of leadership in which a Secret was last written.
pub fn epoch_of(secret: &Secret) -> Option<i32> {
    let annotations = secret.metadata.annotations.as_ref()?;
    annotations.get(EPOCH)?.parse().ok()
}

/// What a managed Secret holds; `None` if it is not ours.
pub fn content_of(labels: Option<&BTreeMap<String, String>>) -> Option<Content> {
    let value = labels?.get(managed::LABEL)?;
    Content::ALL
        .iter()
        .find(|content| content.code() == value)
        .copied()
}

/// The tenant that a managed Secret is of.
pub fn tenant_of(labels: Option<&BTreeMap<String, String>>) -> Option<TenantRef> {
    let labels = labels?;
    let label = |name: &str| labels.get(name);
    let text = format!(
        "{}/{}",
        label(managed::TENANT_NAMESPACE)?,
        label(managed::TENANT_NAME)?
    );
    TenantRef::parse(&text).ok()
}

/// Lengths are part of it, so that no two data run into the same bytes.
fn hash<'a>(data: impl Iterator<Item = (&'a str, &'a [u8])>) -> Hash {
    let mut context = Context::new(&SHA256);
    for (key, bytes) in data {
        for part in [key.as_bytes(), bytes] {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
    }
    let mut hash = Hash::default();
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(data: &[(&str, &str)]) -> Draft {
        let data = data.iter();
        Draft {
            place: ("identity".to_owned(), "mintage-truth.acme".to_owned()),
            content: Content::Truth,
            tenant: Some(TenantRef::parse("identity/acme").unwrap()),
            annotations: BTreeMap::new(),
            data: data
                .map(|(key, text)| ((*key).to_owned(), text.as_bytes().to_vec()))
                .collect(),
        }
    }

    #[test]
    fn what_is_read_has_the_hash_of_what_was_written() {
        let draft = draft(&[("a", "1"), ("b", "")]);
        let version = Version {
            uid: "u".to_owned(),
            resource_version: "7".to_owned(),
        };
        let secret = draft.render(3, Some(&version));
        assert_eq!(hash_of(&secret), draft.hash());
        assert_eq!(epoch_of(&secret), Some(3));
        assert_eq!(
            content_of(secret.metadata.labels.as_ref()),
            Some(Content::Truth)
        );
        assert_eq!(crate::api::version(&secret).unwrap(), version);
    }

    #[test]
    fn no_two_contents_share_a_hash_by_where_they_are_cut() {
        assert_ne!(draft(&[("a", "bc")]).hash(), draft(&[("ab", "c")]).hash());
        assert_ne!(
            draft(&[("a", "1"), ("b", "2")]).hash(),
            draft(&[("a", "1b2")]).hash()
        );
    }
}
