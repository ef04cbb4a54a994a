//! `mintage verify`: asks the sidecar whether a token is good.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use serde_json::json;

use crate::Failure;
use crate::ask::{Target, oauth_error, token_argument};
use crate::output::{self, Output};

/// Ask the sidecar, or `mintage dev`, whether it accepts a token: signature, bounds, audience, times.
///
/// Exits with 0 if it does and with 1 if it does not, with the reason.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The token, or `-` to read it from standard input.
    token: String,
    /// Accept the token only for this audience, of those the sidecar accepts. May be repeated.
    #[arg(long, short, value_name = "IDENTIFIER")]
    audience: Vec<String>,
    /// Scopes that the token must have, with spaces between them.
    #[arg(long, short, value_name = "SCOPES")]
    scope: Option<String>,
    /// The form of the answer.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

/// Runs the command.
pub async fn run(args: Args) -> Result<(), Failure> {
    let token = token_argument(&args.token)?;
    let mut query: Vec<(&str, &str)> = args
        .audience
        .iter()
        .map(|audience| ("audience", audience.as_str()))
        .collect();
    query.extend(args.scope.as_deref().map(|scope| ("scope", scope)));
    let request = |client: &reqwest::Client| {
        client
            .get(args.target.at("/validate"))
            .query(&query)
            .bearer_auth(&token)
    };
    let response = args.target.send(request).await?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.map_err(Failure::input)?;
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    match status.as_u16() {
        200 => {
            let fields = ["subject", "client", "audience", "scope"]
                .map(|name| (name, text(&format!("x-mintage-{name}"))));
            match args.output {
                Output::Json => output::json(
                    &json!({ "active": true, "subject": fields[0].1, "client": fields[1].1,
                    "audience": fields[2].1, "scope": fields[3].1 }),
                )?,
                Output::Text => {
                    output::line("accepted")?;
                    for (name, value) in fields {
                        output::line(format!("  {name:<9}{value}"))?;
                    }
                }
            }
            Ok(())
        }
        401 | 403 => {
            let reason = challenge(&headers).unwrap_or_else(|| oauth_error(status, &body));
            if args.output == Output::Json {
                output::json(&json!({ "active": false, "reason": reason }))?;
                return Err(Failure::Refused(String::new()));
            }
            Err(Failure::Refused(format!("refused: {reason}")))
        }
        _ => Err(Failure::Input(oauth_error(status, &body))),
    }
}

/// `error_description` of a `WWW-Authenticate` challenge (RFC 6750 section 3).
fn challenge(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(WWW_AUTHENTICATE)?.to_str().ok()?;
    let (_, rest) = value.split_once("error_description=\"")?;
    rest.split_once('"').map(|(text, _)| text.to_owned())
}
