//! An authorization request (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1), read and checked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::config::{Application, Config};
use super::pkce::Challenge;
use super::redirect::RedirectUri;
use crate::ident::parse_scopes;
use crate::verify::IdClaims;
use crate::world::GrantType;
use crate::{ClientId, Scope, Seconds};

/// A request that may be answered at its `redirect_uri`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Request {
    /// `audience`, or `resource` (RFC 8707).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// `code_challenge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Challenge>,
    /// `client_id`.
    pub client: ClientId,
    /// `connection`: where the user comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// `login_hint`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_hint: Option<String>,
    /// `max_age`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Seconds>,
    /// `response_mode`.
    pub mode: ResponseMode,
    /// `nonce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// `prompt`.
    #[serde(default)]
    pub prompt: Prompt,
    /// `redirect_uri`.
    pub redirect: RedirectUri,
    /// `scope`.
    pub scope: Vec<Scope>,
    /// `state`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `ui_locales`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ui_locales: Option<String>,
    /// The `sub` of `id_token_hint`: whom the application means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// How the answer comes back.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// By a form that posts itself (OAuth 2.0 Form Post Response Mode).
    FormPost,
    /// In the fragment.
    Fragment,
    /// In the query.
    Query,
    /// By a message to the page that opened or framed this one.
    WebMessage,
}

/// What the application wants of the pages.
#[expect(
    clippy::struct_excessive_bools,
    reason = "`prompt` lists values, and each may be there"
)]
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Prompt {
    /// `consent`: ask again.
    #[serde(default)]
    pub consent: bool,
    /// `login`: sign in again.
    #[serde(default)]
    pub login: bool,
    /// `none`: show nothing.
    #[serde(default)]
    pub none: bool,
    /// `select_account`: sign in again, as somebody else if they like.
    #[serde(default)]
    pub select_account: bool,
}

impl Prompt {
    /// Whether a session that is there already does not do.
    pub fn signs_in_again(self) -> bool {
        self.login || self.select_account
    }
}

/// What is wrong with a request, to be said at its `redirect_uri` (RFC 6749 section 4.1.2.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Misuse {
    /// `client_id`.
    pub client: ClientId,
    /// Where.
    pub redirect: RedirectUri,
    /// How.
    pub mode: ResponseMode,
    /// Its `state`.
    pub state: Option<String>,
    /// `error`.
    pub error: &'static str,
    /// `error_description`.
    pub description: String,
}

/// What is wrong with a request that cannot be answered anywhere but here, since nobody says where to safely.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unanswerable {
    /// There is no application of this name.
    #[error("Unknown client: {0}")]
    Client(String),
    /// The application has not registered the place.
    #[error("{asked} is not in the list of allowed callback URLs")]
    Callback {
        /// As asked for.
        asked: String,
        /// The application's place, where it is mended.
        application: String,
    },
    /// A parameter is needed before anything else.
    #[error("Missing required parameter: {0}")]
    Missing(&'static str),
    /// A parameter came twice.
    #[error("The parameter {0} was sent more than once")]
    Repeated(String),
    /// The page that is to get the answer is not one of the application's.
    #[error("{origin} is not in the list of allowed web origins")]
    WebOrigin {
        /// Its origin.
        origin: String,
        /// The application's place, where it is mended.
        application: String,
    },
}

/// The longest `state`, in bytes: it comes back in a header line.
const MAX_STATE: usize = 2048;

/// The longest `scope`, in bytes: an API may have many, and they go from page to page in a line of a header.
const MAX_SCOPE: usize = 2048;

/// The longest of the other texts, in bytes.
const MAX_TEXT: usize = 600;

type Parameters<'a> = BTreeMap<&'a str, &'a str>;

/// Reads an ID token of the tenant: [`Verifier::id_token`](crate::verify::Verifier::id_token).
pub type ReadHint<'a> = &'a dyn Fn(&str) -> Option<IdClaims>;

impl Request {
    /// Reads a request from its parameters, in any order. The outer error is for a page here, the inner one for the
    /// application.
    pub fn read<'a>(
        config: &Config,
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
        read_hint: ReadHint<'_>,
    ) -> Result<Result<Self, Misuse>, Unanswerable> {
        let mut given = Parameters::new();
        for (name, value) in parameters {
            if given.insert(name, value).is_some() {
                return Err(Unanswerable::Repeated(name.chars().take(64).collect()));
            }
        }
        // A parameter without a value is one that was left out (RFC 6749 section 3.1); an empty audience is one as well.
        given.retain(|_, value| !value.is_empty());
        let client = *given
            .get("client_id")
            .ok_or(Unanswerable::Missing("client_id"))?;
        let application = config
            .applications
            .get(client)
            .ok_or_else(|| Unanswerable::Client(client.chars().take(80).collect()))?;
        let redirect = redirect(application, &given)?;
        let mode = match given.get("response_mode") {
            None | Some(&"query") => Ok(ResponseMode::Query),
            Some(&"fragment") => Ok(ResponseMode::Fragment),
            // A code that cannot be sent is not given.
            Some(&"form_post") if redirect.origin().is_none() => {
                Err("response_mode=form_post needs a redirect_uri of a web page".to_owned())
            }
            Some(&"form_post") => Ok(ResponseMode::FormPost),
            Some(&"web_message") => Ok(ResponseMode::WebMessage),
            Some(other) => {
                let other: String = other.chars().take(32).collect();
                Err(format!("Unsupported response_mode: {other}"))
            }
        };
        if mode == Ok(ResponseMode::WebMessage) {
            let origin = redirect.origin();
            let known = origin
                .as_ref()
                .is_some_and(|origin| application.web_origins.contains(origin));
            if !known {
                return Err(Unanswerable::WebOrigin {
                    origin: origin
                        .map_or_else(|| redirect.to_string(), |origin| origin.to_string()),
                    application: application.at.to_string(),
                });
            }
        }
        let answers_by = *mode.as_ref().unwrap_or(&ResponseMode::Query);
        let state = given.get("state").map(|state| (*state).to_owned());
        let read = match mode {
            Ok(mode) => rest(application, &given, redirect.clone(), mode, read_hint),
            Err(text) => Err(("invalid_request", text)),
        };
        Ok(read.map_err(|(error, description)| Misuse {
            client: application.client.clone(),
            redirect,
            mode: answers_by,
            // A text that is too long is not sent back.
            state: state.filter(|state| state.len() <= MAX_STATE),
            error,
            description,
        }))
    }

    /// An error to be said at the request's `redirect_uri`.
    pub fn refuse(&self, error: &'static str, description: impl Into<String>) -> Misuse {
        Misuse {
            client: self.client.clone(),
            redirect: self.redirect.clone(),
            mode: self.mode,
            state: self.state.clone(),
            error,
            description: description.into(),
        }
    }

    /// Whether a scope was asked for.
    pub fn asks_for(&self, scope: &str) -> bool {
        self.scope.iter().any(|asked| asked.as_str() == scope)
    }
}

fn redirect(
    application: &Application,
    given: &Parameters<'_>,
) -> Result<RedirectUri, Unanswerable> {
    let asked = *given
        .get("redirect_uri")
        .ok_or(Unanswerable::Missing("redirect_uri"))?;
    RedirectUri::parse(asked)
        .ok()
        .filter(|asked| application.admits(asked))
        .ok_or_else(|| Unanswerable::Callback {
            asked: asked.chars().take(200).collect(),
            application: application.at.to_string(),
        })
}

fn rest(
    application: &Application,
    given: &Parameters<'_>,
    redirect: RedirectUri,
    mode: ResponseMode,
    read_hint: ReadHint<'_>,
) -> Result<Request, (&'static str, String)> {
    let invalid = |text: String| Err(("invalid_request", text));
    for (name, error) in [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ] {
        if given.contains_key(name) {
            return Err((error, format!("The parameter {name} is not supported")));
        }
    }
    match given.get("response_type") {
        Some(&"code") => {}
        None => return invalid("Missing required parameter: response_type".into()),
        Some(other) => {
            let other: String = other.chars().take(32).collect();
            let text =
                format!("Unsupported response type: {other}. Use response_type=code with PKCE");
            return Err(("unsupported_response_type", text));
        }
    }
    if !application.may(GrantType::AuthorizationCode) {
        return Err((
            "unauthorized_client",
            format!(
                "Grant type 'authorization_code' not allowed for the client {}.",
                application.client
            ),
        ));
    }
    for (name, value) in given {
        let most = match *name {
            "scope" => MAX_SCOPE,
            "state" => MAX_STATE,
            _ => MAX_TEXT,
        };
        let read = [
            "audience",
            "connection",
            "login_hint",
            "nonce",
            "prompt",
            "resource",
            "scope",
            "state",
            "ui_locales",
        ];
        if read.contains(name) && (value.len() > most || value.chars().any(char::is_control)) {
            return invalid(format!(
                "The parameter {name} is longer than {most} bytes or has control characters"
            ));
        }
    }
    let text = |name| given.get(name).map(|value| (*value).to_owned());
    let audience = match (text("audience"), text("resource")) {
        (Some(audience), Some(resource)) if audience != resource => {
            return Err((
                "invalid_target",
                "audience and resource name different APIs: send one of them".into(),
            ));
        }
        (audience, resource) => audience.or(resource),
    };
    let max_age = match given.get("max_age") {
        None => None,
        Some(age) => match seconds(age) {
            Some(age) => Some(age),
            None => return invalid("max_age must be a number of seconds".into()),
        },
    };
    Ok(Request {
        audience,
        challenge: challenge(application, given)?,
        client: application.client.clone(),
        connection: text("connection"),
        login_hint: text("login_hint"),
        max_age,
        mode,
        nonce: text("nonce"),
        prompt: prompt(given.get("prompt").copied())?,
        redirect,
        scope: parse_scopes(given.get("scope").copied().unwrap_or_default())
            .map_err(|error| ("invalid_scope", error.to_string()))?,
        state: text("state"),
        ui_locales: text("ui_locales"),
        user: meant(application, given, read_hint)?,
    })
}

/// Digits alone: no sign.
fn seconds(text: &str) -> Option<Seconds> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse::<u32>().ok()).flatten();
    number.map(Seconds::from)
}

/// Whom the application means. An ID token that has ended still says it.
fn meant(
    application: &Application,
    given: &Parameters<'_>,
    read_hint: ReadHint<'_>,
) -> Result<Option<String>, (&'static str, String)> {
    let Some(token) = given.get("id_token_hint") else {
        return Ok(None);
    };
    match read_hint(token) {
        Some(hint) if hint.client == application.client.as_str() => Ok(Some(hint.subject)),
        _ => Err((
            "invalid_request",
            "id_token_hint is no ID token that this tenant gave to this client".into(),
        )),
    }
}

/// PKCE, which a client without a secret cannot do without (RFC 9700 section 2.1.1; attack 23).
fn challenge(
    application: &Application,
    given: &Parameters<'_>,
) -> Result<Option<Challenge>, (&'static str, String)> {
    let invalid = |text: String| ("invalid_request", text);
    match (given.get("code_challenge"), given.get("code_challenge_method")) {
        (Some(challenge), Some(&"S256")) => Challenge::parse(challenge)
            .map(Some)
            .map_err(|error| invalid(error.to_string())),
        (Some(_), _) => Err(invalid("code_challenge_method must be S256".into())),
        (None, Some(_)) => Err(invalid("code_challenge_method came without code_challenge".into())),
        (None, None) if application.is_public() => Err(invalid(
            "Parameter 'code_challenge' is required: an application without a secret uses PKCE with S256".into(),
        )),
        (None, None) => Ok(None),
    }
}

fn prompt(text: Option<&str>) -> Result<Prompt, (&'static str, String)> {
    let mut prompt = Prompt::default();
    let values = text
        .unwrap_or_default()
        .split(' ')
        .filter(|value| !value.is_empty());
    for value in values {
        match value {
            "none" => prompt.none = true,
            "login" => prompt.login = true,
            "select_account" => prompt.select_account = true,
            "consent" => prompt.consent = true,
            other => {
                let other: String = other.chars().take(32).collect();
                return Err(("invalid_request", format!("Unsupported prompt: {other}")));
            }
        }
    }
    if prompt.none && (prompt.signs_in_again() || prompt.consent) {
        return Err((
            "invalid_request",
            "prompt=none goes with no other value".into(),
        ));
    }
    Ok(prompt)
}
