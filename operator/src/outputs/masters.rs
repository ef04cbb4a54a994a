//! The master secrets of tenants with an endpoint: made once for each life of a tenant, and kept as long as that.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use mintage_core::endpoint::{Master, MasterFile};
use mintage_core::{TenantRef, Uid};
use mintage_sidecar::clock;

/// The one key of a master secret's Secret; the endpoint's volume has a file of that name.
pub const MASTER: &str = "master.json";

/// The master secrets at hand.
#[derive(Debug, Default)]
pub struct Masters(BTreeMap<TenantRef, MasterFile>);

impl Masters {
    /// Takes up what a Secret holds; what is wrong with it.
    pub fn take_up(&mut self, tenant: &TenantRef, secret: &Secret) -> Result<(), String> {
        let data = secret.data.as_ref().and_then(|data| data.get(MASTER));
        let bytes = data.map(|bytes| bytes.0.as_slice()).unwrap_or_default();
        let file = MasterFile::parse(bytes).map_err(|_| {
            "the master secret of its endpoint is damaged: another one takes its place, so sessions end and applications get another client_secret".to_owned()
        })?;
        self.0.insert(tenant.clone(), file);
        Ok(())
    }

    /// The master secret of a life of a tenant, made if there is none; `None` if this machine gives no random numbers.
    pub fn of(&mut self, tenant: &TenantRef, uid: &Uid) -> Option<MasterFile> {
        if let Some(known) = self.0.get(tenant).filter(|known| known.tenant_uid == *uid) {
            return Some(known.clone());
        }
        let made = MasterFile {
            tenant_uid: uid.clone(),
            master: Master::new(clock::random()?),
        };
        self.0.insert(tenant.clone(), made.clone());
        Some(made)
    }

    /// Whether there is one of a tenant.
    pub fn has(&self, tenant: &TenantRef) -> bool {
        self.0.contains_key(tenant)
    }

    /// Forgets that of a tenant that goes.
    pub fn forget(&mut self, tenant: &TenantRef) {
        self.0.remove(tenant);
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    fn tenant() -> TenantRef {
        TenantRef::parse("identity/acme").unwrap()
    }

    fn uid(text: &str) -> Uid {
        Uid::parse(text).unwrap()
    }

    fn bytes(file: &MasterFile) -> Vec<u8> {
        file.to_bytes().to_vec()
    }

    #[test]
    fn it_is_made_once_for_a_life_of_the_tenant() {
        let mut masters = Masters::default();
        assert!(!masters.has(&tenant()));
        let first = masters.of(&tenant(), &uid("a")).unwrap();
        assert_eq!(
            bytes(&masters.of(&tenant(), &uid("a")).unwrap()),
            bytes(&first)
        );
        let second = masters.of(&tenant(), &uid("b")).unwrap();
        assert_ne!(bytes(&second), bytes(&first));
        masters.forget(&tenant());
        assert!(!masters.has(&tenant()));
    }

    #[test]
    fn what_is_stored_is_taken_up_and_what_is_damaged_is_said_without_it() {
        let stored = Masters::default().of(&tenant(), &uid("a")).unwrap();
        let secret = |bytes: Vec<u8>| Secret {
            data: Some(BTreeMap::from([(MASTER.to_owned(), ByteString(bytes))])),
            ..Secret::default()
        };
        let mut masters = Masters::default();
        masters.take_up(&tenant(), &secret(bytes(&stored))).unwrap();
        assert_eq!(
            bytes(&masters.of(&tenant(), &uid("a")).unwrap()),
            bytes(&stored)
        );

        let damaged = secret(b"hunter2".to_vec());
        let said = Masters::default().take_up(&tenant(), &damaged).unwrap_err();
        assert!(!said.contains("hunter2"), "{said}");
    }
}
