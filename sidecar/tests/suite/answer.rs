//! What was answered.

use reqwest::RequestBuilder;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::description::assert_described;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

/// Sends a request to a workload API, whose answer must be described.
pub async fn answer(request: RequestBuilder) -> Answer {
    let built = request.try_clone().and_then(|same| same.build().ok());
    let built = built.unwrap();
    let answer = send(request).await;
    assert_described(
        built.method().as_str(),
        built.url().path(),
        answer.status,
        &answer.headers,
        &answer.body,
    );
    answer
}

/// Sends a request.
pub async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.text().await.unwrap(),
    }
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// A text member of the JSON body.
    pub fn text(&self, member: &str) -> String {
        let text = self.json()[member].as_str().map(str::to_owned);
        text.unwrap_or_else(|| panic!("{self:?}"))
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts an OAuth error whose description begins with a text and names the rule.
    pub fn refused(&self, status: u16, error: &str, rule: &str, text: &str) {
        let found = (self.status, self.text("error"));
        assert_eq!(found, (status, error.to_owned()), "{self:?}");
        let description = self.text("error_description");
        assert!(
            description.contains(&format!("({rule}")),
            "{rule}: {self:?}"
        );
        assert!(description.starts_with(text), "{self:?}");
        assert_eq!(self.header("cache-control"), "no-store", "{self:?}");
    }
}
