//! A real Chromium, driven by its own driver: looks at pages as people do, and has axe-core judge them.
//!
//! ```text
//! test ──WebDriver──► chromedriver ──► Chromium ──► *.localhost, or the hosts that the options name
//! ```

mod trust;
mod view;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;
use tempfile::TempDir;
use thirtyfour::{
    BrowserLogEntry, ChromiumLikeCapabilities as _, DesiredCapabilities, LoggingPrefsLogLevel,
    TypingData, WebDriver, WebElement,
};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::client::command_line;

pub use view::{Scheme, View};

/// What one page or script may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// The programs that `cargo xtask test` prepared.
#[derive(Clone, Debug)]
pub struct Programs {
    chromium: String,
    driver: Vec<String>,
    axe: PathBuf,
}

impl Programs {
    /// All of them, or why one cannot be had.
    pub fn find() -> Result<Result<Self, String>> {
        let mut lines = Vec::new();
        for name in ["chromium", "chromedriver", "axe"] {
            match command_line(name)? {
                Ok(line) => lines.push(line),
                Err(reason) => return Ok(Err(reason)),
            }
        }
        let first = |line: &Vec<String>| line.first().cloned().context("an empty command line");
        Ok(Ok(Self {
            chromium: first(&lines[0])?,
            driver: lines[1].clone(),
            axe: first(&lines[2])?.into(),
        }))
    }
}

/// What a browser is told when it starts.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Authorities that it trusts as if the person had installed them, in PEM.
    pub trusted: Vec<PathBuf>,
    /// Names that lead to an address, port included: `("acme.example.com", 127.0.0.1:7743)`. Names that end in
    /// `.localhost` lead to the loopback by themselves.
    pub hosts: Vec<(String, SocketAddr)>,
    /// The languages of the person, as `Accept-Language` has them.
    pub languages: Option<String>,
    /// Whether a frame of another site is sent its cookies: Chrome does so, Safari, Firefox and Debian's Chromium do not.
    pub cookies_in_frames: bool,
}

/// A browser with a profile of its own; to be ended by [`Browser::quit`].
pub struct Browser {
    driver: WebDriver,
    axe: String,
    service_at: SocketAddr,
    _service: Child,
    _profile: TempDir,
}

impl Browser {
    /// Starts one.
    pub async fn start(programs: &Programs, options: &Options) -> Result<Self> {
        // The driver's client wants one, though it speaks plain HTTP. The only one that is built in, whoever comes first.
        rustls::crypto::aws_lc_rs::default_provider()
            .install_default()
            .ok();
        let profile = tempfile::tempdir()?;
        for authority in &options.trusted {
            trust::install(profile.path(), authority).await?;
        }
        let (program, first) = programs
            .driver
            .split_first()
            .context("an empty command line")?;
        let mut service = Command::new(program)
            .args(first)
            .arg("--port=0")
            // The browser inherits it: its store of certificates lies there.
            .env("HOME", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let service_at = SocketAddr::from(([127, 0, 0, 1], port(&mut service).await?));

        let mut wanted = DesiredCapabilities::chrome();
        wanted.set_binary(&programs.chromium)?;
        wanted.set_browser_log_level(LoggingPrefsLogLevel::All)?;
        for argument in arguments(&profile, options) {
            wanted.add_arg(&argument)?;
        }
        let blocked = !options.cookies_in_frames;
        let settings = json!({
            "profile.block_third_party_cookies": blocked,
            "profile.cookie_controls_mode": u8::from(blocked),
        });
        wanted.add_experimental_option("prefs", settings)?;
        let driver = WebDriver::builder(format!("http://{service_at}"), wanted)
            .request_timeout(LIMIT)
            .await?;
        driver.set_script_timeout(LIMIT).await?;
        Ok(Self {
            driver,
            axe: std::fs::read_to_string(&programs.axe)
                .with_context(|| programs.axe.display().to_string())?,
            service_at,
            _service: service,
            _profile: profile,
        })
    }

    /// Everything else that `WebDriver` has.
    pub fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// Opens a page and waits until it is loaded. The browser's own page about an error is an error.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.driver.goto(url).await?;
        if self.run("return location.protocol").await? == "chrome-error:" {
            let text = self.find("body").await?.text().await?;
            bail!("{url} cannot be shown: {text}");
        }
        Ok(())
    }

    /// The element that a CSS selector names.
    pub async fn find(&self, selector: &str) -> Result<WebElement> {
        let found = self.driver.find(thirtyfour::By::Css(selector)).await;
        found.with_context(|| selector.to_owned())
    }

    /// Presses keys, as a person does who looks at nothing in particular; gives what has the focus afterwards.
    pub async fn press(&self, keys: impl Into<TypingData>) -> Result<WebElement> {
        self.driver.action_chain().send_keys(keys).perform().await?;
        Ok(self.driver.active_element().await?)
    }

    /// Runs a script on the page, whatever its policy is, and gives what it returns.
    pub async fn run(&self, script: &str) -> Result<serde_json::Value> {
        Ok(self
            .driver
            .execute(script, Vec::new())
            .await?
            .json()
            .clone())
    }

    /// What the browser complained of since it was asked last: violations of the policy, and errors of scripts.
    pub async fn complaints(&self) -> Result<Vec<String>> {
        let log = self.driver.browser_log().await?;
        // Nobody has an icon for the tab.
        let icon = |entry: &BrowserLogEntry| entry.message.contains("/favicon.ico");
        Ok(log
            .into_iter()
            .filter(|entry| entry.level != "INFO" && !icon(entry))
            .map(|entry| entry.message)
            .collect())
    }

    /// What axe-core finds on the page: the rule, what it says, and the elements.
    pub async fn axe(&self) -> Result<Vec<String>> {
        self.driver.execute(self.axe.as_str(), Vec::new()).await?;
        let script = "const done = arguments[0];
            axe.run({ resultTypes: ['violations'] }).then(
              ({ passes, violations }) => done({
                passes: passes.length,
                found: violations.map(({ id, help, nodes }) =>
                  `${id}: ${help}: ${nodes.map((node) => `${node.html} (${node.failureSummary})`).join(' ')}`),
              }),
              (error) => done({ error: String(error) }))";
        let answer = self.driver.execute_async(script, Vec::new()).await?;
        let answer = answer.json();
        let passes = answer["passes"].as_u64();
        ensure!(
            passes.is_some_and(|passes| passes > 5),
            "axe looked at nothing: {answer}"
        );
        Ok(serde_json::from_value(answer["found"].clone())?)
    }

    /// Ends it.
    pub async fn quit(self) -> Result<()> {
        Ok(self.driver.clone().quit().await?)
    }
}

impl Drop for Browser {
    /// Ends the browser of a test that failed: killed with its driver, it would go on without one. The driver's client
    /// would need the runtime that this holds up.
    fn drop(&mut self) {
        if self.driver.clone().leak().is_err() {
            return;
        }
        let session = self.driver.session_id();
        let request = format!(
            "DELETE /session/{session} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.service_at
        );
        let ended = TcpStream::connect(self.service_at).and_then(|mut stream| {
            stream.set_read_timeout(Some(LIMIT))?;
            stream.write_all(request.as_bytes())?;
            stream.read(&mut [0])
        });
        // The test failed already, and says why.
        drop(ended);
    }
}

fn arguments(profile: &TempDir, options: &Options) -> Vec<String> {
    let mut arguments: Vec<String> = [
        "--headless",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-proxy-server",
        // The shared memory of a container is small.
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--force-color-profile=srgb",
    ]
    .map(str::to_owned)
    .into();
    arguments.push(format!(
        "--user-data-dir={}",
        profile.path().join("browser").display()
    ));
    if !options.hosts.is_empty() {
        let rules = options
            .hosts
            .iter()
            .map(|(host, address)| format!("MAP {host} {address}"));
        let rules: Vec<_> = rules.collect();
        arguments.push(format!("--host-resolver-rules={}", rules.join(",")));
    }
    if let Some(languages) = &options.languages {
        arguments.push(format!("--accept-lang={languages}"));
    }
    if rustix::process::geteuid().is_root() {
        arguments.push("--no-sandbox".into());
    }
    arguments
}

/// The port that the driver chose: it says so on its standard output.
async fn port(service: &mut Child) -> Result<u16> {
    let output = service.stdout.take().context("no standard output")?;
    let mut lines = BufReader::new(output).lines();
    let found = tokio::time::timeout(LIMIT, async {
        while let Some(line) = lines.next_line().await? {
            if let Some((_, rest)) = line.split_once("successfully on port ") {
                return Ok(rest.trim_end_matches('.').parse()?);
            }
        }
        bail!("the driver ended without a port")
    })
    .await??;
    // What else it says is read, so that it never waits for somebody to do so.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(found)
}
