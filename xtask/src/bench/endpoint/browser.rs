//! A browser that signs in before anything is measured: it keeps cookies, fills forms in and follows redirects.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};

use super::super::http::{Connection, FORM, Target, get_at, header, headers, post_at};
use super::super::tls::HOST;
use super::markup::{Form, encoded};

/// More steps than signing in takes anywhere.
const MOST_STEPS: usize = 12;

/// Who signs in.
#[derive(Clone, Debug)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The password.
    pub password: &'static str,
}

/// Cookies of one server, whatever their path.
#[derive(Default)]
pub struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Signs in, at a path of the authorization endpoint with `response_mode=form_post`: its pages are filled in until the
    /// code is there. The code is not used.
    pub fn sign_in(target: &Target, path: &str, person: &Person) -> Result<Self> {
        let mut browser = Self::default();
        let mut request = browser.get(path);
        let mut at = path.to_owned();
        for _ in 0..MOST_STEPS {
            let mut connection = Connection::open(target)?;
            connection.send(&request)?;
            let answer = connection.receive_any()?;
            let (head, body) = (connection.head(&answer), connection.text(&answer));
            browser.keep(headers(&head, "set-cookie"));
            if (300..400).contains(&answer.status) {
                let place = header(&head, "location").context("a redirect to nowhere")?;
                at = own_path(place, &at)?;
                request = browser.get(&at);
                continue;
            }
            ensure!(answer.status == 200, "signing in: {head}{body}");
            let form = Form::of(&body).with_context(|| format!("a page without a form: {body}"))?;
            if form.value("code").is_some() {
                return Ok(browser);
            }
            ensure!(
                form.value("password").is_some(),
                "neither a code nor a page to sign in on: {body}"
            );
            let inputs = form.inputs.iter().map(|(name, value)| {
                let value = match name.as_str() {
                    "username" => &person.name,
                    "password" => person.password,
                    _ => value.as_str(),
                };
                (name.as_str(), value)
            });
            let inputs: Vec<_> = inputs.collect();
            at = own_path(&form.action, &at)?;
            // Of the same origin, as a form of its own page is.
            let mut headers = browser.headers();
            headers.push(("Origin", format!("https://{HOST}")));
            request = post_at(HOST, &at, FORM, &headers, &encoded(&inputs));
        }
        bail!("signing in does not come to an end: it is at {at}")
    }

    /// A request for a path, with the cookies.
    pub fn get(&self, path: &str) -> Vec<u8> {
        get_at(HOST, path, &self.headers())
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let pairs = self.cookies.iter();
        let pairs: Vec<_> = pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if pairs.is_empty() {
            return Vec::new();
        }
        vec![("Cookie", pairs.join("; "))]
    }

    fn keep<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        for line in lines {
            let pair = line.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            if value.is_empty() || line.to_lowercase().contains("max-age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// The path of an address on the server, which may be written without its host, or not at all.
fn own_path(address: &str, at: &str) -> Result<String> {
    if address.is_empty() {
        return Ok(at.to_owned());
    }
    if address.starts_with('/') {
        return Ok(address.to_owned());
    }
    let after = address.strip_prefix("https://");
    let rest = after.and_then(|rest| rest.strip_prefix(HOST));
    let path = rest.and_then(|rest| Some(&rest[rest.find('/')?..]));
    let path = path.with_context(|| format!("it leads elsewhere: {address}"))?;
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_kept_until_they_are_taken_back() {
        let mut browser = Browser::default();
        let given = ["a=1; Path=/; Secure", "b=2=3; HttpOnly", "c=4; Max-Age=60"];
        browser.keep(given.into_iter());
        browser.keep(["a=; Path=/", "c=x; Max-Age=0"].into_iter());
        let request = String::from_utf8(browser.get("/x")).unwrap();
        assert!(request.contains("\r\nCookie: b=2=3\r\n"), "{request}");
    }

    #[test]
    fn only_the_server_is_followed() {
        assert_eq!(own_path("/a?b", "/").unwrap(), "/a?b");
        assert_eq!(own_path("", "/at").unwrap(), "/at");
        let same = format!("https://{HOST}:8443/a?b");
        assert_eq!(own_path(&same, "/").unwrap(), "/a?b");
        for elsewhere in ["https://app.example.com/callback?code=1", "http://x/", "a"] {
            assert!(own_path(elsewhere, "/").is_err(), "{elsewhere}");
        }
    }
}
