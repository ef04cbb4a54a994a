use async_trait::async_trait;
use mintage_core::{Uid, UnixTime};

use super::backend::statement;
use super::{Database, Digest, Error};

/// What may come once, and is not known before it comes.
#[async_trait]
pub trait Once {
    /// Whether this is the first time, in one statement. It is remembered until `ends_at`, from which time on the caller takes
    /// it from nobody.
    async fn use_once(
        &self,
        tenant: &Uid,
        digest: &Digest,
        ends_at: UnixTime,
    ) -> Result<bool, Error>;
}

#[async_trait]
impl Once for Database {
    async fn use_once(
        &self,
        tenant: &Uid,
        digest: &Digest,
        ends_at: UnixTime,
    ) -> Result<bool, Error> {
        let insert = statement!(
            "INSERT INTO used (tenant, digest, ends_at) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING RETURNING ends_at",
            tenant.as_str(),
            digest,
            ends_at,
        );
        Ok(!self.backend.write(insert).await?.is_empty())
    }
}
