//! The way from the machine to what is in a node's network: a port of the machine's that leads to a Service or a pod.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinHandle;

/// What the node answers where it has connected.
const CONNECTED: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";

/// A listener, and the connections through it; the listener ends with this value.
pub struct Gate {
    address: SocketAddr,
    listening: JoinHandle<()>,
}

impl Gate {
    /// Listens on an address, and passes each connection to another one by the socket of a node's
    /// [`Egress`](super::egress::Egress).
    pub(super) async fn open(socket: &Path, at: SocketAddr, to: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(at)
            .await
            .with_context(|| at.to_string())?;
        let address = listener.local_addr()?;
        let socket = socket.to_owned();
        let listening = tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                let socket = socket.clone();
                tokio::spawn(async move {
                    // An error has nobody to go to: whoever asked sees the connection end, as with any proxy.
                    pass(from, socket, to).await.ok();
                });
            }
        });
        Ok(Self { address, listening })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn pass(mut from: TcpStream, socket: PathBuf, to: SocketAddr) -> Result<()> {
    let mut through = UnixStream::connect(socket).await?;
    let ask = format!("CONNECT {to} HTTP/1.1\r\n\r\n");
    through.write_all(ask.as_bytes()).await?;
    let mut answer = [0; CONNECTED.len()];
    through.read_exact(&mut answer).await?;
    ensure!(answer == CONNECTED, "{to} is not to be had");
    copy_bidirectional(&mut from, &mut through).await?;
    Ok(())
}
