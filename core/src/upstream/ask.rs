use crate::endpoint::{Challenge, Request};
use crate::ident::write_scopes;
use crate::{Scope, UnixTime};

/// How a provider is asked who the user is, for a request of an application.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// The application's request.
    pub request: &'a Request,
    /// The tenant's `client_id` at the provider.
    pub client: &'a str,
    /// What is asked besides `openid`.
    pub scopes: &'a [Scope],
    /// Where the answer comes to.
    pub redirect: &'a str,
    /// What comes back with it.
    pub state: &'a str,
    /// What the ID token repeats.
    pub nonce: &'a str,
    /// Whom the code is for.
    pub challenge: &'a Challenge,
}

impl Asking<'_> {
    /// The parameters (OpenID Connect Core section 3.1.2.1). What the application wants of the sign-in is passed on:
    /// `prompt`, `max_age`, `login_hint` and `ui_locales`.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let others = self
            .scopes
            .iter()
            .filter(|scope| scope.as_str() != "openid");
        let scope = format!("openid {}", write_scopes(others));
        let request = self.request;
        let mut all = vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.client.to_owned()),
            ("redirect_uri", self.redirect.to_owned()),
            ("scope", scope.trim_end().to_owned()),
            ("state", self.state.to_owned()),
            ("nonce", self.nonce.to_owned()),
            ("code_challenge", self.challenge.to_string()),
            ("code_challenge_method", "S256".to_owned()),
        ];
        let prompt = [
            (request.prompt.login, "login"),
            (request.prompt.select_account, "select_account"),
        ];
        let prompt: Vec<&str> = prompt
            .iter()
            .filter_map(|(asked, name)| asked.then_some(*name))
            .collect();
        if !prompt.is_empty() {
            all.push(("prompt", prompt.join(" ")));
        }
        // With `max_age` the provider has to say when the user signed in, which is how one learns that it asked them.
        let max_age = if request.prompt.login {
            Some(0)
        } else {
            request.max_age
        };
        all.extend(max_age.map(|age| ("max_age", age.to_string())));
        let hints = [
            ("login_hint", &request.login_hint),
            ("ui_locales", &request.ui_locales),
        ];
        all.extend(
            hints
                .iter()
                .filter_map(|(name, hint)| Some((*name, (*hint).clone()?))),
        );
        all
    }
}

/// Since when the user has to have signed in at the provider, for a request that came at `begun`: `prompt=login` takes no earlier
/// sign-in, `max_age` none that was older by then. `None` if nobody asks.
pub fn fresh_since(request: &Request, begun: UnixTime) -> Option<UnixTime> {
    let login = request.prompt.login.then_some(begun);
    login.max(request.max_age.map(|age| begun - age))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ident::parse_scopes;

    const BEGUN: UnixTime = UnixTime(1_795_000_000);

    fn request(change: impl FnOnce(&mut Request)) -> Request {
        let mut request: Request = serde_json::from_value(serde_json::json!({
            "client": "app", "mode": "query", "redirect": "https://app.test/cb", "scope": ["openid"],
        }))
        .unwrap();
        change(&mut request);
        request
    }

    fn asked(request: &Request, scopes: &str) -> BTreeMap<&'static str, String> {
        let asking = Asking {
            request,
            client: "acme",
            scopes: &parse_scopes(scopes).unwrap(),
            redirect: "https://acme.test/login/callback/corp",
            state: "a-state",
            nonce: "a-nonce",
            challenge: &Challenge::of("a-verifier"),
        };
        asking.parameters().into_iter().collect()
    }

    #[test]
    fn a_provider_is_asked_for_a_code_with_pkce_and_nonce() {
        let all = asked(&request(|_| {}), "profile openid email");
        let expected = BTreeMap::from([
            ("response_type", "code"),
            ("client_id", "acme"),
            ("redirect_uri", "https://acme.test/login/callback/corp"),
            ("scope", "openid profile email"),
            ("state", "a-state"),
            ("nonce", "a-nonce"),
            (
                "code_challenge",
                "NORfwpEYKakZsuYgaey8PFmACPx5Ikq_PyZGYQ7p8NI",
            ),
            ("code_challenge_method", "S256"),
        ]);
        let expected = expected
            .into_iter()
            .map(|(name, value)| (name, value.to_owned()));
        assert_eq!(all, expected.collect());
        assert_eq!(asked(&request(|_| {}), "openid")["scope"], "openid");
    }

    #[test]
    fn what_the_application_wants_of_the_sign_in_is_passed_on() {
        let request = request(|request| {
            request.max_age = Some(300);
            request.login_hint = Some("ada@corp.test".into());
            request.ui_locales = Some("de en".into());
            request.prompt.select_account = true;
        });
        let all = asked(&request, "");
        assert_eq!(all["max_age"], "300");
        assert_eq!(all["login_hint"], "ada@corp.test");
        assert_eq!(all["ui_locales"], "de en");
        assert_eq!(all["prompt"], "select_account");
    }

    #[test]
    fn who_has_to_sign_in_anew_has_to_be_shown_to_have_done_so() {
        let login = request(|request| request.prompt.login = true);
        let all = asked(&login, "");
        assert_eq!(
            (all["prompt"].as_str(), all["max_age"].as_str()),
            ("login", "0")
        );
        assert_eq!(fresh_since(&login, BEGUN), Some(BEGUN));
        let young = request(|request| request.max_age = Some(300));
        assert_eq!(fresh_since(&young, BEGUN), Some(BEGUN - 300));
        let both = request(|request| {
            request.max_age = Some(300);
            request.prompt.login = true;
        });
        assert_eq!(fresh_since(&both, BEGUN), Some(BEGUN));
        // Another account may be one that is signed in already.
        let select = request(|request| request.prompt.select_account = true);
        assert_eq!(fresh_since(&select, BEGUN), None);
        assert_eq!(fresh_since(&request(|_| {}), BEGUN), None);
    }
}
