//! The way to a port of a pod: the API server's port-forward, and HTTP on it.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::client::UpgradeConnectionError;
use kube::{Api, Error};
use tokio::time::timeout;

use super::reach;
use crate::Failure;

/// No answer of a sidecar is larger.
const MAX_ANSWER: usize = 64 * 1024;

/// Posts a form to a port of a pod, through the API server; the status and body of the answer.
pub async fn post(
    api: &Api<Pod>,
    pod: &str,
    port: u16,
    path: &str,
    form: &[(&str, &str)],
) -> Result<(StatusCode, Bytes), Failure> {
    let broken = |what: &dyn std::fmt::Display| {
        Failure::Unreachable(format!("the way to pod {pod} broke off: {what}"))
    };
    let opened = api.portforward(pod, &[port]).await;
    let mut forwarder = opened.map_err(|error| no_way(pod, &error))?;
    let stream = forwarder
        .take_stream(port)
        .ok_or_else(|| broken(&"no stream"))?;
    let refused = forwarder.take_error(port);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    // It ends with the answer.
    tokio::spawn(async move { connection.await.ok() });
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    let request = Request::post(path)
        .header(HOST, format!("127.0.0.1:{port}"))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(form)))
        .map_err(Failure::input)?;
    let answer = match sender.send_request(request).await {
        Ok(answer) => answer,
        Err(error) => {
            // The node knows better why: the port is closed, or the pod is gone.
            let said = match refused {
                Some(refused) => timeout(Duration::from_secs(1), refused)
                    .await
                    .ok()
                    .flatten(),
                None => None,
            };
            return Err(broken(&said.unwrap_or_else(|| error.to_string())));
        }
    };
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await;
    let body = body.map_err(|error| broken(&error))?.to_bytes();
    Ok((parts.status, body))
}

/// Why a port is not forwarded.
fn no_way(pod: &str, error: &Error) -> Failure {
    let code = match error {
        Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(code)) => code.as_u16(),
        Error::Api(status) => status.code,
        other => return reach::failure(&format!("Pod {pod}"), other),
    };
    match code {
        401 | 403 => Failure::Refused(format!(
            "you may not forward ports of pod {pod}: this takes create (and before Kubernetes 1.35 get) on pods/portforward in its namespace"
        )),
        404 => Failure::Unreachable(format!("pod {pod} is gone; try again")),
        code => Failure::Unreachable(format!(
            "the API server cannot reach the node of pod {pod} (status {code}); see kubectl get nodes"
        )),
    }
}

#[cfg(test)]
mod tests {
    use futures::{SinkExt as _, StreamExt as _};
    use kube::{Client, Config};
    use tokio::net::TcpListener;
    use tokio_tungstenite::accept_hdr_async;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::handshake::server::{Request as Asked, Response};

    use super::*;

    const PORT: u16 = 7600;

    /// An API server that forwards one port of one pod to nobody: it answers by itself, on one of the two channels that
    /// a port has. What it was asked is returned.
    #[expect(
        clippy::result_large_err,
        reason = "the error is that of the handshake's callback"
    )]
    async fn forwards(listener: TcpListener, channel: u8, answer: &str) -> (String, String) {
        let (stream, _) = listener.accept().await.unwrap();
        let mut path = String::new();
        let accept = |asked: &Asked, mut response: Response| {
            path = asked.uri().to_string();
            let protocol = "v4.channel.k8s.io".parse().unwrap();
            response
                .headers_mut()
                .insert("sec-websocket-protocol", protocol);
            Ok(response)
        };
        let mut socket = accept_hdr_async(stream, accept).await.unwrap();
        let [low, high] = PORT.to_le_bytes();
        for channel in [0, 1] {
            let begin = Message::binary(vec![channel, low, high]);
            socket.send(begin).await.unwrap();
        }
        let mut asked = String::new();
        while !asked.contains("audience=") {
            let Message::Binary(bytes) = socket.next().await.unwrap().unwrap() else {
                continue;
            };
            assert_eq!(bytes[0], 0, "the data of the first port");
            asked.push_str(str::from_utf8(&bytes[1..]).unwrap());
        }
        let answer = [&[channel], answer.as_bytes()].concat();
        socket.send(Message::binary(answer)).await.unwrap();
        socket.close(None).await.unwrap();
        (path, asked)
    }

    async fn asks(
        channel: u8,
        answer: &str,
    ) -> (Result<(StatusCode, Bytes), Failure>, String, String) {
        // Another test may have been faster.
        rustls::crypto::aws_lc_rs::default_provider()
            .install_default()
            .ok();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let client = Client::try_from(Config::new(url.parse().unwrap())).unwrap();
        let api: Api<Pod> = Api::namespaced(client, "shop");
        let form = [("audience", "https://orders.test")];
        let (got, (path, asked)) = tokio::join!(
            post(&api, "checkout-1", PORT, "/oauth/token", &form),
            forwards(listener, channel, answer)
        );
        (got, path, asked)
    }

    #[tokio::test]
    async fn the_sidecar_is_asked_as_from_its_own_pod() {
        let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}";
        let (got, path, asked) = asks(0, answer).await;
        let (status, body) = got.unwrap();
        assert_eq!((status.as_u16(), &*body), (403, &b"{}"[..]));
        assert!(
            path.starts_with("/api/v1/namespaces/shop/pods/checkout-1/portforward"),
            "{path}"
        );
        assert!(path.contains("ports=7600"), "{path}");
        let asked = asked.to_ascii_lowercase();
        for line in [
            "post /oauth/token http/1.1\r\n",
            "host: 127.0.0.1:7600\r\n",
            "content-type: application/x-www-form-urlencoded\r\n",
            "\r\n\r\naudience=https%3a%2f%2forders.test",
        ] {
            assert!(asked.contains(line), "{line} is not in {asked}");
        }
    }

    #[tokio::test]
    async fn what_the_node_says_of_a_closed_port_is_passed_on() {
        let (got, ..) = asks(1, "connection refused in the pod").await;
        let said = format!("{:?}", got.unwrap_err());
        assert!(
            said.contains("Unreachable(") && said.contains("connection refused in the pod"),
            "{said}"
        );
    }

    #[test]
    fn a_missing_right_is_told_from_a_missing_node() {
        let of = |code: u16| {
            let code = StatusCode::from_u16(code).unwrap();
            let error = UpgradeConnectionError::ProtocolSwitch(code);
            format!("{:?}", no_way("x", &Error::UpgradeConnection(error)))
        };
        assert!(
            of(403).contains("Refused(\"you may not forward ports"),
            "{}",
            of(403)
        );
        assert!(of(500).contains("Unreachable(\"the API server cannot reach the node"));
        assert!(of(404).contains("is gone"));
    }
}
