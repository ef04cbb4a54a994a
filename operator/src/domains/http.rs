//! One request for one small file, over a connection to an address that was checked.
//!
//! By hand and not by a client such as reqwest, because what must not happen is what such a client is for: it follows
//! redirects, takes a proxy from the environment, looks the name up once more, unpacks, keeps cookies and connections.
//! Here is nothing to switch off.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::challenge::PATH;
use super::outcome::Outcome;

/// Connects to an address. A test gives another one, which leads to its own server.
pub type Dial = Arc<dyn Fn(SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> + Send + Sync>;

/// The largest file that is read, in bytes.
const LARGEST: usize = 4096;

/// The largest head of an answer that is read, in bytes.
const LARGEST_HEAD: usize = 16 * 1024;

/// How long a connection to one of the addresses may take.
const CONNECT: Duration = Duration::from_secs(3);

/// How many of a host's addresses are tried.
const ADDRESSES: usize = 4;

const USER_AGENT: &str = concat!(
    "mintage-operator/",
    env!("CARGO_PKG_VERSION"),
    " (domain verification)"
);

/// Connects to the address itself.
pub fn direct() -> Dial {
    Arc::new(|address| Box::pin(TcpStream::connect(address)))
}

/// Asks a host at its addresses for the file, and whether it has a line with the value.
pub async fn ask(dial: &Dial, host: &str, addresses: &[IpAddr], port: u16, value: &str) -> Outcome {
    let stream = match connect(dial, addresses, port).await {
        Ok(stream) => stream,
        Err(outcome) => return outcome,
    };
    let host = match port {
        80 => host.to_owned(),
        port => format!("{host}:{port}"),
    };
    match exchange(stream, &host).await {
        Ok(file) => judge(&file, value),
        Err(outcome) => outcome,
    }
}

/// A connection to the first of the addresses that takes one.
async fn connect(dial: &Dial, addresses: &[IpAddr], port: u16) -> Result<TcpStream, Outcome> {
    let mut reason = "it has no address";
    for address in addresses.iter().take(ADDRESSES) {
        reason = match timeout(CONNECT, dial(SocketAddr::new(*address, port))).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => "it refuses",
            Ok(Err(_)) => "its network is not reached",
            Err(_) => "it does not answer in time",
        };
    }
    let text = format!("no connection to port {port} of the host, {reason}");
    Err(Outcome::Unanswered(text))
}

/// The file that a server gives.
async fn exchange(stream: TcpStream, host: &str) -> Result<Vec<u8>, Outcome> {
    let broken = |_| Outcome::Unanswered("the server does not speak HTTP, or broke off".to_owned());
    let mut builder = http1::Builder::new();
    builder.max_buf_size(LARGEST_HEAD).max_headers(64);
    let (mut sender, connection) = builder
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let request = Request::get(PATH)
        .header(header::HOST, host)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "text/plain")
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::CONNECTION, "close")
        .body(Empty::<&[u8]>::new())
        .expect("a host name of the DNS fits into a header");
    let exchange = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        status(response.status())?;
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        body.map(|body| body.to_bytes().to_vec()).map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                Outcome::Contradicted(format!("a file of more than {LARGEST} bytes"))
            } else {
                Outcome::Unanswered("the server broke off".to_owned())
            }
        })
    };
    let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
    tokio::select! {
        file = &mut exchange => file,
        // The server has closed it; what it sent before is still there to be read.
        _ = &mut connection => exchange.await,
    }
}

/// Only a plain 200 has the file.
fn status(status: StatusCode) -> Result<(), Outcome> {
    let code = status.as_u16();
    match code {
        200 => Ok(()),
        300..=399 => Err(Outcome::Contradicted(format!(
            "status {code}, a redirect, which is not followed"
        ))),
        // The server says of itself that it cannot answer now.
        429 | 500..=599 => Err(Outcome::Unanswered(format!("the server says {code}"))),
        _ => Err(Outcome::Contradicted(format!("status {code}"))),
    }
}

fn judge(file: &[u8], value: &str) -> Outcome {
    let mut lines = file.split(|byte| matches!(byte, b'\n' | b'\r'));
    if lines.any(|line| line.trim_ascii() == value.as_bytes()) {
        Outcome::Shown
    } else {
        Outcome::Contradicted(format!("a file of {} bytes without it", file.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_a_line() {
        let shows = |file: &str| judge(file.as_bytes(), "v=1") == Outcome::Shown;
        for file in [
            "v=1",
            "v=1\n",
            " v=1 \r\n",
            "other\nv=1",
            "a\r\nv=1\r\nb",
            "a\rv=1",
        ] {
            assert!(shows(file), "{file:?}");
        }
        for file in ["", "v=12", "xv=1", "v=1 v=1", "V=1", "v=\n1", "<p>v=1</p>"] {
            assert!(!shows(file), "{file:?}");
        }
    }

    #[test]
    fn what_a_status_says() {
        let of = |code| status(StatusCode::from_u16(code).unwrap());
        assert_eq!(of(200), Ok(()));
        for code in [301, 302, 307, 308, 204, 206, 400, 401, 403, 404, 410] {
            assert!(matches!(of(code), Err(Outcome::Contradicted(_))), "{code}");
        }
        for code in [429, 500, 502, 503, 599] {
            assert!(matches!(of(code), Err(Outcome::Unanswered(_))), "{code}");
        }
    }
}
