//! An HTTP/1.1 client that costs little: keep-alive connections, requests made beforehand, no runtime.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::limits::now;
use super::tls::{Client, Stream};

/// A server that takes longer has failed, and the row says so.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a server is asked.
#[derive(Clone)]
pub struct Target {
    address: SocketAddr,
    tls: Option<Client>,
}

impl Target {
    /// Over TLS.
    pub fn over_tls(address: SocketAddr, client: Client) -> Self {
        Self {
            address,
            tls: Some(client),
        }
    }
}

impl From<SocketAddr> for Target {
    /// Without TLS.
    fn from(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }
}

/// A response that is there: its status, and where head and body are until the next one.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    head: Range<usize>,
    body: Range<usize>,
}

/// A keep-alive connection with one request under way at most.
pub struct Connection {
    stream: Stream,
    buffer: Vec<u8>,
    is_waiting: bool,
}

impl Connection {
    /// Connects.
    pub fn open(target: &Target) -> Result<Self> {
        let stream = TcpStream::connect(target.address).context("cannot connect")?;
        stream.set_nodelay(true)?;
        let stream = match &target.tls {
            Some(client) => Stream::shake_hands(client, stream)?,
            None => Stream::Plain(stream),
        };
        // The generator never sleeps: to wake it up would be work of the server's core.
        stream.never_block()?;
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
        // TLS keeps what the socket did not take.
        retry(begun, || self.stream.flush().map(|()| 0)).context("the server does not read")?;
        Ok(())
    }

    /// Reads one response whole; its status must be 200. Says where its body is, until the next response.
    pub fn receive(&mut self) -> Result<Range<usize>> {
        let answer = self.receive_any()?;
        ensure!(
            answer.status == 200,
            "the answer was {}{}",
            self.head(&answer),
            self.text(&answer)
        );
        Ok(answer.body)
    }

    /// Reads one response whole, whatever its status.
    pub fn receive_any(&mut self) -> Result<Answer> {
        let begun = now();
        let mut filled = 0;
        loop {
            let read = retry(begun, || self.stream.read(&mut self.buffer[filled..]));
            let read = read.context("the server does not answer")?;
            ensure!(read > 0, "the server closed the connection");
            filled += read;
            if let Some(answer) = complete(&self.buffer[..filled])? {
                self.is_waiting = false;
                return Ok(answer);
            }
        }
    }

    /// The head of the last response.
    pub fn head(&self, answer: &Answer) -> String {
        String::from_utf8_lossy(&self.buffer[answer.head.clone()]).into_owned()
    }

    /// The body of the last response, as text.
    pub fn text(&self, answer: &Answer) -> String {
        String::from_utf8_lossy(&self.buffer[answer.body.clone()]).into_owned()
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

/// A response, once all of it is there.
fn complete(bytes: &[u8]) -> Result<Option<Answer>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end])?;
    let status = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.with_context(|| format!("the answer was {head}"))?;
    let length = header(head, "content-length").context("an answer without content-length")?;
    let start = end + 4;
    let body = start..start + length.parse::<usize>()?;
    Ok((bytes.len() >= body.end).then_some(Answer {
        status,
        head: 0..start,
        body,
    }))
}

/// The first header of a name.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    headers(head, name).next()
}

/// All headers of a name.
pub fn headers<'a>(head: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
    lines.filter_map(move |(found, value)| found.eq_ignore_ascii_case(name).then_some(value))
}

/// The host of the sidecar, which answers to the loopback alone.
const LOOPBACK: &str = "127.0.0.1";

/// The kind of a body that is a form.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// A GET request, with a bearer token if there is one.
pub fn get(path: &str, token: Option<&str>) -> Vec<u8> {
    let authorization = token.map(|token| ("Authorization", format!("Bearer {token}")));
    get_at(LOOPBACK, path, authorization.as_slice())
}

/// A GET request to a host, with some headers.
pub fn get_at(host: &str, path: &str, headers: &[(&str, String)]) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\n{}\r\n",
        lines(headers)
    )
    .into_bytes()
}

fn lines(headers: &[(&str, String)]) -> String {
    let lines = headers.iter();
    lines.fold(String::new(), |all, (name, value)| {
        all + *name + ": " + value.as_str() + "\r\n"
    })
}

/// A token request to the sidecar.
pub fn token_request(audience: &str) -> Vec<u8> {
    post(
        "/oauth/token",
        FORM,
        &format!(
            "grant_type=client_credentials&audience={}&scope=read%3Aorders",
            audience.replace(':', "%3A").replace('/', "%2F")
        ),
    )
}

/// A POST request.
pub fn post(path: &str, kind: &str, body: &str) -> Vec<u8> {
    post_at(LOOPBACK, path, kind, &[], body)
}

/// A POST request to a host, with some headers more.
pub fn post_at(
    host: &str,
    path: &str,
    kind: &str,
    headers: &[(&str, String)],
    body: &str,
) -> Vec<u8> {
    let (length, headers) = (body.len(), lines(headers));
    format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
        .into_bytes()
}

/// The access token of an answer.
pub fn access_token(body: &[u8]) -> Result<&[u8]> {
    text_of(body, b"\"access_token\":\"").context("an answer without a token")
}

/// What follows in a JSON string, up to its end.
pub fn text_of<'a>(body: &'a [u8], begin: &[u8]) -> Option<&'a [u8]> {
    let start = body
        .windows(begin.len())
        .position(|window| window == begin)?
        + begin.len();
    let length = body[start..].iter().position(|byte| *byte == b'"')?;
    Some(&body[start..start + length])
}

/// Asks for one token.
pub fn one_token(target: &Target, request: &[u8]) -> Result<String> {
    let mut connection = Connection::open(target)?;
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
        let answer = complete(ANSWER).unwrap().unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(access_token(&ANSWER[answer.body]).unwrap(), b"ab.cd.ef");
    }

    #[test]
    fn refusals_are_told_from_answers() {
        let refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(complete(refusal).unwrap().unwrap().status, 403);
        assert!(access_token(b"{\"error\":\"x\"}").is_err());
    }

    #[test]
    fn a_header_is_found_whatever_its_case_and_however_often() {
        let head =
            "HTTP/1.1 303 See Other\r\nset-cookie: a=1\r\nLocation: /x\r\nSet-Cookie: b=2\r\n\r\n";
        assert_eq!(header(head, "location"), Some("/x"));
        assert_eq!(
            headers(head, "Set-Cookie").collect::<Vec<_>>(),
            ["a=1", "b=2"]
        );
        assert_eq!(header(head, "age"), None);
    }
}
