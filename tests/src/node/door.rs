//! The way from a node to its control plane: a port inside the node's network that leads to one of the machine's. The
//! other way is [`Egress`](super::egress::Egress).

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use anyhow::Result;
use tokio::net;
use tokio::sync::oneshot;
use xtask::network::inside;

/// A listener inside, and the connections through it; they end with this value.
pub struct Door {
    end: Option<oneshot::Sender<()>>,
    forwarder: Option<JoinHandle<()>>,
}

impl Door {
    /// Listens on an address in a process's network, and forwards to the same port of the loopback here.
    pub fn open(process: u32, address: SocketAddr) -> Result<Self> {
        let listener = inside(process, move || TcpListener::bind(address))??;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (end, ended) = oneshot::channel();
        let forwarder = thread::Builder::new().name("door".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = ended => {}
                    () = forward(listener, address) => {}
                }
            });
        })?;
        Ok(Self {
            end: Some(end),
            forwarder: Some(forwarder),
        })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(forwarder) = self.forwarder.take() {
            // Had it panicked, its listener is gone all the same, and the kubelet's own errors tell of it.
            forwarder.join().ok();
        }
    }
}

async fn forward(listener: TcpListener, to: SocketAddr) {
    let Ok(listener) = net::TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((mut from, _)) = listener.accept().await {
        tokio::spawn(async move {
            if let Ok(mut to) = net::TcpStream::connect(to).await {
                // Either end may break off, as on any network; the kubelet connects again and says what it met.
                tokio::io::copy_bidirectional(&mut from, &mut to).await.ok();
            }
        });
    }
}
