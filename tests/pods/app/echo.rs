//! An API on the loopback that checks nothing, and says what it received: a proxy stands in front of it.

use std::collections::BTreeMap;

use axum::Router;
use axum::http::{HeaderMap, Uri};
use axum::response::Json;
use serde_json::{Value, json};

use super::Fault;

/// Answers until it is ended.
pub async fn serve() -> Result<(), Fault> {
    let router = Router::new().fallback(echo);
    super::serve("127.0.0.1:3000", router).await
}

/// Names of headers are in lower case; of one that came twice, both values are there.
async fn echo(uri: Uri, headers: HeaderMap) -> Json<Value> {
    let mut all: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, value) in &headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        all.entry(name.as_str()).or_default().push(value);
    }
    Json(json!({ "path": uri.path(), "headers": all }))
}
