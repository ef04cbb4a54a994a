//! Looking after what somebody else may have changed.

use super::shard::{self, DomainClaim, Key, Root};
use super::write::store;
use super::{Look, Truth, nothing};
use crate::api::{Failure, Version, Writer, version};
use crate::secrets::{Draft, Place, epoch_of, hash_of};

impl Truth {
    /// Looks at a Secret of which the watch shows a version that this process has not written (`None`: it is gone), and
    /// writes it again if it does not hold what it should.
    pub async fn look(
        &mut self,
        writer: &Writer,
        place: &Place,
        seen: Option<&Version>,
    ) -> Result<Look, Failure> {
        let Some(key) = self.by_place.get(place).cloned() else {
            return Ok(Look::NotOurs);
        };
        let Some(stored) = self.stored.get(&key).cloned() else {
            return Ok(Look::NotOurs);
        };
        if !stored.version.is_outdone_by(seen) {
            return Ok(Look::Intact);
        }
        let present = writer.read(&place.0, &place.1).await?;
        let replaces = match &present {
            Some(secret) => {
                if epoch_of(secret).is_some_and(|epoch| epoch > writer.epoch()) {
                    return Err(Failure::NotLeading);
                }
                let version = version(secret)?;
                if hash_of(secret) == stored.hash {
                    self.remember(key, version, stored.hash);
                    return Ok(Look::Intact);
                }
                Some(version)
            }
            None => None,
        };
        let draft = self.draft_of(&key);
        let hash = draft.hash();
        let version = store(writer, &draft, replaces.as_ref()).await?;
        self.remember(key, version, hash);
        let what = if present.is_some() {
            "changed"
        } else {
            "deleted"
        };
        Ok(Look::Repaired {
            tenant: draft.tenant,
            text: format!(
                "Secret {}/{} was {what} by somebody else and has been restored from memory",
                place.0, place.1
            ),
        })
    }

    /// What a Secret ought to hold.
    fn draft_of(&self, key: &Key) -> Draft {
        let none = nothing();
        let parts = |tenant| self.parts.tenants.get(tenant).unwrap_or(&none);
        match key {
            Key::Domain(domain) => {
                let claim = self.parts.domains.get(domain).cloned();
                key.draft(&self.operator, &claim.map(|claim| DomainClaim { claim }))
            }
            Key::Root(tenant) => {
                let root = Root {
                    shards: self.stored_shards(tenant),
                    root: parts(tenant).root.clone(),
                };
                key.draft(&self.operator, &root)
            }
            Key::Shard(tenant, name) => {
                let shard = shard::shards(parts(tenant)).remove(name);
                key.draft(&self.operator, &shard.unwrap_or_default())
            }
        }
    }
}
