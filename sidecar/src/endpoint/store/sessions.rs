use async_trait::async_trait;
use mintage_core::{Domain, Seconds, Uid, UnixTime, UserId};

use super::backend::{Row, statement};
use super::records::{Profile, Session};
use super::{Database, Digest, Error};

/// A session is written to at most this often while it is used.
const TOUCH_EVERY: Seconds = 60;

/// Who is signed in with which browser.
#[async_trait]
pub trait Sessions {
    /// Keeps a new session under the digest of its cookie. [`Error::Clash`] if there is one.
    async fn begin_session(
        &self,
        tenant: &Uid,
        id: &Digest,
        session: &Session,
    ) -> Result<(), Error>;

    /// The session of a cookie that was sent to a host, if it lives. One that is found to have ended is deleted, so that
    /// a clock that steps back does not revive it.
    async fn find_session(
        &self,
        tenant: &Uid,
        id: &Digest,
        domain: &Domain,
        now: UnixTime,
    ) -> Result<Option<Session>, Error>;

    /// Puts the end for want of use off; spares the write where less than a minute is won. Never revives a session, and
    /// never shortens its life. Whether anything was written.
    async fn touch_session(
        &self,
        tenant: &Uid,
        id: &Digest,
        idle_until: UnixTime,
        now: UnixTime,
    ) -> Result<bool, Error>;

    /// Ends a session; whose it was, if there was one. Its refresh families are the caller's to revoke ([`Whose::Session`]).
    ///
    /// [`Whose::Session`]: super::Whose::Session
    async fn end_session(&self, tenant: &Uid, id: &Digest) -> Result<Option<UserId>, Error>;

    /// Ends all sessions of a user; how many there were.
    async fn end_sessions(&self, tenant: &Uid, user: &UserId) -> Result<usize, Error>;
}

#[async_trait]
impl Sessions for Database {
    async fn begin_session(
        &self,
        tenant: &Uid,
        id: &Digest,
        session: &Session,
    ) -> Result<(), Error> {
        let insert = statement!(
            "INSERT INTO sessions (tenant, id, user_id, domain, authenticated_at, created_at, idle_until, ends_at, profile)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            tenant.as_str(),
            id,
            session.user.as_str(),
            session.domain.as_str(),
            session.authenticated_at,
            session.created_at,
            session.idle_until,
            session.ends_at,
            session.profile.as_str(),
        );
        self.backend.write(insert).await.map(drop)
    }

    async fn find_session(
        &self,
        tenant: &Uid,
        id: &Digest,
        domain: &Domain,
        now: UnixTime,
    ) -> Result<Option<Session>, Error> {
        let select = statement!(
            "SELECT user_id, domain, authenticated_at, created_at, idle_until, ends_at, profile
             FROM sessions WHERE tenant = $1 AND id = $2 AND domain = $3",
            tenant.as_str(),
            id,
            domain.as_str(),
        );
        let rows = self.backend.read(select).await?;
        let Some(session) = rows.into_iter().next().map(session).transpose()? else {
            return Ok(None);
        };
        if !session.is_over(now) {
            return Ok(Some(session));
        }
        let delete = statement!(
            "DELETE FROM sessions
             WHERE tenant = $1 AND id = $2 AND (ends_at <= $3 OR idle_until <= $3)",
            tenant.as_str(),
            id,
            now,
        );
        self.backend.write(delete).await?;
        Ok(None)
    }

    async fn touch_session(
        &self,
        tenant: &Uid,
        id: &Digest,
        idle_until: UnixTime,
        now: UnixTime,
    ) -> Result<bool, Error> {
        let update = statement!(
            "UPDATE sessions SET idle_until = $3
             WHERE tenant = $1 AND id = $2 AND idle_until <= $4 AND idle_until > $5 AND ends_at > $5
             RETURNING ends_at",
            tenant.as_str(),
            id,
            idle_until,
            idle_until - TOUCH_EVERY,
            now,
        );
        Ok(!self.backend.write(update).await?.is_empty())
    }

    async fn end_session(&self, tenant: &Uid, id: &Digest) -> Result<Option<UserId>, Error> {
        let delete = statement!(
            "DELETE FROM sessions WHERE tenant = $1 AND id = $2 RETURNING user_id",
            tenant.as_str(),
            id,
        );
        let ended = self.backend.write(delete).await?.into_iter().next();
        let user = |mut row: Row| UserId::parse(&row.text()?).map_err(Error::damaged);
        ended.map(user).transpose()
    }

    async fn end_sessions(&self, tenant: &Uid, user: &UserId) -> Result<usize, Error> {
        let delete = statement!(
            "DELETE FROM sessions WHERE tenant = $1 AND user_id = $2 RETURNING ends_at",
            tenant.as_str(),
            user.as_str(),
        );
        Ok(self.backend.write(delete).await?.len())
    }
}

fn session(mut row: Row) -> Result<Session, Error> {
    Ok(Session {
        user: UserId::parse(&row.text()?).map_err(Error::damaged)?,
        domain: Domain::parse(&row.text()?).map_err(Error::damaged)?,
        authenticated_at: row.time()?,
        created_at: row.time()?,
        idle_until: row.time()?,
        ends_at: row.time()?,
        profile: Profile::parse(row.text()?).map_err(Error::damaged)?,
    })
}
