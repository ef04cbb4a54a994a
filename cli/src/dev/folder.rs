//! Observe: from a folder of manifests to what the plan is made from.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use mintage_core::inject::{self, NoTenant, PodWishes};
use mintage_core::ownership::{Kind, Object};
use mintage_core::world::{Grantee, NamespaceInfo, World};
use mintage_core::{Domain, Namespace, ObjectName, ObjectRef, Seconds, TenantRef, Uid, WorkloadId};
use mintage_crds::manifest::{LoadError, Located, Location, Manifests, Workload};
use mintage_crds::{CustomDomain, observe, uid};

use crate::place::{self, Place};

/// What an admin should know of a field.
pub struct Remark {
    /// Where it is written.
    pub place: Place,
    /// In words.
    pub text: String,
}

/// A folder, observed.
pub struct Folder {
    /// What is declared.
    pub world: World,
    /// Where each object of ours is written.
    pub places: BTreeMap<Object, Location>,
    /// Objects of other kinds, which were not read.
    pub ignored: Vec<String>,
    /// Remarks on what cannot be as declared without a cluster.
    pub remarks: Vec<Remark>,
    workloads: BTreeMap<WorkloadId, PodWishes>,
    namespace_tenants: BTreeMap<Namespace, TenantRef>,
}

impl Folder {
    /// Observes manifests. The namespaces of `acting` workloads count as opted in, since they have a sidecar: this
    /// process. `propagation_delay` stands for each tenant's own. There is nobody to ask about domains: on a laptop the
    /// admin's word counts.
    pub fn observe<'a>(
        manifests: &Manifests,
        acting: impl Iterator<Item = &'a WorkloadId>,
        propagation_delay: Seconds,
    ) -> Result<Self> {
        Self::observe_with(manifests, acting, propagation_delay, |_| true)
    }

    /// The same; `verified` says of a domain whether somebody has shown that it is the tenant's.
    pub fn observe_with<'a>(
        manifests: &Manifests,
        acting: impl Iterator<Item = &'a WorkloadId>,
        propagation_delay: Seconds,
        verified: fn(&CustomDomain) -> bool,
    ) -> Result<Self> {
        let mut folder = Self {
            world: World::default(),
            places: BTreeMap::new(),
            ignored: Vec::new(),
            remarks: Vec::new(),
            workloads: BTreeMap::new(),
            namespace_tenants: BTreeMap::new(),
        };
        folder.add_namespaces(manifests)?;
        folder.add_workloads(manifests)?;
        for workload in acting {
            folder.opt_in(&workload.namespace)?;
            folder.workloads.entry(workload.clone()).or_default();
        }
        folder.add_resources(manifests, propagation_delay, verified)?;
        folder.ignored = manifests
            .ignored
            .iter()
            .map(|Located { object, source }| {
                format!("{}: {} {}", source.at(""), object.kind, object.name)
            })
            .collect();
        Ok(folder)
    }

    fn add_namespaces(&mut self, manifests: &Manifests) -> Result<()> {
        for Located { object, source } in &manifests.namespaces {
            let name = Namespace::parse(&object.name)?;
            let info = self.namespace(&name)?;
            info.labels.extend(object.labels.clone());
            info.opted_in = inject::namespace_opts_in(&object.labels);
            if let Some(tenant) = object.annotations.get(inject::TENANT) {
                let tenant = TenantRef::parse(tenant.trim()).with_context(|| {
                    format!(
                        "{}: annotation {}",
                        source.at("metadata.annotations"),
                        inject::TENANT
                    )
                })?;
                self.namespace_tenants.insert(name, tenant);
            }
        }
        Ok(())
    }

    fn add_workloads(&mut self, manifests: &Manifests) -> Result<()> {
        for Located { object, source } in &manifests.workloads {
            let Workload {
                namespace,
                service_account,
                labels,
                annotations,
                ..
            } = object;
            let id = WorkloadId::new(
                Namespace::parse(namespace)?,
                ObjectName::parse(service_account)?,
            );
            let wishes =
                PodWishes::parse(annotations).with_context(|| source.at("").to_string())?;
            if inject::pod_opts_in(labels) {
                self.opt_in(&id.namespace)?;
            }
            let known = self.workloads.entry(id).or_default();
            if *known == PodWishes::default() {
                *known = wishes;
            }
        }
        Ok(())
    }

    fn add_resources(
        &mut self,
        manifests: &Manifests,
        propagation_delay: Seconds,
        verified: fn(&CustomDomain) -> bool,
    ) -> Result<()> {
        for Located { object, source } in &manifests.tenants {
            let mut object = object.clone();
            object.metadata.uid = Some(uid::of_object("Tenant", &object.metadata));
            let mut tenant = observe::tenant(&object).with_context(|| source.at("").to_string())?;
            tenant.propagation_delay = propagation_delay;
            if tenant.key_secret.take().is_some() {
                let place = place::of_tenant(manifests, &tenant.at, "spec.signing.keySecretRef");
                let text = "it is read in a cluster only; dev makes the keys itself";
                self.remarks.extend(place.map(|place| Remark {
                    place,
                    text: text.to_owned(),
                }));
            }
            self.place(
                Kind::Tenant,
                ObjectRef::new(tenant.at.namespace.clone(), tenant.at.name.clone()),
                source.at(""),
            )?;
            self.world.tenants.push(tenant);
        }
        for Located { object, source } in &manifests.audiences {
            let mut object = object.clone();
            object.metadata.uid = Some(uid::of_object("ApiAudience", &object.metadata));
            let audience = observe::audience(&object).with_context(|| source.at("").to_string())?;
            self.place(Kind::ApiAudience, audience.at.clone(), source.at(""))?;
            self.world.audiences.push(audience.into());
        }
        for Located { object, source } in &manifests.applications {
            let mut object = object.clone();
            object.metadata.uid = Some(uid::of_object("Application", &object.metadata));
            let application =
                observe::application(&object).with_context(|| source.at("").to_string())?;
            self.place(Kind::Application, application.at.clone(), source.at(""))?;
            self.world.applications.push(application);
        }
        for Located { object, source } in &manifests.domains {
            let mut object = object.clone();
            object.metadata.uid = Some(uid::of_object("CustomDomain", &object.metadata));
            let domain = observe::custom_domain(&object, verified(&object))
                .with_context(|| source.at("").to_string())?;
            self.place(Kind::CustomDomain, domain.at.clone(), source.at(""))?;
            self.world.domains.push(domain);
        }
        Ok(())
    }

    fn place(&mut self, kind: Kind, at: ObjectRef, location: Location) -> Result<()> {
        // An object may stand in a namespace that the folder does not declare; it has one all the same.
        self.namespace(&at.namespace)?;
        self.places.insert(Object { kind, at }, location);
        Ok(())
    }

    fn opt_in(&mut self, namespace: &Namespace) -> Result<()> {
        self.namespace(namespace)?.opted_in = true;
        Ok(())
    }

    fn namespace(&mut self, name: &Namespace) -> Result<&mut NamespaceInfo> {
        let uid = Uid::parse(&uid::derived("Namespace", "", name.as_str()))?;
        Ok(self
            .world
            .namespaces
            .entry(name.clone())
            .or_insert_with(|| NamespaceInfo {
                // Kubernetes puts this label on every namespace.
                labels: BTreeMap::from([(
                    "kubernetes.io/metadata.name".to_owned(),
                    name.to_string(),
                )]),
                opted_in: false,
                uid,
            }))
    }

    /// The workload that `dev` acts as when none is named: the one with the most grants. One that the folder does not have
    /// counts, too, where it has a tenant.
    pub fn default_workload(manifests: &Manifests) -> Result<WorkloadId> {
        let folder = Self::observe(manifests, std::iter::empty(), 0)?;
        let mut grants: BTreeMap<&WorkloadId, (usize, bool)> = BTreeMap::new();
        for workload in folder.workloads.keys() {
            grants.insert(workload, (0, true));
        }
        let all = folder.world.audiences.iter();
        for grant in all.flat_map(|audience| &audience.grants) {
            if let Grantee::Workload(workload) = &grant.to {
                grants.entry(workload).or_default().0 += 1;
            }
        }
        let nothing = PodWishes::default();
        grants.retain(|workload, (_, is_here)| {
            *is_here || folder.tenant_of(workload, &nothing).is_ok()
        });
        // Of equals one that is here, and the first by name; `max_by_key` takes the last.
        let best = grants.iter().rev().max_by_key(|(_, many)| **many);
        let Some((workload, _)) = best else {
            // Nobody runs here: whoever a tenant admits will do.
            let tenant = folder.world.tenants.first();
            let namespace = tenant.map_or("default", |tenant| tenant.at.namespace.as_str());
            return Ok(WorkloadId::parse(&format!("{namespace}/default"))?);
        };
        Ok((*workload).clone())
    }

    /// What a workload asks for: its manifests, and in their place what is `said` on the command line.
    pub fn wishes(&self, workload: &WorkloadId, said: PodWishes) -> PodWishes {
        let written = self.workloads.get(workload).cloned().unwrap_or_default();
        PodWishes {
            tenant: said.tenant.or(written.tenant),
            accept: if said.accept.is_empty() {
                written.accept
            } else {
                said.accept
            },
            domain: said.domain.or(written.domain),
        }
    }

    /// The tenant of a workload.
    pub fn tenant_of(
        &self,
        workload: &WorkloadId,
        wishes: &PodWishes,
    ) -> Result<TenantRef, NoTenant> {
        let of_namespace = self.namespace_tenants.get(&workload.namespace);
        inject::choose_tenant(
            &self.world,
            &workload.namespace,
            wishes.tenant.as_ref(),
            of_namespace,
        )
    }
}

impl Folder {
    /// Whether there are the domain and the APIs that a workload is to have by the command line.
    pub fn check_options(
        &self,
        workload: &WorkloadId,
        tenant: &TenantRef,
        domain: Option<&Domain>,
        accept: &[ObjectName],
    ) -> Result<()> {
        let world = &self.world;
        let own = world.tenants.iter().filter(|one| one.at == *tenant);
        let custom = world.domains.iter().filter(|one| one.tenant == *tenant);
        let domains = own.map(|one| &one.domain);
        let domains: Vec<&Domain> = domains.chain(custom.map(|one| &one.domain)).collect();
        if let Some(domain) = domain.filter(|domain| !domains.contains(domain)) {
            bail!(
                "--domain {domain}: tenant {tenant} has no such domain; it has {}",
                join(&domains)
            );
        }
        let namespace = &workload.namespace;
        let apis = world.audiences.iter();
        let apis = apis.filter(|api| api.tenant == *tenant && api.at.namespace == *namespace);
        let apis: Vec<&ObjectName> = apis.map(|api| &api.at.name).collect();
        if let Some(name) = accept.iter().find(|name| !apis.contains(name)) {
            bail!(
                "--accept {name}: namespace {namespace} has no ApiAudience of that name under tenant {tenant}; it has {}",
                join(&apis)
            );
        }
        Ok(())
    }
}

fn join(names: &[impl Display]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// The entries of a Secret of the folder.
pub fn secret(
    manifests: &Manifests,
    namespace: &Namespace,
    name: &ObjectName,
) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut secrets = manifests.secrets.iter().map(|secret| &secret.object);
    let found = secrets
        .find(|secret| secret.namespace == namespace.as_str() && secret.name == name.as_str());
    found.map(|secret| secret.data.clone())
}

/// Reads a folder; every problem in it is a line of the error.
pub fn read(path: &Path, before: Option<&Manifests>) -> Result<Manifests> {
    load(path, before).map_err(|problems| unreadable(path, &problems))
}

/// Reads a folder, or says what keeps it from being taken up.
pub fn load(path: &Path, before: Option<&Manifests>) -> Result<Manifests, Vec<LoadError>> {
    let manifests = mintage_crds::manifest::load(path)?;
    let problems = before.map(|before| manifests.forbidden_changes(before));
    match problems {
        Some(problems) if !problems.is_empty() => Err(problems),
        Some(_) | None => Ok(manifests),
    }
}

/// The problems of a folder, in lines.
pub fn unreadable(path: &Path, problems: &[LoadError]) -> anyhow::Error {
    if let [only] = problems {
        return anyhow!("{only}");
    }
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("  {problem}"))
        .collect();
    anyhow!(
        "{} problems in {}:\n{}",
        lines.len(),
        path.display(),
        lines.join("\n")
    )
}
