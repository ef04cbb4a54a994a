//! What `dev` says about a manifest is what the API server says: the cases of `crds/tests/corpus`, given to both.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use kube::Client;
use kube::client::Body;
use mintage_crds::{FieldError, Validator};
use mintage_tests::cluster;
use serde_json::{Value, json};

use crate::corpus::{Case, cases};

/// Cases about which the API server says something else than `dev`: its words, and why that is as it should be.
const DIFFERENT: [(&str, &str, &str); 2] = [
    (
        "tenant: a namespace with a dot",
        "404: namespaces",
        NO_SUCH_NAMESPACE,
    ),
    (
        "tenant: a namespace of 64",
        "404: namespaces",
        NO_SUCH_NAMESPACE,
    ),
];

const NO_SUCH_NAMESPACE: &str = "it looks for the namespace first, and none of such a name can be there; dev says what is wrong with the name";

/// The API server adds it where faults keep it from evaluating rules; it tells the user nothing new.
const NOT_CHECKED: &str = "some validation rules were not checked because the object was invalid";

#[tokio::test]
async fn the_api_server_says_what_dev_says() -> Result<()> {
    let test = "verdicts::the_api_server_says_what_dev_says";
    let Some(cluster) = cluster::shared(test).await? else {
        return Ok(());
    };
    let namespace = cluster.namespace("verdicts", &[]).await?;
    let server = Server {
        client: cluster.admin().await?,
        namespace: namespace.name.clone(),
    };
    let cases = cases();
    let mut wrong = Vec::new();
    for case in &cases {
        let (dev, server) = (dev(case, &server)?, server.verdict(case).await?);
        let listed = DIFFERENT.iter().find(|(id, ..)| *id == case.id);
        match listed {
            None if dev == server => {}
            Some((_, words, _)) if format!("{server:?}").contains(words) && dev != server => {}
            _ => wrong.push(format!(
                "{}\n  dev    {dev:?}\n  server {server:?}",
                case.id
            )),
        }
    }
    let (count, wrong_count) = (cases.len(), wrong.len());
    ensure!(
        wrong.is_empty(),
        "{wrong_count} of {count} cases:\n{}",
        wrong.join("\n")
    );
    ensure!(count > 200, "{count} cases: were files lost?");
    Ok(())
}

/// What comes of writing an object.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// It is stored, with defaults; without what the API server alone writes.
    Stored(Value),
    /// Each fault as `<field path>: <kind>`.
    Refused(BTreeSet<String>),
    /// Another answer, in the server's words.
    Other(String),
}

/// What `dev` says. The server stops after unknown fields, and names some faults twice over in other words.
fn dev(case: &Case, server: &Server) -> Result<Verdict> {
    let object = server.moved(&case.object);
    let old = case.old.as_ref().map(|old| server.moved(old));
    let kind = object["kind"].as_str().context("no kind")?;
    let validator = Validator::of(kind).context("an unknown kind")?;
    let outcome = validator.validate(&object, old.as_ref());
    if outcome.errors.is_empty() {
        return Ok(Verdict::Stored(without_served(outcome.object)));
    }
    let faults: BTreeSet<String> = outcome.errors.iter().map(written).collect();
    ensure!(faults == case.expect, "{}: dev says {faults:?}", case.id);
    let unknown = |fault: &&String| fault.ends_with(": Unknown field");
    let unknown: BTreeSet<String> = faults.iter().filter(unknown).cloned().collect();
    Ok(Verdict::Refused(if unknown.is_empty() {
        faults.union(&case.server).cloned().collect()
    } else {
        unknown
    }))
}

fn written(error: &FieldError) -> String {
    fault(&error.path, error.kind.as_str())
}

fn fault(path: &str, kind: &str) -> String {
    let path = if path.is_empty() { "(object)" } else { path };
    format!("{path}: {kind}")
}

/// The API server, and where the cases are tried.
struct Server {
    client: Client,
    namespace: String,
}

impl Server {
    /// The object in the namespace of this test, if it is in that of the corpus.
    fn moved(&self, object: &Value) -> Value {
        let mut object = object.clone();
        let namespace = &mut object["metadata"]["namespace"];
        if namespace == "identity" || namespace == "orders" {
            *namespace = json!(self.namespace);
        }
        object
    }

    async fn verdict(&self, case: &Case) -> Result<Verdict> {
        let object = self.moved(&case.object);
        let verdict = match &case.old {
            None => {
                self.write("POST", &self.path(&object, None), &object)
                    .await?
            }
            Some(old) => {
                let old = self.moved(old);
                let made = self
                    .send("POST", &self.path(&old, None), Some(&old))
                    .await?;
                ensure!(made.0 == 201, "{}: before the update: {}", case.id, made.1);
                let mut object = object.clone();
                object["metadata"]["resourceVersion"] =
                    made.1["metadata"]["resourceVersion"].clone();
                let path = self.path(&object, Some(&old));
                let verdict = self.write("PUT", &path, &object).await?;
                self.remove(&old).await?;
                verdict
            }
        };
        if case.old.is_none() && matches!(verdict, Verdict::Stored(_)) {
            self.remove(&object).await?;
        }
        Ok(verdict)
    }

    /// Where objects of its kind are, or an object that is there.
    fn path(&self, object: &Value, there: Option<&Value>) -> String {
        let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
        let namespace = object["metadata"]["namespace"].as_str();
        let namespace = namespace.unwrap_or(&self.namespace);
        let name = there.and_then(|there| there["metadata"]["name"].as_str());
        let name = name.map_or(String::new(), |name| format!("/{name}"));
        format!("/apis/mintage.dev/v1alpha1/namespaces/{namespace}/{kind}s{name}")
    }

    async fn write(&self, method: &str, path: &str, object: &Value) -> Result<Verdict> {
        let strict = format!("{path}?fieldValidation=Strict");
        let (status, answer) = self.send(method, &strict, Some(object)).await?;
        if status == 200 || status == 201 {
            // What is stored, not what was answered.
            let there = self.path(&answer, Some(&answer));
            let (status, stored) = self.send("GET", &there, None).await?;
            ensure!(status == 200, "{stored}");
            return Ok(Verdict::Stored(without_served(stored)));
        }
        Ok(refusal(&answer))
    }

    async fn remove(&self, object: &Value) -> Result<()> {
        let path = self.path(object, Some(object));
        let (status, answer) = self.send("DELETE", &path, None).await?;
        ensure!(status == 200, "{answer}");
        if answer["metadata"]["finalizers"].is_array() {
            let free = json!({ "metadata": { "finalizers": null } });
            let (status, answer) = self.send("PATCH", &path, Some(&free)).await?;
            ensure!(status == 200, "{answer}");
        }
        Ok(())
    }

    async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        let kind = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let body = body.map_or(Vec::new(), |body| body.to_string().into_bytes());
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("Content-Type", kind)
            .body(Body::from(body))?;
        let response = self.client.send(request).await?;
        let status = response.status().as_u16();
        let text = response.into_body().collect_bytes().await?;
        let text = String::from_utf8_lossy(&text);
        let answer = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
        Ok((status, answer))
    }
}

/// The faults of a `Status`.
fn refusal(status: &Value) -> Verdict {
    let message = status["message"].as_str().unwrap_or_default();
    if let Some((_, list)) = message.split_once("strict decoding error: ") {
        let fields = list.split(", ").map(|part| {
            let field = part.strip_prefix("unknown field \"")?.strip_suffix('"')?;
            Some(fault(field, "Unknown field"))
        });
        if let Some(faults) = fields.collect() {
            return Verdict::Refused(faults);
        }
    }
    let causes = status["details"]["causes"].as_array();
    let causes = causes.into_iter().flatten();
    let text = |cause: &Value, name: &str| cause[name].as_str().unwrap_or_default().to_owned();
    let faults: BTreeSet<String> = causes
        .map(|cause| (text(cause, "field"), text(cause, "message")))
        .filter(|(_, message)| !message.contains(NOT_CHECKED))
        .map(|(field, message)| {
            let path = if field == "<nil>" { "" } else { &field };
            fault(path, message.split(':').next().unwrap_or_default())
        })
        .collect();
    if status["reason"] == "Invalid" && !faults.is_empty() {
        Verdict::Refused(faults)
    } else {
        Verdict::Other(format!("{}: {message}", status["code"]))
    }
}

/// An object without the fields of `metadata` that the API server writes.
fn without_served(mut object: Value) -> Value {
    const SERVED: [&str; 5] = [
        "creationTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "uid",
    ];
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|name, _| !SERVED.contains(&&**name));
    }
    object
}
