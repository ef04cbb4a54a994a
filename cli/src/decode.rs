//! `mintage decode`: shows what a token says, without believing it.

use mintage_core::UnixTime;
use mintage_core::jose::Compact;
use mintage_sidecar::clock::{Clock as _, SystemClock};
use serde_json::{Map, Value, json};

use crate::Failure;
use crate::ask::token_argument;
use crate::output::{self, Output};

/// Show what a token says. Nothing is verified: use `mintage verify` to know whether it is good.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The token, or `-` to read it from standard input.
    token: String,
    /// The form of the answer.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

/// Runs the command.
pub fn run(args: &Args) -> Result<(), Failure> {
    let token = token_argument(&args.token)?;
    let compact = Compact::parse(&token)
        .map_err(|error| Failure::Input(format!("not a signed token: {error}")))?;
    let payload = compact
        .payload()
        .map_err(|error| Failure::Input(format!("not a signed token: {error}")))?;
    let claims = mintage_core::json::parse(&payload)
        .map_err(|error| Failure::Input(format!("the payload is not JSON: {error}")))?;
    if args.output == Output::Json {
        output::json(&json!({ "header": compact.header, "claims": claims, "verified": false }))?;
        return Ok(());
    }
    output::line("header")?;
    print_members(&compact.header)?;
    output::line("claims (not verified)")?;
    match &claims {
        Value::Object(members) => print_members(members)?,
        other => output::line(format!("  {other}"))?,
    }
    Ok(())
}

fn print_members(members: &Map<String, Value>) -> Result<(), Failure> {
    for (name, value) in members {
        let remark = match (name.as_str(), value.as_i64()) {
            ("exp" | "iat" | "nbf", Some(seconds)) => remark(UnixTime(seconds)),
            _ => String::new(),
        };
        output::line(format!("  {name:<10}{value}{remark}"))?;
    }
    Ok(())
}

fn remark(time: UnixTime) -> String {
    let distance = time - SystemClock.now();
    let length = output::length(distance.abs());
    let relation = if distance < 0 {
        format!("{length} ago")
    } else {
        format!("in {length}")
    };
    format!("   {} ({relation})", output::moment(time))
}
