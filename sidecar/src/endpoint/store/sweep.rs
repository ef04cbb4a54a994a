use std::num::NonZeroU32;

use async_trait::async_trait;
use mintage_core::{Seconds, UnixTime};

use super::backend::{Statement, statement};
use super::{Database, Error};

/// What was used up or revoked is kept this long after its end, so that who uses it again is recognised.
const KEPT: Seconds = 86_400;

/// How many rows a sweep deleted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Swept {
    /// Sessions that had ended.
    pub sessions: usize,
    /// Codes that ended a day ago.
    pub codes: usize,
    /// Refresh families that ended a day ago.
    pub families: usize,
}

/// What an operator of the store does.
#[async_trait]
pub trait Upkeep {
    /// Deletes what has ended, at most `batch` rows of each kind: nobody waits long for it. To be called again at once
    /// while any number is that of the batch.
    async fn sweep(&self, now: UnixTime, batch: NonZeroU32) -> Result<Swept, Error>;

    /// Whether the store can be used now; for readiness.
    async fn check(&self) -> Result<(), Error>;

    /// Closes all connections, after what is under way; later calls are [`Error::Unavailable`].
    async fn close(&self);
}

#[async_trait]
impl Upkeep for Database {
    async fn sweep(&self, now: UnixTime, batch: NonZeroU32) -> Result<Swept, Error> {
        let batch = i64::from(batch.get());
        let swept = async |statement: Statement| -> Result<usize, Error> {
            Ok(self.backend.write(statement).await?.len())
        };
        // The condition stands twice: a session that was used meanwhile stays.
        let sessions = statement!(
            "DELETE FROM sessions
             WHERE (tenant, id) IN
                 (SELECT tenant, id FROM sessions WHERE ends_at <= $1 OR idle_until <= $1 LIMIT $2)
             AND (ends_at <= $1 OR idle_until <= $1)
             RETURNING ends_at",
            now,
            batch,
        );
        let codes = statement!(
            "DELETE FROM codes
             WHERE (tenant, digest) IN (SELECT tenant, digest FROM codes WHERE expires_at <= $1 LIMIT $2)
             RETURNING expires_at",
            now - KEPT,
            batch,
        );
        let families = statement!(
            "DELETE FROM families
             WHERE (tenant, id) IN
                 (SELECT tenant, id FROM families
                  WHERE ends_at <= $1 OR (idle_until <= $1 AND revoked_at IS NULL) LIMIT $2)
             AND (ends_at <= $1 OR (idle_until <= $1 AND revoked_at IS NULL))
             RETURNING ends_at",
            now - KEPT,
            batch,
        );
        Ok(Swept {
            sessions: swept(sessions).await?,
            codes: swept(codes).await?,
            families: swept(families).await?,
        })
    }

    async fn check(&self) -> Result<(), Error> {
        self.backend.check().await
    }

    async fn close(&self) {
        self.backend.close().await;
    }
}
