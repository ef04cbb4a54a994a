//! What a proxy narrows a check to: by the query of `/validate`, or by what Envoy's configuration sends along.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use mintage_core::Identifier;

use crate::oauth::OAuthError;
use crate::rule::Rule;

/// More audiences than any pod accepts at one place.
const MAX_AUDIENCES: usize = 16;

/// The audiences and scopes that a proxy asks for. It opens nothing that the pod does not accept.
#[derive(Debug, Default)]
pub struct Narrowing {
    audiences: Vec<String>,
    scope: String,
}

impl Narrowing {
    /// Of a query: `audience` several times, `scope` once.
    pub fn of_query(query: &str) -> Result<Self, OAuthError> {
        let mut narrowing = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "audience" if narrowing.audiences.len() < MAX_AUDIENCES => {
                    narrowing.audiences.push(value.into_owned());
                }
                "scope" if narrowing.scope.is_empty() => narrowing.scope = value.into_owned(),
                _ => {
                    let text = "the query takes audience (up to 16 times) and scope (once)";
                    return Err(OAuthError::invalid_request(Rule::QueryMalformed, text));
                }
            }
        }
        Ok(narrowing)
    }

    /// Of names with one value each: `audience` and `scope`, with spaces where there are several. Another name is
    /// refused: a `scopes` that nobody reads would let everybody in.
    pub fn of_extensions<'a>(
        extensions: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, OAuthError> {
        let mut narrowing = Self::default();
        for (name, value) in extensions {
            match name {
                "audience" => {
                    narrowing.audiences = value.split(' ').map(str::to_owned).collect();
                }
                "scope" => value.clone_into(&mut narrowing.scope),
                _ => return Err(extensions_malformed()),
            }
        }
        if narrowing.audiences.len() > MAX_AUDIENCES {
            return Err(extensions_malformed());
        }
        Ok(narrowing)
    }

    /// The scopes that are asked for, as text.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// Those of the accepted audiences that are asked for; `None` if none are named.
    pub fn of(
        &self,
        accepted: &BTreeSet<Identifier>,
    ) -> Result<Option<BTreeSet<Identifier>>, OAuthError> {
        if self.audiences.is_empty() {
            return Ok(None);
        }
        let find = |name: &String| {
            accepted.get(name.as_str()).cloned().ok_or_else(|| {
                let names = accepted.iter().map(Identifier::as_str).collect::<Vec<_>>().join(", ");
                let text = format!("audience {name:?} is not one that this pod accepts ({names}); what a proxy asks for only narrows");
                OAuthError::new(StatusCode::FORBIDDEN, "access_denied", Rule::AudienceNotAccepted, text)
            })
        };
        self.audiences
            .iter()
            .map(find)
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

fn extensions_malformed() -> OAuthError {
    let text = "context_extensions take audience (up to 16, with spaces between them) and scope";
    OAuthError::invalid_request(Rule::QueryMalformed, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted() -> BTreeSet<Identifier> {
        ["https://a.test", "https://b.test"]
            .map(|name| Identifier::parse(name).unwrap())
            .into()
    }

    #[test]
    fn query_and_extensions_say_the_same() {
        let query = "audience=https://a.test&audience=https://b.test&scope=x%20y";
        let extensions = [
            ("scope", "x y"),
            ("audience", "https://a.test https://b.test"),
        ];
        for narrowing in [
            Narrowing::of_query(query).unwrap(),
            Narrowing::of_extensions(extensions).unwrap(),
        ] {
            assert_eq!(narrowing.scope(), "x y");
            assert_eq!(narrowing.of(&accepted()).unwrap(), Some(accepted()));
        }
        let nothing = Narrowing::of_extensions([]).unwrap();
        assert_eq!(nothing.of(&accepted()).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let many = vec!["https://a.test"; MAX_AUDIENCES + 1].join(" ");
        for extensions in [
            [("scope", "x"), ("scopes", "y")],
            [("scope", "x"), ("Audience", "https://a.test")],
            [("scope", "x"), ("audience", &*many)],
        ] {
            let refused = Narrowing::of_extensions(extensions).unwrap_err();
            assert_eq!(refused.rule, "query-malformed", "{extensions:?}");
        }
    }

    #[test]
    fn an_audience_that_is_written_wrongly_opens_nothing() {
        for value in [
            "",
            " ",
            "https://a.test ",
            "https://a.test,https://b.test",
            "https://c.test",
        ] {
            let narrowing = Narrowing::of_extensions([("audience", value)]).unwrap();
            let refused = narrowing.of(&accepted()).unwrap_err();
            assert_eq!(refused.rule, "audience-not-accepted", "{value:?}");
        }
    }
}
