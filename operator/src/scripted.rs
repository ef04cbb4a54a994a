//! An API server in memory, for tests: it keeps what it is sent, by path, and a rule says what it refuses.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

use crate::api::{Leadership, Writer};

/// What it is asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub body: Value,
}

/// What it does about it.
pub enum Does {
    /// What an API server does.
    AsUsual,
    /// It answers with a status and its text.
    Refuse(u16, &'static str),
    /// The namespace is being deleted.
    Gone,
    /// It never answers.
    Hang,
}

type Rule = dyn Fn(&Asked, Option<&Value>) -> Does + Send + Sync;

/// The server.
#[derive(Clone)]
pub struct Server(Arc<Shared>);

struct Shared {
    objects: Mutex<BTreeMap<String, Value>>,
    asked: Mutex<Vec<Asked>>,
    rule: Mutex<Box<Rule>>,
}

impl Server {
    /// One that refuses nothing.
    pub fn new() -> Self {
        let rule: Box<Rule> = Box::new(|_, _| Does::AsUsual);
        Self(Arc::new(Shared {
            objects: Mutex::default(),
            asked: Mutex::default(),
            rule: Mutex::new(rule),
        }))
    }

    /// Has it go by a rule, which is told what is there already.
    pub fn rule(&self, rule: impl Fn(&Asked, Option<&Value>) -> Does + Send + Sync + 'static) {
        *self.0.rule.lock().unwrap() = Box::new(rule);
    }

    /// Writes to it as the leader.
    pub fn writer(&self) -> Writer {
        let server = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        let client = Client::new(service, "default");
        Writer::new(client, Arc::new(Leads), Arc::new(|_, _| {}))
    }

    /// What was asked since the last call.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.0.asked.lock().unwrap())
    }

    /// The object at a path.
    pub fn at(&self, path: &str) -> Option<Value> {
        self.0.objects.lock().unwrap().get(path).cloned()
    }

    /// Changes the object at a path, as somebody else would.
    pub fn change(&self, path: &str, change: impl FnOnce(&mut Value)) {
        let mut objects = self.0.objects.lock().unwrap();
        let object = objects.get_mut(path).unwrap();
        change(object);
        count_up(object);
    }

    /// Puts an object of somebody else's at a path.
    pub fn put(&self, path: &str, object: Value) {
        self.0
            .objects
            .lock()
            .unwrap()
            .insert(path.to_owned(), object);
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap();
        let asked = Asked {
            method: head.method,
            path: head.uri.path().to_owned(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        };
        self.0.asked.lock().unwrap().push(asked.clone());
        let there = self.at(&asked.path);
        let does = (self.0.rule.lock().unwrap())(&asked, there.as_ref());
        let (code, body) = match does {
            Does::AsUsual => self.usual(&asked, there),
            Does::Refuse(code, text) => (code, failure(code, text)),
            Does::Gone => {
                let mut body = failure(403, "the namespace is being terminated");
                body["details"] = json!({"causes": [{"reason": "NamespaceTerminating"}]});
                (403, body)
            }
            Does::Hang => pending().await,
        };
        let body = Body::from(body.to_string().into_bytes());
        Response::builder().status(code).body(body).unwrap()
    }

    fn usual(&self, asked: &Asked, there: Option<Value>) -> (u16, Value) {
        let mut objects = self.0.objects.lock().unwrap();
        let not_found = (404, failure(404, "not found"));
        match (asked.method.as_str(), there) {
            ("GET" | "DELETE", Some(object)) => {
                if asked.method == Method::DELETE {
                    objects.remove(&asked.path);
                }
                (200, object)
            }
            ("PATCH" | "PUT", there) => {
                let mut object = there.unwrap_or_else(|| json!({"metadata": {"uid": "life"}}));
                let before = object["spec"].clone();
                for (member, value) in asked.body.as_object().unwrap() {
                    if member == "metadata" {
                        let metadata = value.as_object().unwrap().clone();
                        object[member].as_object_mut().unwrap().extend(metadata);
                    } else {
                        object[member] = value.clone();
                    }
                }
                count_up(&mut object);
                if before != object["spec"] && object["kind"] != "PersistentVolumeClaim" {
                    let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
                    object["metadata"]["generation"] = json!(generation + 1);
                }
                objects.insert(asked.path.clone(), object.clone());
                (200, object)
            }
            ("POST", _) => {
                let name = asked.body["metadata"]["name"].as_str().unwrap_or_default();
                let path = format!("{}/{name}", asked.path);
                if objects.contains_key(&path) {
                    return (409, failure(409, "already there"));
                }
                let mut object = asked.body.clone();
                object["metadata"]["uid"] = json!("life");
                count_up(&mut object);
                objects.insert(path, object.clone());
                (201, object)
            }
            // A list: of a kind that no object of is there, or of all namespaces.
            ("GET", None) if asked.path.rsplit('/').next() == Some(plural(&asked.path)) => {
                let of = format!("/{}/", plural(&asked.path));
                let items = objects.iter().filter(|(path, _)| path.contains(&of));
                let items: Vec<&Value> = items.map(|(_, object)| object).collect();
                (200, json!({"metadata": {}, "items": items}))
            }
            _ => not_found,
        }
    }
}

/// The kind in a path, if that is one of all namespaces.
fn plural(path: &str) -> &str {
    let all = !path.contains("/namespaces/");
    path.rsplit('/').next().filter(|_| all).unwrap_or("-")
}

fn count_up(object: &mut Value) {
    let version = object["metadata"]["resourceVersion"].as_str();
    let version: u64 = version.and_then(|text| text.parse().ok()).unwrap_or(0);
    object["metadata"]["resourceVersion"] = json!((version + 1).to_string());
}

fn failure(code: u16, text: &str) -> Value {
    let reason = if code == 404 { "NotFound" } else { "" };
    json!({"kind": "Status", "status": "Failure", "code": code, "message": text, "reason": reason})
}

struct Leads;

impl Leadership for Leads {
    fn is_held(&self) -> bool {
        true
    }

    fn epoch(&self) -> i32 {
        1
    }

    fn raise_above(&self, _: i32) -> BoxFuture<'_, bool> {
        Box::pin(async { true })
    }
}
