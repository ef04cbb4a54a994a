//! TLS for one run: a certificate that was made for it, and the generator's side.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite::TLS13_AES_128_GCM_SHA256, default_provider};
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The host name of whichever server is measured.
pub const HOST: &str = "bench.example.com";

/// A server's certificate, by itself, and its key (P-256).
pub struct Identity(CertifiedKey<KeyPair>);

impl Identity {
    /// A new one for [`HOST`].
    pub fn new() -> Result<Self> {
        let made = generate_simple_self_signed([HOST.to_owned()]);
        Ok(Self(made.context("no certificate can be made")?))
    }

    /// Writes `tls.crt` and `tls.key` in PEM.
    pub fn write(&self, dir: &Path) -> Result<()> {
        fs::write(dir.join("tls.crt"), self.0.cert.pem())?;
        fs::write(dir.join("tls.key"), self.0.signing_key.serialize_pem())?;
        Ok(())
    }

    /// A client that trusts this certificate and no other. It offers TLS 1.3 with one cipher suite, so that all servers
    /// encrypt in the same way.
    pub fn client(&self) -> Result<Client> {
        let provider = CryptoProvider {
            cipher_suites: vec![TLS13_AES_128_GCM_SHA256],
            ..default_provider()
        };
        let mut roots = RootCertStore::empty();
        roots.add(self.0.cert.der().clone())?;
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Client(Arc::new(config)))
    }
}

/// The generator's side.
#[derive(Clone)]
pub struct Client(Arc<ClientConfig>);

/// A connection, which may be one over TLS.
pub enum Stream {
    /// Without TLS.
    Plain(TcpStream),
    /// Over TLS.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Over TLS, after the handshake.
    pub fn shake_hands(client: &Client, mut stream: TcpStream) -> Result<Self> {
        let name = ServerName::try_from(HOST)?;
        let mut connection = ClientConnection::new(Arc::clone(&client.0), name)?;
        while connection.is_handshaking() {
            let done = connection.complete_io(&mut stream);
            done.context("the TLS handshake failed")?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(connection, stream))))
    }

    /// From now on nothing blocks.
    pub fn never_block(&self) -> io::Result<()> {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => &stream.sock,
        };
        stream.set_nonblocking(true)
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::thread;

    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection};

    use super::super::http::{Connection, Target, get};
    use super::*;

    /// Answers one request on one connection with some body, over TLS; whether it came to that.
    fn serve(identity: &Identity, body: &'static str) -> (SocketAddr, thread::JoinHandle<bool>) {
        let key = PrivateKeyDer::try_from(identity.0.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![identity.0.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            let connection = ServerConnection::new(config.into()).unwrap();
            let mut stream = StreamOwned::new(connection, socket);
            let mut seen = Vec::new();
            while !seen.ends_with(b"\r\n\r\n") {
                let mut some = [0; 64];
                match stream.read(&mut some) {
                    Ok(count @ 1..) => seen.extend(&some[..count]),
                    Ok(0) | Err(_) => return false,
                }
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            // In two records, of which the first ends within the head.
            let answer = format!("{head}{body}").into_bytes();
            let (first, rest) = answer.split_at(20);
            for part in [first, rest] {
                stream.write_all(part).unwrap();
                stream.flush().unwrap();
            }
            // Until the client is gone. It may go without a word (close_notify), which is an error to this side and none to the test.
            stream.read_to_end(&mut seen).ok();
            true
        });
        (address, server)
    }

    #[test]
    fn an_answer_over_tls_is_read_whole() {
        let identity = Identity::new().unwrap();
        let (address, server) = serve(&identity, "hello");
        let target = Target::over_tls(address, identity.client().unwrap());
        let mut connection = Connection::open(&target).unwrap();
        connection.send(&get("/", None)).unwrap();
        let place = connection.receive().unwrap();
        assert_eq!(connection.body(place), b"hello");
        drop(connection);
        assert!(server.join().unwrap());
    }

    #[test]
    fn a_certificate_of_another_run_is_refused() {
        let (address, server) = serve(&Identity::new().unwrap(), "hello");
        let stranger = Identity::new().unwrap().client().unwrap();
        let error = Connection::open(&Target::over_tls(address, stranger)).err();
        let error = format!("{:#}", error.unwrap());
        assert!(error.contains("handshake failed"), "{error}");
        assert!(!server.join().unwrap());
    }
}
