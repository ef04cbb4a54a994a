//! The way from the API server to what is on a node: it asks for a connection by CONNECT (RFC 9110, section 9.3.6).

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{self, TcpStream, UnixStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use xtask::network::inside;

/// The longest request: an address and a few headers.
const LONGEST: usize = 4096;

/// A listener outside, and the connections from inside; they end with this value.
pub struct Egress {
    end: Option<oneshot::Sender<()>>,
    connector: Option<JoinHandle<Result<()>>>,
}

impl Egress {
    /// Listens on a socket of the machine's, and connects in the network of a process.
    pub fn open(process: u32, socket: &Path) -> Result<Self> {
        let listener = UnixListener::bind(socket).with_context(|| socket.display().to_string())?;
        listener.set_nonblocking(true)?;
        let (end, ended) = oneshot::channel();
        let connect = move || -> Result<()> {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                tokio::select! {
                    _ = ended => Ok(()),
                    outcome = serve(listener) => outcome,
                }
            })
        };
        // All of its connections are made by the thread that is in there.
        let connector = thread::Builder::new()
            .name("egress".into())
            .spawn(move || inside(process, connect)?)?;
        Ok(Self {
            end: Some(end),
            connector: Some(connector),
        })
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(connector) = self.connector.take() {
            // Whatever it ended with, the API server has said that it reached nobody.
            connector.join().ok();
        }
    }
}

async fn serve(listener: UnixListener) -> Result<()> {
    let listener = net::UnixListener::from_std(listener)?;
    loop {
        let (from, _) = listener.accept().await?;
        tokio::spawn(async move {
            // Either end may break off, and the API server says what it met.
            pass(from).await.ok();
        });
    }
}

async fn pass(mut from: UnixStream) -> Result<()> {
    let wanted = wanted(&mut from).await?;
    match TcpStream::connect(&wanted).await {
        Ok(mut to) => {
            from.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            copy_bidirectional(&mut from, &mut to).await?;
        }
        Err(error) => {
            let answer = format!("HTTP/1.1 502 {wanted}: {error}\r\nContent-Length: 0\r\n\r\n");
            from.write_all(answer.as_bytes()).await?;
        }
    }
    Ok(())
}

/// The address that a request asks for.
async fn wanted(from: &mut UnixStream) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(head.len() < LONGEST, "a request without an end");
        // What follows belongs to the connection, so none of it may be read here.
        head.push(from.read_u8().await?);
    }
    let head = String::from_utf8(head)?;
    let mut words = head.split(' ');
    match (words.next(), words.next()) {
        (Some("CONNECT"), Some(address)) => Ok(address.to_owned()),
        _ => bail!("no CONNECT: {head}"),
    }
}
