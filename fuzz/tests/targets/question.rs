//! Questions of Envoy, given to the sidecar's gRPC service.

use std::sync::LazyLock;

use axum::body::{Body, Bytes};
use axum::http::Request;
use http_body_util::BodyExt as _;
use mintage_fuzz::edited;
use prost::Message as _;
use tower::ServiceExt as _;

use crate::api::{ENVOY, block_on};
use crate::cluster::{Cluster, ORDERS};

#[path = "../../../sidecar/src/ext_authz/messages.rs"]
mod messages;

use messages::{
    AttributeContext, CheckRequest, CheckResponse, HealthCheckRequest, HealthCheckResponse,
    HttpRequest, HttpResponse, ServingStatus,
};

const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

const WORDS: &[&str] = &[
    "\u{0}",
    "\u{1}",
    "\n",
    "\u{12}",
    "\u{1a}",
    "R",
    "j",
    "\u{7f}",
    "Bearer ",
    "bearer ",
    "authorization",
    "Authorization",
    "x-mintage-subject",
    "x_mintage_client",
    "audience",
    "scope",
    "scopes",
    "admin:orders",
    "read:orders",
    "https://orders.test",
    "https://ledger.test",
    "traceparent",
    "x-request-id",
    "\u{e9}",
];

static TOKEN: LazyLock<String> = LazyLock::new(|| Cluster::standard().good(ORDERS).token);

static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let header = |name: &str, value: String| (name.to_owned(), value);
    let question = CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(messages::Request {
                http: Some(HttpRequest {
                    headers: [
                        header("authorization", format!("Bearer {}", *TOKEN)),
                        header(":path", "/orders".to_owned()),
                        header("x-mintage-role", "admin".to_owned()),
                    ]
                    .into(),
                    header_map: None,
                }),
            }),
            context_extensions: [header("scope", "read:orders".to_owned())].into(),
        }),
    };
    question.encode_to_vec()
});

pub fn check(input: &[u8]) {
    assert!(passes(&GOOD), "the good one");
    // As it is, as a message, and as a change of a good one.
    ask(input);
    passes(input);
    let changed = edited(&GOOD, input, WORDS);
    passes(&changed);
    health(&String::from_utf8_lossy(input));
}

/// Whatever service is asked about, it serves or is not there.
fn health(service: &str) {
    let question = HealthCheckRequest {
        service: service.to_owned(),
    };
    let (status, answer) = call(HEALTH, &framed(&question.encode_to_vec()));
    if status == "0" {
        let answer = HealthCheckResponse::decode(&answer[5..]).unwrap();
        assert_eq!(answer.status, i32::from(ServingStatus::Serving));
    } else {
        // Not found; or too large to be read.
        assert!(matches!(&*status, "5" | "11"), "{status}");
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, message].concat()
}

/// Asks with a whole message. Only the good token passes, wherever it stands.
fn passes(message: &[u8]) -> bool {
    let framed = framed(message);
    let (first, second) = (ask(&framed), ask(&framed));
    let passes = first.is_some();
    assert_eq!(first, second, "{message:?}");
    if passes {
        let token = TOKEN.as_bytes();
        let mut parts = message.windows(token.len());
        assert!(parts.any(|part| part == token), "{message:?}");
    }
    passes
}

/// The gRPC status of a call, and the body of its answer.
fn call(path: &str, body: &[u8]) -> (String, Bytes) {
    let request = Request::post(path)
        .header("content-type", "application/grpc")
        .body(Body::from(body.to_vec()))
        .unwrap();
    block_on(async {
        let answered = ENVOY.clone().oneshot(request).await.unwrap();
        let (head, body) = answered.into_parts();
        assert_eq!(head.status, 200);
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let status = head.headers.get("grpc-status");
        let status = status.or_else(|| trailers.get("grpc-status")).unwrap();
        (status.to_str().unwrap().to_owned(), collected.to_bytes())
    })
}

/// What the application is told; `None` if the request is not to pass.
fn ask(body: &[u8]) -> Option<Vec<(String, String)>> {
    let (status, body) = call(CHECK, body);
    // Invalid argument, unimplemented, out of range, and a call that is cut off: never a fault of the server's own.
    match &*status {
        "0" => {}
        "3" | "11" | "12" | "13" => return None,
        other => panic!("gRPC status {other}"),
    }
    let answer = CheckResponse::decode(&body[5..]).unwrap();
    let code = answer.status.unwrap().code;
    match answer.http_response.unwrap() {
        HttpResponse::Ok(ok) => {
            assert_eq!(code, 0);
            let told = ok.headers.into_iter().map(|option| {
                let header = option.header.unwrap();
                (header.key, header.value)
            });
            let told: Vec<_> = told.collect();
            let client = ("x-mintage-client".to_owned(), "shop/checkout".to_owned());
            assert!(told.len() == 4 && told.contains(&client), "{told:?}");
            let ours = |name: &String| told.iter().any(|(told, _)| told == name);
            assert!(!ok.headers_to_remove.iter().any(ours));
            Some(told)
        }
        HttpResponse::Denied(denied) => {
            assert_ne!(code, 0);
            assert!(matches!(denied.status.unwrap().code, 400 | 401 | 403));
            None
        }
    }
}
