//! `mintage token`: gets an access token from the sidecar.

use reqwest::StatusCode;
use serde_json::Value;

use crate::Failure;
use crate::ask::{Target, oauth_error};
use crate::output::{self, Output};

/// Get an access token from the sidecar, or from `mintage dev`.
///
/// Prints the token alone, so that it can stand in a command.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  curl -H \"Authorization: Bearer $(mintage token -a https://orders.example.com)\" http://orders/"
)]
pub struct Args {
    #[command(flatten)]
    wanted: Wanted,
    /// Take a token that was made before, if a third of its life is left.
    #[arg(long)]
    cached: bool,
    /// The form of the answer: `text` is the token alone, `json` all that the sidecar says.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct Wanted {
    /// The identifier of the API. Without it, the tenant's default audience.
    #[arg(long, short, value_name = "IDENTIFIER")]
    audience: Option<String>,
    /// The scopes, with spaces between them. Without it, all that are granted.
    #[arg(long, short, value_name = "SCOPES")]
    scope: Option<String>,
}

impl Wanted {
    /// The parameters of the request.
    pub fn form(&self) -> Vec<(&'static str, &str)> {
        let mut form = vec![("grant_type", "client_credentials")];
        let audience = self.audience.as_deref();
        form.extend(audience.map(|audience| ("audience", audience)));
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        form
    }
}

/// Runs the command.
pub async fn run(args: Args) -> Result<(), Failure> {
    let form = args.wanted.form();
    let request = |client: &reqwest::Client| {
        let request = client.post(args.target.at("/oauth/token")).form(&form);
        if args.cached {
            request.header("Mintage-Cache", "allow")
        } else {
            request
        }
    };
    let response = args.target.send(request).await?;
    let status = response.status();
    let body = response.bytes().await.map_err(Failure::input)?;
    print(status, &body, &args.target.url, args.output)
}

/// Prints what a sidecar answered.
pub fn print(status: StatusCode, body: &[u8], from: &str, output: Output) -> Result<(), Failure> {
    if !status.is_success() {
        return Err(Failure::Refused(oauth_error(status, body)));
    }
    let answer: Value = serde_json::from_slice(body).map_err(Failure::input)?;
    match (output, answer.get("access_token").and_then(Value::as_str)) {
        (Output::Json, Some(_)) => output::json(&answer)?,
        (Output::Text, Some(token)) => output::line(token)?,
        (_, None) => {
            return Err(Failure::Input(format!(
                "{from} answered without an access token"
            )));
        }
    }
    Ok(())
}
