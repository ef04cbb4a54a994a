use std::num::NonZeroU32;

use async_trait::async_trait;
use mintage_core::{Seconds, UnixTime};

use super::backend::{Statement, statement};
use super::{Database, Error};

/// What was used up or revoked is kept this long after its end, so that who uses it again is recognised.
const KEPT: Seconds = 86_400;

/// A user of a provider is known for as long as an access token can live (30 days), which `/userinfo` may be asked for.
const KNOWN: Seconds = 31 * 86_400;

/// A consent is forgotten when nobody has asked for it in so long: longer than any refresh token lives (a year at most), and
/// the only end that those of a tenant have that was deleted. Whoever comes back later is asked anew.
pub const UNUSED: Seconds = 400 * 86_400;

/// How many rows a sweep marked and deleted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Swept {
    /// Sessions that had ended.
    pub sessions: usize,
    /// Codes that nobody used in time, and used ones that ended a day ago.
    pub codes: usize,
    /// Refresh families that were found to have ended, and are marked.
    pub ended: usize,
    /// Refresh families that ended a day ago.
    pub families: usize,
    /// Consents that nobody has asked for in [`UNUSED`] seconds.
    pub consents: usize,
    /// Users of a provider who have nothing here any more.
    pub people: usize,
    /// What came once, and that nobody would take any more.
    pub used: usize,
}

impl Swept {
    /// Whether there may be more of any kind than were taken at a time.
    pub fn may_be_more(self, batch: NonZeroU32) -> bool {
        let most = usize::try_from(batch.get()).unwrap_or(usize::MAX);
        let counts = [
            self.sessions,
            self.codes,
            self.ended,
            self.families,
            self.consents,
            self.people,
            self.used,
        ];
        counts.into_iter().any(|count| count >= most)
    }
}

/// What an operator of the store does.
#[async_trait]
pub trait Upkeep {
    /// Deletes what has ended, and marks what is kept after its end, at most `batch` rows of each kind: nobody waits long
    /// for it. To be called again at once while there [may be more](Swept::may_be_more).
    async fn sweep(&self, now: UnixTime, batch: NonZeroU32) -> Result<Swept, Error>;

    /// The clock was at `then` and steps back: ends for good what had ended by then, and all codes that nobody has used yet,
    /// which may be of a time that is still to come.
    async fn end_by(&self, then: UnixTime) -> Result<(), Error>;

    /// Whether the store can be used now; for readiness.
    async fn check(&self) -> Result<(), Error>;

    /// Closes all connections, after what is under way; later calls are [`Error::Unavailable`].
    async fn close(&self);
}

impl Database {
    async fn count(&self, statement: Statement) -> Result<usize, Error> {
        Ok(self.backend.write(statement).await?.len())
    }
}

#[async_trait]
impl Upkeep for Database {
    async fn sweep(&self, now: UnixTime, batch: NonZeroU32) -> Result<Swept, Error> {
        let batch = i64::from(batch.get());
        let families = statement!(
            "DELETE FROM families
             WHERE (tenant, id) IN (SELECT tenant, id FROM families WHERE ends_at <= $1 LIMIT $2)
             RETURNING ends_at",
            now - KEPT,
            batch,
        );
        let people = statement!(
            "DELETE FROM people
             WHERE (tenant, user_id) IN
                 (SELECT tenant, user_id FROM people
                  WHERE seen_at <= $1
                  AND NOT EXISTS (SELECT 1 FROM sessions
                      WHERE sessions.tenant = people.tenant AND sessions.user_id = people.user_id)
                  AND NOT EXISTS (SELECT 1 FROM families
                      WHERE families.tenant = people.tenant AND families.user_id = people.user_id)
                  LIMIT $2)
             AND seen_at <= $1
             RETURNING seen_at",
            now - KNOWN,
            batch,
        );
        let used = statement!(
            "DELETE FROM used
             WHERE (tenant, digest) IN (SELECT tenant, digest FROM used WHERE ends_at <= $1 LIMIT $2)
             RETURNING ends_at",
            now - KEPT,
            batch,
        );
        Ok(Swept {
            sessions: self.count(ended_sessions(now, batch)).await?,
            codes: self.count(unused_codes(now, batch)).await?
                + self.count(used_codes(now - KEPT, batch)).await?,
            ended: self.count(ended_families(now, batch)).await?,
            families: self.count(families).await?,
            consents: self.count(unused_consents(now, batch)).await?,
            people: self.count(people).await?,
            used: self.count(used).await?,
        })
    }

    async fn end_by(&self, then: UnixTime) -> Result<(), Error> {
        let unused = statement!("DELETE FROM codes WHERE consumed_at IS NULL RETURNING expires_at");
        self.count(unused).await?;
        self.count(ended_families(then, ALL)).await?;
        self.count(ended_sessions(then, ALL)).await?;
        Ok(())
    }

    async fn check(&self) -> Result<(), Error> {
        self.backend.check().await
    }

    async fn close(&self) {
        self.backend.close().await;
    }
}

/// More than there are.
const ALL: i64 = i64::MAX;

/// Deletes codes that nobody used in time. One statement for each index: used ones are many more.
fn unused_codes(by: UnixTime, batch: i64) -> Statement {
    statement!(
        "DELETE FROM codes
         WHERE (tenant, digest) IN
             (SELECT tenant, digest FROM codes
              WHERE expires_at <= $1 AND consumed_at IS NULL LIMIT $2)
         AND consumed_at IS NULL
         RETURNING expires_at",
        by,
        batch,
    )
}

/// Deletes used codes.
fn used_codes(by: UnixTime, batch: i64) -> Statement {
    statement!(
        "DELETE FROM codes
         WHERE (tenant, digest) IN
             (SELECT tenant, digest FROM codes
              WHERE expires_at <= $1 AND consumed_at IS NOT NULL LIMIT $2)
         RETURNING expires_at",
        by,
        batch,
    )
}

/// Deletes sessions. The condition stands twice here and below: what was used meanwhile stays.
fn ended_sessions(by: UnixTime, batch: i64) -> Statement {
    statement!(
        "DELETE FROM sessions
         WHERE (tenant, id) IN
             (SELECT tenant, id FROM sessions WHERE ends_at <= $1 OR idle_until <= $1 LIMIT $2)
         AND (ends_at <= $1 OR idle_until <= $1)
         RETURNING ends_at",
        by,
        batch,
    )
}

/// Deletes consents.
fn unused_consents(now: UnixTime, batch: i64) -> Statement {
    statement!(
        "DELETE FROM consents
         WHERE (tenant, user_id, client, audience, scope) IN
             (SELECT tenant, user_id, client, audience, scope FROM consents
              WHERE COALESCE(used_at, given_at) <= $1 LIMIT $2)
         AND COALESCE(used_at, given_at) <= $1
         RETURNING given_at",
        now - UNUSED,
        batch,
    )
}

/// Marks families, so that a clock that steps back revives none of them. One that ended for want of use has ended then, and
/// is not kept for the rest of the life that it might have had.
fn ended_families(by: UnixTime, batch: i64) -> Statement {
    statement!(
        "UPDATE families
         SET revoked_at = $1, ends_at = CASE WHEN idle_until < ends_at THEN idle_until ELSE ends_at END
         WHERE (tenant, id) IN
             (SELECT tenant, id FROM families
              WHERE revoked_at IS NULL AND (ends_at <= $1 OR idle_until <= $1) LIMIT $2)
         AND revoked_at IS NULL AND (ends_at <= $1 OR idle_until <= $1)
         RETURNING ends_at",
        by,
        batch,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::store::sqlite;

    /// What is kept for a day is not read each minute, by the only one who writes.
    #[tokio::test]
    async fn a_sweep_for_codes_reads_those_alone_that_go() {
        let store = Database {
            backend: Box::new(sqlite::open(None).await.unwrap()),
        };
        let (now, batch) = (UnixTime(1), 1000);
        for (statement, index) in [
            (unused_codes(now, batch), "codes_unused"),
            (used_codes(now, batch), "codes_used"),
        ] {
            let explained = Statement {
                sql: format!("EXPLAIN QUERY PLAN {}", statement.sql).leak(),
                values: statement.values,
            };
            let mut plan = Vec::new();
            for mut row in store.backend.read(explained).await.unwrap() {
                for _ in ["id", "parent", "notused"] {
                    row.time().unwrap();
                }
                plan.push(row.text().unwrap());
            }
            let by_index = format!("INDEX {index} (expires_at<?)");
            assert!(plan.iter().any(|step| step.contains(&by_index)), "{plan:?}");
            assert!(!plan.iter().any(|step| step.contains("SCAN")), "{plan:?}");
        }
    }
}
