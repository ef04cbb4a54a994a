//! Hands an answer to the window that waits for it (OAuth 2.0 Web Message Response Mode): in a hidden frame of the
//! application, or in a popup.

use axum::http::StatusCode;
use minijinja::Value;
use serde::Serialize;
use serde_json::{Map, json};

use super::address::Origin;
use super::headers::Allowed;
use super::shell::Content;
use super::{Page, Scene};

/// The page that posts the message. It alone may be shown in a frame.
#[derive(Clone, Copy, Debug)]
pub struct WebMessage<'a> {
    /// Who may read the answer: the origin of the `redirect_uri`.
    pub target: &'a Origin,
    /// Who may show the page in a frame: usually the target alone.
    pub framed_by: &'a [Origin],
    /// The members of the answer, such as `code` and `state`, or `error`.
    pub answer: &'a [(&'a str, &'a str)],
}

#[derive(Serialize)]
struct View {
    close: &'static str,
    heading: &'static str,
    message: Value,
}

impl WebMessage<'_> {
    /// The page.
    pub fn page(&self, scene: &Scene<'_>) -> Page {
        let words = &scene.language.words().passing;
        let content = Content {
            template: "web_message.html",
            status: StatusCode::OK,
            title: words.title,
            view: View {
                close: words.close,
                heading: words.title,
                message: Value::from_safe_string(self.json()),
            },
        };
        let allowed = Allowed {
            framed_by: Some(self.framed_by),
            script: true,
            ..Allowed::default()
        };
        content.page(scene, &allowed)
    }

    /// As it may stand inside of a script element.
    fn json(&self) -> String {
        let response: Map<_, _> = (self.answer.iter())
            .map(|(name, value)| ((*name).to_owned(), (*value).into()))
            .collect();
        let message = json!({
            "message": { "type": "authorization_response", "response": response },
            "target": self.target.to_string(),
        });
        escaped(&message.to_string())
    }
}

/// JSON without what ends a script element or, in older browsers, a line of a script: it can stand in strings only.
fn escaped(json: &str) -> String {
    let ends = ['<', '>', '&', '\'', '\u{2028}', '\u{2029}'];
    ends.iter().fold(json.to_owned(), |json, end| {
        json.replace(*end, &format!("\\u{:04x}", u32::from(*end)))
    })
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn nothing_ends_the_script_and_all_comes_back() {
        let value = "</script><!--<script>&'\u{2028}\u{2029}\"\\ä";
        let json = escaped(&serde_json::json!(value).to_string());
        assert!(
            !json.contains(['<', '>', '&', '\'', '\u{2028}', '\u{2029}']),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), value);
    }
}
