//! Requests that no HTTP client would send.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends bytes and reads until the server closes.
pub async fn exchange(address: SocketAddr, request: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may answer and close before it has read everything.
    stream.write_all(request.as_ref()).await.ok();
    read_all(&mut stream).await
}

/// Everything until the server closes; a reset after an answer is an end, too.
pub async fn read_all(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.ok();
    String::from_utf8(bytes).unwrap()
}

/// Reads one response of known length, and leaves the connection open.
pub async fn read_response(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if let Some(response) = complete(&bytes) {
            return Some(response);
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

/// A response with its whole body, by its Content-Length.
pub fn complete(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines().map(str::to_ascii_lowercase);
    let length: usize =
        lines.find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())?;
    (body.len() == length).then(|| text.to_owned())
}

/// A token request for an audience; `head` are further header lines, each with its line break.
pub fn token_request(host: &str, head: &str, audience: &str) -> String {
    let body = format!("grant_type=client_credentials&audience={audience}");
    format!(
        "POST /oauth/token HTTP/1.1\r\n{host}{head}Content-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The status of a response.
pub fn status(response: &str) -> u16 {
    let code = response
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    code.map_or(0, |code| code.parse().unwrap())
}
