//! Writing what differs.

use std::collections::{BTreeMap, BTreeSet};

use mintage_core::TenantRef;
use mintage_core::plan::{Parts, TenantParts};

use super::shard::{self, DomainClaim, Key, Root, Shard};
use super::{Look, Stored, Truth, at, concerns, nothing};
use crate::api::{Failure, Version, Writer, version};
use crate::secrets::{Draft, Place, epoch_of, hash_of};

/// What came of writing.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The tenants of which not everything could be written, with what went wrong: their outputs must wait.
    pub failed: BTreeMap<TenantRef, String>,
    /// Somebody else changed what is stored: it is to be read anew.
    pub conflict: bool,
    /// This process leads no longer.
    pub deposed: bool,
    /// How many Secrets were written.
    pub written: usize,
}

impl Outcome {
    fn note(&mut self, failure: &Failure) {
        match failure {
            Failure::Conflict | Failure::NotFound => self.conflict = true,
            Failure::Later(_) | Failure::NotLeading => self.deposed = true,
            Failure::NamespaceGone | Failure::Refused(_) | Failure::Unavailable(_) => {}
        }
    }
}

impl Truth {
    /// Writes what differs from what is stored: first who holds which domain, then each tenant's own part, then its
    /// shards. Of the tenants in `skip` nothing is written.
    pub async fn write(
        &mut self,
        writer: &Writer,
        wanted: Parts,
        skip: &BTreeSet<TenantRef>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let unheld = self
            .write_domains(writer, &wanted, skip, &mut outcome)
            .await;
        let mut wanted = wanted.tenants;
        let known: Vec<TenantRef> = self.parts.tenants.keys().cloned().collect();
        for tenant in known {
            // What was forgotten whole is to be written as nothing.
            wanted.entry(tenant).or_default();
        }
        for (tenant, parts) in wanted {
            if outcome.deposed {
                break;
            }
            if skip.contains(&tenant) || self.damaged.contains_key(&tenant) {
                continue;
            }
            if let Some(reason) = unheld
                .iter()
                .find(|(holder, _)| concerns(holder, &tenant))
                .map(|(_, reason)| reason)
            {
                outcome.failed.insert(tenant, reason.clone());
                continue;
            }
            if self.parts.tenants.get(&tenant) == Some(&parts) {
                continue;
            }
            if let Err(reason) = self
                .write_tenant(writer, &tenant, parts, &mut outcome)
                .await
            {
                outcome.failed.insert(tenant, reason);
            }
        }
        outcome
    }

    /// The holders whose claims could not be written, and why.
    async fn write_domains(
        &mut self,
        writer: &Writer,
        wanted: &Parts,
        skip: &BTreeSet<TenantRef>,
        outcome: &mut Outcome,
    ) -> Vec<(mintage_core::ObjectRef, String)> {
        let mut unheld = Vec::new();
        let frozen = |holder: &mintage_core::ObjectRef| {
            let tenants = skip.iter().chain(self.damaged.keys());
            tenants.into_iter().any(|tenant| concerns(holder, tenant))
        };
        let mut changes = Vec::new();
        for (domain, claim) in &wanted.domains {
            if self.parts.domains.get(domain) != Some(claim) && !frozen(&claim.holder.object.at) {
                changes.push((domain.clone(), Some(claim.clone())));
            }
        }
        for (domain, claim) in &self.parts.domains {
            if !wanted.domains.contains_key(domain) && !frozen(&claim.holder.object.at) {
                changes.push((domain.clone(), None));
            }
        }
        for (domain, claim) in changes {
            let key = Key::Domain(domain.clone());
            let done = match &claim {
                Some(claim) => {
                    let stored = DomainClaim {
                        claim: claim.clone(),
                    };
                    self.put(writer, &key, &stored, outcome).await
                }
                None => self.remove(writer, &key, outcome).await,
            };
            match (done, claim) {
                (Ok(()), Some(claim)) => {
                    self.parts.domains.insert(domain, claim);
                }
                (Ok(()), None) => {
                    self.parts.domains.remove(&domain);
                }
                (Err(reason), Some(claim)) => unheld.push((claim.holder.object.at, reason)),
                (Err(_), None) => {}
            }
        }
        unheld
    }

    async fn write_tenant(
        &mut self,
        writer: &Writer,
        tenant: &TenantRef,
        parts: TenantParts,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        if parts == nothing() {
            return self.remove_parts(writer, tenant, outcome).await;
        }
        let before = self.parts.tenants.get(tenant).cloned().unwrap_or_default();
        let root_key = Key::Root(tenant.clone());
        let mut root = Root {
            shards: self.stored_shards(tenant),
            root: parts.root,
        };
        if before.root != root.root || !self.stored.contains_key(&root_key) {
            self.put(writer, &root_key, &root, outcome).await?;
            self.parts.tenants.entry(tenant.clone()).or_default().root = root.root.clone();
        }

        let rest = TenantParts {
            root: before.root.clone(),
            namespaces: parts.namespaces,
            audiences: parts.audiences,
        };
        let mut old = shard::shards(&before);
        let mut first_error = None;
        let mut wanted = shard::shards(&rest);
        for name in old.keys() {
            // An empty shard stays: the root names it.
            wanted.entry(name.clone()).or_default();
        }
        for (name, shard) in wanted {
            let old = old.remove(&name).unwrap_or_default();
            let key = Key::Shard(tenant.clone(), name.clone());
            if old == shard && self.stored.contains_key(&key) {
                continue;
            }
            match self.put(writer, &key, &shard, outcome).await {
                Ok(()) => self.adopt(tenant, &old, shard),
                Err(reason) => {
                    first_error.get_or_insert(reason);
                }
            }
        }
        let shards = self.stored_shards(tenant);
        if root.shards != shards {
            root.shards = shards;
            self.put(writer, &root_key, &root, outcome).await?;
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Puts a shard that was written in the place of the one that was there.
    fn adopt(&mut self, tenant: &TenantRef, old: &Shard, new: Shard) {
        let parts = self.parts.tenants.entry(tenant.clone()).or_default();
        for namespace in old.namespaces.keys() {
            parts.namespaces.remove(namespace);
        }
        for identifier in old.audiences.keys() {
            parts.audiences.remove(identifier);
        }
        parts.namespaces.extend(new.namespaces);
        parts.audiences.extend(new.audiences);
    }

    /// Removes everything that is stored of a tenant, also where it cannot be read.
    pub async fn remove_tenant(
        &mut self,
        writer: &Writer,
        tenant: &TenantRef,
    ) -> Result<(), Failure> {
        let mut outcome = Outcome::default();
        let removed = self.remove_parts(writer, tenant, &mut outcome).await;
        if outcome.deposed {
            return Err(Failure::NotLeading);
        }
        removed.map_err(Failure::Unavailable)
    }

    /// Removes the shards, then the part that names them.
    async fn remove_parts(
        &mut self,
        writer: &Writer,
        tenant: &TenantRef,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let root_key = Key::Root(tenant.clone());
        let shards = self.stored_shards(tenant);
        if !shards.is_empty() && self.stored.contains_key(&root_key) {
            let root = Root {
                shards: BTreeSet::new(),
                root: self
                    .parts
                    .tenants
                    .get(tenant)
                    .map(|parts| parts.root.clone())
                    .unwrap_or_default(),
            };
            self.put(writer, &root_key, &root, outcome).await?;
        }
        for shard in shards {
            let key = Key::Shard(tenant.clone(), shard);
            self.remove(writer, &key, outcome).await?;
        }
        self.remove(writer, &root_key, outcome).await?;
        self.parts.tenants.remove(tenant);
        self.damaged.remove(tenant);
        Ok(())
    }

    async fn put(
        &mut self,
        writer: &Writer,
        key: &Key,
        value: &impl serde::Serialize,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let draft = key.draft(&self.operator, value);
        let hash = draft.hash();
        let known = self.stored.get(key);
        if known.is_some_and(|stored| stored.hash == hash) {
            return Ok(());
        }
        let known = known.map(|stored| stored.version.clone());
        match store(writer, &draft, known.as_ref()).await {
            Ok(version) => {
                self.remember(key.clone(), version, hash);
                outcome.written += 1;
                Ok(())
            }
            Err(failure) => {
                outcome.note(&failure);
                Err(at(&draft.place, &failure))
            }
        }
    }

    async fn remove(
        &mut self,
        writer: &Writer,
        key: &Key,
        outcome: &mut Outcome,
    ) -> Result<(), String> {
        let Some(Stored { version, .. }) = self.stored.get(key) else {
            return Ok(());
        };
        let place = key.place(&self.operator);
        match writer.delete("truth", &place.0, &place.1, version).await {
            Ok(()) => {
                self.forget(key);
                outcome.written += 1;
                Ok(())
            }
            Err(failure) => {
                outcome.note(&failure);
                Err(at(&place, &failure))
            }
        }
    }

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

/// Creates it, or replaces a known version.
async fn store(
    writer: &Writer,
    draft: &Draft,
    replaces: Option<&Version>,
) -> Result<Version, Failure> {
    let secret = draft.render(writer.epoch(), replaces);
    match replaces {
        None => writer.create("truth", &secret).await,
        Some(_) => writer.replace("truth", &secret).await,
    }
}
