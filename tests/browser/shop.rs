//! The two applications of `examples/webapp` with a `mintage dev` of their own, as somebody runs them who tries the example.

use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::browser::{Browser, Options, Programs};
use mintage_tests::client::command_line;
use mintage_tests::cluster::free_port;
use mintage_tests::dev::{Dev, Variables, eventually, http};
use mintage_tests::skip;
use mintage_tests::webapp::{HOSTS, NAME, Tenant};
use serde_json::Value;
use tokio::process::{Child, Command};

/// How the scene differs from the example.
#[derive(Clone, Copy, Debug)]
pub struct Wishes {
    /// The host by which the applications know the tenant.
    pub host: &'static str,
    /// The life of access tokens, in seconds.
    pub lifetime: u32,
    /// Where the page keeps its tokens.
    pub cache: &'static str,
    /// Whether the browser sends cookies of the tenant from a frame of the page.
    pub cookies_in_frames: bool,
}

impl Default for Wishes {
    fn default() -> Self {
        Self {
            host: HOSTS[0],
            lifetime: 86_400,
            cache: "memory",
            cookies_in_frames: true,
        }
    }
}

/// The tenant, the applications, and a browser that trusts what `dev` made.
pub struct Shop {
    /// The tenant.
    pub dev: Dev,
    /// Who visits.
    pub browser: Browser,
    /// The tenant's issuer.
    pub issuer: String,
    /// The application with a server.
    pub web: String,
    /// The application that is a page.
    pub spa: String,
    /// What that is set up with.
    pub page: Variables,
    /// The host, for the names of pictures.
    host: &'static str,
    _applications: [Child; 2],
}

impl Shop {
    /// Starts all of it; without one of the programs the test is skipped.
    pub async fn open(test: &str, wishes: Wishes) -> Result<Option<Self>> {
        let programs = match Programs::find()? {
            Ok(programs) => programs,
            Err(reason) => return skip::skip(test, &reason).map(|()| None),
        };
        let mut lines = Vec::new();
        for name in ["certutil", "webapp-web", "webapp-spa"] {
            match command_line(name)? {
                Ok(line) => lines.push(line),
                Err(reason) => return skip::skip(test, &reason).map(|()| None),
            }
        }
        let ports = [free_port()?, free_port()?].map(|port| port.to_string());
        let [web_port, spa_port] = &ports;
        let lifetime = format!("  tokenLifetimeSeconds: {}\n", wishes.lifetime);
        let edit = |text: String| {
            text.replace(":3000", &format!(":{web_port}"))
                .replace(":3001", &format!(":{spa_port}"))
                .replace(
                    "  issuance: Central\n",
                    &format!("  issuance: Central\n{lifetime}"),
                )
        };
        let tenant = Tenant::start(edit).await?;
        let issuers = HOSTS.map(|host| tenant.issuer(host)).join(" ");
        let issuer = tenant.issuer(wishes.host);
        let dev = tenant.dev;
        let (web, spa) = (
            format!("http://localhost:{web_port}"),
            format!("http://localhost:{spa_port}"),
        );
        let (server, page) = (
            dev.application("acme", "web")?,
            dev.application("acme", "spa")?,
        );
        let api = format!("{web}/api/orders");
        let start = |line: &[String], variables: &Variables, port: &str| {
            let (program, arguments) = line.split_first().context("an empty command line")?;
            let child = Command::new(program)
                .args(arguments)
                .env("NODE_EXTRA_CA_CERTS", dev.ca_file())
                .envs(variables)
                .env("ISSUER_BASE_URL", &issuer)
                .env("ISSUERS", &issuers)
                .env("API", &api)
                .env("CACHE_LOCATION", wishes.cache)
                .env("PORT", port)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .with_context(|| format!("cannot start {program}"))?;
            anyhow::Ok(child)
        };
        let applications = [
            start(&lines[1], &server, web_port)?,
            start(&lines[2], &page, spa_port)?,
        ];
        for url in [&web, &spa] {
            eventually("the applications answer", async || {
                let answer = http()?.get(url).send().await;
                Ok(answer
                    .is_ok_and(|answer| answer.status() == 200)
                    .then_some(()))
            })
            .await?;
        }
        let options = Options {
            trusted: vec![dev.ca_file()],
            cookies_in_frames: wishes.cookies_in_frames,
            ..Options::default()
        };
        let browser = Browser::start(&programs, &options).await?;
        Ok(Some(Self {
            dev,
            browser,
            issuer,
            web,
            spa,
            page,
            host: wishes.host,
            _applications: applications,
        }))
    }

    /// Clicks an element once it can be clicked.
    pub async fn click(&self, selector: &str) -> Result<()> {
        eventually(&format!("{selector} is clicked"), async || {
            let Ok(element) = self.browser.find(selector).await else {
                return Ok(None);
            };
            // Not before it is shown, and some not before a person has seen what it does.
            Ok(element.click().await.is_ok().then_some(()))
        })
        .await
    }

    /// The text of an element, once it has one that will do.
    pub async fn text(&self, selector: &str, will_do: impl Fn(&str) -> bool) -> Result<String> {
        let mut last = String::new();
        let found = eventually("the text is there", async || {
            let element = self.browser.find(selector).await;
            let text = match element {
                Ok(element) => element.text().await.unwrap_or_default(),
                Err(_) => String::new(),
            };
            Ok(will_do(&text).then_some(text))
        })
        .await;
        if found.is_err() {
            let body = self.browser.find("body").await?.text().await?;
            last = format!(
                "{selector} at {}: {body}",
                self.browser.driver().current_url().await?
            );
        }
        found.context(last)
    }

    /// What an element shows as JSON, once it will do.
    pub async fn json(&self, selector: &str, will_do: impl Fn(&Value) -> bool) -> Result<Value> {
        let read = |text: &str| serde_json::from_str::<Value>(text).ok();
        let text = self
            .text(selector, |text| read(text).as_ref().is_some_and(&will_do))
            .await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Looks at a page of the endpoint: it is one, axe-core finds nothing, and a picture is kept.
    pub async fn judge(&self, heading: &str, picture: &str) -> Result<()> {
        self.text("h1", |text| text == heading).await?;
        let url = self.browser.driver().current_url().await?;
        ensure!(url.as_str().starts_with(&self.issuer), "{url}");
        let found = self.browser.axe().await?;
        let kept = format!("flow-{}-{picture}", self.host);
        let path = self.browser.screenshot(&kept).await?;
        ensure!(found.is_empty(), "{}: {found:#?}", path.display());
        let complaints = self.browser.complaints().await?.join("\n");
        ensure!(
            !complaints.contains("Security Policy"),
            "{picture}: {complaints}"
        );
        Ok(())
    }

    /// Keeps a picture of a page of the applications.
    pub async fn keep(&self, picture: &str) -> Result<()> {
        let kept = format!("flow-{}-{picture}", self.host);
        self.browser.screenshot(&kept).await.map(drop)
    }

    /// Writes name and password, and sends them.
    pub async fn sign_in_with(&self, password: &str) -> Result<()> {
        let username = self.browser.find("#username").await?;
        username.clear().await?;
        username.send_keys(NAME).await?;
        self.browser
            .find("#password")
            .await?
            .send_keys(password)
            .await?;
        self.click("button.first").await
    }
}
