//! A cluster's API server as far as it reviews tokens, and does as a test says.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::header::{AUTHORIZATION, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mintage_core::UnixTime;
use mintage_sidecar::endpoint::ApiServer;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use super::tls::{Authority, Server};

/// The token by which the endpoint shows who it is.
const OWN: &str = "the-endpoints-own-token";

/// Why a token is good: the audience, the user and the pod.
type Known = (String, String, Option<&'static str>);

/// How it answers.
#[derive(Clone)]
pub enum Manner {
    /// As it should.
    Good,
    /// With changes to the status of its answer.
    Saying(fn(&mut Value)),
    /// With this status.
    Status(StatusCode),
    /// With more than anybody reads.
    Huge,
    /// With what is no JSON.
    Garbage,
    /// By leading elsewhere.
    Redirecting,
    /// When it is told to.
    Slow(watch::Receiver<bool>),
}

struct Script {
    manner: Manner,
    known: BTreeMap<String, Known>,
    asked: usize,
    issued: usize,
}

pub struct Cluster {
    /// Where it listens.
    pub server: Server,
    script: Arc<Mutex<Script>>,
    /// The folder of the endpoint's own `ServiceAccount`.
    account: TempDir,
}

impl Cluster {
    pub fn start() -> Self {
        let script = Arc::new(Mutex::new(Script {
            manner: Manner::Good,
            known: BTreeMap::new(),
            asked: 0,
            issued: 0,
        }));
        let router = Router::new()
            .route("/apis/authentication.k8s.io/v1/tokenreviews", post(review))
            .with_state(Arc::clone(&script));
        let authority = Authority::new();
        let server = authority.serve("127.0.0.1", |_| router);
        let account = TempDir::new().unwrap();
        let file = |name: &str, text: &str| std::fs::write(account.path().join(name), text);
        file("token", OWN).unwrap();
        file("ca.crt", &authority.pem()).unwrap();
        Self {
            server,
            script,
            account,
        }
    }

    /// The folder of the endpoint's own `ServiceAccount`.
    pub fn account(&self) -> &Path {
        self.account.path()
    }

    /// How the endpoint reaches it.
    pub fn reached(&self) -> ApiServer {
        let port = self.server.address.port().to_string();
        ApiServer::at("127.0.0.1", &port, self.account())
    }

    /// Changes how it answers.
    pub fn answer(&self, manner: Manner) {
        self.script.lock().unwrap().manner = manner;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.script.lock().unwrap().asked
    }

    /// A token of a pod of a workload, `<namespace>/<serviceaccount>`, as kubelet gets it.
    pub fn token(&self, workload: &str, audience: &str, expires_at: UnixTime) -> String {
        let user = format!("system:serviceaccount:{}", workload.replacen('/', ":", 1));
        self.token_of(&user, Some("pod-uid-1"), audience, expires_at)
    }

    /// A token of any user.
    pub fn token_of(
        &self,
        user: &str,
        pod: Option<&'static str>,
        audience: &str,
        expires_at: UnixTime,
    ) -> String {
        let mut script = self.script.lock().unwrap();
        script.issued += 1;
        let claims = json!({
            "aud": [audience], "exp": expires_at.0, "iss": "https://kubernetes.default.svc", "sub": user,
            "jti": script.issued,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(&json!({ "alg": "RS256", "kid": "a" }));
        let token = format!("{header}.{}.c2lnbmF0dXJl", part(&claims));
        let known = (audience.to_owned(), user.to_owned(), pod);
        script.known.insert(token.clone(), known);
        token
    }

    /// The pod of a token is deleted.
    pub fn delete_pod_of(&self, token: &str) {
        self.script.lock().unwrap().known.remove(token);
    }
}

/// What an API server says: of a token that it knows whose it is, if it is for one of the audiences that are asked about.
async fn review(
    State(script): State<Arc<Mutex<Script>>>,
    headers: HeaderMap,
    Json(asked): Json<Value>,
) -> Response {
    let manner = {
        let mut script = script.lock().unwrap();
        script.asked += 1;
        script.manner.clone()
    };
    let is_own = headers
        .get(AUTHORIZATION)
        .is_some_and(|value| *value == *format!("Bearer {OWN}"));
    if !is_own {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    assert_eq!(asked["apiVersion"], "authentication.k8s.io/v1");
    assert_eq!(asked["kind"], "TokenReview");
    let token = asked["spec"]["token"].as_str().unwrap();
    let known = script.lock().unwrap().known.get(token).cloned();
    let known = known.filter(|(audience, ..)| {
        let audiences = asked["spec"]["audiences"].as_array().unwrap();
        audiences.iter().any(|one| one == audience)
    });
    let mut status = match known {
        Some((audience, user, pod)) => {
            let extra = pod.map(|uid| {
                json!({
                    "authentication.kubernetes.io/pod-name": ["a-pod"],
                    "authentication.kubernetes.io/pod-uid": [uid],
                })
            });
            json!({
                "authenticated": true, "audiences": [audience],
                "user": { "username": user, "uid": "1", "groups": ["system:serviceaccounts"], "extra": extra.unwrap_or(json!({})) },
            })
        }
        None => json!({ "user": {}, "error": "token is not known" }),
    };
    match manner {
        Manner::Good => {}
        Manner::Saying(change) => change(&mut status),
        Manner::Status(status) => return (status, "{\"kind\":\"Status\"}").into_response(),
        Manner::Huge => status["padding"] = "a".repeat(100_000).into(),
        Manner::Garbage => return "<html>".into_response(),
        Manner::Redirecting => {
            let again = [(LOCATION, "/apis/authentication.k8s.io/v1/tokenreviews")];
            return (StatusCode::TEMPORARY_REDIRECT, again).into_response();
        }
        Manner::Slow(mut told) => {
            // An error says that the test that would tell it is over: then nobody waits for the answer either.
            told.wait_for(|told| *told).await.ok();
        }
    }
    let answer = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status });
    (StatusCode::CREATED, Json(answer)).into_response()
}
