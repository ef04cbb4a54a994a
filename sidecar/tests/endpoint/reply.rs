//! What was answered.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use reqwest::Url;
use serde_json::Value;

#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

/// A form of a page.
#[derive(Clone, Debug)]
pub struct PageForm {
    pub action: String,
    pub hidden: Vec<(String, String)>,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// A text member of the JSON body.
    pub fn text(&self, member: &str) -> String {
        let text = self.json()[member].as_str().map(str::to_owned);
        text.unwrap_or_else(|| panic!("{member}: {self:?}"))
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// Where it leads.
    pub fn location(&self) -> &str {
        assert!(matches!(self.status, 302 | 303), "{self:?}");
        self.header("location")
    }

    /// The parameters of the answer at a `redirect_uri`, in its query or fragment.
    pub fn answer(&self) -> BTreeMap<String, String> {
        let url = Url::parse(self.location()).unwrap_or_else(|_| panic!("{self:?}"));
        let encoded = url.fragment().or(url.query()).unwrap_or_default();
        let pairs = form_urlencoded::parse(encoded.as_bytes());
        pairs.into_owned().collect()
    }

    /// A parameter of the answer, or nothing.
    pub fn said(&self, name: &str) -> String {
        self.answer().remove(name).unwrap_or_default()
    }

    /// The code that an application was given.
    pub fn code(&self) -> String {
        let code = self.said("code");
        assert!(!code.is_empty(), "{self:?}");
        code
    }

    /// The only form of a page.
    pub fn form(&self) -> PageForm {
        let pieces: Vec<&str> = self.body.split("<form ").collect();
        let [_, form] = pieces.as_slice() else {
            panic!("no form, or several: {self:?}")
        };
        let form = form.split("</form>").next().unwrap();
        let hidden = form.split("<input type=\"hidden\" ").skip(1);
        PageForm {
            action: attribute(form, "action"),
            hidden: hidden
                .map(|input| (attribute(input, "name"), attribute(input, "value")))
                .collect(),
        }
    }

    /// Where a link of a page leads, by its text.
    pub fn link(&self, text: &str) -> String {
        let body = self.body.replace("<bdi>", "").replace("</bdi>", "");
        let (before, _) = body.split_once(&format!(">{text}</span></a>")).unwrap();
        let (_, link) = before.rsplit_once("<a ").unwrap();
        attribute(link, "href")
    }

    /// Whether it is the page with the fields for name and password.
    pub fn asks_to_sign_in(&self) -> bool {
        self.body.contains("name=\"password\"")
    }

    /// Whether it is the page with the question what an application may do.
    pub fn asks_for_consent(&self) -> bool {
        self.body.contains("action=\"&#x2f;u&#x2f;consent\"")
    }

    /// Asserts an error page, which leads nowhere.
    pub fn failed(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("location"), "", "{self:?}");
        let shown = format!("<code>{code}</code>");
        assert!(self.body.contains(&shown), "{code}: {self:?}");
    }

    /// Asserts an OAuth error whose description begins with a text.
    pub fn refused(&self, status: u16, error: &str, text: &str) {
        let found = (self.status, self.text("error"));
        assert_eq!(found, (status, error.to_owned()), "{self:?}");
        let description = self.text("error_description");
        assert!(description.starts_with(text), "{text}: {self:?}");
        assert_eq!(self.header("cache-control"), "no-store", "{self:?}");
    }

    /// Asserts an error at the application's `redirect_uri`.
    pub fn misused(&self, error: &str, text: &str) {
        assert_eq!(self.said("error"), error, "{self:?}");
        let description = self.said("error_description");
        assert!(description.starts_with(text), "{text}: {self:?}");
        assert_eq!(self.said("code"), "", "{self:?}");
    }

    /// Asserts that it went well.
    #[track_caller]
    pub fn good(self) -> Self {
        assert_eq!(self.status, 200, "{self:?}");
        self
    }
}

/// The value of an attribute, without the escapes that a page needs.
fn attribute(html: &str, name: &str) -> String {
    let (_, rest) = html.split_once(&format!("{name}=\"")).unwrap();
    let value = rest.split('"').next().unwrap();
    [
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#x2f;", "/"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(value.to_owned(), |value, (escaped, meant)| {
        value.replace(escaped, meant)
    })
}
