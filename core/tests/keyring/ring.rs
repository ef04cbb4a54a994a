//! A keyring as its planner keeps it, with keys that are public only.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mintage_core::jose::{Jwk, Material};
use mintage_core::keyring::{
    Complaint, Key, Keyring, Observed, Owner, Policy, Schedule, State, Step, next_due, step,
};
use mintage_core::{Alg, Kid, Seconds, TenantRef, Uid, UnixTime};

/// The moment 0 of the tests.
pub const START: UnixTime = UnixTime(1_800_000_000);
pub const DELAY: Seconds = 300;
pub const PERIOD: Seconds = 30 * 86_400;
pub const LIFETIME: Seconds = 86_400;

/// The `number`th key of all. Nothing is signed here, so any 32 bytes will do.
pub fn jwk(alg: Alg, number: usize) -> Jwk {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    let material = Material::Okp {
        crv: "Ed25519".into(),
        x: URL_SAFE_NO_PAD.encode(bytes).into(),
    };
    Jwk::new(material, alg)
}

/// The planner of one keyring.
#[derive(Clone, Debug)]
pub struct Ring {
    pub keyring: Keyring,
    pub policy: Policy,
    pub private: BTreeSet<Kid>,
    pub revoke: BTreeSet<Kid>,
    pub rotate_before: Option<UnixTime>,
    pub heard: Option<UnixTime>,
    /// The keys that the admin brings, if the policy says so.
    pub brought: BTreeMap<Alg, Jwk>,
    /// Every key since the admin first brought them.
    pub brought_before: BTreeSet<Kid>,
    /// Every key that was ever brought.
    pub offered: Vec<Jwk>,
    pub made: usize,
}

impl Ring {
    /// No keys yet; wanted is one for `EdDSA`.
    pub fn new() -> Self {
        Self {
            keyring: Keyring {
                owner: Owner::tenant(TenantRef::parse("identity/acme").unwrap()),
                tenant_uid: Uid::parse("tenant").unwrap(),
                namespace_uid: None,
                keys: Vec::new(),
            },
            policy: Policy {
                algs: BTreeMap::from([(Alg::EdDSA, LIFETIME)]),
                propagation_delay: DELAY,
                rotation_period: PERIOD,
                brings: false,
            },
            private: BTreeSet::new(),
            revoke: BTreeSet::new(),
            rotate_before: None,
            heard: None,
            brought: BTreeMap::new(),
            brought_before: BTreeSet::new(),
            offered: Vec::new(),
            made: 0,
        }
    }

    /// With its first key, made at the start.
    pub fn started() -> Self {
        let mut ring = Self::new();
        ring.turn(0);
        ring
    }

    /// With a rotation asked for, and done, at `at`.
    pub fn rotated(at: Seconds) -> Self {
        let mut ring = Self::started();
        ring.rotate_before = Some(START + at);
        ring.turn(at);
        ring
    }

    /// One step, with fresh keys or without.
    pub fn step(&self, at: Seconds, fresh: &BTreeMap<Alg, Jwk>) -> Step {
        let observed = Observed {
            fresh: if self.policy.brings {
                &self.brought
            } else {
                fresh
            },
            brought_before: &self.brought_before,
            private: &self.private,
            revoke: &self.revoke,
            rotate_before: self.rotate_before,
            heard: self.heard,
        };
        step(START + at, &self.keyring, &self.policy, observed)
    }

    /// A whole turn: a step, the keys it wants, a step with them. Taking that again must change nothing.
    pub fn turn(&mut self, at: Seconds) {
        let wanted = self.step(at, &BTreeMap::new()).wanted;
        let mut fresh = BTreeMap::new();
        for alg in wanted {
            fresh.insert(alg, self.make(alg));
        }
        let step = self.step(at, &fresh);
        assert!(step.wanted.is_empty(), "{:?} wanted again", step.wanted);
        self.keyring.keys = step.keys;
        self.remember();
        for fresh in [fresh, BTreeMap::new()] {
            let again = self.step(at, &fresh);
            assert_eq!(again.keys, self.keyring.keys, "the same step twice");
            assert!(again.wanted.is_empty(), "{:?} wanted again", again.wanted);
            assert_eq!(again.complaints, step.complaints, "the same step twice");
        }
    }

    fn make(&mut self, alg: Alg) -> Jwk {
        self.made += 1;
        let jwk = jwk(alg, self.made);
        self.private.insert(jwk.kid.clone());
        jwk
    }

    /// Remembers the keys of one who brings them, and those that are refused before their time.
    fn remember(&mut self) {
        let offered = self.brought.values().map(|jwk| &jwk.kid);
        let revoked = offered.filter(|kid| self.revoke.contains(*kid));
        let kids = self.keyring.keys.iter().map(Key::kid).chain(revoked);
        if self.policy.brings {
            self.brought_before.extend(kids.cloned());
        }
    }

    /// With its first key, brought.
    pub fn brought() -> Self {
        let mut ring = Self::new();
        ring.policy.brings = true;
        ring.bring(Alg::EdDSA);
        ring.turn(0);
        ring
    }

    /// The admin brings another key.
    pub fn bring(&mut self, alg: Alg) -> Jwk {
        let jwk = self.make(alg);
        self.brought.insert(alg, jwk.clone());
        self.offered.push(jwk.clone());
        jwk
    }

    /// What is wrong with the keys that are brought.
    pub fn complaints(&self, at: Seconds) -> BTreeMap<Alg, Complaint> {
        self.step(at, &BTreeMap::new()).complaints
    }

    /// Turns at every moment that is due, and at the end.
    pub fn run(&mut self, from: Seconds, until: Seconds) {
        let mut at = from;
        while let Some(due) = self.due(at).filter(|due| *due < until) {
            at = due;
            self.turn(at);
        }
        self.turn(until);
    }

    /// When the next turn is due.
    pub fn due(&self, at: Seconds) -> Option<Seconds> {
        let due = next_due(START + at, self.keys(), &self.policy, self.heard)?;
        Some(due - START)
    }

    pub fn keys(&self) -> &[Key] {
        &self.keyring.keys
    }

    /// The newest key.
    pub fn newest(&self) -> &Key {
        self.keys().last().unwrap()
    }

    pub fn states(&self, at: Seconds) -> Vec<State> {
        self.keys()
            .iter()
            .map(|key| key.state(START + at))
            .collect()
    }

    /// The private part of the newest key is gone.
    pub fn lose_newest(&mut self) {
        let kid = self.newest().kid().clone();
        assert!(self.private.remove(&kid));
    }

    pub fn revoke(&mut self, index: usize) {
        self.revoke.insert(self.keys()[index].kid().clone());
    }
}

pub fn open(activate_at: Seconds) -> Schedule {
    Schedule::Open {
        activate_at: START + activate_at,
    }
}

pub fn closed(activate_at: Seconds, sign_until: Seconds) -> Schedule {
    Schedule::Closed {
        activate_at: START + activate_at,
        sign_until: START + sign_until,
    }
}

pub fn schedules(ring: &Ring) -> Vec<Schedule> {
    ring.keys().iter().map(|key| key.schedule).collect()
}
