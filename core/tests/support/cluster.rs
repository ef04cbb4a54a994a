//! A planned cluster, with the private keys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex};

use mintage_core::bundle::{Bundle, KeyringFile, PrivateEntry};
use mintage_core::jose::{Jwk, Pkcs8, PrivateKey};
use mintage_core::keyring::Owner;
use mintage_core::mint::{Mint, NoOrder};
use mintage_core::ownership::{Kind, Object};
use mintage_core::plan::{Fleet, Input, KeyName, Plan, State, Status, plan};
use mintage_core::policy::Request;
use mintage_core::verify::{Authentic, Expected, Rejection, Verifier};
use mintage_core::world::{Audience, World};
use mintage_core::{Alg, Domain, Identifier, Kid, Namespace, TenantRef, UnixTime};

use super::{NOW, name, standard};

/// Keys by kind and number, each made once for all tests of a process: RSA keys are slow to make.
static POOL: LazyLock<Mutex<BTreeMap<(Alg, usize), Pkcs8>>> = LazyLock::new(Mutex::default);

fn pool_key(alg: Alg, number: usize) -> Pkcs8 {
    let kind = if alg.is_rsa() { Alg::RS256 } else { alg };
    let mut pool = POOL.lock().unwrap();
    pool.entry((kind, number))
        .or_insert_with(|| Pkcs8::generate(kind).unwrap())
        .clone()
}

#[derive(Clone, Debug)]
pub struct Cluster {
    pub world: World,
    pub state: State,
    pub now: UnixTime,
    pub bundles: BTreeMap<(TenantRef, Namespace), Bundle>,
    pub statuses: Vec<Status>,
    pub deletions: BTreeMap<TenantRef, Vec<Object>>,
    pub next_due: Option<UnixTime>,
    /// The private keys that are stored; a test may lose some.
    pub private: BTreeMap<Kid, (Owner, Alg, Pkcs8)>,
    /// The keys that admins bring.
    pub brought: BTreeMap<KeyName, Jwk>,
    drawn: usize,
}

impl Cluster {
    /// Plans a new world.
    pub fn new(world: World) -> Self {
        let mut cluster = Self {
            world,
            state: State::default(),
            now: NOW,
            bundles: BTreeMap::new(),
            statuses: Vec::new(),
            deletions: BTreeMap::new(),
            next_due: None,
            private: BTreeMap::new(),
            brought: BTreeMap::new(),
            drawn: 0,
        };
        cluster.plan_at(NOW);
        cluster
    }

    /// The standard world, planned.
    pub fn standard() -> &'static Self {
        static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| Cluster::new(standard()));
        &CLUSTER
    }

    /// Changes the world and plans again at the same moment.
    pub fn edit(&mut self, change: impl FnOnce(&mut World)) {
        change(&mut self.world);
        self.plan_at(self.now);
    }

    /// Changes one audience and plans again at the same moment.
    pub fn edit_audience(&mut self, at: &str, change: impl FnOnce(&mut Audience)) {
        self.edit(|world| change(audience_at(world, at)));
    }

    /// Lets time pass as the operator does, planning at each moment that a plan asked for.
    pub fn advance_to(&mut self, until: UnixTime) {
        while let Some(due) = self.next_due.filter(|due| *due < until) {
            self.plan_at(due);
        }
        self.plan_at(until);
    }

    /// Plans until no key is wanted; the plan it ended with.
    pub fn plan_at(&mut self, now: UnixTime) -> Plan {
        self.now = now;
        let mut fresh = BTreeMap::new();
        for _ in 0..3 {
            let plan = self.plan_once(&fresh);
            if plan.wanted.is_empty() {
                self.state.clone_from(&plan.state);
                self.bundles.clone_from(&plan.bundles);
                self.statuses.clone_from(&plan.statuses);
                self.deletions.clone_from(&plan.deletions);
                self.next_due = plan.next_due;
                return plan;
            }
            for (owner, alg) in plan.wanted {
                let jwk = self.draw(&owner, alg);
                fresh.insert((owner, alg), jwk);
            }
        }
        panic!("the plan goes on wanting keys");
    }

    /// Makes a key and stores its private part.
    fn draw(&mut self, owner: &Owner, alg: Alg) -> Jwk {
        self.drawn += 1;
        let pkcs8 = pool_key(alg, self.drawn);
        let jwk = PrivateKey::from_pkcs8(alg, &pkcs8).unwrap().jwk().clone();
        let stored = (owner.clone(), alg, pkcs8);
        self.private.insert(jwk.kid.clone(), stored);
        jwk
    }

    /// A tenant's admin puts a new key into the Secret, in place of the one for the algorithm that is there.
    pub fn bring(&mut self, tenant: &str, alg: Alg) -> Jwk {
        let owner = Owner::tenant(name(tenant));
        let jwk = self.draw(&owner, alg);
        self.brought.insert((owner, alg), jwk.clone());
        jwk
    }

    /// One plan from the present state.
    pub fn plan_once(&self, fresh: &BTreeMap<KeyName, Jwk>) -> Plan {
        let private: BTreeSet<Kid> = self.private.keys().cloned().collect();
        let input = Input {
            world: &self.world,
            state: &self.state,
            fresh,
            brought: &self.brought,
            private: &private,
            fleet: Fleet::UNKNOWN,
        };
        plan(self.now, input)
    }

    /// The bundle of a namespace under a tenant.
    pub fn bundle(&self, tenant: &str, namespace: &str) -> &Bundle {
        &self.bundles[&(name(tenant), name(namespace))]
    }

    /// The stored keys of one owner, as a Secret holds them.
    pub fn keyring_file(&self, owner: &Owner) -> KeyringFile {
        let mut file = KeyringFile::new(owner.clone());
        let stored = self.private.iter();
        file.keys = stored
            .filter(|(_, (of, _, _))| of == owner)
            .map(|(kid, (_, alg, pkcs8))| PrivateEntry {
                kid: kid.clone(),
                alg: *alg,
                pkcs8: pkcs8.clone(),
            })
            .collect();
        file
    }

    /// The mint of a workload in its own sidecar: its namespace's keys only.
    pub fn mint(&self, tenant: &str, workload: &str) -> Mint {
        self.mint_with(tenant, workload, None, false)
    }

    /// The mint of a workload; with the tenant's keys too where `central`.
    pub fn mint_with(
        &self,
        tenant: &str,
        workload: &str,
        domain: Option<&Domain>,
        central: bool,
    ) -> Mint {
        let namespace = workload.split_once('/').unwrap().0;
        let body = &self.bundle(tenant, namespace).body;
        let own = Owner::namespace(name(tenant), name(namespace));
        let mut files = vec![self.keyring_file(&own)];
        if central {
            files.push(self.keyring_file(&Owner::tenant(name(tenant))));
        }
        Mint::new(body, name(workload), domain, &files).unwrap()
    }

    /// The verifier of a namespace.
    pub fn verifier(&self, tenant: &str, namespace: &str) -> Verifier {
        Verifier::new(&self.bundle(tenant, namespace).body).unwrap()
    }

    /// The key of an owner (`identity/acme`, or `identity/acme/shop`) that signs with an algorithm now.
    pub fn key(&self, owner: &str, alg: Alg) -> PrivateKey {
        let parts: Vec<&str> = owner.split('/').collect();
        let tenant = name(&parts[..2].join("/"));
        let owner = Owner {
            tenant,
            namespace: parts.get(2).map(|part| name(part)),
        };
        let mut rings = self.state.keyrings.iter();
        let ring = rings.find(|ring| ring.owner == owner).unwrap();
        let kid = ring.active(alg, self.now).unwrap().kid();
        PrivateKey::from_pkcs8(alg, &self.private[kid].2).unwrap()
    }

    /// What a workload gets for a request now, where the tenant's keys are at hand, too.
    pub fn ask(
        &self,
        tenant: &str,
        workload: &str,
        audience: Option<&str>,
        scope: Option<&str>,
    ) -> Result<String, NoOrder> {
        let mint = self.mint_with(tenant, workload, None, true);
        let order = mint.order(self.now, Request { audience, scope })?;
        Ok(mint.sign(&order, [7; 16]).unwrap())
    }

    /// A token as a workload gets it now, with all it was granted.
    pub fn token(&self, tenant: &str, workload: &str, audience: &str) -> String {
        self.ask(tenant, workload, Some(audience), None).unwrap()
    }

    /// How an object fares; `kind` as in `ApiAudience`.
    pub fn status(&self, kind: Kind, at: &str) -> &Status {
        let mut statuses = self.statuses.iter();
        statuses
            .find(|status| status.object.kind == kind && status.object.at.to_string() == at)
            .unwrap()
    }

    /// How one audience's API judges a token now.
    pub fn judge(&self, tenant: &str, audience: &str, token: &str) -> Result<Authentic, Rejection> {
        let found = self.world.audiences.iter().find(|entry| {
            entry.tenant.to_string() == tenant && entry.identifier.as_str() == audience
        });
        let namespace = &found.unwrap().at.namespace;
        let accepted = BTreeSet::from([name::<Identifier>(audience)]);
        let verifier = self.verifier(tenant, namespace.as_str());
        verdict(&verifier, token, Expected::Apis(&accepted), self.now)
    }

    /// A token of `shop/checkout` under acme that its API accepts, which is asserted here.
    pub fn good(&'static self, audience: &'static str) -> Good {
        let token = self.token(super::ACME, "shop/checkout", audience);
        let good = Good {
            cluster: self,
            audience,
            token,
        };
        assert_eq!(good.verdict(&good.token), Ok(()), "the token to start from");
        good
    }
}

/// A token that is accepted, and who accepts it: what every negative test starts from.
pub struct Good {
    pub cluster: &'static Cluster,
    pub audience: &'static str,
    pub token: String,
}

impl Good {
    /// How the API judges another token.
    pub fn verdict(&self, token: &str) -> Result<(), Rejection> {
        let judged = self.cluster.judge(super::ACME, self.audience, token);
        judged.map(|_| ())
    }

    /// How it judges the token itself at another moment.
    pub fn verdict_at(&self, now: UnixTime) -> Result<(), Rejection> {
        let mut later = self.cluster.clone();
        later.now = now;
        later
            .judge(super::ACME, self.audience, &self.token)
            .map(|_| ())
    }
}

/// Both steps of verification.
pub fn verdict(
    verifier: &Verifier,
    token: &str,
    expected: Expected<'_>,
    now: UnixTime,
) -> Result<Authentic, Rejection> {
    let authentic = verifier.authenticate(token, now)?;
    verifier.judge(&authentic, expected, now)?;
    Ok(authentic)
}

fn audience_at<'a>(world: &'a mut World, at: &str) -> &'a mut Audience {
    let mut audiences = world.audiences.iter_mut();
    audiences
        .find(|audience| audience.at.to_string() == at)
        .unwrap()
}
