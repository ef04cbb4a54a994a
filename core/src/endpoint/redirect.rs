//! Where a browser may be sent back to.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ident::{Domain, InvalidName, string_type};

/// A redirect URI (RFC 6749 section 3.1.2), as registered or as asked for. Compared byte for byte (RFC 9700 section 4.1.3).
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedirectUri(Arc<str>);

/// The origin of a page (RFC 6454): scheme, host and port.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin(Arc<str>);

/// What stands before the path.
enum Base<'a> {
    /// `https`, or `http` on a loopback host: the origin's text.
    Web(&'a str),
    /// A scheme of an app's own: `com.example.app:`.
    Private,
}

const MUST: &str = "must be https, http on localhost, or an app's own scheme with a dot in it; without user, fragment, dot segments and spaces, of at most 512 characters";

impl RedirectUri {
    /// The longest, in bytes.
    pub const MAX_LEN: usize = 512;

    /// Reads one. `https` with a host name, `http` on `localhost`, names below it, `127.0.0.1` and `[::1]`, or a private-use
    /// scheme with a dot in it (RFC 8252 section 7.1). There is no `javascript:`, no user part, no fragment, no `..`, and
    /// nothing that would have to be escaped in a page or a header.
    pub fn parse(value: &str) -> Result<Self, InvalidName> {
        let whole = value.len() <= Self::MAX_LEN
            && split(value).is_some_and(|(_, rest)| is_plain_rest(rest));
        if whole {
            Ok(Self(value.into()))
        } else {
            Err(InvalidName::new("redirect URI", value, MUST))
        }
    }

    /// The origin of its page; an app's own scheme has none.
    pub fn origin(&self) -> Option<Origin> {
        match split(&self.0)?.0 {
            Base::Web(origin) => Some(Origin(origin.into())),
            Base::Private => None,
        }
    }

    /// Whether the place cannot be told from another program on the user's machine: a scheme that any app may claim, or a
    /// port of the loopback (RFC 8252 section 8.6).
    pub fn is_unverifiable(&self) -> bool {
        !self.0.starts_with("https://")
    }

    /// Whether it admits what was asked for: byte for byte; for a program on a user's machine, any port of a loopback address
    /// is as good as the one registered (RFC 8252 section 7.3).
    pub fn admits(&self, asked: &Self, native: bool) -> bool {
        if self == asked {
            return true;
        }
        let portless = |uri: &'_ Self| {
            let rest = uri.0.strip_prefix("http://")?;
            let host = ["127.0.0.1", "[::1]"]
                .into_iter()
                .find(|host| rest.starts_with(host))?;
            let rest = &rest[host.len()..];
            let path = match rest.strip_prefix(':') {
                Some(port) => port.trim_start_matches(|c: char| c.is_ascii_digit()),
                None => rest,
            };
            Some((host, path.to_owned()))
        };
        native && portless(self).is_some_and(|own| portless(asked) == Some(own))
    }

    /// With parameters in its query; those that it has stay (RFC 6749 section 3.1.2).
    pub fn with_query(&self, encoded: &str) -> String {
        let mark = if self.0.contains('?') { '&' } else { '?' };
        format!("{}{mark}{encoded}", self.0)
    }

    /// With parameters in its fragment.
    pub fn with_fragment(&self, encoded: &str) -> String {
        format!("{}#{encoded}", self.0)
    }
}

string_type!(RedirectUri);

impl Origin {
    /// `https://<host>[:<port>]`, or `http` on a loopback host; as browsers write it, without the default port.
    pub fn parse(value: &str) -> Result<Self, InvalidName> {
        match split(value) {
            Some((Base::Web(origin), "")) if !is_default_port(origin) => Ok(Self(origin.into())),
            _ => Err(InvalidName::new(
                "origin",
                value,
                "must be scheme, host and port without a path, as https://app.example.com",
            )),
        }
    }
}

string_type!(Origin);

fn is_default_port(origin: &str) -> bool {
    origin.starts_with("https://") && origin.ends_with(":443")
        || origin.starts_with("http://") && origin.ends_with(":80")
}

/// Parts what stands before the path from the rest.
fn split(value: &str) -> Option<(Base<'_>, &str)> {
    let (scheme, after) = value.split_once(':')?;
    if let "http" | "https" = scheme {
        let authority = after.strip_prefix("//")?;
        let end = authority.find(['/', '?']).unwrap_or(authority.len());
        let (authority, rest) = authority.split_at(end);
        is_host(scheme, authority).then_some(())?;
        return Some((Base::Web(&value[..value.len() - rest.len()]), rest));
    }
    let own = scheme.contains('.')
        && scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(is_scheme_byte));
    own.then_some((Base::Private, after))
}

fn is_scheme_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'+')
}

fn is_host(scheme: &str, authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix("[::1]") {
        Some("") => ("[::1]", None),
        Some(port) => match port.strip_prefix(':') {
            Some(port) => ("[::1]", Some(port)),
            None => return false,
        },
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let number = |port: &str| {
        !port.starts_with('0')
            && port.bytes().all(|b| b.is_ascii_digit())
            && port.parse::<u16>().is_ok()
    };
    if !port.is_none_or(number) {
        return false;
    }
    let loopback =
        matches!(host, "[::1]" | "127.0.0.1" | "localhost") || host.ends_with(".localhost");
    let named = host == "[::1]" || Domain::parse(host).is_ok();
    named
        && match scheme {
            "https" => host != "[::1]",
            _ => loopback,
        }
}

/// Path and query without anything that another reader could see otherwise.
fn is_plain_rest(rest: &str) -> bool {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-!$%&()*+,./:;=_~".contains(&byte);
    let bytes = path.bytes().all(plain) && query.bytes().all(|byte| plain(byte) || byte == b'?');
    // `..;/` and `%2e%2e` are read as a step up by some servers.
    let up = |segment: &str| {
        let lower = segment.to_ascii_lowercase().replace("%2e", ".");
        let name = lower.split(';').next().unwrap_or_default();
        name == "." || name == ".."
    };
    bytes
        && (path.is_empty() || path.starts_with('/'))
        && percent_is_whole(rest)
        && !path.split('/').any(up)
}

fn percent_is_whole(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|after| after.len() >= 2 && after.bytes().take(2).all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> RedirectUri {
        RedirectUri::parse(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_browsers_and_apps_come_back_to_is_read() {
        for text in [
            "https://app.example.com/callback",
            "https://app.example.com",
            "https://app.example.com:8443/a/b?tenant=1&x=%2Fy",
            "http://localhost:3000/callback",
            "http://app.localhost:3000/",
            "http://127.0.0.1/cb",
            "http://[::1]:4000/cb",
            "com.example.app:/callback",
            "com.example.app://callback",
        ] {
            assert_eq!(uri(text).as_str(), text);
        }
    }

    /// Attack 19.
    #[test]
    fn tricks_with_redirect_uris_are_no_redirect_uris() {
        for text in [
            "",
            "/callback",
            "//evil.example/",
            "https:/app.example.com/",
            "https://",
            "https:///cb",
            "https://user@app.example.com/",
            "https://app.example.com@evil.example/",
            "https://a@b@c/",
            "https://app.example.com\\@evil.example/",
            "https://app.example.com/..;/evil",
            "https://app.example.com/a/../b",
            "https://app.example.com/%2e%2E/b",
            "https://app.example.com/.",
            "https://app.example.com/#fragment",
            "https://app.example.com/\u{0}",
            "https://app.example.com/ a",
            "https://app.example.com/%",
            "https://app.example.com/%zz",
            "https://App.example.com/",
            "https://app..example.com/",
            "https://[::1]/cb",
            "https://app.example.com:0/",
            "https://app.example.com:99999/",
            "https://app.example.com:/",
            "http://app.example.com/",
            "http://localhost.evil.example/",
            "http://127.0.0.1.evil.example/",
            "http://0.0.0.0/",
            "http://[::1].evil.example/",
            "http://[::ffff:127.0.0.1]/",
            "javascript:alert(1)",
            "JaVaScript:alert(1)",
            "java\tscript:alert(1)",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "myapp:/callback",
            ".example:/callback",
            "com..example:/callback",
            "https://app.example.com/<script>",
            "https://app.example.com/\"onload",
            "https://app.example.com/'x",
            "https://app.exämple.com/",
        ] {
            assert!(RedirectUri::parse(text).is_err(), "{text:?} was read");
        }
        let long = format!("https://app.example.com/{}", "a".repeat(512));
        assert!(RedirectUri::parse(&long).is_err());
    }

    #[test]
    fn only_the_registered_uri_is_admitted_byte_for_byte() {
        let own = uri("https://app.example.com/callback");
        assert!(own.admits(&uri("https://app.example.com/callback"), false));
        for other in [
            "https://app.example.com/callback/",
            "https://app.example.com/callback?x=1",
            "https://app.example.com/Callback",
            "https://app.example.com:443/callback",
            "https://app.example.com/callbac",
            "https://app.example.com.evil.example/callback",
        ] {
            assert!(!own.admits(&uri(other), true), "{other}");
        }
    }

    #[test]
    fn any_port_of_the_loopback_is_admitted_for_native_programs_alone() {
        let own = uri("http://127.0.0.1/cb");
        let asked = uri("http://127.0.0.1:51004/cb");
        assert!(own.admits(&asked, true));
        assert!(!own.admits(&asked, false));
        for other in [
            "http://127.0.0.1:51004/other",
            "http://[::1]:51004/cb",
            "http://localhost:51004/cb",
            "https://127.0.0.1:51004/cb",
        ] {
            assert!(!own.admits(&uri(other), true), "{other}");
        }
    }

    #[test]
    fn parameters_are_added_to_those_that_are_there() {
        assert_eq!(
            uri("https://a.example/cb").with_query("code=1"),
            "https://a.example/cb?code=1"
        );
        assert_eq!(
            uri("https://a.example/cb?x=1").with_query("code=1"),
            "https://a.example/cb?x=1&code=1"
        );
        assert_eq!(
            uri("com.example.app:/cb").with_fragment("code=1"),
            "com.example.app:/cb#code=1"
        );
    }

    #[test]
    fn origins_are_as_browsers_write_them() {
        let origin = |text: &str| uri(text).origin().map(String::from);
        assert_eq!(
            origin("https://a.example:8443/cb?x"),
            Some("https://a.example:8443".into())
        );
        assert_eq!(origin("com.example.app:/cb"), None);
        for text in [
            "https://a.example/",
            "https://a.example:443",
            "http://a.example",
            "null",
            "com.a:",
            "https://a.example?",
        ] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
    }
}
