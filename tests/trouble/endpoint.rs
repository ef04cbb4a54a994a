//! The tenant's endpoint as `mintage dev` serves it: a full disk (F10), and an end in mid-traffic (F12).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mintage_tests::dev::{Dev, Variables, eventually};
use mintage_tests::disk::Disk;
use mintage_tests::skip::skip;
use mintage_tests::visitor::Visitor;
use mintage_tests::webapp::{AUDIENCE, HOSTS};
use mintage_tests::workspace;
use reqwest::Url;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::raw::{complete, status};

/// Where the web application of the example takes its users back.
const CALLBACK: &str = "http://localhost:3000/callback";

/// The application with a secret, and somebody who uses it.
struct Shop {
    dev: Dev,
    web: Variables,
    ada: Visitor,
}

impl Shop {
    fn of(dev: Dev) -> Result<Self> {
        Ok(Self {
            web: dev.application("acme", "web")?,
            ada: Visitor::new(&dev)?,
            dev,
        })
    }

    /// A place at the tenant, by the port where it listens.
    fn url(&self, path: &str) -> Result<Url> {
        let address: SocketAddr = self.dev.tls_addr().parse()?;
        let url = format!("https://{}:{}{path}", HOSTS[0], address.port());
        Ok(Url::parse(&url)?)
    }

    /// Status and body of what a form is answered with.
    async fn token(&self, form: &[(&str, &str)]) -> Result<(u16, Value)> {
        let shown = [
            ("client_id", &*self.web["CLIENT_ID"]),
            ("client_secret", &*self.web["CLIENT_SECRET"]),
        ];
        let request = self.ada.client().post(self.url("/oauth/token")?);
        let response = request.form(&[&shown, form].concat()).send().await?;
        Ok((response.status().as_u16(), response.json().await?))
    }

    async fn own_token(&self) -> Result<(u16, Value)> {
        let form = [("grant_type", "client_credentials"), ("audience", AUDIENCE)];
        self.token(&form).await
    }

    async fn refresh(&self, token: &str) -> Result<(u16, Value)> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.token(&form).await
    }

    /// Signs somebody in who was never here; the tokens.
    async fn sign_in(&mut self) -> Result<Value> {
        self.ada = Visitor::new(&self.dev)?;
        let mut request = self.url("/authorize")?;
        request.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.web["CLIENT_ID"]),
            ("redirect_uri", CALLBACK),
            ("scope", "openid offline_access read:orders"),
            ("audience", AUDIENCE),
        ]);
        let callback = Url::parse(&self.ada.sign_in(request.as_str()).await?)?;
        let mut answer = callback.query_pairs();
        let code = answer.find_map(|(name, value)| (name == "code").then_some(value));
        let code = code.with_context(|| format!("no code: {callback}"))?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("redirect_uri", CALLBACK),
        ];
        let (status, tokens) = self.token(&form).await?;
        ensure!(status == 200, "{tokens}");
        Ok(tokens)
    }
}

fn text(answer: &Value, member: &str) -> Result<String> {
    let text = answer[member].as_str();
    Ok(text
        .with_context(|| format!("no {member} in {answer}"))?
        .to_owned())
}

#[tokio::test]
async fn f10_on_a_full_disk_users_wait_and_programs_go_on() -> Result<()> {
    let disk = match Disk::mount("2m")? {
        Ok(disk) => disk,
        Err(reason) => {
            let name = "endpoint::f10_on_a_full_disk_users_wait_and_programs_go_on";
            return skip(name, &reason);
        }
    };
    let dev = Dev::start_on(&disk, &workspace().join("examples/webapp"), &[]).await?;
    let mut shop = Shop::of(dev)?;
    let tokens = shop.sign_in().await?;
    let (access, mut refresh) = (
        text(&tokens, "access_token")?,
        text(&tokens, "refresh_token")?,
    );

    disk.fill()?;
    // There may be room left in what the database has already.
    let mut refused = None;
    for _ in 0..200 {
        match shop.refresh(&refresh).await? {
            (200, tokens) => refresh = text(&tokens, "refresh_token")?,
            other => {
                refused = Some(other);
                break;
            }
        }
    }
    let (status, refused) = refused.context("it has room without end")?;
    ensure!(
        status == 503 && refused["error"] == "temporarily_unavailable",
        "{status}: {refused}"
    );
    let said = format!(
        "{:#}",
        shop.sign_in()
            .await
            .err()
            .context("a sign-in on a full disk")?
    );
    ensure!(said.contains("503"), "{said}");
    ensure!(shop.own_token().await?.0 == 200);
    let request = shop.ada.client().get(shop.url("/userinfo")?);
    let told = request.bearer_auth(&access).send().await?;
    ensure!(told.status() == 200, "{}", told.status());
    let keys = shop.ada.client().get(shop.url("/.well-known/jwks.json")?);
    ensure!(keys.send().await?.status() == 200);

    disk.free()?;
    // The token that was refused was not used up.
    let next = eventually("it goes on by itself", async || {
        let (status, tokens) = shop.refresh(&refresh).await?;
        ensure!(matches!(status, 200 | 503), "{status}: {tokens}");
        Ok((status == 200).then_some(tokens))
    })
    .await?;
    ensure!(text(&next, "refresh_token")? != refresh);
    shop.sign_in().await?;
    let metrics = format!("{}/metrics", shop.dev.admin_url());
    let counted = shop.ada.client().get(metrics).send().await?.text().await?;
    for count in [
        "mintage_store_errors_total{call=\"rotate\",kind=\"unavailable\"}",
        "mintage_endpoint_refusals_total{rule=\"store-unavailable\"}",
        "mintage_endpoint_sign_ins_total{outcome=\"signed-in\"}",
    ] {
        ensure!(counted.contains(count), "{count} in {counted}");
    }
    ensure!(shop.dev.stop().await? == 0);
    Ok(())
}

/// As many as the slowest machine connects by TLS before the first of them has waited for too long.
const REQUESTS: usize = 100;

/// A request of which the endpoint has the head and waits for the body; the rest is sent when all are told to go on.
async fn in_flight(
    shop: Arc<Shop>,
    connector: TlsConnector,
    barriers: Arc<[Barrier; 2]>,
) -> Result<String> {
    let body = format!(
        "grant_type=client_credentials&audience={AUDIENCE}&client_id={}&client_secret={}",
        shop.web["CLIENT_ID"], shop.web["CLIENT_SECRET"]
    );
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: {}\r\nExpect: 100-continue\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        HOSTS[0],
        body.len()
    );
    let stream = TcpStream::connect(shop.dev.tls_addr()).await?;
    let mut stream = connector
        .connect(ServerName::try_from(HOSTS[0])?, stream)
        .await?;
    stream.write_all(head.as_bytes()).await?;
    let mut go_ahead = [0; 25];
    stream.read_exact(&mut go_ahead).await?;
    ensure!(&go_ahead == b"HTTP/1.1 100 Continue\r\n\r\n");
    barriers[0].wait().await;
    barriers[1].wait().await;
    stream.write_all(body.as_bytes()).await?;
    let mut response = Vec::new();
    // To the very end: the endpoint closes after the answer.
    stream.read_to_end(&mut response).await?;
    complete(&response).with_context(|| format!("truncated: {response:?}"))
}

#[tokio::test]
async fn f12_sigterm_truncates_no_answer_of_the_endpoint() -> Result<()> {
    let dev = Dev::start(&workspace().join("examples/webapp"), &[]).await?;
    let shop = Arc::new(Shop::of(dev)?);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(shop.dev.ca_file())?)?;
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let barriers = Arc::new([Barrier::new(REQUESTS + 1), Barrier::new(REQUESTS + 1)]);
    let requests: Vec<_> = (0..REQUESTS)
        .map(|_| {
            let (shop, connector) = (Arc::clone(&shop), connector.clone());
            tokio::spawn(in_flight(shop, connector, Arc::clone(&barriers)))
        })
        .collect();
    let all_there = async |barrier: &Barrier| {
        let wait = timeout(Duration::from_mins(2), barrier.wait()).await;
        wait.context("a request failed before it was in flight")
    };
    all_there(&barriers[0]).await?;
    shop.dev.terminate()?;
    eventually("it takes no more connections", async || {
        let connection = TcpStream::connect(shop.dev.tls_addr()).await;
        Ok(connection.is_err().then_some(()))
    })
    .await?;
    all_there(&barriers[1]).await?;
    for request in requests {
        let response = request.await??;
        ensure!(status(&response) == 200, "{response}");
        let (_, body) = response.split_once("\r\n\r\n").context("no body")?;
        let token = text(&serde_json::from_str(body)?, "access_token")?;
        ensure!(token.split('.').count() == 3, "{token}");
    }
    let shop = Arc::into_inner(shop).context("a request goes on")?;
    let mut dev = shop.dev;
    ensure!(dev.stop().await? == 0, "{}", dev.log()?);
    Ok(())
}
