//! One run of `dev`: what it was started with, and what it knows now.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use arc_swap::ArcSwap;
use mintage_core::inject::PodWishes;
use mintage_core::keyring::Owner;
use mintage_core::ledger::Term;
use mintage_core::plan::Plan;
use mintage_core::{Domain, Seconds, TenantRef, UnixTime, WorkloadId, jwks};
use mintage_crds::Manifests;
use mintage_sidecar::clock::{Clock as _, SystemClock};
use mintage_sidecar::endpoint::Realms;
use mintage_sidecar::issuer::Issuers;
use mintage_sidecar::server::TlsConfig;
use mintage_sidecar::state::{Identity, Shared};

use super::authority::Tls;
use super::endpoints;
use super::engine::Engine;
use super::folder::{self, Folder};
use super::inbox::Inbox;
use super::options::Args;
use super::report;
use super::statuses;
use super::store::Store;
use super::watch::Look;

/// A workload that `dev` acts as.
pub struct Acting {
    /// Who.
    pub workload: WorkloadId,
    /// Where its workload API is to listen.
    pub listen: SocketAddr,
    /// What it knows.
    pub shared: Arc<Shared>,
}

/// What the manifests came to.
pub struct Outcome {
    /// The folder as read.
    pub folder: Folder,
    /// The plan made of it.
    pub plan: Plan,
    /// The tenant and identity of each acting workload, in their order.
    pub actors: Vec<(TenantRef, Identity)>,
}

/// The run.
pub struct Session {
    /// The command line.
    pub args: Args,
    /// Whom it acts as; the first is the one of `--as`.
    pub acting: Vec<Acting>,
    /// What the last good manifests came to.
    pub outcome: Outcome,
    /// The keys of each issuer.
    pub issuers: Issuers,
    /// The endpoints of the tenants that have one.
    pub realms: Realms,
    /// The TLS set-up.
    pub tls: TlsConfig,
    engine: Engine,
    manifests: Manifests,
    certificate: Tls,
    look: Look,
    /// What is due and failed is not tried again before.
    retry_at: UnixTime,
    /// What was said about the endpoints.
    complaints: Vec<String>,
    /// Good manifests that could not be kept, and what was said about it.
    unkept: Option<String>,
}

/// The manifests are good, and the state folder is not: trying again may help.
#[derive(Debug)]
struct Unkept;

impl Display for Unkept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the state cannot be kept")
    }
}

/// How long to wait after a failure, in seconds: a full disk is not helped by trying at once.
const RETRY: Seconds = 10;

impl Session {
    /// Reads the folder, takes up the state and makes everything ready.
    pub fn start(args: Args) -> Result<Self> {
        let look = Look::at(&args.folder);
        let manifests = folder::read(&args.folder, None)?;
        let workload = match &args.workload {
            Some(workload) => workload.clone(),
            None => Folder::default_workload(&manifests)?,
        };
        let also = args
            .also
            .iter()
            .map(|also| (also.workload.clone(), also.listen));
        let acting =
            std::iter::once((workload, args.listen))
                .chain(also)
                .map(|(workload, listen)| {
                    let shared = Arc::new(Shared::new(Arc::new(SystemClock)));
                    Acting {
                        workload,
                        listen,
                        shared,
                    }
                });
        let acting: Vec<Acting> = acting.collect();
        // Everything that can be wrong with the manifests is found before the state folder is touched.
        let observed = Folder::observe(
            &manifests,
            acting.iter().map(|one| &one.workload),
            args.propagation_delay,
        )?;
        choose(&args, &acting, &observed)?;

        let (mut engine, complaints) = Engine::open(Store::open(&args.state_dir)?)?;
        complaints
            .iter()
            .try_for_each(|complaint| report::remark(complaint))?;
        let outcome = turn(&args, &acting, &manifests, &mut engine)?;
        let now = SystemClock.now();
        let certificate = Tls::make(engine.store(), &hosts(&outcome.plan), now)?;
        let endpoints = endpoints::make(&engine, &manifests, &outcome.plan, now)?;
        let session = Self {
            realms: Arc::new(ArcSwap::from_pointee(endpoints.realms)),
            complaints: endpoints.complaints,
            issuers: Arc::new(ArcSwap::from_pointee(issuers(now, &outcome))),
            tls: Arc::new(ArcSwap::new(Arc::clone(&certificate.config))),
            args,
            acting,
            outcome,
            engine,
            manifests,
            certificate,
            look,
            retry_at: now,
            unkept: None,
        };
        session.load()?;
        let complaints = session.complaints.iter();
        complaints
            .into_iter()
            .try_for_each(|complaint| report::remark(complaint))?;
        Inbox::of(session.state_dir()).clear_answers();
        Ok(session)
    }

    /// The state folder.
    pub fn state_dir(&self) -> &PathBuf {
        &self.args.state_dir
    }

    /// The store.
    pub fn store(&self) -> &Store {
        self.engine.store()
    }

    /// Looks at folder and clock, and acts if either asks for it. Whatever goes wrong is said, and the last good state
    /// stays.
    pub fn look(&mut self) {
        let now = SystemClock.now();
        if now >= self.retry_at
            && let Err(error) = self.answer(now)
        {
            // Standard output is gone, and the process goes on all the same.
            report::kept(now, &format!("{error:#}")).ok();
            self.retry_at = now + RETRY;
        }
        let look = Look::at(&self.args.folder);
        let changed = look != self.look;
        let due = now >= self.retry_at
            && (self.unkept.is_some()
                || self.outcome.plan.next_due.is_some_and(|due| due <= now)
                || self.certificate.renew_at <= now);
        if !changed && !due {
            return;
        }
        self.look = look;
        match self.renew(changed || self.unkept.is_some()) {
            Ok(()) => self.unkept = None,
            Err(error) => {
                let text = format!("{error:#}");
                if changed || self.unkept.as_ref() != Some(&text) {
                    // Standard output is gone, and the process goes on all the same.
                    report::kept(now, &text).ok();
                }
                // Manifests that are wrong stay so until they are edited.
                self.unkept = error.is::<Unkept>().then_some(text);
                self.retry_at = now + RETRY;
            }
        }
    }

    /// Carries out and answers what is asked of the keys.
    fn answer(&mut self, now: UnixTime) -> Result<()> {
        let inbox = Inbox::of(&self.args.state_dir);
        let requests = inbox.waiting();
        if requests.is_empty() {
            return Ok(());
        }
        let mut outcomes = Vec::new();
        for (id, request) in requests {
            let outcome = match request {
                Ok(request) => self.engine.carry_out(now, &request)?,
                Err(reason) => Err(reason),
            };
            outcomes.push((id, outcome));
        }
        // Answered once it is in force.
        self.renew(false)?;
        outcomes
            .iter()
            .try_for_each(|(id, outcome)| inbox.answer(id, outcome))
    }

    fn renew(&mut self, changed: bool) -> Result<()> {
        let read = if changed {
            Some(folder::read(&self.args.folder, Some(&self.manifests))?)
        } else {
            None
        };
        let manifests = read.as_ref().unwrap_or(&self.manifests);
        let outcome = turn(&self.args, &self.acting, manifests, &mut self.engine)?;
        let now = SystemClock.now();
        let before = std::mem::replace(&mut self.outcome, outcome);
        if let Some(manifests) = read {
            self.manifests = manifests;
        }
        // Told of by the issuers before anybody signs with it.
        self.issuers.store(Arc::new(issuers(now, &self.outcome)));
        self.load()?;
        let made = endpoints::make(&self.engine, &self.manifests, &self.outcome.plan, now)?;
        self.realms.store(Arc::new(made.realms));
        if made.complaints != self.complaints {
            made.complaints
                .iter()
                .try_for_each(|complaint| report::remark(complaint))?;
            self.complaints = made.complaints;
        }
        let hosts = hosts(&self.outcome.plan);
        if hosts != self.certificate.hosts || self.certificate.renew_at <= now {
            self.certificate = Tls::make(self.engine.store(), &hosts, now).context(Unkept)?;
            self.tls.store(Arc::clone(&self.certificate.config));
            if self.certificate.new_authority {
                report::remark(
                    "the certificate authority is a new one: clients must read ca.pem again",
                )?;
            }
        }
        report::changes(now, changed, &before, &self.outcome)?;
        Ok(())
    }

    /// Hands the plan to the acting workloads, as their volumes would.
    fn load(&self) -> Result<()> {
        for (one, (tenant, identity)) in self.acting.iter().zip(&self.outcome.actors) {
            let namespace = &one.workload.namespace;
            let key = (tenant.clone(), namespace.clone());
            let bundle = self.outcome.plan.bundles.get(&key).with_context(|| {
                let list = statuses::not_served(&self.outcome);
                format!(
                    "tenant {tenant} is not served, so nobody can be {} here:\n{list}",
                    one.workload
                )
            })?;
            let files = self.engine.files(bundle, tenant, namespace)?;
            one.shared
                .load(&files, identity)
                .with_context(|| format!("{} cannot use its bundle", one.workload))?;
        }
        Ok(())
    }
}

fn turn(
    args: &Args,
    acting: &[Acting],
    manifests: &Manifests,
    engine: &mut Engine,
) -> Result<Outcome> {
    let folder = Folder::observe(
        manifests,
        acting.iter().map(|one| &one.workload),
        args.propagation_delay,
    )?;
    let actors = choose(args, acting, &folder)?;
    let plan = engine.turn(&SystemClock, &folder.world).context(Unkept)?;
    Ok(Outcome {
        folder,
        plan,
        actors,
    })
}

/// The tenant and the wishes of each acting workload: its manifests', with the command line's in their place for the
/// first.
fn choose(args: &Args, acting: &[Acting], folder: &Folder) -> Result<Vec<(TenantRef, Identity)>> {
    if folder.world.tenants.is_empty() {
        bail!("there is no Tenant in {}", args.folder.display());
    }
    let choose = |(index, one): (usize, &Acting)| {
        let said = if index == 0 {
            PodWishes {
                tenant: args.tenant.clone(),
                accept: args.accept.clone(),
                domain: args.domain.clone(),
            }
        } else {
            PodWishes::default()
        };
        let wishes = folder.wishes(&one.workload, said);
        let tenant = folder
            .tenant_of(&one.workload, &wishes)
            .with_context(|| format!("{} has no tenant", one.workload))?;
        if index == 0 {
            folder.check_options(&one.workload, &tenant, args.domain.as_ref(), &args.accept)?;
        }
        let identity = Identity {
            workload: one.workload.clone(),
            accept: wishes.accept,
            domain: wishes.domain,
        };
        Ok((tenant, identity))
    };
    acting.iter().enumerate().map(choose).collect()
}

/// The issuers that are served, each with the tenant's public keys.
fn issuers(now: UnixTime, outcome: &Outcome) -> BTreeMap<Domain, Arc<jwks::Jwks>> {
    let mut issuers = BTreeMap::new();
    for tenant in &outcome.folder.world.tenants {
        let owner = Owner::tenant(tenant.at.clone());
        let keyring = outcome
            .plan
            .state
            .keyrings
            .iter()
            .find(|keyring| keyring.owner == owner);
        let ledger = outcome
            .plan
            .state
            .tenants
            .iter()
            .find(|ledger| ledger.tenant == tenant.at);
        let (Some(keyring), Some(ledger)) = (keyring, ledger) else {
            continue;
        };
        let jwks = Arc::new(jwks::public(keyring, tenant.allow_non_rsa, now));
        for domain in ledger.domains.keys() {
            issuers.insert(domain.clone(), Arc::clone(&jwks));
        }
    }
    issuers
}

/// The host names of the issuers.
fn hosts(plan: &Plan) -> std::collections::BTreeSet<String> {
    let open = |(domain, term): (&Domain, &Term)| {
        matches!(term, Term::Open { .. }).then(|| domain.host().to_owned())
    };
    plan.state
        .tenants
        .iter()
        .flat_map(|ledger| ledger.domains.iter().filter_map(open))
        .collect()
}
