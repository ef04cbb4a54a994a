//! The process: started, looked at, ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use mintage_core::verify::{Expected, Verifier};
use mintage_sidecar::files::Files;
use reqwest::{Certificate, Client, ClientBuilder, Response};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};

use crate::cluster::{ORDERS, name};
use crate::folder::Folder;
use crate::tenant::Tenant;

pub struct Process {
    child: Child,
    log: UnboundedReceiver<String>,
    lines: Vec<Value>,
    pub tls: SocketAddr,
    pub proxies: SocketAddr,
    pub admin: SocketAddr,
    pub dir: Folder,
    pub secrets: BTreeMap<String, Folder>,
    _parent: TempDir,
    authority: Certificate,
}

/// Longer than anything takes on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(2);

impl Process {
    /// Starts it and waits until it listens.
    pub async fn start(tenant: &Tenant, files: &Files) -> Self {
        Self::start_on(tenant, files, ["--store", "memory"]).await
    }

    pub async fn start_on(tenant: &Tenant, files: &Files, store: [&str; 2]) -> Self {
        Self::start_with(tenant, files, store, |_| {}).await
    }

    /// The same with changes to how it is started.
    pub async fn start_with(
        tenant: &Tenant,
        files: &Files,
        store: [&str; 2],
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let dir = Folder::new(files);
        let parent = TempDir::new().unwrap();
        let secrets = tenant.secrets().into_iter();
        let secrets = secrets
            .map(|(name, files)| (name.to_owned(), mount(&parent, name, &files)))
            .collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_mintage-sidecar"));
        command
            .arg("endpoint")
            .args(["--dir", dir.path().to_str().unwrap()])
            .args(["--secrets-dir", parent.path().to_str().unwrap()])
            .args(store)
            .args(["--tls-listen", "127.0.0.1:0"])
            .args(["--proxy-listen", "127.0.0.1:0"])
            .args(["--admin-listen", "127.0.0.1:0"])
            .args(["--log-level", "debug"])
            .env_clear()
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let (lines, log) = unbounded_channel();
        // Read all the time: a full pipe would stop it.
        tokio::spawn(async move {
            while let Some(line) = stderr.next_line().await.unwrap() {
                // A test that is over listens no longer; the pipe is emptied all the same.
                lines.send(line).ok();
            }
        });
        let nowhere = "127.0.0.1:1".parse().unwrap();
        let mut process = Self {
            child,
            log,
            lines: Vec::new(),
            tls: nowhere,
            proxies: nowhere,
            admin: nowhere,
            dir,
            secrets,
            _parent: parent,
            authority: Certificate::from_pem(tenant.authority.pem().as_bytes()).unwrap(),
        };
        let event = process.event("listening").await;
        let address = |name: &str| event[name].as_str().unwrap().parse().unwrap();
        (process.tls, process.proxies, process.admin) =
            (address("tls"), address("proxies"), address("admin"));
        process
    }

    /// Starts it and waits until it is ready.
    pub async fn ready(tenant: &mut Tenant) -> Self {
        let files = tenant.files();
        let process = Self::start(tenant, &files).await;
        process.until_ready(200).await;
        process
    }

    /// Mounts another version of a Secret.
    pub fn put_secret(&mut self, name: &str, files: &Files) {
        self.secrets.get_mut(name).unwrap().swap(files);
    }

    /// The next line of the log with an event.
    pub async fn event(&mut self, name: &str) -> Value {
        let look = async {
            loop {
                let line = self.log.recv().await.expect("it ended early");
                let line: Value = serde_json::from_str(&line).unwrap();
                self.lines.push(line.clone());
                if line["event"] == name {
                    return line;
                }
            }
        };
        timeout(PATIENCE, look)
            .await
            .unwrap_or_else(|_| panic!("no event {name}"))
    }

    /// Waits until it goes by a version.
    pub async fn loaded(&mut self, version: u64) {
        while self.event("endpoint-loaded").await["version"] != version {}
    }

    /// Everything that it said so far.
    pub fn said(&mut self) -> String {
        while let Ok(line) = self.log.try_recv() {
            self.lines.push(serde_json::from_str(&line).unwrap());
        }
        self.lines.iter().map(ToString::to_string).collect()
    }

    pub async fn admin(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.admin);
        let answer = builder().build().unwrap().get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Waits until `/readyz` answers with a status; what it says then.
    pub async fn until_ready(&self, status: u16) -> String {
        let look = async {
            loop {
                let (found, text) = self.admin("/readyz").await;
                if found == status {
                    return text;
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(PATIENCE, look)
            .await
            .unwrap_or_else(|_| panic!("not {status}"))
    }

    /// Waits until `/readyz` says no, and why.
    pub async fn until_unready(&self, why: &str) {
        let look = async {
            loop {
                let (status, text) = self.admin("/readyz").await;
                if status == 503 && text.contains(why) {
                    return;
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(PATIENCE, look)
            .await
            .unwrap_or_else(|_| panic!("it does not say: {why}"));
    }

    /// A client that trusts the authority and finds the hosts here.
    pub fn client(&self) -> Client {
        builder()
            .tls_certs_only([self.authority.clone()])
            .resolve("acme.test", self.tls)
            .resolve("login.acme.test", self.tls)
            .pool_max_idle_per_host(0)
            .build()
            .unwrap()
    }

    pub async fn get(&self, host: &str, path: &str) -> reqwest::Result<Response> {
        let url = format!("https://{host}:{}{path}", self.tls.port());
        self.client().get(url).send().await
    }

    /// Asks for a token of the machine's.
    pub async fn token(&self, form: &[(&str, String)]) -> (u16, Value) {
        let url = format!("https://acme.test:{}/oauth/token", self.tls.port());
        let answer = self.client().post(url).form(form).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub fn terminate(&self) {
        let pid = Pid::from_raw(self.child.id().unwrap().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    pub async fn code(&mut self) -> Option<i32> {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        ended.expect("it does not end").unwrap().code()
    }
}

fn mount(parent: &TempDir, name: &str, files: &Files) -> Folder {
    let folder = Folder::new(files);
    std::os::unix::fs::symlink(folder.path(), parent.path().join(name)).unwrap();
    folder
}

/// A client that knows no proxy.
pub fn builder() -> ClientBuilder {
    // It fails if another test was faster, and that installed the same.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    Client::builder().no_proxy()
}

#[tokio::test]
async fn applications_get_tokens_of_the_tenants_own_key() {
    let mut tenant = Tenant::new(|_| {});
    let mut process = Process::ready(&mut tenant).await;
    let discovery: Value = process
        .get("acme.test", "/.well-known/openid-configuration")
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(discovery["issuer"], "https://acme.test/");

    let form = tenant.machine();
    let (status, answer) = process.token(&form).await;
    assert_eq!(status, 200, "{answer}");
    let token = answer["access_token"].as_str().unwrap();
    let verifier = Verifier::new(&tenant.told().body.as_bundle()).unwrap();
    let now = tenant.now + 60;
    let authentic = verifier.authenticate(token, now).unwrap();
    let orders = BTreeSet::from([name(ORDERS)]);
    verifier
        .judge(&authentic, Expected::Apis(&orders), now)
        .unwrap();

    let secret = &form
        .iter()
        .find(|(name, _)| *name == "client_secret")
        .unwrap()
        .1;
    let said = process.said();
    assert!(said.contains("token-issued"), "{said}");
    for secret in [secret.as_str(), token, "PRIVATE KEY"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[tokio::test]
async fn sigterm_finishes_what_was_begun_and_ends() {
    let mut tenant = Tenant::new(|_| {});
    let mut process = Process::ready(&mut tenant).await;
    process.terminate();
    assert_eq!(process.code().await, Some(0));
}

#[tokio::test]
async fn it_waits_for_a_store_that_cannot_be_reached_and_ends_when_asked_to() {
    let mut tenant = Tenant::new(|_| {});
    let files = tenant.files();
    // Nobody listens at port 1.
    let store = "postgres://mintage:hunter2@127.0.0.1:1/mintage";
    let mut process = Process::start_on(&tenant, &files, ["--store", store]).await;
    process.event("store-unavailable").await;
    let (status, text) = process.admin("/readyz").await;
    assert_eq!(status, 503);
    assert!(text.starts_with("the store cannot be reached"), "{text}");
    process.terminate();
    assert_eq!(process.code().await, Some(0));
    let said = process.said();
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_file_that_says_where_the_store_is_is_read_again() {
    let mut tenant = Tenant::new(|_| {});
    let files = tenant.files();
    let parent = TempDir::new().unwrap();
    let file = parent.path().join("url");
    let say = |text: &str| fs::write(&file, text).unwrap();
    say("postgres://mintage:hunter2@127.0.0.1:1/mintage\n");
    let store = ["--store-file", file.to_str().unwrap()];
    let mut process = Process::start_on(&tenant, &files, store).await;
    process.event("store-unavailable").await;
    // As long as there is none, any will do.
    say("memory\n");
    process.until_ready(200).await;
    let (status, _) = process.token(&tenant.machine()).await;
    assert_eq!(status, 200);
    say("hunter3");
    process.event("store-file-unreadable").await;
    say("postgres://mintage:hunter4@127.0.0.1:1/mintage");
    process.event("store-moved").await;
    let (status, _) = process.token(&tenant.machine()).await;
    assert_eq!(status, 200, "it stays with the one that it has");
    let said = process.said();
    assert!(!said.contains("hunter"), "{said}");
}

#[tokio::test]
async fn it_waits_for_the_file_that_says_where_the_store_is() {
    let mut tenant = Tenant::new(|_| {});
    let files = tenant.files();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("url");
    let mut process =
        Process::start_on(&tenant, &files, ["--store-file", file.to_str().unwrap()]).await;
    process.event("store-unavailable").await;
    let text = process.until_ready(503).await;
    assert!(text.starts_with("the file that says where"), "{text}");
    // As when the Secret is made after the Tenant.
    fs::write(&file, "memory\n").unwrap();
    process.until_ready(200).await;
}

#[tokio::test]
async fn what_it_needs_to_know_is_asked_for() {
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mintage-sidecar"));
        let output = command.args(arguments).env_clear().output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, said) = run(&["endpoint"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("--store"), "{said}");
    let (code, said) = run(&["endpoint", "--store", "memory", "--store-file", "x"]);
    assert_eq!(code, Some(2), "{said}");
    // One that is there, and says nothing of a store.
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let (code, said) = run(&["endpoint", "--store-file", file]);
    assert_eq!(code, Some(2));
    assert!(said.contains(file), "{said}");
    let (code, said) = run(&["endpoint", "--help"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("--proxy-listen"), "{said}");
    let (code, said) = run(&[]);
    assert_eq!(code, Some(2));
    assert!(said.contains("--as"), "{said}");
}
