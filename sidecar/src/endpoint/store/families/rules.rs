//! What holds of families, as SQL.

use std::num::NonZeroU32;

use async_trait::async_trait;
use mintage_core::{ClientId, Uid, UnixTime, UserId};

use super::super::backend::{Row, Statement, statement};
use super::super::records::{Family, FamilyId};
use super::super::{Database, Digest, Error};
use super::{Begun, Families, Presented, Rotated, Rotation, Standing, Whose};

/// What [`family`] reads, in its order.
macro_rules! columns {
    () => {
        "id, client, user_id, session, payload, created_at, ends_at, idle_until, rotated_at, revoked_at"
    };
}

#[async_trait]
impl Families for Database {
    async fn begin_family(
        &self,
        tenant: &Uid,
        family: &Family,
        token: &Digest,
        limit: NonZeroU32,
    ) -> Result<Begun, Error> {
        let topic = format!("{tenant} {} {}", family.user, family.client);
        let mut work = self.backend.begin(&topic).await?;
        // Who replays the code, or takes it back, waits for this row until the family is there to be revoked; or was first, and
        // left a mark.
        let lock_code = statement!(
            "UPDATE codes SET family = family WHERE tenant = $1 AND family = $2
             RETURNING COALESCE(replayed_at, withdrawn_at)",
            tenant.as_str(),
            &family.id,
        );
        if let Some(mut row) = work.rows(lock_code).await?.into_iter().next()
            && row.optional_time()?.is_some()
        {
            work.commit().await?;
            return Ok(Begun::CodeSpoilt);
        }
        // `SQLite` knows no OFFSET without a LIMIT.
        let drop_oldest = statement!(
            "DELETE FROM families WHERE tenant = $1 AND id IN
                 (SELECT id FROM families
                  WHERE tenant = $1 AND user_id = $2 AND client = $3 AND revoked_at IS NULL
                      AND ends_at > $4 AND (idle_until IS NULL OR idle_until > $4)
                  ORDER BY created_at DESC, id LIMIT 1000000 OFFSET $5)
             RETURNING ends_at",
            tenant.as_str(),
            family.user.as_str(),
            family.client.as_str(),
            family.created_at,
            i64::from(limit.get()) - 1,
        );
        let dropped = work.rows(drop_oldest).await?.len();
        let insert = statement!(
            "INSERT INTO families
                 (tenant, id, client, user_id, session, payload, created_at, ends_at, idle_until, token)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            tenant.as_str(),
            &family.id,
            family.client.as_str(),
            family.user.as_str(),
            family.session,
            &*family.payload,
            family.created_at,
            family.ends_at,
            family.idle_until,
            token,
        );
        work.rows(insert).await?;
        work.commit().await?;
        Ok(Begun::Kept { dropped })
    }

    async fn rotate(
        &self,
        tenant: &Uid,
        presented: Presented<'_>,
        rotation: Rotation,
        now: UnixTime,
    ) -> Result<Rotated, Error> {
        let Presented {
            family: id,
            token,
            client,
        } = presented;
        // A replica whose clock is behind may see a rotation that is to come, but none that is far off. Without leeway the
        // span is empty.
        let (from, to) = if rotation.leeway > 0 {
            (now - rotation.leeway, now + rotation.leeway)
        } else {
            (UnixTime(1), UnixTime(0))
        };
        // All right-hand sides are of the row as it was. After a lost answer `rotated_at` stays, or the grace would be
        // without end.
        let rotate = statement!(
            concat!(
                "UPDATE families SET
                     token_before = CASE WHEN token = $4 AND $5 IS NOT NULL THEN token ELSE token_before END,
                     rotated_at = CASE WHEN token = $4 AND $5 IS NOT NULL THEN $6 ELSE rotated_at END,
                     token = COALESCE($5, token),
                     idle_until = $7
                 WHERE tenant = $1 AND id = $2 AND client = $3 AND revoked_at IS NULL
                     AND ends_at > $6 AND (idle_until IS NULL OR idle_until > $6)
                     AND (token = $4 OR (token_before = $4 AND rotated_at BETWEEN $8 AND $9))
                 RETURNING ",
                columns!()
            ),
            tenant.as_str(),
            id,
            client.as_str(),
            token,
            rotation.replacement,
            now,
            rotation.idle_until,
            from,
            to,
        );
        if let Some(row) = self.backend.write(rotate).await?.into_iter().next() {
            return Ok(Rotated::Good(family(row)?));
        }
        let revoke = statement!(
            concat!(
                "UPDATE families SET revoked_at = $4
                 WHERE tenant = $1 AND id = $2 AND client = $3 AND revoked_at IS NULL
                 RETURNING ",
                columns!()
            ),
            tenant.as_str(),
            id,
            client.as_str(),
            now,
        );
        if let Some(row) = self.backend.write(revoke).await?.into_iter().next() {
            let family = family(row)?;
            return Ok(if family.is_over(now) {
                Rotated::Ended(family)
            } else {
                Rotated::Reused(family)
            });
        }
        let select = statement!(
            concat!(
                "SELECT ",
                columns!(),
                " FROM families WHERE tenant = $1 AND id = $2 AND client = $3"
            ),
            tenant.as_str(),
            id,
            client.as_str(),
        );
        let row = self.backend.read(select).await?.into_iter().next();
        Ok(match row.map(family).transpose()? {
            Some(family) => Rotated::Revoked(family),
            None => Rotated::Unknown,
        })
    }

    async fn revoke_family(
        &self,
        tenant: &Uid,
        id: &FamilyId,
        now: UnixTime,
    ) -> Result<bool, Error> {
        let revoke = statement!(
            "UPDATE families SET revoked_at = $3
             WHERE tenant = $1 AND id = $2 AND revoked_at IS NULL RETURNING ends_at",
            tenant.as_str(),
            id,
            now,
        );
        Ok(!self.backend.write(revoke).await?.is_empty())
    }

    async fn revoke_families(
        &self,
        tenant: &Uid,
        whose: Whose<'_>,
        now: UnixTime,
    ) -> Result<usize, Error> {
        let revocation = revocation(tenant, whose, now);
        let Some((user, withdrawal)) = withdrawal(tenant, whose, now) else {
            return Ok(self.backend.write(revocation).await?.len());
        };
        let mut work = self.backend.begin(&format!("{tenant} {user}")).await?;
        // Codes first: a family that one of them begins meanwhile is there by then.
        work.rows(withdrawal).await?;
        let revoked = work.rows(revocation).await?.len();
        work.commit().await?;
        Ok(revoked)
    }

    async fn find_family(
        &self,
        tenant: &Uid,
        id: &FamilyId,
        token: &Digest,
        now: UnixTime,
    ) -> Result<Option<(Family, Standing)>, Error> {
        let select = statement!(
            concat!(
                "SELECT ",
                columns!(),
                ", token FROM families WHERE tenant = $1 AND id = $2 AND (token = $3 OR token_before = $3)"
            ),
            tenant.as_str(),
            id,
            token,
        );
        let Some(mut row) = self.backend.read(select).await?.into_iter().next() else {
            return Ok(None);
        };
        let family = read(&mut row)?;
        let current = Digest::from(row.bytes()?) == *token;
        let standing = match family.revoked_at {
            Some(_) => Standing::Revoked,
            None if family.is_over(now) => Standing::Ended,
            None if current => Standing::Live,
            None => Standing::Replaced,
        };
        Ok(Some((family, standing)))
    }
}

/// What takes the codes back that families may still come of, and whose they are.
fn withdrawal<'a>(
    tenant: &Uid,
    whose: Whose<'a>,
    now: UnixTime,
) -> Option<(&'a UserId, Statement)> {
    let tenant = tenant.as_str();
    match whose {
        Whose::Client(_) | Whose::Session(_) => None,
        Whose::User(user) => {
            let withdrawal = statement!(
                "UPDATE codes SET withdrawn_at = $3
                 WHERE tenant = $1 AND user_id = $2 AND withdrawn_at IS NULL RETURNING family",
                tenant,
                user.as_str(),
                now,
            );
            Some((user, withdrawal))
        }
        Whose::UserAndClient(user, client) => {
            let withdrawal = statement!(
                "UPDATE codes SET withdrawn_at = $4
                 WHERE tenant = $1 AND user_id = $2 AND client = $3 AND withdrawn_at IS NULL RETURNING family",
                tenant,
                user.as_str(),
                client.as_str(),
                now,
            );
            Some((user, withdrawal))
        }
    }
}

fn revocation(tenant: &Uid, whose: Whose<'_>, now: UnixTime) -> Statement {
    let tenant = tenant.as_str();
    match whose {
        Whose::Client(client) => statement!(
            "UPDATE families SET revoked_at = $3
             WHERE tenant = $1 AND client = $2 AND revoked_at IS NULL RETURNING ends_at",
            tenant,
            client.as_str(),
            now,
        ),
        Whose::Session(session) => statement!(
            "UPDATE families SET revoked_at = $3
             WHERE tenant = $1 AND session = $2 AND revoked_at IS NULL RETURNING ends_at",
            tenant,
            session,
            now,
        ),
        Whose::User(user) => statement!(
            "UPDATE families SET revoked_at = $3
             WHERE tenant = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING ends_at",
            tenant,
            user.as_str(),
            now,
        ),
        Whose::UserAndClient(user, client) => statement!(
            "UPDATE families SET revoked_at = $4
             WHERE tenant = $1 AND user_id = $2 AND client = $3 AND revoked_at IS NULL RETURNING ends_at",
            tenant,
            user.as_str(),
            client.as_str(),
            now,
        ),
    }
}

fn family(mut row: Row) -> Result<Family, Error> {
    read(&mut row)
}

fn read(row: &mut Row) -> Result<Family, Error> {
    Ok(Family {
        id: row.bytes()?.into(),
        client: ClientId::parse(&row.text()?).map_err(Error::damaged)?,
        user: UserId::parse(&row.text()?).map_err(Error::damaged)?,
        session: row.optional_bytes()?.map(Digest::from),
        payload: row.text()?,
        created_at: row.time()?,
        ends_at: row.time()?,
        idle_until: row.optional_time()?,
        rotated_at: row.optional_time()?,
        revoked_at: row.optional_time()?,
    })
}
