//! What runs in the pods of `tests/pods`: an application beside its sidecar, which writes what it sees as lines of JSON.
//!
//! | argument | does |
//! |---|---|
//! | `pause` | waits: what holds a pod's namespaces |
//! | `once` | looks around, gets a token, has it judged, and ends |
//! | `serve` | looks around, and gets tokens and has them judged until it is ended |
//!
//! It knows of Mintage what the webhook put in its environment.

use std::env;
use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// Where a sidecar has its keys.
const KEYS: &str = "/var/run/mintage/keyring.json";

type Fault = Box<dyn std::error::Error>;

fn main() -> Result<ExitCode, Fault> {
    match env::args().nth(1).as_deref() {
        Some("pause") => loop {
            thread::park();
        },
        Some("once") => {
            say(&look_around()?)?;
            let call = call();
            let done = call["active"] == true && call["forged"] == false;
            say(&call)?;
            Ok(ExitCode::from(u8::from(!done)))
        }
        Some("serve") => {
            say(&look_around()?)?;
            loop {
                say(&call())?;
                thread::sleep(Duration::from_millis(200));
            }
        }
        _ => Err("pause, once or serve".into()),
    }
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
