//! The operator's part: it plans when something happens and when a plan says so, and publishes what changed.

use std::collections::{BTreeMap, BTreeSet};

use mintage_core::bundle::{Bundle, KeyringFile, PrivateEntry};
use mintage_core::jose::Jwk;
use mintage_core::keyring::{Key, Owner, Schedule, State as KeyState};
use mintage_core::plan::{Fleet, Input, KeyName, Plan, State, plan};
use mintage_core::world::{Audience, AudienceAlg, World};
use mintage_core::{Alg, Kid, Seconds, UnixTime};

use crate::fixture::{self, LONG, SHORT, START, TICK};

/// What happens at a moment. What has no object at that moment (the newest key of a namespace without keys) does nothing.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Event {
    /// The grant is declared, with scope `read`.
    AddGrant,
    /// Scope `write` is granted, too.
    AddScope,
    /// The tenant's admin puts another key into the Secret.
    Bring,
    /// The admin puts the key back that was there before the present one.
    BringBefore,
    /// The API's tokens are to be signed with ES256.
    ChangeAlg,
    /// The API's tokens are to be signed with `EdDSA`, as at the start.
    ChangeAlgBack,
    /// Tokens are to live longer.
    Lengthen,
    /// The private part of the newest key is deleted.
    LoseNewest,
    /// The private part of the key that signs is deleted.
    LoseSigning,
    /// The grant is taken back.
    RemoveGrant,
    /// Scope `write` is taken back.
    RemoveScope,
    /// The newest key is revoked.
    RevokeNewest,
    /// The key that signs is revoked.
    RevokeSigning,
    /// A rotation is asked for.
    Rotate,
    /// Tokens are to live shorter.
    Shorten,
    /// The tenant's keys are to be those that its admin brings.
    StartBringing,
    /// The tenant's keys are to be made.
    StopBringing,
    /// The admin takes the key out of the Secret.
    TakeOut,
}

impl Event {
    /// What happens to keys that a namespace signs with.
    pub const ALL: [Self; 13] = [
        Self::AddGrant,
        Self::AddScope,
        Self::ChangeAlg,
        Self::ChangeAlgBack,
        Self::Lengthen,
        Self::LoseNewest,
        Self::LoseSigning,
        Self::RemoveGrant,
        Self::RemoveScope,
        Self::RevokeNewest,
        Self::RevokeSigning,
        Self::Rotate,
        Self::Shorten,
    ];

    /// What happens to a tenant's keys that may be brought.
    pub const BROUGHT: [Self; 10] = [
        Self::Bring,
        Self::BringBefore,
        Self::Lengthen,
        Self::RevokeNewest,
        Self::RevokeSigning,
        Self::Rotate,
        Self::Shorten,
        Self::StartBringing,
        Self::StopBringing,
        Self::TakeOut,
    ];
}

/// Whose keys sign, and where they come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signer {
    /// The namespace's.
    Namespace,
    /// The tenant's, made at first.
    TenantMade,
    /// The tenant's, brought at first.
    TenantBrought,
}

/// One course of things.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Whether `shop/checkout` holds the grant at the start.
    pub granted: bool,
    /// Whose keys are looked at.
    pub signer: Signer,
    /// `signing.rotationPeriod`.
    pub rotation_period: Seconds,
    /// Whether some sidecar that is to believe the keys never says that it has heard of them.
    pub slow: bool,
    /// What happens, each at a tick; sorted.
    pub events: Vec<(i64, Event)>,
    /// How many ticks are explored.
    pub ticks: i64,
}

/// Something sent to every receiver of its kind, at a moment in seconds from the start.
#[derive(Debug)]
pub struct Sent<T> {
    pub at: Seconds,
    pub what: T,
}

/// All that the operator did.
#[derive(Debug, Default)]
pub struct History {
    /// Bundles of `shop`.
    pub to_issuers: Vec<Sent<Bundle>>,
    /// Keyring files of `shop`.
    pub keyrings: Vec<Sent<KeyringFile>>,
    /// Bundles of `orders`.
    pub to_validators: Vec<Sent<Bundle>>,
    /// When each key was revoked.
    pub revoked: BTreeMap<Kid, Seconds>,
    /// When each private key was lost.
    pub lost: BTreeMap<Kid, Loss>,
    /// The private keys ever made or brought.
    pub made: BTreeMap<Kid, PrivateEntry>,
    /// The times without a key that signs or will sign: from when, and until when if that is over.
    pub keyless: Vec<(Seconds, Option<Seconds>)>,
}

/// The loss of a private key.
#[derive(Debug)]
pub struct Loss {
    pub at: Seconds,
    /// Whether the key signed at that moment.
    pub signs: bool,
}

/// A fault in what is told to sidecars; gets the bundle, the time and what is declared.
pub type Spoil = fn(&mut Bundle, UnixTime, &Audience);

struct Operator {
    world: World,
    state: State,
    stored: BTreeMap<Kid, PrivateEntry>,
    rotations: usize,
    owner: Owner,
    /// Every key that was brought, and which of them is in the Secret.
    brought: Vec<Jwk>,
    secret: Option<usize>,
    fleet: Fleet,
    history: History,
}

/// Sidecars that have all heard of everything, or of which one has heard of nothing.
fn fleet(slow: bool) -> Fleet {
    let at = |namespace| (fixture::tenant_ref(), namespace);
    let heard = if slow {
        UnixTime(0)
    } else {
        UnixTime(i64::MAX)
    };
    Fleet {
        heard: BTreeMap::from([
            (at(fixture::shop()), UnixTime(i64::MAX)),
            (at(fixture::orders()), heard),
        ]),
        ..Fleet::default()
    }
}

/// Plays a scenario. The operator's clock is the true one; receivers' clocks are off against it.
pub fn play(scenario: &Scenario, spoil: Spoil) -> History {
    let grants = scenario.granted.then(|| fixture::grant(&["read"]));
    let mut world = fixture::world(scenario.rotation_period, grants.into_iter().collect());
    let mut owner = Owner::namespace(fixture::tenant_ref(), fixture::shop());
    if scenario.signer != Signer::Namespace {
        fixture::sign_centrally(&mut world);
        owner.namespace = None;
    }
    let mut operator = Operator {
        world,
        state: State::default(),
        stored: BTreeMap::new(),
        rotations: 0,
        owner,
        brought: Vec::new(),
        secret: None,
        fleet: fleet(scenario.slow),
        history: History::default(),
    };
    if scenario.signer == Signer::TenantBrought {
        operator.happen(0, Event::StartBringing);
        operator.happen(0, Event::Bring);
    }
    let mut events = scenario.events.iter().peekable();
    let mut at = 0;
    while at <= scenario.ticks * TICK {
        while let Some((_, event)) = events.next_if(|(tick, _)| tick * TICK <= at) {
            operator.happen(at, *event);
        }
        let plan = operator.turn(at);
        operator.publish(at, &plan, spoil);
        let due = plan.next_due.expect("bundles are renewed") - START;
        assert!(due > at, "due at {due} while it is {at}");
        let next = events.peek().map_or(due, |(tick, _)| tick * TICK);
        at = due.min(next);
    }
    operator.history
}

impl Operator {
    fn happen(&mut self, at: Seconds, event: Event) {
        let newest = self.keys().last().map(|key| key.kid().clone());
        let signing = signing(self.keys(), START + at).map(|key| key.kid().clone());
        let audience = &mut self.world.audiences[0];
        match event {
            Event::AddGrant if audience.grants.is_empty() => {
                audience.grants = vec![fixture::grant(&["read"])];
            }
            Event::AddScope if !audience.grants.is_empty() => {
                audience.grants = vec![fixture::grant(&["read", "write"])];
            }
            Event::RemoveScope if !audience.grants.is_empty() => {
                audience.grants = vec![fixture::grant(&["read"])];
            }
            Event::AddGrant | Event::AddScope | Event::RemoveScope => {}
            Event::RemoveGrant => audience.grants.clear(),
            Event::ChangeAlg => audience.alg = AudienceAlg::Asymmetric(Alg::ES256),
            Event::ChangeAlgBack => audience.alg = AudienceAlg::Asymmetric(Alg::EdDSA),
            Event::Lengthen => audience.lifetime = LONG,
            Event::Shorten => audience.lifetime = SHORT,
            Event::Rotate => {
                self.rotations += 1;
                self.world.tenants[0].rotate_request = Some(self.rotations.to_string());
            }
            Event::Bring => self.bring(),
            Event::BringBefore => self.secret = self.secret.and_then(|now| now.checked_sub(1)),
            Event::TakeOut => self.secret = None,
            Event::StartBringing => self.world.tenants[0].key_secret = Some(fixture::secret()),
            Event::StopBringing => self.world.tenants[0].key_secret = None,
            Event::LoseNewest => self.lose(at, newest),
            Event::LoseSigning => self.lose(at, signing),
            Event::RevokeNewest => self.revoke(at, newest),
            Event::RevokeSigning => self.revoke(at, signing),
        }
    }

    fn bring(&mut self) {
        let (jwk, private) = self.make(Alg::EdDSA);
        self.stored.insert(jwk.kid.clone(), private);
        self.secret = Some(self.brought.len());
        self.brought.push(jwk);
    }

    /// The next key that there never was.
    fn make(&mut self, alg: Alg) -> (Jwk, PrivateEntry) {
        let index = self.history.made.values().filter(|key| key.alg == alg);
        let (jwk, private) = fixture::key(alg, index.count());
        self.history.made.insert(jwk.kid.clone(), private.clone());
        (jwk, private)
    }

    fn lose(&mut self, at: Seconds, kid: Option<Kid>) {
        let Some(kid) = kid.filter(|kid| self.stored.remove(kid).is_some()) else {
            return;
        };
        let mut keys = self.keys().iter().filter(|key| *key.kid() == kid);
        let signs = keys.any(|key| key.state(START + at) == KeyState::Active);
        self.history.lost.insert(kid, Loss { at, signs });
    }

    fn revoke(&mut self, at: Seconds, kid: Option<Kid>) {
        if let Some(kid) = kid {
            self.history.revoked.entry(kid.clone()).or_insert(at);
            self.world.tenants[0].revoke_keys.insert(kid);
        }
    }

    fn keys(&self) -> &[Key] {
        let mut keyrings = self.state.keyrings.iter();
        keyrings
            .find(|keyring| keyring.owner == self.owner)
            .map_or(&[], |keyring| &keyring.keys)
    }

    /// Plans, makes the keys that are wanted, plans with them, and remembers.
    fn turn(&mut self, at: Seconds) -> Plan {
        let mut fresh: BTreeMap<KeyName, _> = BTreeMap::new();
        let wanted = self.plan(at, &fresh).wanted;
        // The tenant's own RSA keys are left out: nothing here is signed with them, and making them is slow.
        let looked_at = |name: &KeyName| name.0 == self.owner && !name.1.is_rsa();
        let wanted: Vec<KeyName> = wanted.into_iter().filter(looked_at).collect();
        for name in wanted {
            let (jwk, private) = self.make(name.1);
            self.stored.insert(jwk.kid.clone(), private);
            fresh.insert(name, jwk);
        }
        let plan = self.plan(at, &fresh);
        self.state = plan.state.clone();
        let again = self.plan(at, &fresh);
        assert_eq!(again.state, plan.state, "the same plan twice at {at}");
        let is_open = |key: &Key| matches!(key.schedule, Schedule::Open { .. });
        let keyless = !self.keys().iter().any(is_open);
        match self.history.keyless.last_mut() {
            Some((_, until @ None)) => *until = (!keyless).then_some(at),
            _ if keyless => self.history.keyless.push((at, None)),
            _ => {}
        }
        plan
    }

    fn plan(&self, at: Seconds, fresh: &BTreeMap<KeyName, Jwk>) -> Plan {
        let private: BTreeSet<Kid> = self.stored.keys().cloned().collect();
        let brought = self.secret.map(|index| {
            let name = (self.owner.clone(), Alg::EdDSA);
            (name, self.brought[index].clone())
        });
        let input = Input {
            world: &self.world,
            state: &self.state,
            fresh,
            brought: &brought.into_iter().collect(),
            private: &private,
            fleet: &self.fleet,
        };
        plan(START + at, input)
    }

    fn publish(&mut self, at: Seconds, plan: &Plan, spoil: Spoil) {
        let declared = &self.world.audiences[0];
        let bundle = |namespace| {
            let mut bundle = plan.bundles[&(fixture::tenant_ref(), namespace)].clone();
            spoil(&mut bundle, START + at, declared);
            bundle
        };
        send(
            &mut self.history.to_issuers,
            at,
            bundle(fixture::shop()),
            |known, new| known.body == new.body,
        );
        send(
            &mut self.history.to_validators,
            at,
            bundle(fixture::orders()),
            |known, new| known.body == new.body,
        );
        let mut file = KeyringFile::new(self.owner.clone());
        let needed = self
            .keys()
            .iter()
            .filter(|key| key.needs_private(START + at));
        file.keys = needed
            .filter_map(|key| self.stored.get(key.kid()).cloned())
            .collect();
        send(&mut self.history.keyrings, at, file, KeyringFile::eq);
    }
}

fn send<T>(sent: &mut Vec<Sent<T>>, at: Seconds, what: T, same: impl Fn(&T, &T) -> bool) {
    if sent.last().is_none_or(|last| !same(&last.what, &what)) {
        sent.push(Sent { at, what });
    }
}

fn signing(keys: &[Key], now: UnixTime) -> Option<&Key> {
    keys.iter().rfind(|key| key.state(now) == KeyState::Active)
}
