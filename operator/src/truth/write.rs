//! Writing what differs.

use std::collections::{BTreeMap, BTreeSet};

use mintage_core::plan::{Parts, RootPart, TenantParts};
use mintage_core::{ObjectRef, TenantRef};

use super::shard::{self, DomainClaim, Key, Root, Shard};
use super::{Stored, Truth, at, concerns, nothing};
use crate::api::{Failure, Version, Writer};
use crate::at_once::at_once;
use crate::secrets::{Draft, Place};

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
    fn note(&mut self, failures: &[(Place, Failure)]) {
        for (_, failure) in failures {
            match failure {
                Failure::Conflict | Failure::NotFound => self.conflict = true,
                Failure::Later(_) | Failure::NotLeading => self.deposed = true,
                Failure::NamespaceGone | Failure::Refused(_) | Failure::Unavailable(_) => {}
            }
        }
    }
}

/// What was written of one part, in the order in which it was.
#[derive(Debug, Default)]
struct Progress {
    /// The Secrets; those without a version were deleted.
    secrets: Vec<(Key, Option<Stored>)>,
    root: Option<RootPart>,
    /// The shards as they were, and as they are.
    shards: Vec<(Shard, Shard)>,
    /// Of which Secrets the write failed, and how.
    failures: Vec<(Place, Failure)>,
}

/// A write of a part failed: what it was stands in the progress, and what depends on it must wait.
struct Failed;

impl Progress {
    /// In words what went wrong first.
    fn reason(&self) -> Option<String> {
        let (place, failure) = self.failures.first()?;
        Some(at(place, failure))
    }

    fn include(&mut self, other: Self) {
        self.secrets.extend(other.secrets);
        self.root = other.root.or(self.root.take());
        self.shards.extend(other.shards);
        self.failures.extend(other.failures);
    }
}

impl Truth {
    /// Writes what differs from what is stored: first who holds which domain; then of all tenants at once each one's own
    /// part, and after it its shards. Of the tenants in `skip` nothing is written.
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
        if outcome.deposed {
            return outcome;
        }
        let mut wanted = wanted.tenants;
        let known: Vec<TenantRef> = self.parts.tenants.keys().cloned().collect();
        for tenant in known {
            // What was forgotten whole is to be written as nothing.
            wanted.entry(tenant).or_default();
        }
        let mut changes = Vec::new();
        for (tenant, parts) in wanted {
            if skip.contains(&tenant) || self.damaged.contains_key(&tenant) {
                continue;
            }
            if let Some(reason) = unheld
                .iter()
                .find(|(holder, _)| concerns(holder, &tenant))
                .map(|(_, reason)| reason)
            {
                outcome.failed.insert(tenant, reason.clone());
            } else if self.parts.tenants.get(&tenant) != Some(&parts) {
                changes.push((tenant, parts));
            }
        }
        self.write_tenants(writer, changes, &mut outcome).await;
        outcome
    }

    async fn write_tenants(
        &mut self,
        writer: &Writer,
        changes: Vec<(TenantRef, TenantParts)>,
        outcome: &mut Outcome,
    ) {
        let truth = &*self;
        let done = at_once(changes, |(tenant, parts)| async move {
            let gone = parts == nothing();
            let progress = truth.write_tenant(writer, &tenant, parts).await;
            (tenant, gone, progress)
        });
        for (tenant, gone, progress) in done.await {
            match self.take(&tenant, progress, outcome) {
                Some(reason) => {
                    outcome.failed.insert(tenant, reason);
                }
                None if gone => {
                    self.parts.tenants.remove(&tenant);
                    self.damaged.remove(&tenant);
                }
                None => {}
            }
        }
    }

    /// The holders whose claims could not be written, and why.
    async fn write_domains(
        &mut self,
        writer: &Writer,
        wanted: &Parts,
        skip: &BTreeSet<TenantRef>,
        outcome: &mut Outcome,
    ) -> Vec<(ObjectRef, String)> {
        let frozen = |holder: &ObjectRef| {
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
        let truth = &*self;
        let done = at_once(changes, |(domain, claim)| async move {
            let key = Key::Domain(domain.clone());
            let mut progress = Progress::default();
            let done = match &claim {
                Some(claim) => {
                    let stored = DomainClaim {
                        claim: claim.clone(),
                    };
                    truth.put(writer, key, &stored, &mut progress).await
                }
                None => truth.delete(writer, key, &mut progress).await,
            };
            (domain, claim, done, progress)
        });
        let mut unheld = Vec::new();
        for (domain, claim, done, progress) in done.await {
            let reason = progress.reason();
            self.take_secrets(progress.secrets, outcome);
            outcome.note(&progress.failures);
            match (done, claim) {
                (Ok(()), Some(claim)) => {
                    self.parts.domains.insert(domain, claim);
                }
                (Ok(()), None) => {
                    self.parts.domains.remove(&domain);
                }
                (Err(Failed), Some(claim)) => {
                    unheld.push((claim.holder.object.at, reason.unwrap_or_default()));
                }
                (Err(Failed), None) => {}
            }
        }
        unheld
    }

    async fn write_tenant(
        &self,
        writer: &Writer,
        tenant: &TenantRef,
        parts: TenantParts,
    ) -> Progress {
        let mut progress = Progress::default();
        // A failure stands in the progress.
        let (Ok(()) | Err(Failed)) = if parts == nothing() {
            self.remove_parts(writer, tenant, &mut progress).await
        } else {
            self.write_parts(writer, tenant, parts, &mut progress).await
        };
        progress
    }

    async fn write_parts(
        &self,
        writer: &Writer,
        tenant: &TenantRef,
        parts: TenantParts,
        progress: &mut Progress,
    ) -> Result<(), Failed> {
        let none = nothing();
        let before = self.parts.tenants.get(tenant).unwrap_or(&none);
        let root_key = Key::Root(tenant.clone());
        let mut root = Root {
            shards: self.stored_shards(tenant),
            root: parts.root,
        };
        if before.root != root.root || !self.stored.contains_key(&root_key) {
            self.put(writer, root_key.clone(), &root, progress).await?;
            progress.root = Some(root.root.clone());
        }

        let mut old = shard::shards(before);
        let mut wanted = shard::shards(&TenantParts {
            root: RootPart::default(),
            ..parts
        });
        for name in old.keys() {
            // An empty shard stays: the root names it.
            wanted.entry(name.clone()).or_default();
        }
        let mut changes = Vec::new();
        for (name, shard) in wanted {
            let old = old.remove(&name).unwrap_or_default();
            let key = Key::Shard(tenant.clone(), name.clone());
            if old != shard || !self.stored.contains_key(&key) {
                changes.push((name, key, old, shard));
            }
        }
        let done = at_once(changes, |(name, key, old, shard)| async move {
            let mut progress = Progress::default();
            let written = self.put(writer, key, &shard, &mut progress).await;
            if written.is_ok() {
                progress.shards.push((old, shard));
            }
            (written.is_ok().then_some(name), progress)
        });
        let mut shards = root.shards.clone();
        for (name, done) in done.await {
            shards.extend(name);
            progress.include(done);
        }
        if root.shards != shards {
            root.shards = shards;
            self.put(writer, root_key, &root, progress).await?;
        }
        Ok(())
    }

    /// Keeps what was written of a tenant; what went wrong, if anything did.
    fn take(
        &mut self,
        tenant: &TenantRef,
        progress: Progress,
        outcome: &mut Outcome,
    ) -> Option<String> {
        let reason = progress.reason();
        outcome.note(&progress.failures);
        self.take_secrets(progress.secrets, outcome);
        if progress.root.is_some() || !progress.shards.is_empty() {
            let parts = self.parts.tenants.entry(tenant.clone()).or_default();
            if let Some(root) = progress.root {
                parts.root = root;
            }
            for (old, new) in progress.shards {
                for namespace in old.namespaces.keys() {
                    parts.namespaces.remove(namespace);
                }
                for identifier in old.audiences.keys() {
                    parts.audiences.remove(identifier);
                }
                parts.namespaces.extend(new.namespaces);
                parts.audiences.extend(new.audiences);
            }
        }
        reason
    }

    fn take_secrets(&mut self, secrets: Vec<(Key, Option<Stored>)>, outcome: &mut Outcome) {
        outcome.written += secrets.len();
        for (key, stored) in secrets {
            match stored {
                Some(Stored { version, hash }) => self.remember(key, version, hash),
                None => self.forget(&key),
            }
        }
    }

    /// Removes everything that is stored of tenants, also where it cannot be read.
    pub async fn remove(&mut self, writer: &Writer, tenants: BTreeSet<TenantRef>) -> Outcome {
        let mut outcome = Outcome::default();
        let tenants = tenants.into_iter().map(|tenant| (tenant, nothing()));
        self.write_tenants(writer, tenants.collect(), &mut outcome)
            .await;
        outcome
    }

    /// Removes the shards, then the part that names them.
    async fn remove_parts(
        &self,
        writer: &Writer,
        tenant: &TenantRef,
        progress: &mut Progress,
    ) -> Result<(), Failed> {
        let root_key = Key::Root(tenant.clone());
        let shards = self.stored_shards(tenant);
        if !shards.is_empty() && self.stored.contains_key(&root_key) {
            let parts = self.parts.tenants.get(tenant);
            let root = Root {
                shards: BTreeSet::new(),
                root: parts.map(|parts| parts.root.clone()).unwrap_or_default(),
            };
            self.put(writer, root_key.clone(), &root, progress).await?;
        }
        for shard in shards {
            let key = Key::Shard(tenant.clone(), shard);
            self.delete(writer, key, progress).await?;
        }
        self.delete(writer, root_key, progress).await
    }

    /// Writes a Secret unless it holds that already.
    async fn put(
        &self,
        writer: &Writer,
        key: Key,
        value: &impl serde::Serialize,
        progress: &mut Progress,
    ) -> Result<(), Failed> {
        let draft = key.draft(&self.operator, value);
        let hash = draft.hash();
        let known = self.known(&key, progress);
        if known.is_some_and(|stored| stored.hash == hash) {
            return Ok(());
        }
        match store(writer, &draft, known.map(|stored| &stored.version)).await {
            Ok(version) => {
                let stored = Stored { version, hash };
                progress.secrets.push((key, Some(stored)));
                Ok(())
            }
            Err(failure) => {
                progress.failures.push((draft.place, failure));
                Err(Failed)
            }
        }
    }

    async fn delete(
        &self,
        writer: &Writer,
        key: Key,
        progress: &mut Progress,
    ) -> Result<(), Failed> {
        let Some(Stored { version, .. }) = self.known(&key, progress) else {
            return Ok(());
        };
        let place = key.place(&self.operator);
        match writer.delete("truth", &place.0, &place.1, version).await {
            Ok(()) => {
                progress.secrets.push((key, None));
                Ok(())
            }
            Err(failure) => {
                progress.failures.push((place, failure));
                Err(Failed)
            }
        }
    }

    /// A Secret as it is stored, what was just written included.
    fn known<'a>(&'a self, key: &Key, progress: &'a Progress) -> Option<&'a Stored> {
        let mut written = progress.secrets.iter().rev();
        match written.find(|(of, _)| of == key) {
            Some((_, stored)) => stored.as_ref(),
            None => self.stored.get(key),
        }
    }
}

/// Creates it, or replaces a known version.
pub(super) async fn store(
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
