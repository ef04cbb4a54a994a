//! An HTTP/1.1 client that costs little: keep-alive connections, requests made beforehand, no runtime.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::limits::now;

/// A server that takes longer has failed, and the row says so.
const PATIENCE: Duration = Duration::from_secs(10);

/// A keep-alive connection with one request under way at most.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    is_waiting: bool,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).context("cannot connect")?;
        stream.set_nodelay(true)?;
        // The generator never sleeps: to wake it up would be work of the server's core.
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; 64 * 1024],
            is_waiting: false,
        })
    }

    /// Whether an answer is still to come.
    pub fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// Sends a request.
    pub fn send(&mut self, request: &[u8]) -> Result<()> {
        self.is_waiting = true;
        let begun = now();
        let mut rest = request;
        while !rest.is_empty() {
            let written = retry(begun, || self.stream.write(rest));
            rest = &rest[written.context("the server does not read")?..];
        }
        Ok(())
    }

    /// Reads one response whole; its status must be 200. Says where its body is, until the next response.
    pub fn receive(&mut self) -> Result<Range<usize>> {
        let begun = now();
        let mut filled = 0;
        loop {
            let read = retry(begun, || self.stream.read(&mut self.buffer[filled..]));
            let read = read.context("the server does not answer")?;
            ensure!(read > 0, "the server closed the connection");
            filled += read;
            if let Some(body) = complete(&self.buffer[..filled])? {
                self.is_waiting = false;
                return Ok(body);
            }
        }
    }

    /// The body of the last response.
    pub fn body(&self, place: Range<usize>) -> &[u8] {
        &self.buffer[place]
    }
}

/// Tries again at once, for as long as it is worth it.
fn retry(begun: Instant, mut attempt: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match attempt() {
            Err(error)
                if error.kind() == io::ErrorKind::WouldBlock && begun.elapsed() < PATIENCE =>
            {
                std::hint::spin_loop();
            }
            outcome => return outcome,
        }
    }
}

/// Where the body of a response is, once all of it is there.
fn complete(bytes: &[u8]) -> Result<Option<Range<usize>>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end])?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "the answer was {head}");
    let length = head
        .split("\r\n")
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = length.context("an answer without content-length")?;
    let start = end + 4;
    let body = start..start + length.parse::<usize>()?;
    Ok((bytes.len() >= body.end).then_some(body))
}

/// A GET request, with a bearer token if there is one.
pub fn get(path: &str, token: Option<&str>) -> Vec<u8> {
    let authorization = token
        .map(|token| format!("Authorization: Bearer {token}\r\n"))
        .unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{authorization}\r\n").into_bytes()
}

/// A token request to the sidecar.
pub fn token_request(audience: &str) -> Vec<u8> {
    post(
        "/oauth/token",
        "application/x-www-form-urlencoded",
        &format!(
            "grant_type=client_credentials&audience={}&scope=read%3Aorders",
            audience.replace(':', "%3A").replace('/', "%2F")
        ),
    )
}

/// A POST request.
pub fn post(path: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// The access token of an answer.
pub fn access_token(body: &[u8]) -> Result<&[u8]> {
    let begin = b"\"access_token\":\"";
    let start = body
        .windows(begin.len())
        .position(|window| window == begin)
        .context("an answer without a token")?
        + begin.len();
    let length = body[start..].iter().position(|byte| *byte == b'"');
    let length = length.context("a token without an end")?;
    Ok(&body[start..start + length])
}

/// Asks for one token.
pub fn one_token(address: SocketAddr, request: &[u8]) -> Result<String> {
    let mut connection = Connection::open(address)?;
    connection.send(request)?;
    let place = connection.receive()?;
    let token = access_token(connection.body(place))?;
    Ok(std::str::from_utf8(token)?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Length: 27\r\n\r\n{\"access_token\":\"ab.cd.ef\"}";

    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        for length in 0..ANSWER.len() {
            assert_eq!(complete(&ANSWER[..length]).unwrap(), None, "{length} bytes");
        }
        let body = complete(ANSWER).unwrap().unwrap();
        assert_eq!(access_token(&ANSWER[body]).unwrap(), b"ab.cd.ef");
    }

    #[test]
    fn refusals_are_errors() {
        let error = complete(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").unwrap_err();
        assert!(error.to_string().contains("403"), "{error}");
        assert!(access_token(b"{\"error\":\"x\"}").is_err());
    }
}
