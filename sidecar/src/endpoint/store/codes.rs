use async_trait::async_trait;
use mintage_core::{ClientId, Uid, UnixTime};

use super::backend::statement;
use super::families::Families as _;
use super::records::{Code, FamilyId};
use super::{Database, Digest, Error};

/// What came of presenting a code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Redeemed {
    /// It was good, and is used up now.
    Good {
        /// What was kept with it.
        payload: String,
        /// The refresh family that may begin.
        family: FamilyId,
    },
    /// It came too late; it is used up all the same, so that a clock that steps back does not revive it.
    Expired,
    /// It was used up before. The family that came of it, or was to come of it, is revoked (RFC 6749 section 4.1.2).
    Replayed {
        /// That family.
        family: FamilyId,
    },
    /// There is no such code of this client, or its user took it back. If it is another's, nothing happened to it.
    Unknown,
}

/// Authorization codes, each good for once.
#[async_trait]
pub trait Codes {
    /// Keeps a code. [`Error::Clash`] if the code or its family is there already.
    async fn add_code(&self, tenant: &Uid, digest: &Digest, code: &Code) -> Result<(), Error>;

    /// Uses a code up, in one statement: of any number that present it at once, one finds it good. After an error the
    /// caller refuses; the code may be used up.
    async fn redeem_code(
        &self,
        tenant: &Uid,
        digest: &Digest,
        client: &ClientId,
        now: UnixTime,
    ) -> Result<Redeemed, Error>;
}

#[async_trait]
impl Codes for Database {
    async fn add_code(&self, tenant: &Uid, digest: &Digest, code: &Code) -> Result<(), Error> {
        let insert = statement!(
            "INSERT INTO codes (tenant, digest, client, user_id, family, payload, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            tenant.as_str(),
            digest,
            code.client.as_str(),
            code.user.as_str(),
            &code.family,
            &*code.payload,
            code.expires_at,
        );
        self.backend.write(insert).await.map(drop)
    }

    async fn redeem_code(
        &self,
        tenant: &Uid,
        digest: &Digest,
        client: &ClientId,
        now: UnixTime,
    ) -> Result<Redeemed, Error> {
        let consume = statement!(
            "UPDATE codes SET consumed_at = $4
             WHERE tenant = $1 AND digest = $2 AND client = $3
                 AND consumed_at IS NULL AND withdrawn_at IS NULL
             RETURNING payload, family, expires_at",
            tenant.as_str(),
            digest,
            client.as_str(),
            now,
        );
        if let Some(mut row) = self.backend.write(consume).await?.into_iter().next() {
            let (payload, family) = (row.text()?, FamilyId::from(row.bytes()?));
            return Ok(if row.time()? <= now {
                Redeemed::Expired
            } else {
                Redeemed::Good { payload, family }
            });
        }

        let select = statement!(
            "SELECT family, replayed_at FROM codes
             WHERE tenant = $1 AND digest = $2 AND client = $3 AND withdrawn_at IS NULL",
            tenant.as_str(),
            digest,
            client.as_str(),
        );
        let Some(mut row) = self.backend.read(select).await?.into_iter().next() else {
            return Ok(Redeemed::Unknown);
        };
        let family = FamilyId::from(row.bytes()?);
        if row.optional_time()?.is_none() {
            // The mark keeps a family from beginning after it (`begin_family`); one that has begun is revoked.
            let mark = statement!(
                "UPDATE codes SET replayed_at = $3 WHERE tenant = $1 AND digest = $2",
                tenant.as_str(),
                digest,
                now,
            );
            self.backend.write(mark).await?;
        }
        self.revoke_family(tenant, &family, now).await?;
        Ok(Redeemed::Replayed { family })
    }
}
