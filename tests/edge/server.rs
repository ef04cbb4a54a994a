//! Servers of other people's making as processes, and a small one of our own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// A server as a process; it ends with this value.
pub struct Server {
    _child: Child,
}

impl Server {
    /// Starts a program, and waits until an address answers.
    pub async fn start(
        line: &[String],
        arguments: &[&str],
        dir: &Path,
        address: SocketAddr,
    ) -> Result<Self> {
        let (program, first) = line.split_first().context("an empty command line")?;
        let log = dir.join("log");
        let file = std::fs::File::create(&log)?;
        let mut child = Command::new(program)
            .args(first)
            .args(arguments)
            .current_dir(dir)
            .env("HOME", dir)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()?;
        let end = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(address).await.is_err() {
            if child.try_wait()?.is_some() || Instant::now() > end {
                bail!(
                    "{program} did not start; it said:\n{}",
                    std::fs::read_to_string(log)?
                );
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(Self { _child: child })
    }
}

/// An address that was free a moment ago.
pub async fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?)
}

/// Puts an address of this test in the place of one of an example, which must be there.
pub fn put(text: &str, example: &str, here: &str) -> Result<String> {
    ensure!(text.contains(example), "the example has no {example:?}");
    Ok(text.replace(example, here))
}

/// An application that answers each request with what it received, line by line.
pub struct App {
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<String>>>,
}

impl App {
    /// Listens on a free port for as long as the test runs.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let received = Arc::new(Mutex::new(Vec::new()));
        let heads = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let heads = Arc::clone(&heads);
                tokio::spawn(async move {
                    let head = read_head(&mut stream).await;
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{head}",
                        head.len()
                    );
                    if let Ok(mut heads) = heads.lock() {
                        heads.push(head);
                    }
                    drop(stream.write_all(answer.as_bytes()).await);
                });
            }
        });
        Ok(Self { address, received })
    }

    /// How many requests came through.
    pub fn count(&self) -> usize {
        self.received.lock().map_or(0, |received| received.len())
    }
}

/// Reads a request's line and headers.
pub async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Sends bytes as they are, and reads until the other side closes.
pub async fn exchange(address: SocketAddr, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
