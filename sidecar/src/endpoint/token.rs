//! `POST /oauth/token` (RFC 6749 section 3.2).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use mintage_core::endpoint::{Application, ClientRefusal, UnknownAudience};
use mintage_core::ident::parse_scopes;
use mintage_core::world::GrantType;
use mintage_core::{Scope, WorkloadId};

use super::issue::{self, Granted, Occasion, Ready, audience_gone};
use super::person;
use super::store::{self, Digest, Family, Presented, Redeemed, Rotated, Rotation, Standing};
use super::visit::Visit;
use super::{Endpoint, Here, audit, client, cors, credentials, workload};
use crate::oauth::OAuthError;
use crate::params::Params;
use crate::rule::Rule;
use mintage_core::policy;

/// Grant types that Auth0 knows and an application cannot use here.
const NOT_HERE: [&str; 6] = [
    "implicit",
    "password",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "urn:openid:params:grant-type:ciba",
];

pub async fn handle(State(endpoint): Here, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let visit = match Visit::of(&endpoint, &parts) {
        Ok(visit) => visit,
        Err(error) => return error.logged().into_response(),
    };
    let params = match Params::read(&parts.headers, body).await {
        Ok(params) => params,
        Err(error) => return refuse(&visit, error, None, None),
    };
    if workload::is_shown(&params) {
        return match workload::give(&endpoint, &visit, &params).await {
            Ok(response) => response,
            Err((error, workload)) => refuse(&visit, error, Some(&params), workload.as_ref()),
        };
    }
    let application = client::authenticate(&visit, &params);
    let outcome = match &application {
        Ok(application) => give(&endpoint, &visit, application, &params).await,
        Err(error) => Err(error.clone()),
    };
    let mut response = outcome.unwrap_or_else(|error| refuse(&visit, error, Some(&params), None));
    // A page reads why it is refused, too: whose it is says the client_id, and that is public.
    let named = params
        .get("client_id")
        .and_then(|client| visit.application(client));
    cors::allow(&visit, named, &mut response);
    response
}

async fn give(
    endpoint: &Endpoint,
    visit: &Visit,
    application: &Application,
    params: &Params,
) -> Result<Response, OAuthError> {
    let text = params.get("grant_type").ok_or_else(|| {
        OAuthError::invalid_request(
            Rule::GrantTypeMissing,
            "Missing required parameter: grant_type",
        )
    })?;
    let all = [
        GrantType::AuthorizationCode,
        GrantType::ClientCredentials,
        GrantType::RefreshToken,
    ];
    let grant = all.into_iter().find(|grant| grant.as_str() == text);
    let not_allowed = || {
        OAuthError::new(
            StatusCode::FORBIDDEN,
            "unauthorized_client",
            Rule::GrantTypeNotAllowed,
            format!(
                "Grant type '{text}' not allowed for the client. (grant-type-not-allowed: add it to spec.grantTypes of the Application, if it is one of authorization_code, refresh_token and client_credentials)"
            ),
        )
    };
    match grant {
        Some(grant) if !application.may(grant) => Err(not_allowed()),
        Some(GrantType::AuthorizationCode) => code(endpoint, visit, application, params).await,
        Some(GrantType::RefreshToken) => refresh(endpoint, visit, application, params).await,
        Some(GrantType::ClientCredentials) => client_credentials(visit, application, params),
        None if NOT_HERE.contains(&text)
            || text.starts_with("http://auth0.com/oauth/grant-type/") =>
        {
            Err(not_allowed())
        }
        None => Err(OAuthError::new(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            Rule::GrantTypeUnknown,
            "the grant type is not known; send authorization_code, refresh_token or client_credentials",
        )),
    }
}

fn invalid_grant(rule: Rule, text: &'static str) -> OAuthError {
    OAuthError::new(StatusCode::FORBIDDEN, "invalid_grant", rule, text)
}

async fn code(
    endpoint: &Endpoint,
    visit: &Visit,
    application: &Application,
    params: &Params,
) -> Result<Response, OAuthError> {
    let code = params.get("code").ok_or_else(|| {
        OAuthError::invalid_request(Rule::CodeMissing, "Missing required parameter: code")
    })?;
    let tenant = &visit.realm.config.tenant_uid;
    let redeemed = endpoint
        .store
        .redeem_code(tenant, &Digest::of(code), &application.client, visit.now)
        .await;
    let invalid = || invalid_grant(Rule::CodeInvalid, "Invalid authorization code");
    let (payload, family) = match redeemed? {
        Redeemed::Good { payload, family } => (payload, family),
        Redeemed::Expired | Redeemed::Unknown => return Err(invalid()),
        Redeemed::Replayed { .. } => {
            audit::code_replayed(visit, &application.client);
            return Err(invalid());
        }
    };
    let granted: Granted = serde_json::from_str(&payload).map_err(|_| invalid())?;
    let of_code = granted.of_code.clone().ok_or_else(invalid)?;
    // It is used up by now, whatever is wrong with the rest.
    if granted.issuer != visit.issuer() {
        return Err(invalid());
    }
    if params.get("redirect_uri") != Some(of_code.redirect.as_str()) {
        return Err(invalid_grant(
            Rule::RedirectUriDiffers,
            "The redirect URI is wrong (redirect-uri-differs: send the one that was sent to /authorize)",
        ));
    }
    let proven = match (&of_code.challenge, params.get("code_verifier")) {
        (Some(challenge), Some(verifier)) => challenge.is_met_by(verifier),
        // A verifier without a challenge is a request whose challenge somebody took out (RFC 9700 section 4.8.2).
        (Some(_), None) | (None, Some(_)) => false,
        (None, None) => !application.is_public(),
    };
    if !proven {
        return Err(invalid_grant(
            Rule::CodeVerifierWrong,
            "Failed to verify code verifier",
        ));
    }
    check_resource(visit, &granted, params)?;
    let person = person::find(endpoint, visit, &granted.user).await?;
    let person = person.filter(|person| person.had_by(of_code.given_at));
    let person = person.ok_or_else(inactive)?;
    let offline = granted
        .scopes
        .iter()
        .any(|scope| scope.as_str() == "offline_access");
    let refresh_token = if offline && application.may(GrantType::RefreshToken) {
        // The code may have come again meanwhile. The first to show it is answered all the same, as one is that was answered a
        // moment before, and has no refresh token.
        issue::refresh_token(endpoint, visit, application, family, &granted).await?
    } else {
        None
    };
    let occasion = Occasion {
        nonce: of_code.nonce.as_deref(),
        refreshed: false,
        refresh_token,
        person,
    };
    let ready = issue::tokens(visit, application, &granted, &granted.scopes, occasion)?;
    Ok(ready.give(visit))
}

/// A user who is gone or blocked gets nothing any more, whatever was granted before (attack 26).
fn inactive() -> OAuthError {
    invalid_grant(
        Rule::UserInactive,
        "The user is blocked or gone (user-inactive: see the user's connection in the Tenant, and its Secret)",
    )
}

fn unknown_token() -> OAuthError {
    invalid_grant(
        Rule::RefreshTokenInvalid,
        "Unknown or invalid refresh token.",
    )
}

async fn refresh(
    endpoint: &Endpoint,
    visit: &Visit,
    application: &Application,
    params: &Params,
) -> Result<Response, OAuthError> {
    let token = params.get("refresh_token").ok_or_else(|| {
        OAuthError::invalid_request(
            Rule::RefreshTokenMissing,
            "Missing required parameter: refresh_token",
        )
    })?;
    let invalid = unknown_token;
    let family = issue::family_of(token).ok_or_else(invalid)?;
    let (tenant, digest) = (&visit.realm.config.tenant_uid, Digest::of(token));
    let known = endpoint
        .store
        .find_family(tenant, &family, &digest, visit.now)
        .await;
    let known = known?;
    let known = known.filter(|(known, _)| known.client == application.client);
    let granted: Option<Granted> = match &known {
        Some((known, _)) => Some(serde_json::from_str(&known.payload).map_err(|_| invalid())?),
        None => None,
    };
    let rules = application.refresh;
    let replacement = if rules.rotates {
        Some(issue::new_refresh_token(&family).ok_or_else(store::Error::without_randomness)?)
    } else {
        None
    };
    // All is made first: a request that is refused for what it asks for, or while something is not known, uses no token up.
    let ready = match (&known, &granted) {
        (Some((known, standing)), Some(granted)) => {
            let of = Refreshed {
                family: known,
                standing: *standing,
                granted,
            };
            of.ready(endpoint, visit, application, params, replacement.clone())
                .await?
        }
        _ => None,
    };
    let presented = Presented {
        family: &family,
        token: &digest,
        client: &application.client,
    };
    let rotation = Rotation {
        replacement: replacement.as_deref().map(Digest::of),
        leeway: rules.leeway,
        idle_until: Some(visit.now + rules.idle),
    };
    let rotated = endpoint
        .store
        .rotate(tenant, presented, rotation, visit.now)
        .await;
    match rotated? {
        Rotated::Good(_) => Ok(ready.ok_or_else(invalid)?.give(visit)),
        Rotated::Reused(family) => {
            audit::refresh_token_reused(visit, &family.user, &application.client);
            Err(invalid())
        }
        Rotated::Ended(_) | Rotated::Revoked(_) | Rotated::Unknown => Err(invalid()),
    }
}

/// What a refresh token stands for.
struct Refreshed<'a> {
    family: &'a Family,
    standing: Standing,
    granted: &'a Granted,
}

impl<'a> Refreshed<'a> {
    /// The tokens that it is good for, if its family lives. That ends here for good if the user is known to be gone, or the API
    /// known not to allow it any more.
    async fn ready(
        &self,
        endpoint: &Endpoint,
        visit: &Visit,
        application: &'a Application,
        params: &Params,
        replacement: Option<String>,
    ) -> Result<Option<Ready<'a>>, OAuthError> {
        let granted = self.granted;
        if granted.issuer != visit.issuer() {
            return Err(unknown_token());
        }
        check_resource(visit, granted, params)?;
        let narrowed = narrow(granted, params.get("scope"))?;
        if !matches!(self.standing, Standing::Live | Standing::Replaced) {
            return Ok(None);
        }
        let config = &visit.realm.config;
        let audience = granted.audience.as_deref();
        let of_api = config.asked(application, audience, &granted.scopes, None);
        let may_go_on = of_api.map_err(audience_gone)?.has("offline_access");
        let person = person::find(endpoint, visit, &granted.user).await?;
        let person = person.filter(|person| person.had_by(self.family.created_at));
        let person = match person {
            Some(person) if may_go_on => person,
            found => {
                let error = found.map_or_else(inactive, |_| unknown_token());
                self.end(endpoint, visit, error.rule).await?;
                return Err(error);
            }
        };
        let occasion = Occasion {
            nonce: None,
            refreshed: true,
            refresh_token: replacement,
            person,
        };
        issue::tokens(visit, application, granted, &narrowed, occasion).map(Some)
    }

    async fn end(
        &self,
        endpoint: &Endpoint,
        visit: &Visit,
        rule: &'static str,
    ) -> Result<(), store::Error> {
        let Family {
            id, user, client, ..
        } = self.family;
        let tenant = &visit.realm.config.tenant_uid;
        if endpoint.store.revoke_family(tenant, id, visit.now).await? {
            audit::refresh_token_revoked(visit, user, client, Some(rule));
        }
        Ok(())
    }
}

/// A `resource` has to be the one that was granted (RFC 8707 section 2.2): the answer does not say whom its token is for. An
/// `audience` says nothing here, as at Auth0.
fn check_resource(visit: &Visit, granted: &Granted, params: &Params) -> Result<(), OAuthError> {
    let Some(resource) = params.get("resource") else {
        return Ok(());
    };
    let config = &visit.realm.config;
    let granted = granted.audience.as_deref();
    match config.target(Some(resource)) {
        Ok(target) if granted == Some(&*target.audience(config)) => Ok(()),
        // What the tenant has no tokens for was granted to nobody.
        Ok(_) | Err(UnknownAudience::NotFound(_) | UnknownAudience::NotSigned { .. }) => {
            Err(OAuthError::new(
                StatusCode::BAD_REQUEST,
                "invalid_target",
                Rule::ResourceNotGranted,
                "resource is not the API that the user signed in for; leave it out, or send the user to /authorize for it",
            ))
        }
    }
}

/// The scopes of a refresh: all that were granted, or some of them (RFC 6749 section 6).
fn narrow(granted: &Granted, asked: Option<&str>) -> Result<Vec<Scope>, OAuthError> {
    let Some(text) = asked else {
        return Ok(granted.scopes.clone());
    };
    let wrong = |text: String| {
        OAuthError::new(
            StatusCode::FORBIDDEN,
            "invalid_scope",
            Rule::ScopeBroader,
            text,
        )
    };
    let asked = parse_scopes(text).map_err(|error| wrong(error.to_string()))?;
    let beyond: Vec<&Scope> = asked
        .iter()
        .filter(|scope| !granted.scopes.contains(scope))
        .collect();
    if beyond.is_empty() {
        return Ok(asked);
    }
    let beyond = mintage_core::ident::write_scopes(beyond);
    Err(wrong(format!(
        "The refresh token was not granted scopes: {beyond} (scope-broader: leave scope out, or ask for some of those that were granted)"
    )))
}

fn client_credentials(
    visit: &Visit,
    application: &Application,
    params: &Params,
) -> Result<Response, OAuthError> {
    let config = &visit.realm.config;
    let allowed = config.client_grant(application, params.audience()?, params.get("scope"))?;
    credentials::client_token(visit, application, allowed.api, allowed.scopes)
}

impl From<ClientRefusal> for OAuthError {
    fn from(refusal: ClientRefusal) -> Self {
        let (status, error, rule) = match &refusal {
            ClientRefusal::AudienceMissing => (
                StatusCode::FORBIDDEN,
                "access_denied",
                policy::Rule::AudienceMissing,
            ),
            ClientRefusal::AudienceNotSigned(_) => {
                let (status, text) = (StatusCode::FORBIDDEN, refusal.to_string());
                return Self::new(status, "access_denied", Rule::AudienceNotSigned, text);
            }
            ClientRefusal::AudienceUnknown(_) => (
                StatusCode::FORBIDDEN,
                "access_denied",
                policy::Rule::AudienceUnknown,
            ),
            ClientRefusal::GrantMissing { .. } | ClientRefusal::ManagementUngranted(_) => (
                StatusCode::FORBIDDEN,
                "access_denied",
                policy::Rule::GrantMissing,
            ),
            ClientRefusal::ScopeMalformed(_) => (
                StatusCode::BAD_REQUEST,
                "invalid_scope",
                policy::Rule::ScopeMalformed,
            ),
            ClientRefusal::ScopeNotGranted(_) => (
                StatusCode::FORBIDDEN,
                "access_denied",
                policy::Rule::ScopeNotGranted,
            ),
        };
        Self::new(status, error, rule, refusal.to_string())
    }
}

fn refuse(
    visit: &Visit,
    error: OAuthError,
    params: Option<&Params>,
    workload: Option<&WorkloadId>,
) -> Response {
    audit::token_refused(visit, &error, params, workload);
    error.into_response()
}
