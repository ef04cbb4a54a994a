//! The store as the endpoint uses it: what ended stays so, whatever the clock does (fault F4), and each call is measured.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use mintage_core::{ClientId, Domain, LEEWAY, Scope, Uid, UnixTime, UserId};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{
    About, Begun, Code, Codes, Consents, Digest, Error, Families, Family, FamilyId, Moved, Once,
    People, Person, Place, Presented, Profile, Redeemed, Replaced, Rotated, Rotation, Session,
    Sessions, Standing, Store, Swept, Upkeep, Whose,
};
use crate::clock::Clock;
use crate::endpoint::Metrics;

/// A store that notices when the clock steps back: before it is asked anything else, what had ended by the latest time that
/// the clock has shown is ended for good. So a code that nobody used in time does not come to life again.
pub struct Watched {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    latest: AtomicI64,
    stepping: Mutex<()>,
}

impl Watched {
    /// The same store under a clock.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self {
            store,
            metrics,
            latest: AtomicI64::new(clock.now().0),
            clock,
            stepping: Mutex::default(),
        }
    }

    /// Asks the store, once it knows what has ended; if that cannot be told to it, nothing is asked.
    async fn ask<T: Send>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        let started = Instant::now();
        let outcome = async {
            self.keep_ended().await?;
            call.await
        }
        .await;
        self.metrics
            .count_call(name, started.elapsed(), outcome.as_ref().err());
        outcome
    }

    /// Tells the store what has ended, if the clock has stepped back.
    async fn keep_ended(&self) -> Result<(), Error> {
        if self.has_stepped_back() {
            // One tells it; the others wait until it is told.
            let _turn = self.stepping.lock().await;
            if self.has_stepped_back() {
                let latest = UnixTime(self.latest.load(Ordering::SeqCst));
                tracing::warn!(
                    event = "clock-stepped-back",
                    latest = latest.0,
                    now = self.clock.now().0,
                    "what had ended stays so, and codes that were not used yet are good for nothing"
                );
                self.store.end_by(latest).await?;
                self.latest.store(self.clock.now().0, Ordering::SeqCst);
            }
        }
        Ok(())
    }

    /// By more than two clocks may differ anyway.
    fn has_stepped_back(&self) -> bool {
        let now = self.clock.now();
        let latest = self.latest.fetch_max(now.0, Ordering::SeqCst);
        now + LEEWAY < UnixTime(latest)
    }
}

impl Store for Watched {
    fn take_up(&self, place: &Place) -> Result<(), Moved> {
        self.store.take_up(place)
    }
}

#[async_trait]
impl Codes for Watched {
    async fn add_code(&self, tenant: &Uid, digest: &Digest, code: &Code) -> Result<(), Error> {
        self.ask("add_code", self.store.add_code(tenant, digest, code))
            .await
    }

    async fn redeem_code(
        &self,
        tenant: &Uid,
        digest: &Digest,
        client: &ClientId,
        now: UnixTime,
    ) -> Result<Redeemed, Error> {
        self.ask(
            "redeem_code",
            self.store.redeem_code(tenant, digest, client, now),
        )
        .await
    }
}

#[async_trait]
impl Consents for Watched {
    async fn find_consent(
        &self,
        tenant: &Uid,
        about: About<'_>,
        now: UnixTime,
    ) -> Result<BTreeSet<Scope>, Error> {
        self.ask("find_consent", self.store.find_consent(tenant, about, now))
            .await
    }

    async fn record_consent(
        &self,
        tenant: &Uid,
        about: About<'_>,
        scopes: &BTreeSet<Scope>,
        now: UnixTime,
    ) -> Result<(), Error> {
        self.ask(
            "record_consent",
            self.store.record_consent(tenant, about, scopes, now),
        )
        .await
    }

    async fn withdraw_consent(&self, tenant: &Uid, about: About<'_>) -> Result<bool, Error> {
        self.ask(
            "withdraw_consent",
            self.store.withdraw_consent(tenant, about),
        )
        .await
    }
}

#[async_trait]
impl Families for Watched {
    async fn begin_family(
        &self,
        tenant: &Uid,
        family: &Family,
        token: &Digest,
        limit: NonZeroU32,
    ) -> Result<Begun, Error> {
        self.ask(
            "begin_family",
            self.store.begin_family(tenant, family, token, limit),
        )
        .await
    }

    async fn rotate(
        &self,
        tenant: &Uid,
        presented: Presented<'_>,
        rotation: Rotation,
        now: UnixTime,
    ) -> Result<Rotated, Error> {
        self.ask(
            "rotate",
            self.store.rotate(tenant, presented, rotation, now),
        )
        .await
    }

    async fn revoke_family(
        &self,
        tenant: &Uid,
        id: &FamilyId,
        now: UnixTime,
    ) -> Result<bool, Error> {
        self.ask("revoke_family", self.store.revoke_family(tenant, id, now))
            .await
    }

    async fn revoke_families(
        &self,
        tenant: &Uid,
        whose: Whose<'_>,
        now: UnixTime,
    ) -> Result<usize, Error> {
        self.ask(
            "revoke_families",
            self.store.revoke_families(tenant, whose, now),
        )
        .await
    }

    async fn find_family(
        &self,
        tenant: &Uid,
        id: &FamilyId,
        token: &Digest,
        now: UnixTime,
    ) -> Result<Option<(Family, Standing)>, Error> {
        self.ask(
            "find_family",
            self.store.find_family(tenant, id, token, now),
        )
        .await
    }
}

#[async_trait]
impl Once for Watched {
    async fn use_once(
        &self,
        tenant: &Uid,
        digest: &Digest,
        ends_at: UnixTime,
    ) -> Result<bool, Error> {
        self.ask("use_once", self.store.use_once(tenant, digest, ends_at))
            .await
    }
}

#[async_trait]
impl People for Watched {
    async fn keep_person(
        &self,
        tenant: &Uid,
        user: &UserId,
        issuer: &str,
        profile: &Profile,
        now: UnixTime,
    ) -> Result<Option<Replaced>, Error> {
        self.ask(
            "keep_person",
            self.store.keep_person(tenant, user, issuer, profile, now),
        )
        .await
    }

    async fn find_person(&self, tenant: &Uid, user: &UserId) -> Result<Option<Person>, Error> {
        self.ask("find_person", self.store.find_person(tenant, user))
            .await
    }
}

#[async_trait]
impl Sessions for Watched {
    async fn begin_session(
        &self,
        tenant: &Uid,
        id: &Digest,
        session: &Session,
    ) -> Result<(), Error> {
        self.ask(
            "begin_session",
            self.store.begin_session(tenant, id, session),
        )
        .await
    }

    async fn find_session(
        &self,
        tenant: &Uid,
        id: &Digest,
        domain: &Domain,
        now: UnixTime,
    ) -> Result<Option<Session>, Error> {
        self.ask(
            "find_session",
            self.store.find_session(tenant, id, domain, now),
        )
        .await
    }

    async fn touch_session(
        &self,
        tenant: &Uid,
        id: &Digest,
        idle_until: UnixTime,
        now: UnixTime,
    ) -> Result<bool, Error> {
        self.ask(
            "touch_session",
            self.store.touch_session(tenant, id, idle_until, now),
        )
        .await
    }

    async fn end_session(&self, tenant: &Uid, id: &Digest) -> Result<Option<UserId>, Error> {
        self.ask("end_session", self.store.end_session(tenant, id))
            .await
    }

    async fn end_sessions(&self, tenant: &Uid, user: &UserId) -> Result<usize, Error> {
        self.ask("end_sessions", self.store.end_sessions(tenant, user))
            .await
    }
}

#[async_trait]
impl Upkeep for Watched {
    async fn sweep(&self, now: UnixTime, batch: NonZeroU32) -> Result<Swept, Error> {
        let swept = self.ask("sweep", self.store.sweep(now, batch)).await?;
        self.metrics.count_swept(swept);
        Ok(swept)
    }

    async fn end_by(&self, then: UnixTime) -> Result<(), Error> {
        self.store.end_by(then).await
    }

    async fn check(&self) -> Result<(), Error> {
        self.store.check().await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}
