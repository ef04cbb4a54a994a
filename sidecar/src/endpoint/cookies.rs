//! Cookies: of this host alone, over TLS alone, out of reach of scripts (`__Host-`, RFC 6265bis section 4.1.3.2).

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use mintage_core::Seconds;

/// A cookie of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cookie {
    /// Which browser it is: what a form carries is good in the browser that it was sent to.
    Browser,
    /// Who is signed in. Applications renew tokens in a frame of theirs, so it is sent across sites; nothing is changed by a
    /// request that carries it alone.
    Session,
}

impl Cookie {
    const fn name(self) -> &'static str {
        match self {
            Self::Browser => "__Host-mintage-browser",
            Self::Session => "__Host-mintage-session",
        }
    }

    /// Its value; the first, as browsers send the most specific one first. There is one at most of such a name.
    pub fn of(self, headers: &HeaderMap) -> Option<&str> {
        let lines = headers.get_all(COOKIE).iter();
        let mut pairs = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let value = pairs.find(|(name, _)| *name == self.name())?.1;
        let sound = (1..=128).contains(&value.len())
            && value
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        sound.then_some(value)
    }

    /// Sets it; without a life it goes with the browser.
    pub fn set(self, headers: &mut HeaderMap, value: &str, life: Option<Seconds>) {
        let same_site = match self {
            Self::Browser => "Lax",
            Self::Session => "None",
        };
        let life = life
            .map(|life| format!("; Max-Age={life}"))
            .unwrap_or_default();
        let cookie = format!(
            "{}={value}; Path=/; Secure; HttpOnly; SameSite={same_site}{life}",
            self.name()
        );
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            headers.append(SET_COOKIE, cookie);
        }
    }

    /// Takes it away.
    pub fn clear(self, headers: &mut HeaderMap) {
        self.set(headers, "", Some(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_and_a_strange_one_is_none() {
        let of = |line: &str| {
            let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(line).unwrap())]);
            Cookie::Session.of(&headers).map(str::to_owned)
        };
        assert_eq!(
            of("a=b; __Host-mintage-session=abc-_9; c=d").as_deref(),
            Some("abc-_9")
        );
        assert_eq!(of("mintage-session=abc"), None);
        assert_eq!(of("__Host-mintage-session="), None);
        assert_eq!(of("__Host-mintage-session=a b"), None);
        assert_eq!(
            of(&format!("__Host-mintage-session={}", "a".repeat(129))),
            None
        );
    }

    #[test]
    fn cookies_are_of_this_host_and_out_of_reach_of_scripts() {
        let mut headers = HeaderMap::new();
        Cookie::Session.set(&mut headers, "v", Some(60));
        Cookie::Browser.set(&mut headers, "v", None);
        let lines: Vec<_> = headers
            .get_all(SET_COOKIE)
            .iter()
            .map(|line| line.to_str().unwrap())
            .collect();
        assert_eq!(
            lines,
            [
                "__Host-mintage-session=v; Path=/; Secure; HttpOnly; SameSite=None; Max-Age=60",
                "__Host-mintage-browser=v; Path=/; Secure; HttpOnly; SameSite=Lax",
            ]
        );
    }
}
