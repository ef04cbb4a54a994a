//! Addresses that pages lead to. What is no plain address is refused, because it goes into links and policies.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The longest address that is read.
const MAX_LENGTH: usize = 2048;

/// Schemes that a browser runs or shows by itself, instead of handing them to an application.
const NOT_APPLICATIONS: [&str; 9] = [
    "about",
    "blob",
    "chrome",
    "data",
    "file",
    "filesystem",
    "javascript",
    "vbscript",
    "view-source",
];

/// Why a text is no address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoAddress {
    /// A blank, control character, backslash or character beyond ASCII.
    #[error(
        "an address has only visible ASCII characters, and no backslash; percent-encode others"
    )]
    Characters,
    /// The host or port is none.
    #[error(
        "the address needs a host such as `app.example.com` or `app.example.com:8443`, without a user"
    )]
    Host,
    /// More than 2,048 bytes.
    #[error("the address is longer than 2048 bytes; use a shorter one")]
    Length,
    /// No scheme, or not one of those that may stand there.
    #[error(
        "the address must begin with `https://`, or `http://` (an application's own scheme where it is a callback)"
    )]
    Scheme,
}

/// Where a web page comes from: scheme, host and port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin {
    secure: bool,
    /// In lower case; an IPv6 address is in brackets.
    host: String,
    /// Left out where it is the scheme's own.
    port: Option<u16>,
}

impl Origin {
    /// The origin of an `http` or `https` URL.
    pub fn of(url: &str) -> Result<Self, NoAddress> {
        match Destination::of(url)? {
            Destination::Site(origin) => Ok(origin),
            Destination::Application(_) => Err(NoAddress::Scheme),
        }
    }

    /// Whether its host is this device.
    pub fn is_loopback(&self) -> bool {
        let name = self.host.trim_start_matches('[').trim_end_matches(']');
        name == "localhost"
            || name.ends_with(".localhost")
            || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    /// Host and port, as people know them.
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    /// As a source in a policy, which knows no IPv6 addresses: their scheme stands for them.
    pub(super) fn source(&self) -> String {
        if self.host.starts_with('[') {
            format!("{}:", self.scheme())
        } else {
            self.to_string()
        }
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }

    fn parse(secure: bool, rest: &str) -> Result<Self, NoAddress> {
        let rest = rest.strip_prefix("//").ok_or(NoAddress::Host)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority = &rest[..end];
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let port: Option<u16> = match port {
            Some(port) if digits(port) => Some(port.parse().map_err(|_| NoAddress::Host)?),
            Some(_) => return Err(NoAddress::Host),
            None => None,
        };
        let host = host.to_ascii_lowercase();
        let six = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let good = six.map_or_else(
            || !host.is_empty() && host.bytes().all(named),
            |six| six.parse::<Ipv6Addr>().is_ok(),
        );
        if !good {
            return Err(NoAddress::Host);
        }
        Ok(Self {
            secure,
            host,
            port: port.filter(|port| *port != if secure { 443 } else { 80 }),
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.authority())
    }
}

/// Where a browser is sent in the end: a site, or an application by a scheme of its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Destination {
    /// A web site.
    Site(Origin),
    /// An application on the device, by its scheme (RFC 8252 section 7.1), without the colon.
    Application(String),
}

impl Destination {
    /// Where a URL leads, such as a `redirect_uri`.
    pub fn of(url: &str) -> Result<Self, NoAddress> {
        if url.len() > MAX_LENGTH {
            return Err(NoAddress::Length);
        }
        // A browser takes a backslash for a slash, and leaves out what is not to be seen.
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) || url.contains('\\') {
            return Err(NoAddress::Characters);
        }
        let (scheme, rest) = url.split_once(':').ok_or(NoAddress::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        match scheme.as_str() {
            "https" => Origin::parse(true, rest).map(Self::Site),
            "http" => Origin::parse(false, rest).map(Self::Site),
            other if is_scheme(other) && !NOT_APPLICATIONS.contains(&other) => {
                Ok(Self::Application(scheme))
            }
            _ => Err(NoAddress::Scheme),
        }
    }

    /// As a source of `form-action`. Where a site sends the browser from there is its own affair, and Chromium holds that to the
    /// list as well: the scheme stands for all of it. By `http` a browser goes to this device alone.
    pub(super) fn source(&self) -> String {
        match self {
            Self::Site(origin) if origin.secure || origin.is_loopback() => {
                format!("{}:", origin.scheme())
            }
            Self::Site(origin) => origin.source(),
            Self::Application(scheme) => format!("{scheme}:"),
        }
    }
}

/// RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// An `http` or `https` URL that a page links to or shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    url: String,
    origin: Origin,
}

impl Link {
    /// A URL that may stand in a page.
    pub fn parse(url: &str) -> Result<Self, NoAddress> {
        Ok(Self {
            origin: Origin::of(url)?,
            url: url.into(),
        })
    }

    /// The URL as it was given.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Where it leads.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_to_any_site_or_to_its_application() {
        for (url, expected) in [
            ("https://app.example.com/cb", "https:"),
            ("http://localhost:3000/cb", "http:"),
            ("http://[::1]:3000/cb", "http:"),
            ("http://app.example.com/cb", "http://app.example.com"),
            ("com.example.app:/cb", "com.example.app:"),
            ("MyApp://cb;x", "myapp:"),
        ] {
            let source = Destination::of(url).unwrap().source();
            assert_eq!(source, expected, "{url}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (url, expected) in [
            (
                "https://App.example.com/cb?x=1;y",
                "https://app.example.com",
            ),
            ("https://app.example.com:443", "https://app.example.com"),
            ("http://localhost:3000/cb", "http://localhost:3000"),
            ("http://127.0.0.1:80/#x", "http://127.0.0.1"),
            ("https://app.example.com?a@b", "https://app.example.com"),
            ("http://[::1]:3000/cb", "http:"),
        ] {
            assert_eq!(Origin::of(url).unwrap().source(), expected, "{url}");
        }
        assert_eq!(
            Origin::of("http://[::1]:3000/cb").unwrap().to_string(),
            "http://[::1]:3000"
        );
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_none() {
        for (url, expected) in [
            ("JaVaScript:alert(1)", NoAddress::Scheme),
            ("data:text/html,x", NoAddress::Scheme),
            ("/cb", NoAddress::Scheme),
            ("1app:/cb", NoAddress::Scheme),
            ("my app:/cb", NoAddress::Characters),
            ("my;app:/cb", NoAddress::Scheme),
            ("https://a.example;script-src/", NoAddress::Host),
            ("https://a.example,b.example/", NoAddress::Host),
            ("https://*.example.com/", NoAddress::Host),
            ("https://good.example@evil.example/", NoAddress::Host),
            ("https://good.example:443@evil.example/", NoAddress::Host),
            ("https:/a.example", NoAddress::Host),
            ("https://", NoAddress::Host),
            ("https://a.example:/", NoAddress::Host),
            ("https://a.example:99999/", NoAddress::Host),
            ("https://a.example:+1/", NoAddress::Host),
            ("https://[::1/", NoAddress::Host),
            ("https://[a.example]/", NoAddress::Host),
            ("https:\\\\a.example", NoAddress::Characters),
            ("https://a.example/\n", NoAddress::Characters),
            ("https://ä.example/", NoAddress::Characters),
        ] {
            assert_eq!(Destination::of(url), Err(expected), "{url}");
        }
        let long = format!("https://a.example/{}", "x".repeat(MAX_LENGTH));
        assert_eq!(Destination::of(&long), Err(NoAddress::Length));
    }

    #[test]
    fn only_web_addresses_stand_in_links() {
        assert!(Link::parse("https://app.example.com/").is_ok());
        assert_eq!(Link::parse("myapp:/cb"), Err(NoAddress::Scheme));
        assert_eq!(Link::parse("javascript:alert(1)"), Err(NoAddress::Scheme));
    }

    #[test]
    fn this_device_is_known_by_its_names() {
        let loopback = |url| Origin::of(url).unwrap().is_loopback();
        for url in [
            "http://localhost:3000",
            "http://127.0.0.9/",
            "http://[::1]/",
            "https://shop.localhost",
        ] {
            assert!(loopback(url), "{url}");
        }
        assert!(!loopback("https://localhost.example.com"));
    }
}
