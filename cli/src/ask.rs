//! Asking a running sidecar, or `mintage dev`.

use std::io::Read as _;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Deserialize;

use crate::Failure;

/// Where the sidecar is.
#[derive(Debug, clap::Args)]
pub struct Target {
    /// The workload API of the sidecar, or of `mintage dev`.
    #[arg(
        long,
        env = "MINTAGE_URL",
        default_value = "http://127.0.0.1:7600",
        value_name = "URL"
    )]
    pub url: String,
}

impl Target {
    /// The address of a path; it begins with a slash.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url.trim_end_matches('/'))
    }

    /// Sends a request.
    pub async fn send(
        &self,
        build: impl FnOnce(&Client) -> RequestBuilder,
    ) -> Result<Response, Failure> {
        // A proxy from the environment must not see tokens that are meant for the loopback.
        let client = Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(15))
            .build();
        let client = client.map_err(Failure::input)?;
        build(&client).send().await.map_err(|error| {
            if error.is_builder() {
                return Failure::Input(format!("{} is not a URL to ask: {error}", self.url));
            }
            Failure::Unreachable(format!(
                "nothing answers at {} ({}); start `mintage dev <folder>`, or say where the sidecar is with --url",
                self.url,
                root_cause(&error)
            ))
        })
    }
}

/// The text of an OAuth error (RFC 6749 section 5.2).
pub fn oauth_error(status: StatusCode, body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct OAuthError {
        error: String,
        #[serde(default)]
        error_description: String,
    }
    serde_json::from_slice::<OAuthError>(body).map_or_else(
        |_| format!("the answer was {status}; is this a sidecar's workload API?"),
        |OAuthError {
             error,
             error_description,
         }| format!("{error}: {error_description}"),
    )
}

fn root_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root_cause)
}

/// The token given as an argument, or read from standard input for `-`.
pub fn token_argument(argument: &str) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument.trim().to_owned());
    }
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(1 << 20)
        .read_to_string(&mut text)
        .map_err(|error| {
            Failure::Input(format!(
                "cannot read the token from standard input: {error}"
            ))
        })?;
    Ok(text.trim().to_owned())
}
