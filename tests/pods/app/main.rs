//! What runs in the pods of `tests/pods` and `tests/e2e`: an application beside its sidecar, which writes what it sees as
//! lines of JSON.
//!
//! | arguments | does |
//! |---|---|
//! | `pause` | waits until it is ended: what holds a pod's namespaces |
//! | `once` | looks around, gets a token, has it judged, and ends |
//! | `serve` | looks around, and gets tokens and has them judged until it is ended |
//! | `look` | looks around |
//! | `listeners` | says on which TCP ports somebody in the pod listens |
//! | `ask <audience> [<scope>]` | gets a token |
//! | `call <URL> <audience> <scope> [<header>…]` | gets a token and calls an API with it |
//! | `calls <URL> <audience> <scope>` | does so until it is ended, and counts |
//! | `judge <audience> <token>…` | says what its sidecar, and a library, think of tokens for an API |
//! | `answer` | is an API on port 8080 that judges the token of each request |
//! | `echo` | is an API on the loopback that says what it received |
//! | `get <URL>` | calls without a token |
//!
//! It knows of Mintage what the webhook put in its environment, and of itself `APP_AUDIENCE`, the identifier of its API.

mod answer;
mod ask;
mod echo;
mod judge;
mod listeners;

use std::env;
use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use axum::Router;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

/// Where a sidecar has its keys.
const KEYS: &str = "/var/run/mintage/keyring.json";

type Fault = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Fault> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| "another crypto provider is installed")?;
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["pause"] => ended().await?,
        ["look"] => say(&look_around()?)?,
        ["listeners"] => say(&listeners::all()?)?,
        ["ask", audience] => say(&ask::token(audience, None).await?)?,
        ["ask", audience, scope] => say(&ask::token(audience, Some(scope)).await?)?,
        ["call", url, audience, scope, ref headers @ ..] => {
            say(&ask::call(url, audience, scope, headers).await?)?;
        }
        ["calls", url, audience, scope] => ask::calls(url, audience, scope).await?,
        ["judge", audience, ref tokens @ ..] => {
            for token in tokens {
                say(&judge::all(token, audience, "").await?)?;
            }
        }
        ["answer"] => answer::serve().await?,
        ["echo"] => echo::serve().await?,
        ["get", url] => say(&ask::get(url).await?)?,
        ["once"] => {
            say(&look_around()?)?;
            let call = call();
            let done = call["active"] == true && call["forged"] == false;
            say(&call)?;
            return Ok(ExitCode::from(u8::from(!done)));
        }
        ["serve"] => {
            say(&look_around()?)?;
            loop {
                say(&call())?;
                thread::sleep(Duration::from_millis(200));
            }
        }
        _ => return Err("unknown arguments; the top of the program's source lists them".into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Until somebody wants it to end: the first process of a container is not ended by a signal that it does not expect.
async fn ended() -> io::Result<()> {
    signal(SignalKind::terminate())?.recv().await;
    Ok(())
}

/// Answers at an address until somebody wants it to end.
async fn serve(address: &str, router: Router) -> Result<(), Fault> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    let end = async {
        // Without signals it is ended like any other process.
        ended().await.ok();
    };
    axum::serve(listener, router)
        .with_graceful_shutdown(end)
        .await?;
    Ok(())
}

fn say(line: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Who this process is, which others it sees, and what becomes of reading the keys there and here.
fn look_around() -> Result<Value, Fault> {
    let status = fs::read_to_string("/proc/self/status")?;
    let user = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let user: u32 = user
        .and_then(|ids| ids.split_whitespace().next())
        .ok_or("no Uid")?
        .parse()?;
    let mut seen = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let command = fs::read_to_string(format!("/proc/{number}/cmdline")).unwrap_or_default();
        let there = attempt(&format!("/proc/{number}/root{KEYS}"));
        seen.push(json!({ "command": command.replace('\0', " ").trim(), "keys": there }));
    }
    Ok(json!({ "event": "looked", "user": user, "keys": attempt(KEYS), "processes": seen }))
}

fn attempt(path: &str) -> String {
    match fs::read(path) {
        Ok(bytes) => format!("{} bytes", bytes.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => "not there".into(),
        Err(error) => error.to_string(),
    }
}

/// A token from the sidecar, and what the sidecar says of it and of a forged one.
fn call() -> Value {
    match token_and_verdicts() {
        Ok(said) => said,
        Err(fault) => json!({ "event": "failed", "why": fault.to_string() }),
    }
}

fn token_and_verdicts() -> Result<Value, Fault> {
    let audience = env::var("APP_AUDIENCE")?;
    let form = format!("grant_type=client_credentials&audience={audience}");
    let answer = post("MINTAGE_TOKEN_ENDPOINT", &form)?;
    let token = answer["access_token"]
        .as_str()
        .ok_or_else(|| answer.to_string())?;
    let judge = |token: &str| post("MINTAGE_INTROSPECTION_ENDPOINT", &format!("token={token}"));
    let verdict = judge(token)?;
    // Another letter in the middle of the signature.
    let (rest, signature) = token.rsplit_once('.').ok_or("a token has three parts")?;
    let (first, last) = signature.split_at(signature.len() / 2);
    let letter = if last.starts_with('A') { 'B' } else { 'A' };
    let forged = judge(&format!("{rest}.{first}{letter}{}", &last[1..]))?;
    Ok(json!({
        "event": "called",
        "active": verdict["active"],
        "client": verdict["client_id"],
        "scope": verdict["scope"],
        "issuer": verdict["iss"],
        "forged": forged["active"],
    }))
}

/// The JSON that is answered to a form, at the URL that a variable holds.
fn post(variable: &str, form: &str) -> Result<Value, Fault> {
    let url = env::var(variable)?;
    let rest = url.strip_prefix("http://").ok_or("no http URL")?;
    let (host, path) = rest.split_at(rest.find('/').ok_or("no path")?);
    let mut stream = TcpStream::connect(host)?;
    let patience = Some(Duration::from_secs(5));
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(patience)?;
    // Version 1.0: the answer is in one piece, and its end is the connection's.
    write!(
        stream,
        "POST {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}",
        form.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    Ok(serde_json::from_str(body)?)
}
