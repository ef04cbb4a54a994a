//! A hostile page in a real browser gets no token, in whichever way it asks and by whichever name.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::client::command_line;
use mintage_tests::dev::{Dev, http};
use mintage_tests::{quickstart, skip};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::tap::Tap;

/// What one page may take on a busy machine; alone it takes five seconds.
const LIMIT: Duration = Duration::from_mins(1);

/// Ways by which a page can read what its own origin answers: the bait is to be found in each.
const READING: [&str; 8] = [
    "fetch-form",
    "fetch-json",
    "fetch-get",
    "xhr",
    "worker",
    "form-post",
    "iframe",
    "popup",
];

/// A browser that finds every `*.test` on the loopback.
fn browser(program: &[String], dir: &TempDir, arguments: &[&str]) -> Result<Command> {
    let (program, first) = program.split_first().context("an empty command line")?;
    let mut command = Command::new(program);
    command
        .args(first)
        .args([
            "--headless",
            "--disable-gpu",
            "--no-first-run",
            "--disable-popup-blocking",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--no-proxy-server",
        ])
        .arg("--host-resolver-rules=MAP *.test 127.0.0.1")
        // The browser's own check comes on top of the guard; it is the guard that is tested.
        .arg("--disable-features=LocalNetworkAccessChecks")
        .arg(format!("--user-data-dir={}", dir.path().display()))
        .args(arguments)
        .env("HOME", dir.path())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if rustix::process::geteuid().is_root() {
        command.arg("--no-sandbox");
    }
    Ok(command)
}

/// What is done on which page, and at which origin it aims.
struct Step {
    name: &'static str,
    page: String,
    target: String,
}

fn step(name: &'static str, page: &str, page_at: &Tap, target: &str, target_at: &Tap) -> Step {
    let origin = |host: &str, tap: &Tap| format!("http://{host}:{}", tap.address.port());
    Step {
        name,
        page: origin(page, page_at),
        target: origin(target, target_at),
    }
}

/// Starts a browser that goes through all steps.
fn open(program: &[String], dir: &TempDir, steps: &[Step], report: SocketAddr) -> Result<Child> {
    let all: Vec<Value> = steps
        .iter()
        .map(|step| json!({ "name": step.name, "page": step.page, "target": step.target }))
        .collect();
    let fragment = json!({ "steps": all, "report": format!("http://{report}") }).to_string();
    let encoded: String = fragment
        .bytes()
        .map(|byte| format!("%{byte:02x}"))
        .collect::<Vec<_>>()
        .concat();
    let url = format!("{}/attack.html#{encoded}", steps[0].page);
    Ok(browser(program, dir, &[&url])?
        .stdout(Stdio::null())
        .spawn()?)
}

async fn issued(dev: &Dev) -> Result<usize> {
    let metrics = http()?
        .get(format!("{}/metrics", dev.admin_url()))
        .send()
        .await?
        .text()
        .await?;
    let given = metrics.lines().filter(|line| {
        line.starts_with("mintage_token_requests_total")
            && (line.contains("\"issued\"") || line.contains("\"reused\""))
    });
    given
        .map(|line| {
            Ok(line
                .rsplit(' ')
                .next()
                .context("no value")?
                .parse::<usize>()?)
        })
        .sum()
}

#[tokio::test]
async fn no_page_gets_a_token() -> Result<()> {
    let program = match command_line("chromium")? {
        Ok(program) => program,
        Err(reason) => return skip::skip("browser::no_page_gets_a_token", &reason),
    };
    let dev = Dev::start(&quickstart(), &[]).await?;
    let sidecar: SocketAddr = dev.url(0).trim_start_matches("http://").parse()?;
    let (reports, mut reported) = mpsc::unbounded_channel();
    let attacker = Tap::start("127.0.0.1", None, reports.clone()).await?;
    let tap = Tap::start("127.0.0.1", Some(sidecar), reports.clone()).await?;
    let mut steps = vec![
        // Where the name never left the attacker, a page can read all it asks for.
        step("bait", "bait.test", &attacker, "bait.test", &attacker),
        step("address", "evil.test", &attacker, "127.0.0.1", &tap),
        step("localhost", "evil.test", &attacker, "localhost", &tap),
        step("neighbour", "localhost", &attacker, "localhost", &tap),
        step("name", "evil.test", &attacker, "other.test", &tap),
        step("rebound", "rebound.test", &tap, "rebound.test", &tap),
        step("subdomain", "app.localhost", &tap, "app.localhost", &tap),
    ];
    // A machine without IPv6 has six targets instead of seven.
    let six = Tap::start("::1", Some(sidecar), reports).await.ok();
    if let Some(six) = &six {
        steps.push(step("six", "evil.test", &attacker, "[::1]", six));
    }

    let dir = tempfile::tempdir()?;
    let _browser = open(&program, &dir, &steps, attacker.address)?;
    let mut ways = Vec::new();
    for step in &steps {
        let report = timeout(LIMIT, reported.recv()).await;
        let report = report.with_context(|| format!("{}: no report", step.name))?;
        let report = report.context("nobody reports")?;
        ensure!(report["step"] == step.name, "{report}");
        let read = report["read"].as_object().context("no ways")?;
        let got = |way: &&str| {
            read[*way]
                .as_str()
                .is_some_and(|text| text.contains("access_token"))
        };
        if step.name == "bait" {
            let missed: Vec<_> = READING.iter().filter(|way| !got(way)).collect();
            ensure!(missed.is_empty(), "{missed:?} read no bait: {report}");
            ways.extend(read.keys().cloned());
        } else {
            let got: Vec<_> = read
                .keys()
                .map(String::as_str)
                .filter(|way| got(way))
                .collect();
            ensure!(got.is_empty(), "{got:?} read a token: {report}");
            // Every way was tried, and the sidecar was asked.
            let six = six.as_ref().filter(|_| step.name == "six");
            let asked = six.unwrap_or(&tap).asked();
            let absent = ways
                .iter()
                .filter(|way| !asked.contains(&format!("via={}.{way}.", step.name)));
            let absent: Vec<_> = absent.collect();
            ensure!(
                absent.is_empty(),
                "{}: {absent:?} did not arrive",
                step.name
            );
        }
    }

    let taps = || [Some(&tap), six.as_ref()].into_iter().flatten();
    let answered: String = taps().map(Tap::answered).collect();
    ensure!(
        !answered.contains("access_token"),
        "the sidecar gave a token"
    );
    let mut statuses: Vec<_> = answered
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|answer| &answer[..3])
        .collect();
    statuses.retain(|status| !["403", "421"].contains(status));
    // A window that shows a refusal looks for an icon beside it, as a person's would.
    let asked: String = taps().map(Tap::asked).collect();
    let icons = asked.matches("GET /favicon.ico ").count();
    ensure!(
        statuses.len() <= icons && statuses.iter().all(|status| *status == "404"),
        "{statuses:?} are not the guard's"
    );
    ensure!(issued(&dev).await? == 0, "a token was made");
    let log = dev.log()?;
    for rule in ["origin-refused", "host-not-loopback"] {
        let count = log.matches(&format!("rule=\"{rule}\"")).count();
        ensure!(count > 20, "{rule} was logged {count} times");
    }

    // The same request from an application beside it is granted, by the very same way.
    let form = [
        ("grant_type", "client_credentials"),
        ("audience", "https://orders.example.com"),
    ];
    let granted = http()?
        .post(format!("http://{}/oauth/token", tap.address))
        .form(&form)
        .send()
        .await?;
    ensure!(granted.status() == 200, "{granted:?}");
    ensure!(issued(&dev).await? == 1, "not counted");
    Ok(())
}

#[tokio::test]
async fn an_address_that_a_person_types_shows_no_token() -> Result<()> {
    let program = match command_line("chromium")? {
        Ok(program) => program,
        Err(reason) => {
            return skip::skip(
                "browser::an_address_that_a_person_types_shows_no_token",
                &reason,
            );
        }
    };
    let dev = Dev::start(&quickstart(), &[]).await?;
    let dir = tempfile::tempdir()?;
    let query = "grant_type=client_credentials&audience=https://orders.example.com";
    let url = format!("{}/oauth/token?{query}", dev.url(0));
    let output = timeout(
        LIMIT,
        browser(&program, &dir, &["--dump-dom", &url])?.output(),
    )
    .await??;
    let shown = String::from_utf8_lossy(&output.stdout);
    // Nobody else sent the browser here, so that the guard lets it through: a GET it remains.
    ensure!(shown.contains("this path takes POST (method)"), "{shown}");
    ensure!(issued(&dev).await? == 0, "a token was made");
    Ok(())
}
