//! Requests to other servers: few, small, and nowhere else than to the address that was meant.

use std::error::Error;
use std::time::Duration;

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
