//! As much of HTML as a form takes to be filled in, and of its encoding.

use std::collections::BTreeMap;

/// The first form of a page.
#[derive(Debug, PartialEq)]
pub struct Form {
    /// Where it is sent; empty: to where the page came from.
    pub action: String,
    /// Names and values of its inputs, in their order.
    pub inputs: Vec<(String, String)>,
}

impl Form {
    /// Reads it.
    pub fn of(page: &str) -> Option<Self> {
        let mut tags = tags(page);
        let form = tags.find(|(name, _)| name == "form")?.1;
        let inputs = tags.take_while(|(name, _)| name != "/form");
        let inputs = inputs.filter(|(name, _)| name == "input");
        let named = inputs.filter_map(|(_, mut of)| {
            let value = of.remove("value").unwrap_or_default();
            Some((of.remove("name")?, value))
        });
        Some(Self {
            action: form.get("action").cloned().unwrap_or_default(),
            inputs: named.collect(),
        })
    }

    /// The value of an input.
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut all = self.inputs.iter();
        all.find_map(|(found, value)| (found == name).then_some(value.as_str()))
    }
}

/// The tags of a page with their attributes, names in lower case.
fn tags(page: &str) -> impl Iterator<Item = (String, BTreeMap<String, String>)> {
    page.split('<').skip(1).map(|text| {
        let name = text.split(|c: char| c.is_whitespace() || c == '>').next();
        let name = name.unwrap_or_default();
        (name.to_lowercase(), attributes(&text[name.len()..]))
    })
}

/// The attributes at the begin of a text, up to the end of their tag. Those without a value in quotes are left out.
fn attributes(mut text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    while let Some(at) = text.find(['=', '>']) {
        if text[at..].starts_with('>') {
            break;
        }
        let name = text[..at].split_whitespace().next_back();
        let name = name.unwrap_or_default().to_lowercase();
        let rest = &text[at + 1..];
        let Some(quote @ ('"' | '\'')) = rest.chars().next() else {
            text = rest;
            continue;
        };
        let Some((value, rest)) = rest[1..].split_once(quote) else {
            break;
        };
        found.insert(name, unescaped(value));
        text = rest;
    }
    found
}

fn unescaped(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#x2f;", "/")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// A query or a form body.
pub fn encoded(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter();
    let pairs = pairs.map(|(name, value)| format!("{}={}", escaped(name), escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn escaped(text: &str) -> String {
    let bytes = text.bytes().map(|byte| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_whoever_wrote_it() {
        let page = r#"<!doctype html><p class="x">1 &lt; 2</p>
            <form id='f' method="post" action="/login?a=1&amp;b=2" novalidate>
            <input type="hidden" name="state" value="a&quot;b" autofocus>
            <INPUT TYPE="HIDDEN" NAME="code" VALUE="c.d=="/><label>Name</label>
            <input name="username" required></form><form><input name="other" value="1"></form>"#;
        let form = Form::of(page).unwrap();
        assert_eq!(form.action, "/login?a=1&b=2");
        let names: Vec<_> = form.inputs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["state", "code", "username"]);
        assert_eq!(form.value("state"), Some("a\"b"));
        assert_eq!(form.value("code"), Some("c.d=="));
        assert_eq!(form.value("username"), Some(""));
        assert_eq!(form.value("other"), None);
        assert_eq!(Form::of("<p>no form</p>"), None);
    }

    #[test]
    fn what_is_sent_is_encoded() {
        let text = encoded(&[("scope", "openid read:orders"), ("q", "a&b=ü")]);
        assert_eq!(text, "scope=openid%20read%3Aorders&q=a%26b%3D%C3%BC");
    }
}
