//! What an attacker runs: a server that hands out the hostile page, and that from then on is another one.
//!
//! A browser believes that an origin is whoever its name leads to. So a name that first leads to the attacker, and
//! later to the loopback (DNS rebinding), is a connection that first gets the page and later the sidecar.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::server::read_head;

const PAGE: &str = include_str!("browser/attack.html");

/// What a server without a guard would say.
const BAIT: &str = r#"{"access_token":"bait"}"#;

/// Bytes as they went by.
type Record = Arc<Mutex<Vec<u8>>>;

/// Everything but the page goes on to the sidecar, and is written down.
pub struct Tap {
    pub address: SocketAddr,
    asked: Record,
    answered: Record,
}

#[derive(Clone)]
struct Connections {
    /// The sidecar; without it everything is answered with the bait.
    sidecar: Option<SocketAddr>,
    asked: Record,
    answered: Record,
    reports: mpsc::UnboundedSender<Value>,
}

impl Tap {
    /// Listens on a free port of an address. What pages report goes to `reports`.
    pub async fn start(
        host: &str,
        sidecar: Option<SocketAddr>,
        reports: mpsc::UnboundedSender<Value>,
    ) -> Result<Self> {
        let listener = TcpListener::bind((host, 0)).await?;
        let address = listener.local_addr()?;
        let connections = Connections {
            sidecar,
            asked: Record::default(),
            answered: Record::default(),
            reports,
        };
        let (asked, answered) = (
            Arc::clone(&connections.asked),
            Arc::clone(&connections.answered),
        );
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connections = connections.clone();
                // A browser breaks connections off as it likes.
                tokio::spawn(async move { connections.serve(stream).await.ok() });
            }
        });
        Ok(Self {
            address,
            asked,
            answered,
        })
    }

    /// All that browsers sent on to the sidecar.
    pub fn asked(&self) -> String {
        text(&self.asked)
    }

    /// All that the sidecar answered.
    pub fn answered(&self) -> String {
        text(&self.answered)
    }
}

impl Connections {
    async fn serve(self, mut stream: TcpStream) -> Result<()> {
        let head = read_head(&mut stream).await;
        let target = head.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match (path, self.sidecar) {
            ("/attack.html", _) => {
                answer(&mut stream, "200 OK", "Content-Type: text/html\r\n", PAGE).await
            }
            ("/report", None) => {
                let mut body = vec![0; content_length(&head)];
                stream.read_exact(&mut body).await?;
                self.reports.send(serde_json::from_slice(&body)?)?;
                answer(&mut stream, "200 OK", "", "").await
            }
            ("/redirect", None) => {
                let location = format!("Location: {query}\r\nAccess-Control-Allow-Origin: *\r\n");
                answer(&mut stream, "307 Temporary Redirect", &location, "").await
            }
            (_, None) => {
                answer(
                    &mut stream,
                    "200 OK",
                    "Content-Type: application/json\r\n",
                    BAIT,
                )
                .await
            }
            (_, Some(sidecar)) => {
                let (from_browser, to_browser) = stream.into_split();
                let (from_sidecar, mut to_sidecar) =
                    TcpStream::connect(sidecar).await?.into_split();
                write_down(&self.asked, head.as_bytes());
                to_sidecar.write_all(head.as_bytes()).await?;
                tokio::select! {
                    result = copy(from_browser, to_sidecar, &self.asked) => result,
                    result = copy(from_sidecar, to_browser, &self.answered) => result,
                }
            }
        }
    }
}

async fn answer(stream: &mut TcpStream, status: &str, headers: &str, body: &str) -> Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    stream.shutdown().await.context("the browser is gone")
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, record: &Record) -> Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        write_down(record, &buffer[..length]);
        to.write_all(&buffer[..length]).await?;
    }
}

fn content_length(head: &str) -> usize {
    let head = head.to_ascii_lowercase();
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    length.unwrap_or(0)
}

fn write_down(record: &Record, bytes: &[u8]) {
    if let Ok(mut record) = record.lock() {
        record.extend_from_slice(bytes);
    }
}

fn text(record: &Record) -> String {
    record.lock().map_or_else(
        |_| String::new(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}
