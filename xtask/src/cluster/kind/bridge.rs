//! The way from this machine's loopback to a port of the loopback in another network: kind's API servers listen there.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use anyhow::{Context as _, Result};
use xtask::network::inside;

/// Listens on a port of its own for as long as this process lives; its address. `process` is one in the other network.
pub fn open(process: u32, port: u16) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let connect = move || {
        inside(process, move || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        })
    };
    thread::Builder::new()
        .name("bridge".into())
        .spawn(move || {
            for from in listener.incoming().flatten() {
                // Whoever connected sees that the connection ends, and says what they wanted to do.
                if let Ok(Ok(to)) = connect() {
                    pass(from, to).ok();
                }
            }
        })
        .context("cannot start a thread")?;
    Ok(address)
}

/// Passes on what comes from either side, until both have ended.
fn pass(from: TcpStream, to: TcpStream) -> io::Result<()> {
    for (mut from, mut to) in [(from.try_clone()?, to.try_clone()?), (to, from)] {
        thread::Builder::new().spawn(move || {
            // Either side may break off, as on any network. What one has said to its end is at its end for the other one.
            io::copy(&mut from, &mut to).ok();
            to.shutdown(Shutdown::Write).ok();
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn what_is_said_comes_out_at_the_other_end_and_is_answered() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = server.local_addr().unwrap().port();
        let (mut one, other) = {
            let near = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let one = TcpStream::connect(near.local_addr().unwrap()).unwrap();
            (one, near.accept().unwrap().0)
        };
        pass(
            other,
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap(),
        )
        .unwrap();
        one.write_all(b"question").unwrap();
        one.shutdown(Shutdown::Write).unwrap();
        let (mut far, _) = server.accept().unwrap();
        let mut text = String::new();
        far.read_to_string(&mut text).unwrap();
        assert_eq!(text, "question");
        far.write_all(b"answer").unwrap();
        drop(far);
        text.clear();
        one.read_to_string(&mut text).unwrap();
        assert_eq!(text, "answer");
    }
}
