//! Clients that work all the time, each on one connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::cluster::ORDERS;
use crate::raw::{read_response, status, token_request};

pub const HOST: &str = "Host: localhost\r\n";

/// No answer takes longer, whatever the trouble.
const PATIENCE: Duration = Duration::from_secs(15);

/// A client on a connection that stays open.
pub struct Client(TcpStream);

impl Client {
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await;
        Ok(Self(stream.context("no connection in time")??))
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, request: &str) -> Result<String> {
        let exchange = async {
            self.0.write_all(request.as_bytes()).await?;
            let answer = read_response(&mut self.0).await;
            answer.context("the connection was closed")
        };
        timeout(PATIENCE, exchange)
            .await
            .context("no answer in time")?
    }

    /// Gets a token for orders, and how long it lives.
    pub async fn token(&mut self) -> Result<(String, i64)> {
        let answer = self.ask(&token_request(HOST, "", ORDERS)).await?;
        ensure!(status(&answer) == 200, "token: {answer}");
        let body: Value = serde_json::from_str(body(&answer))?;
        let token = body["access_token"].as_str().context("no token")?;
        let life = body["expires_in"].as_i64().context("no life")?;
        Ok((token.to_owned(), life))
    }

    /// Gets a token, validates and introspects it.
    pub async fn round(&mut self) -> Result<()> {
        let (token, _) = self.token().await?;
        let validate =
            format!("GET /validate HTTP/1.1\r\n{HOST}Authorization: Bearer {token}\r\n\r\n");
        let answer = self.ask(&validate).await?;
        ensure!(status(&answer) == 200, "validate: {answer}");
        let form = format!("token={token}");
        let answer = self
            .ask(&format!(
                "POST /introspect HTTP/1.1\r\n{HOST}Content-Type: application/x-www-form-urlencoded\r\n\
                 Content-Length: {}\r\n\r\n{form}",
                form.len()
            ))
            .await?;
        let body: Value = serde_json::from_str(body(&answer))?;
        ensure!(body["active"] == true, "introspect: {answer}");
        Ok(())
    }
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// Connects and gets one token.
pub async fn newcomer(address: SocketAddr) -> Result<i64> {
    Ok(Client::connect(address).await?.token().await?.1)
}

/// Clients at work.
pub struct Workers {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    all: Vec<JoinHandle<Result<()>>>,
}

impl Workers {
    /// So many connect, and go round and round with a pause.
    pub async fn start(number: usize, address: SocketAddr, pause: Duration) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let rounds = Arc::new(AtomicUsize::new(0));
        let mut all = Vec::new();
        for _ in 0..number {
            let mut client = Client::connect(address).await?;
            client.round().await?;
            let (stop, rounds) = (Arc::clone(&stop), Arc::clone(&rounds));
            all.push(tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    client.round().await?;
                    rounds.fetch_add(1, Ordering::SeqCst);
                    sleep(pause).await;
                }
                Ok(())
            }));
        }
        Ok(Self { stop, rounds, all })
    }

    /// How many rounds were made so far.
    pub fn rounds(&self) -> usize {
        self.rounds.load(Ordering::SeqCst)
    }

    /// Ends them; none may have failed, and there must have been so many rounds.
    pub async fn stop(self, least: usize) -> Result<()> {
        self.stop.store(true, Ordering::SeqCst);
        for worker in self.all {
            worker.await?.context("a working client failed")?;
        }
        let rounds = self.rounds.load(Ordering::SeqCst);
        ensure!(rounds >= least, "only {rounds} rounds");
        Ok(())
    }
}
