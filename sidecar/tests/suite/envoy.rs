//! What Envoy asks, by a gRPC client that is not the sidecar's code; and calls that no such client makes, byte by byte.

use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpStream;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use crate::cluster::Cluster;
use crate::pod::Pod;

#[path = "../../src/ext_authz/messages.rs"]
pub mod messages;

use messages::{
    AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, HttpRequest, HttpResponse,
    OkHttpResponse,
};

pub const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
pub const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// A question about a request with these headers, with these extensions.
pub fn question(headers: &[(&str, &str)], extensions: &[(&str, &str)]) -> CheckRequest {
    let map = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(messages::Request {
                http: Some(HttpRequest {
                    headers: map(headers),
                    header_map: None,
                }),
            }),
            context_extensions: map(extensions),
        }),
    }
}

/// A question about a request with a token.
pub fn bearing(token: &str) -> CheckRequest {
    question(&[("authorization", &format!("Bearer {token}"))], &[])
}

/// Calls a method.
pub async fn call<Q, A>(
    address: SocketAddr,
    path: &'static str,
    question: Q,
) -> Result<A, tonic::Status>
where
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    let endpoint = Endpoint::try_from(format!("http://{address}")).unwrap();
    let channel: Channel = endpoint.connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let path = path.parse().unwrap();
    let codec = ProstCodec::default();
    let answered = client
        .unary(tonic::Request::new(question), path, codec)
        .await;
    answered.map(tonic::Response::into_inner)
}

/// What is to become of a request.
pub async fn check(pod: &Pod, question: CheckRequest) -> CheckResponse {
    call(pod.ext_authz, CHECK, question).await.unwrap()
}

/// What the application is told, and what is taken out; the request must pass.
pub fn passed(answer: CheckResponse) -> (Vec<(String, String)>, Vec<String>) {
    assert_eq!(answer.status.map(|status| status.code), Some(0));
    let Some(HttpResponse::Ok(OkHttpResponse {
        headers,
        headers_to_remove,
    })) = answer.http_response
    else {
        panic!("it does not pass");
    };
    let told = headers.into_iter().map(|option| {
        // Overwriting, also with nothing: else a client's own would stand.
        assert_eq!((option.append_action, option.keep_empty_value), (2, true));
        let header = option.header.unwrap();
        (header.key, header.value)
    });
    (told.collect(), headers_to_remove)
}

/// How a request is denied.
pub struct Denied {
    pub code: i32,
    pub status: i32,
    pub headers: HeaderMap,
    pub body: String,
}

/// The refusal; the request must not pass.
pub fn denied(answer: CheckResponse) -> Denied {
    let code = answer.status.unwrap().code;
    assert_ne!(
        code, 0,
        "a proxy that looks at this alone would let it through"
    );
    let Some(HttpResponse::Denied(DeniedHttpResponse {
        status,
        headers,
        body,
    })) = answer.http_response
    else {
        panic!("it passes");
    };
    let headers = headers.into_iter().map(|option| {
        let header = option.header.unwrap();
        (header.key.parse().unwrap(), header.value.parse().unwrap())
    });
    Denied {
        code,
        status: status.unwrap().code,
        headers: headers.collect(),
        body,
    }
}

/// The sidecar of the standard cluster's API of orders, as Envoy beside it sees it.
pub fn orders() -> Pod {
    Pod::of(Cluster::standard(), "orders/api", "orders")
}

/// A connection of HTTP/2 without gRPC's rules.
pub async fn connect(address: SocketAddr) -> SendRequest<Body> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    // It fails when a test has the server break it off.
    tokio::spawn(async move { connection.await.ok() });
    sender
}

/// A call with any bytes; `grpc-status` is in the headers or in the trailers.
pub struct Raw {
    pub status: StatusCode,
    pub grpc_status: Option<String>,
    pub message: String,
}

/// Sends a request as it is.
pub async fn send(sender: &mut SendRequest<Body>, request: Request<Body>) -> hyper::Result<Raw> {
    sender.ready().await?;
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let collected = body.collect().await?;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let find = |name: &str| {
        let value = parts.headers.get(name).or_else(|| trailers.get(name));
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    Ok(Raw {
        status: parts.status,
        grpc_status: find("grpc-status"),
        message: find("grpc-message").unwrap_or_default(),
    })
}

/// A call of `Check` with a body.
pub fn raw_check(address: SocketAddr, body: impl Into<Body>) -> Request<Body> {
    Request::post(format!("http://{address}{CHECK}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(body.into())
        .unwrap()
}

/// A message with its five bytes of length, or with those of another one.
pub fn framed(message: &[u8], length: usize, compressed: u8) -> Bytes {
    let length = u32::try_from(length).unwrap().to_be_bytes();
    [&[compressed][..], &length, message].concat().into()
}
