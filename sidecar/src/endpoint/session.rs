//! Who is signed in with a browser.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Endpoint;
use super::cookies::Cookie;
use super::person::{self, Person, Unknown};
use super::sign_in::SignedIn;
use super::store::{self, Digest, Session};
use super::visit::Visit;
use crate::clock;

/// A session that was found.
pub struct Found {
    /// The digest of its cookie.
    pub id: Digest,
    /// It.
    pub session: Session,
    /// Who is signed in.
    pub person: Person,
}

/// A random value of 256 bits, as text.
pub fn random_text() -> Option<String> {
    clock::random::<32>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

impl Found {
    /// The session's name in tokens (`sid`): it tells nothing of the cookie.
    pub fn name(&self) -> String {
        self.id.name()
    }
}

/// The session of a request, if there is one that lives and whose user is still there. It is used by that.
pub async fn find(endpoint: &Endpoint, visit: &Visit) -> Result<Option<Found>, store::Error> {
    let Some(cookie) = Cookie::Session.of(&visit.headers) else {
        return Ok(None);
    };
    let (tenant, id) = (&visit.realm.config.tenant_uid, Digest::of(cookie));
    let found = endpoint
        .store
        .find_session(tenant, &id, &visit.domain, visit.now)
        .await?;
    let Some(session) = found else {
        return Ok(None);
    };
    let person = match person::find(endpoint, visit, &session.user).await {
        Ok(Some(person)) if person.had_by(session.created_at) => person,
        // It is there again when they are.
        Ok(_) | Err(Unknown::Unread(_)) => return Ok(None),
        Err(Unknown::Store(error)) => return Err(error),
    };
    let idle_until = visit.now + visit.realm.config.login.session.idle;
    endpoint
        .store
        .touch_session(tenant, &id, idle_until, visit.now)
        .await?;
    Ok(Some(Found {
        id,
        session,
        person,
    }))
}

/// Begins a session in place of the one that the browser has; its name. Its cookie is in `headers`.
pub async fn begin(
    endpoint: &Endpoint,
    visit: &Visit,
    who: SignedIn<'_>,
    headers: &mut HeaderMap,
) -> Result<String, store::Error> {
    let rules = visit.realm.config.login.session;
    let tenant = &visit.realm.config.tenant_uid;
    let cookie = random_text().ok_or_else(store::Error::without_randomness)?;
    let json = serde_json::to_string(who.profile).unwrap_or_default();
    let session = Session {
        user: who.user.clone(),
        domain: visit.domain.clone(),
        authenticated_at: who.authenticated_at,
        created_at: visit.now,
        idle_until: visit.now + rules.idle.min(rules.lifetime),
        ends_at: visit.now + rules.lifetime,
        // One that is too long to keep is looked up where the user comes from.
        profile: store::Profile::parse(json).unwrap_or_else(|_| store::Profile::empty()),
    };
    // The value that the browser had before signing in is of no use afterwards (session fixation).
    if let Some(before) = Cookie::Session.of(&visit.headers) {
        endpoint
            .store
            .end_session(tenant, &Digest::of(before))
            .await?;
    }
    let id = Digest::of(&cookie);
    endpoint.store.begin_session(tenant, &id, &session).await?;
    Cookie::Session.set(headers, &cookie, Some(rules.lifetime));
    Ok(id.name())
}
