//! A load generator that costs little: keep-alive connections, requests made beforehand, one thread.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context as _, Result, ensure};

/// A keep-alive connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; 64 * 1024],
            filled: 0,
        })
    }

    /// Sends a request.
    pub fn send(&mut self, request: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(request)?)
    }

    /// Reads one response whole; its status must be 200. Gives the body.
    pub fn receive(&mut self) -> Result<&[u8]> {
        let (start, end) = loop {
            if let Some((start, end)) = self.complete()? {
                break (start, end);
            }
            let read = self.stream.read(&mut self.buffer[self.filled..])?;
            ensure!(read > 0, "the server closed the connection");
            self.filled += read;
        };
        // One request at a time is under way on a connection, so nothing follows the body.
        self.filled = 0;
        Ok(&self.buffer[start..end])
    }

    /// Where the body begins and ends, once all of it is there.
    fn complete(&self) -> Result<Option<(usize, usize)>> {
        let text = &self.buffer[..self.filled];
        let Some(head) = text.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&text[..head + 2])?;
        ensure!(head.starts_with("HTTP/1.1 200 "), "the answer was {head}");
        let length = head
            .split("content-length: ")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next());
        let length: usize = length.context("no content-length")?.parse()?;
        let start = head.len() + 2;
        Ok((self.filled >= start + length).then_some((start, start + length)))
    }
}

/// A GET request, with a bearer token if there is one.
pub fn get(path: &str, token: Option<&str>) -> Vec<u8> {
    let authorization = token
        .map(|token| format!("Authorization: Bearer {token}\r\n"))
        .unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{authorization}\r\n").into_bytes()
}

/// A token request.
pub fn token_request(audience: &str) -> Vec<u8> {
    let audience = audience.replace(':', "%3A").replace('/', "%2F");
    let body = format!("grant_type=client_credentials&audience={audience}&scope=read%3Aorders");
    format!(
        "POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The access token of an answer.
pub fn access_token(body: &[u8]) -> Result<&[u8]> {
    let begin = b"\"access_token\":\"";
    let start = body
        .windows(begin.len())
        .position(|window| window == begin)
        .context("no token")?
        + begin.len();
    let end = body[start..]
        .iter()
        .position(|byte| *byte == b'"')
        .context("no end of the token")?;
    Ok(&body[start..start + end])
}
