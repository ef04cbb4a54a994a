//! Requests to other servers: few, small, and nowhere else than to the address that was meant.

use std::error::Error;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response};

const USER_AGENT: &str = concat!("mintage/", env!("CARGO_PKG_VERSION"));

/// Why a body was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// It broke off, or took too long.
    #[error(transparent)]
    Broken(#[from] reqwest::Error),
    /// It is larger than anybody reads.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// A client that follows no redirect, asks no proxy of the environment and keeps no cookie. `connect` is how long a connection may
/// take, `whole` a request with its answer.
pub fn client(connect: Duration, whole: Duration) -> ClientBuilder {
    // It fails if one is installed already, and that is the only one that is built in.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .user_agent(USER_AGENT)
        .connect_timeout(connect)
        .timeout(whole)
        .pool_max_idle_per_host(2)
}

/// Names as the system knows them, and those under `localhost` as the loopback (RFC 6761 section 6.3), which many systems leave
/// to the program.
pub struct Names;

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let name = name.as_str();
            if is_loopback(name) {
                let (v4, v6) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
                let both: [SocketAddr; 2] = [(v4, 0).into(), (v6, 0).into()];
                return Ok(Box::new(both.into_iter()) as Addrs);
            }
            let found = tokio::net::lookup_host((name, 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn is_loopback(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// Reads a body of at most so many bytes.
pub async fn read(mut response: Response, most: usize) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > most {
            return Err(Unread::TooLarge(most));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An error with what led to it: reqwest's own says little.
pub fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_under_localhost_are_this_machine() {
        for (name, local) in [
            ("localhost", true),
            ("id.localhost", true),
            ("a.b.LOCALHOST.", true),
            ("localhost.invalid", false),
            ("notlocalhost.invalid", false),
        ] {
            let found = Names.resolve(name.parse().unwrap()).await;
            let is_local = found.is_ok_and(|mut all| all.all(|address| address.ip().is_loopback()));
            assert_eq!(is_local, local, "{name}");
        }
    }
}
