//! Schemas of the strings that several kinds share. Every one has a pattern and a length: the API server charges a
//! CEL rule for the longest value that the schema lets through, so bounds are what keep rules cheap.
//!
//! Patterns are written in what Go's RE2 and Rust's `regex` both read, and match ASCII only.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

/// A DNS label (RFC 1123), as namespaces have: at most 63 of `a-z0-9-`.
pub(crate) const DNS_LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// A DNS subdomain (RFC 1123), as most Kubernetes objects are named: labels joined by dots, at most 253 in all.
pub(crate) const DNS_SUBDOMAIN: &str =
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

/// `host` or `host:port`, lower case; labels of at most 63, a port of 1 to 65535 without leading zeros.
pub(crate) const AUTHORITY: &str = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*(:([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?$";

/// An audience identifier: printable ASCII without space, `#`, and the `"` and `\` that would have to be escaped in
/// headers. Other alphabets are left out on purpose: two identifiers that look alike must be alike.
pub(crate) const IDENTIFIER: &str = r"^[!$-\[\]-~]+$";

/// A scope token (RFC 6749, section 3.3): `%x21 / %x23-5B / %x5D-7E`.
pub(crate) const SCOPE: &str = r"^[!#-\[\]-~]+$";

/// A label key: an optional DNS subdomain and `/`, then a name of at most 63.
pub(crate) const LABEL_KEY: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";

/// A label value: empty, or at most 63 of `A-Za-z0-9_.-` that begins and ends with a letter or digit.
pub(crate) const LABEL_VALUE: &str = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";

/// Where a browser is sent back to: `https`, `http` on a loopback host, or a scheme with a dot in it, as an app's own has.
/// No user, no fragment, nothing that would have to be escaped in a page.
pub(crate) const URI: &str = r"^(https://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[1-9][0-9]{0,4})?|http://(([-a-z0-9]+\.)*localhost|127\.0\.0\.1|\[::1\])(:[1-9][0-9]{0,4})?|[a-z][-a-z0-9+]*(\.[-a-z0-9+]+)+:)(/[-!$%&()*+,./0-9:;=A-Z_a-z~]*)?(\?[-!$%&()*+,./0-9:;=?A-Z_a-z~]*)?$";

/// The origin of a page: scheme, host and port, as browsers write it.
pub(crate) const ORIGIN: &str = r"^(https://[a-z0-9]([-a-z0-9.]*[a-z0-9])?|http://(([-a-z0-9]+\.)*localhost|127\.0\.0\.1|\[::1\]))(:[1-9][0-9]{0,4})?$";

/// An address that is called or linked: `https`, or `http` on a loopback host.
pub(crate) const HTTP_URL: &str = r"^(https://[a-z0-9]([-a-z0-9.]*[a-z0-9])?|http://(([-a-z0-9]+\.)*localhost|127\.0\.0\.1|\[::1\]))(:[1-9][0-9]{0,4})?(/[-!$%&()*+,./0-9:;=?A-Z_a-z~]*)?$";

/// A colour as web pages write it.
pub(crate) const COLOUR: &str = "^#[0-9a-fA-F]{6}$";

/// A network (RFC 4632): an address, IPv4 without leading zeros or IPv6, and a length. Whether there is such an address is asked
/// beside it.
pub(crate) const CIDR: &str = r"^((0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}/([0-9]|[12][0-9]|3[0-2])|[0-9a-f:]{2,39}/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))$";

/// Certificates in PEM (RFC 7468), one after the other.
pub(crate) const CERTIFICATES: &str =
    r"^-----BEGIN CERTIFICATE-----[-A-Za-z0-9+/= \r\n]+-----END CERTIFICATE-----[\r\n]*$";

/// Text for people: nothing that is hidden in it could forge lines, or turn what is printed around it. It is the complement of
/// `mintage_core::text::is_hidden`.
pub(crate) const TEXT: &str = r"^[^\x{0}-\x{1f}\x{7f}-\x{9f}\x{61c}\x{180e}\x{200b}\x{200e}\x{200f}\x{2028}-\x{202e}\x{2060}-\x{206f}\x{feff}\x{fff9}-\x{fffb}\x{e0000}-\x{e007f}]*$";

/// A name for people: such a text in which something is seen (`mintage_core::text::is_seen`).
pub(crate) const NAME: &str = r"^[^\x{0}-\x{1f}\x{7f}-\x{9f}\x{61c}\x{180e}\x{200b}\x{200e}\x{200f}\x{2028}-\x{202e}\x{2060}-\x{206f}\x{feff}\x{fff9}-\x{fffb}\x{e0000}-\x{e007f}]*[^\x{0}-\x{1f}\x{7f}-\x{9f}\x{61c}\x{180e}\x{200b}\x{200e}\x{200f}\x{2028}-\x{202e}\x{2060}-\x{206f}\x{feff}\x{fff9}-\x{fffb}\x{e0000}-\x{e007f} \x{a0}\x{ad}\x{34f}\x{115f}\x{1160}\x{1680}\x{17b4}\x{17b5}\x{180b}-\x{180f}\x{2000}-\x{200d}\x{202f}\x{205f}\x{2800}\x{3000}\x{3164}\x{fe00}-\x{fe0f}\x{ffa0}][^\x{0}-\x{1f}\x{7f}-\x{9f}\x{61c}\x{180e}\x{200b}\x{200e}\x{200f}\x{2028}-\x{202e}\x{2060}-\x{206f}\x{feff}\x{fff9}-\x{fffb}\x{e0000}-\x{e007f}]*$";

/// A Go duration as the Gateway API writes it: one to four of `<digits><h|m|s|ms>`.
pub(crate) const DURATION: &str = "^([0-9]{1,5}(h|m|s|ms)){1,4}$";

/// What to do about a string that doesn't match `pattern`, one of those above.
pub(crate) fn mend(pattern: &str) -> &'static str {
    match pattern {
        DNS_LABEL => "use a-z, 0-9 and '-' only, with a letter or digit first and last",
        DNS_SUBDOMAIN => {
            "use a-z, 0-9, '-' and '.' only, with a letter or digit first and last in each part"
        }
        AUTHORITY => {
            "write a host in lower case, as login.example.com, or host:port with a port from 1 to 65535; no scheme, no path"
        }
        IDENTIFIER => {
            "use printable ASCII without spaces, quotes, backslashes and '#': percent-encode the rest"
        }
        SCOPE => "use printable ASCII without spaces, quotes and backslashes, as read:orders",
        LABEL_KEY => "write a label key, as team or example.com/team",
        LABEL_VALUE => {
            "use letters, digits, '-', '_' and '.' only, with a letter or digit first and last"
        }
        URI => {
            "write a whole address, as https://app.example.com/callback: https, or http on localhost, or an app's own scheme with a dot in it (com.example.app:/callback); without user, fragment (#), quotes and spaces"
        }
        ORIGIN => "write scheme, host and port without a path, as https://app.example.com",
        HTTP_URL => {
            "write a whole address, as https://login.example.com/: https, or http on localhost; without user, fragment (#), quotes and spaces"
        }
        COLOUR => "write a colour as #rrggbb, for example #0b6e4f",
        CIDR => "write a network, as 10.0.0.0/8 or fd00::/8",
        CERTIFICATES => {
            "give certificates in PEM, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----, without text around them"
        }
        TEXT => {
            "take out line breaks, control characters, and characters that are not seen or turn the direction of writing"
        }
        NAME => {
            "write a name in which something is seen, without line breaks, control characters, and characters that are not seen or turn the direction of writing"
        }
        DURATION => "write a duration, as 720h, 1h30m or 5m",
        _ => "",
    }
}

fn string(min: u32, max: u32, pattern: &str) -> Schema {
    json_schema!({ "type": "string", "minLength": min, "maxLength": max, "pattern": pattern })
}

pub(crate) fn dns_label(_: &mut SchemaGenerator) -> Schema {
    string(1, 63, DNS_LABEL)
}

pub(crate) fn dns_subdomain(_: &mut SchemaGenerator) -> Schema {
    string(1, 253, DNS_SUBDOMAIN)
}

pub(crate) fn authority(_: &mut SchemaGenerator) -> Schema {
    // 253 of the host, the colon and five digits.
    string(1, 259, AUTHORITY)
}

pub(crate) fn identifier(_: &mut SchemaGenerator) -> Schema {
    string(1, 600, IDENTIFIER)
}

pub(crate) fn scope(_: &mut SchemaGenerator) -> Schema {
    string(1, 128, SCOPE)
}

pub(crate) fn label_key(_: &mut SchemaGenerator) -> Schema {
    string(1, 317, LABEL_KEY)
}

/// The rule for the keys of a map that are labels' or annotations': a structural schema has no `propertyNames`.
pub(crate) fn label_keys() -> Value {
    json!({
        "rule": format!("self.all(key, key.size() <= 317 && key.matches('{}'))", LABEL_KEY.replace('\\', r"\\")),
        "message": "write each key as a label key: an optional DNS name and '/', then at most 63 letters, digits, '-', '_' or '.'",
    })
}

pub(crate) fn display_name(_: &mut SchemaGenerator) -> Schema {
    string(1, 128, NAME)
}

pub(crate) fn description(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 512, "pattern": TEXT })
}

/// A URL that Mintage itself writes into a status.
pub(crate) fn url(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 1024 })
}

/// An address that is called or linked.
pub(crate) fn http_url(_: &mut SchemaGenerator) -> Schema {
    string(9, 512, HTTP_URL)
}

/// Certificates in PEM: each namespace's bundle has them, so they are few.
pub(crate) fn certificates(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 16384, "pattern": CERTIFICATES })
}

/// A colour.
pub(crate) fn colour(_: &mut SchemaGenerator) -> Schema {
    string(7, 7, COLOUR)
}

/// Scopes of one grant: a set, so that server-side apply merges by value and duplicates are refused.
pub(crate) fn scope_set(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 256,
        "items": scope(generator),
        "x-kubernetes-list-type": "set",
    })
}

pub(crate) fn generation(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int64", "minimum": 0 })
}

#[cfg(test)]
mod tests {
    use mintage_core::text;
    use regex::Regex;

    use super::{NAME, TEXT};

    #[test]
    fn patterns_and_pages_know_the_same_characters() {
        let (in_text, in_name) = (Regex::new(TEXT).unwrap(), Regex::new(NAME).unwrap());
        for letter in '\0'..=char::MAX {
            let alone = letter.to_string();
            assert_eq!(
                in_text.is_match(&alone),
                !text::is_hidden(letter),
                "{letter:?}"
            );
            assert_eq!(
                in_name.is_match(&alone),
                text::is_seen(letter),
                "{letter:?}"
            );
        }
    }

    #[test]
    fn a_name_shows_something_and_turns_nothing() {
        let name = Regex::new(NAME).unwrap();
        for good in [
            "a",
            " a ",
            "Acme, Inc. ©",
            "שלום",
            "می\u{200c}خواهم",
            "👩\u{200d}🚀 ❤\u{fe0f}",
        ] {
            assert!(name.is_match(good), "{good:?}");
        }
        for bad in [
            "",
            "  ",
            "a\n",
            "\u{202e}elgooG",
            "a\u{85}b",
            "\u{3164}\u{200d}",
        ] {
            assert!(!name.is_match(bad), "{bad:?}");
        }
    }
}
