//! A server that answers whatever a test wants, byte for byte, and a way to it for addresses that are not its own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mintage_operator::domains::Dial;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// What the server does with a connection.
#[derive(Clone)]
pub enum Act {
    /// Reads the request, sends bytes and closes.
    Send(Vec<u8>),
    /// Reads the request, sends bytes again and again, one piece each time, until the client has enough.
    Drip(Vec<u8>, Duration),
    /// Says nothing.
    Silence,
}

/// A server that runs until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl Server {
    pub async fn start(act: Act) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut streams = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (act, seen) = (act.clone(), Arc::clone(&seen));
                streams.spawn(async move {
                    // The client hangs up when it has enough.
                    serve(stream, act, &seen).await.ok();
                });
            }
        });
        Self {
            address,
            requests,
            _task: task,
        }
    }

    /// Serves a file.
    pub async fn file(text: &str) -> Self {
        Self::start(Act::Send(response("200 OK", "", text))).await
    }

    /// The heads of the requests that came.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// A response with some more headers, each with its line end.
pub fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}").into_bytes()
}

async fn serve(mut stream: TcpStream, act: Act, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    seen.lock().unwrap().push(String::from_utf8(head).unwrap());
    match act {
        Act::Send(bytes) => stream.write_all(&bytes).await?,
        Act::Drip(bytes, pause) => loop {
            stream.write_all(&bytes).await?;
            sleep(pause).await;
        },
        Act::Silence => sleep(Duration::from_mins(1)).await,
    }
    stream.shutdown().await
}

/// Leads every connection to one server, and notes where it was meant to go: so a test has hosts with addresses of the
/// internet, and sends nothing there.
pub fn detour(to: SocketAddr) -> (Dial, Arc<Mutex<Vec<SocketAddr>>>) {
    let dialled = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&dialled);
    let dial: Dial = Arc::new(move |address| {
        note.lock().unwrap().push(address);
        Box::pin(TcpStream::connect(to))
    });
    (dial, dialled)
}
