//! What is given out: codes, and tokens for what was granted.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mintage_core::claims::Jti;
use mintage_core::endpoint::{
    Api, Application, Asked, Challenge, IdToken, OPAQUE_LIFETIME, OpaqueClaims, RedirectUri,
    Request, Target, UnknownAudience, UserToken,
};
use mintage_core::ident::write_scopes;
use mintage_core::policy;
use mintage_core::world::{AudienceAlg, Dialect, GrantType};
use mintage_core::{Alg, ClientId, Issuer, Scope, Seconds, UnixTime, UserId};
use serde::{Deserialize, Serialize};

use super::Endpoint;
use super::audit::{self, Issued};
use super::person::Person;
use super::session::{Found, random_text};
use super::store::{self, Begun, Code, Digest, Family, FamilyId};
use super::visit::Visit;
use crate::clock;
use crate::oauth::{OAuthError, no_store_json};
use crate::rule::Rule;

/// How long a code is good, in seconds: it goes straight to the token endpoint.
const CODE_LIFE: Seconds = 60;

/// Auth0's bound on the refresh tokens of a user at an application.
const MOST_FAMILIES: NonZeroU32 = NonZeroU32::new(200).expect("200 is not zero");

/// The life of tokens for the Management API.
const MANAGEMENT_LIFETIME: Seconds = 86_400;

/// The algorithm of ID tokens, of Management API tokens, and of arrays of audiences (row S4).
const RS256: AudienceAlg = AudienceAlg::Asymmetric(Alg::RS256);

/// What a user let an application have: the payload of a code, and of the refresh family that comes of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Granted {
    /// The issuer that was asked.
    pub issuer: Issuer,
    /// The user.
    pub user: UserId,
    /// When they signed in.
    pub authenticated_at: UnixTime,
    /// The session's name.
    pub session: String,
    /// The audience that was asked for: by its own name also where it was the tenant's default, which may become another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The scopes that were allowed.
    pub scopes: Vec<Scope>,
    /// What the code alone knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_code: Option<OfCode>,
}

/// What holds for the code and not for what comes of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct OfCode {
    /// When the user let the application have it.
    pub given_at: UnixTime,
    /// Where it was sent.
    pub redirect: RedirectUri,
    /// PKCE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Challenge>,
    /// `nonce`, for the ID token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// The scopes of an audience that a user was assigned.
pub fn assigned<'a>(
    visit: &'a Visit,
    user: &UserId,
    audience: Option<&str>,
) -> Option<&'a BTreeSet<Scope>> {
    match visit.realm.config.target(audience).ok()? {
        Target::Api(api) => visit
            .realm
            .user(user)
            .ok()??
            .permissions
            .get(&api.identifier),
        Target::Management | Target::UserInfo => None,
    }
}

/// Gives a code for what the user allowed.
pub async fn code(
    endpoint: &Endpoint,
    visit: &Visit,
    request: &Request,
    asked: &Asked<'_>,
    found: &Found,
) -> Result<String, store::Error> {
    let code = random_text().ok_or_else(store::Error::without_randomness)?;
    let family = clock::random::<16>().ok_or_else(store::Error::without_randomness)?;
    let granted = Granted {
        issuer: visit.issuer(),
        user: found.session.user.clone(),
        authenticated_at: found.session.authenticated_at,
        session: found.name(),
        audience: Some(asked.target.audience(&visit.realm.config)),
        scopes: asked.scopes().cloned().collect(),
        of_code: Some(OfCode {
            given_at: visit.now,
            redirect: request.redirect.clone(),
            challenge: request.challenge.clone(),
            nonce: request.nonce.clone(),
        }),
    };
    let kept = Code {
        client: request.client.clone(),
        user: granted.user.clone(),
        family: FamilyId::from(family),
        expires_at: visit.now + CODE_LIFE,
        payload: serde_json::to_string(&granted).expect("a grant has string keys"),
    };
    endpoint
        .store
        .add_code(&visit.realm.config.tenant_uid, &Digest::of(&code), &kept)
        .await?;
    let (audience, scope) = (
        granted.audience.as_deref().unwrap_or_default(),
        write_scopes(&granted.scopes),
    );
    audit::code_issued(visit, &granted.user, &request.client, audience, &scope);
    Ok(code)
}

/// Begins a refresh family; its first token, or `None` if the code has come once more meanwhile, or its
/// user took it back.
pub async fn refresh_token(
    endpoint: &Endpoint,
    visit: &Visit,
    application: &Application,
    id: FamilyId,
    granted: &Granted,
) -> Result<Option<String>, store::Error> {
    let token = new_refresh_token(&id).ok_or_else(store::Error::without_randomness)?;
    let rules = application.refresh;
    let kept = Granted {
        of_code: None,
        ..granted.clone()
    };
    let family = Family {
        id,
        client: application.client.clone(),
        user: granted.user.clone(),
        // A refresh token outlives the session of the browser: that is what `offline_access` asks for.
        session: None,
        payload: serde_json::to_string(&kept).expect("a grant has string keys"),
        created_at: visit.now,
        ends_at: visit.now + rules.lifetime,
        idle_until: Some(visit.now + rules.idle),
        rotated_at: None,
        revoked_at: None,
    };
    let tenant = &visit.realm.config.tenant_uid;
    let begun = endpoint
        .store
        .begin_family(tenant, &family, &Digest::of(&token), MOST_FAMILIES)
        .await?;
    Ok(match begun {
        Begun::Kept { dropped } => {
            if dropped > 0 {
                audit::refresh_tokens_dropped(visit, &family.user, &family.client, dropped);
            }
            Some(token)
        }
        Begun::CodeSpoilt => None,
    })
}

/// A refresh token: which family, and 256 random bits.
pub fn new_refresh_token(family: &FamilyId) -> Option<String> {
    let mut bytes = family.bytes().to_vec();
    bytes.extend(clock::random::<32>()?);
    Some(format!("v1.{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// The family that a refresh token names.
pub fn family_of(token: &str) -> Option<FamilyId> {
    let encoded = token
        .strip_prefix("v1.")
        .filter(|encoded| encoded.len() == 64)?;
    let bytes: [u8; 48] = URL_SAFE_NO_PAD.decode(encoded).ok()?.try_into().ok()?;
    let family: [u8; 16] = bytes[..16].try_into().ok()?;
    Some(FamilyId::from(family))
}

/// What tokens are given for, besides what was granted.
pub struct Occasion<'a> {
    /// `nonce`, for the ID token.
    pub nonce: Option<&'a str>,
    /// Whether a refresh token was shown.
    pub refreshed: bool,
    /// The refresh token that goes with them.
    pub refresh_token: Option<String>,
    /// Who the user is now.
    pub person: Person,
}

/// A successful answer of the token endpoint (RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3).
#[derive(Serialize)]
pub(super) struct Answer<'a> {
    pub access_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scope: String,
    pub expires_in: Seconds,
    pub token_type: &'static str,
}

/// Tokens that are made and not given out yet.
pub struct Ready<'a> {
    granted: &'a Granted,
    client: &'a ClientId,
    grant: GrantType,
    made: Made,
    id_token: Option<String>,
    refresh_token: Option<String>,
    scope: String,
}

impl Ready<'_> {
    /// Gives them out.
    pub fn give(self, visit: &Visit) -> Response {
        let issued = Issued {
            grant: self.grant.as_str(),
            format: self.made.format,
            user: Some(&self.granted.user),
            client: self.client.as_str(),
            audience: self.granted.audience.as_deref(),
            scope: &self.scope,
            iat: visit.now,
            exp: visit.now + self.made.lifetime,
            jti: self.made.jti,
        };
        audit::token_issued(visit, &issued);
        let answer = Answer {
            access_token: &self.made.token,
            refresh_token: self.refresh_token,
            id_token: self.id_token,
            scope: self.scope,
            expires_in: self.made.lifetime,
            token_type: "Bearer",
        };
        no_store_json(serde_json::to_string(&answer).expect("strings and a number are JSON"))
    }
}

/// Makes the tokens of a user for an application.
pub fn tokens<'a>(
    visit: &Visit,
    application: &'a Application,
    granted: &'a Granted,
    scopes: &[Scope],
    occasion: Occasion<'_>,
) -> Result<Ready<'a>, OAuthError> {
    let config = &visit.realm.config;
    let audience = granted.audience.as_deref();
    let assigned = assigned(visit, &granted.user, audience);
    let asked = config
        .asked(application, audience, scopes, assigned)
        .map_err(audience_gone)?;
    let mut all: Vec<Scope> = asked.scopes().cloned().collect();
    if occasion.refresh_token.is_none() && !occasion.refreshed {
        all.retain(|scope| scope.as_str() != "offline_access");
    }
    let made = access_token(
        visit,
        application,
        granted,
        &asked,
        &all,
        occasion.refreshed,
    )?;
    let id_token = if asked.has("openid") {
        let token = IdToken {
            issuer: &granted.issuer,
            user: &granted.user,
            client: &application.client,
            authenticated_at: granted.authenticated_at,
            issued_at: visit.now,
            nonce: occasion.nonce,
            session: &granted.session,
            profile: &occasion.person.profile,
            scopes: &all,
        };
        Some(sign(visit, Alg::RS256, Dialect::Auth0, &token.payload())?)
    } else {
        None
    };
    Ok(Ready {
        granted,
        client: &application.client,
        grant: if occasion.refreshed {
            GrantType::RefreshToken
        } else {
            GrantType::AuthorizationCode
        },
        made,
        id_token,
        refresh_token: occasion.refresh_token,
        scope: write_scopes(&all),
    })
}

/// The API that tokens were granted for is not known, which it may be again.
#[expect(
    clippy::needless_pass_by_value,
    reason = "this is what errors are mapped by"
)]
pub(super) fn audience_gone(unknown: UnknownAudience) -> OAuthError {
    OAuthError::new(
        StatusCode::FORBIDDEN,
        "access_denied",
        Rule::AudienceGone,
        format!("{unknown} (audience-gone: its ApiAudience is not there, or not served)"),
    )
}

/// An access token.
struct Made {
    token: String,
    format: &'static str,
    lifetime: Seconds,
    /// Where the token has one.
    jti: Option<Jti>,
}

/// The access token of the format that its audience asks for (rows S3 and S4).
fn access_token(
    visit: &Visit,
    application: &Application,
    granted: &Granted,
    asked: &Asked<'_>,
    scopes: &[Scope],
    refreshed: bool,
) -> Result<Made, OAuthError> {
    let config = &visit.realm.config;
    let (identifier, alg, dialect, lifetime, api) = match asked.target {
        Target::UserInfo => {
            let claims = OpaqueClaims {
                iss: granted.issuer.clone(),
                sub: granted.user.clone(),
                azp: application.client.clone(),
                scope: scopes.to_vec(),
                iat: visit.now,
                exp: visit.now + OPAQUE_LIFETIME,
            };
            let nonce = clock::random::<12>().ok_or_else(no_signature)?;
            return Ok(Made {
                token: claims.seal(&visit.realm.master, nonce),
                format: "opaque",
                lifetime: OPAQUE_LIFETIME,
                jti: None,
            });
        }
        Target::Management => (
            config.domain.management_api(),
            RS256,
            Dialect::Auth0,
            MANAGEMENT_LIFETIME,
            None,
        ),
        Target::Api(api) => (
            api.identifier.to_string(),
            api.alg,
            api.dialect,
            api.lifetime,
            Some(api),
        ),
    };
    let mut audience = vec![identifier];
    // Row S4: RS256 alone, and only where the user's identity was asked for.
    if alg == RS256 && asked.has("openid") {
        audience.push(granted.issuer.domain().userinfo());
    }
    let token = UserToken {
        issuer: &granted.issuer,
        user: Some(&granted.user),
        client: &application.client,
        audience,
        scopes: scopes.to_vec(),
        permissions: api
            .filter(|api| api.users.rbac)
            .map(|api| permissions(visit, api, &granted.user)),
        dialect,
        issued_at: visit.now,
        lifetime,
        refreshed,
    };
    let jti = clock::jti().ok_or_else(no_signature)?;
    let payload = token.payload(jti);
    let token = match api {
        Some(api) => sign_for(visit, api, &payload)?,
        None => sign(visit, Alg::RS256, dialect, &payload)?,
    };
    Ok(Made {
        token,
        format: "jwt",
        lifetime,
        jti: dialect.has_jti().then_some(jti),
    })
}

/// All scopes of an API that the user was assigned, in the API's order.
fn permissions(visit: &Visit, api: &Api, user: &UserId) -> Vec<Scope> {
    let known = visit.realm.user(user).ok().flatten();
    let assigned = known.and_then(|user| user.permissions.get(&api.identifier));
    let has = |scope: &&Scope| assigned.is_some_and(|all| all.contains(*scope));
    api.scopes.iter().filter(has).cloned().collect()
}

/// Signs a token for an API: with the tenant's key, or with the secret that the API shares.
pub(super) fn sign_for(visit: &Visit, api: &Api, payload: &str) -> Result<String, OAuthError> {
    match api.alg {
        AudienceAlg::Asymmetric(alg) => sign(visit, alg, api.dialect, payload),
        AudienceAlg::Hs256 => Ok(visit.realm.master.sign_for(api, payload)),
    }
}

fn sign(visit: &Visit, alg: Alg, dialect: Dialect, payload: &str) -> Result<String, OAuthError> {
    match visit.realm.signers.sign(visit.now, alg, dialect, payload) {
        Some(Ok(token)) => Ok(token),
        Some(Err(_)) => Err(no_signature()),
        None => Err(OAuthError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "temporarily_unavailable",
            policy::Rule::KeyUnavailable,
            format!(
                "no key of the tenant for {alg} may sign right now (key-unavailable: it has not arrived, is not active yet, or the tenant's key set may not list it; try again shortly)"
            ),
        )),
    }
}

pub(super) fn no_signature() -> OAuthError {
    OAuthError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "temporarily_unavailable",
        Rule::SigningFailed,
        "the token could not be signed (signing-failed: see the endpoint's log; try again)",
    )
}
