//! Two pods of a tenant's endpoint that remember in one PostgreSQL: what one gives counts at the other, once, and a node that is
//! emptied under traffic costs nobody a sign-in.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use futures::future::join_all;
use futures::join;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{EvictParams, ListParams};
use kube::{Api, ResourceExt as _};
use mintage_tests::bare::Bare;
use mintage_tests::cluster::{Authority, eventually};
use mintage_tests::people::{
    API, Door, STAY, SetUp, applications, certificate, claims, has_certificate, of_code,
    of_refresh, ready, set_up, text, users,
};
use mintage_tests::stage::{Forward, Report, Stage, say};
use mintage_tests::{node, skip, workspace};
use reqwest::Response;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::server::Server;

const NAMESPACE: &str = "crowd";
const HOST: &str = "crowd.example.com";
const PODS: &str = "mintage-endpoint-staff";

/// Any port of this machine's.
const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// How often something is raced for.
const ROUNDS: usize = 10;

/// How many sign in, and how many applications ask for tokens, at a time.
const CROWD: usize = 3;

/// All of it.
pub async fn all(stage: &Stage, report: &mut Report) -> Result<()> {
    let Some(bare) = stage.bare() else {
        say(
            "skipped          two pods of an endpoint share a PostgreSQL: pods of a given cluster do not reach this machine",
        );
        return Ok(());
    };
    let server = match Server::own().await? {
        Ok(server) => server,
        Err(reason) => return skip::skip("replicas::two_pods_share_a_database", &reason),
    };
    let authority = Authority::new()?;
    let what = "a Tenant with replicas: 2 and a PostgreSQL: both pods are ready, and one may be away at a time";
    let runs = runs(stage, bare, &server, &authority);
    let _database = report.step(what, runs).await?;
    let what = "a user who signs in at one pod is known at the other, which redeems the code";
    report.step(what, shared(stage, &authority)).await?;
    let what = "one code, and one refresh token, at both at once: one of them gives tokens";
    report.step(what, raced(stage, &authority)).await?;
    let what = "both are evicted under traffic, one after the other: no sign-in and no token fails";
    report.step(what, evicted(stage, bare, &authority)).await
}

/// The way of the pods to the database, which is a process of this machine; a Service by which they find it.
async fn runs(
    stage: &Stage,
    bare: &Bare,
    server: &Server,
    authority: &Authority,
) -> Result<node::Door> {
    let manifests = fs::read_to_string(workspace().join("tests/e2e/endpoint.yaml"))?;
    let manifests = manifests
        .replace("people", NAMESPACE)
        .replace("login.example.com", HOST)
        .replace(
            "    enabled: true\n",
            "    enabled: true\n    replicas: 2\n    store: {type: PostgreSQL, urlSecretRef: {name: database}}\n",
        );
    stage.apply("replicas.yaml", &manifests).await?;
    let address: SocketAddr = server.address().parse()?;
    let (door, address) = bare.node.door(address.port())?;
    let labels = json!({"kubernetes.io/service-name": "postgres"});
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "postgres", "namespace": NAMESPACE},
            "spec": {"ports": [{"port": 5432, "targetPort": address.port()}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "postgres", "namespace": NAMESPACE, "labels": labels},
            "ports": [{"port": address.port(), "protocol": "TCP"}],
            "endpoints": [{"addresses": [address.ip()], "conditions": {"ready": true}}],
        },
        {
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "database", "namespace": NAMESPACE},
            "stringData": {
                "url": format!(
                    "postgres://postgres@postgres/{}?sslrootcert=/var/run/mintage-secrets/database/ca.crt",
                    server.named_database().await?,
                ),
                "ca.crt": fs::read_to_string(server.authority())?,
            },
        },
    ]});
    stage.apply("database.json", &objects.to_string()).await?;
    applications(stage, NAMESPACE).await?;
    users(stage, NAMESPACE).await?;
    certificate(stage, authority, NAMESPACE, HOST).await?;
    ready(stage, NAMESPACE, "staff").await?;
    let found = pods(stage).await?;
    ensure!(found.len() == 2, "{found:?}");
    eventually("the budget counts both", async || {
        let allowed = allowed(stage).await?;
        ensure!(allowed == "1", "{allowed}");
        Ok(())
    })
    .await?;
    Ok(door)
}

/// How many pods may be evicted now.
async fn allowed(stage: &Stage) -> Result<String> {
    let allowed = ["get", "poddisruptionbudget", PODS, "--output"];
    let allowed = [&allowed[..], &["jsonpath={.status.disruptionsAllowed}"]].concat();
    stage.kubectl(NAMESPACE, &allowed).await
}

/// The pods that are not on their way out.
async fn pods(stage: &Stage) -> Result<Vec<String>> {
    let api: Api<Pod> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let params = ListParams::default().labels("mintage.dev/endpoint=staff");
    let pods = api.list(&params).await?.items.into_iter();
    let stays = |pod: &Pod| pod.metadata.deletion_timestamp.is_none();
    Ok(pods.filter(stays).map(|pod| pod.name_any()).collect())
}

/// Each of both by a forwarded port.
async fn doors(stage: &Stage, authority: &Authority) -> Result<[(Forward, Door); 2]> {
    let pods = pods(stage).await?;
    let [one, other] = pods.as_slice() else {
        bail!("{pods:?}")
    };
    let open = async |pod: &String| -> Result<_> {
        let forward = stage
            .forward(NAMESPACE, &format!("pod/{pod}"), 7743)
            .await?;
        let door = Door::at(HOST, forward.address()?, &authority.pem)?;
        has_certificate(&door).await?;
        Ok((forward, door))
    };
    Ok([open(one).await?, open(other).await?])
}

async fn shared(stage: &Stage, authority: &Authority) -> Result<()> {
    let web = set_up(stage, NAMESPACE, "web").await?;
    let [(_first, mut one), (_second, mut other)] = doors(stage, authority).await?;
    let code = one.code(&web).await?;
    let given = other.given(&web, &of_code(&code)).await?;
    ensure!(
        claims(&text(&given, "id_token")?)?["sub"] == "staff|ada",
        "{given}"
    );
    other.visitor.know(&one.visitor);
    let code = other.silent_code(&web, STAY).await?;
    one.given(&web, &of_code(&code)).await?;
    let refresh = text(&given, "refresh_token")?;
    one.given(&web, &of_refresh(&refresh)).await?;
    let again = other.token(&web, &of_refresh(&refresh)).await?;
    ensure!(again.status() != 200, "a used token was good");
    Ok(())
}

async fn raced(stage: &Stage, authority: &Authority) -> Result<()> {
    let web = set_up(stage, NAMESPACE, "web").await?;
    let [(_first, mut one), (_second, other)] = doors(stage, authority).await?;
    // Signed in, for what follows.
    one.code(&web).await?;
    for _ in 0..ROUNDS {
        let code = one.silent_code(&web, "openid read").await?;
        let form = of_code(&code);
        winner(join!(one.token(&web, &form), other.token(&web, &form))).await?;
        // Who comes second with a code ends what comes of it, at times before it has begun: another one's token is raced for.
        let code = one.silent_code(&web, STAY).await?;
        let given = one.given(&web, &of_code(&code)).await?;
        let refresh = text(&given, "refresh_token")?;
        let form = of_refresh(&refresh);
        winner(join!(one.token(&web, &form), other.token(&web, &form))).await?;
    }
    Ok(())
}

/// Of two answers one gives tokens, and the other one refuses.
async fn winner(answers: (Result<Response>, Result<Response>)) -> Result<()> {
    let (one, other) = (answers.0?, answers.1?);
    let (good, bad) = if one.status() == 200 {
        (one, other)
    } else {
        (other, one)
    };
    let (good_status, bad_status) = (good.status(), bad.status());
    let (given, refused): (Value, Value) = (good.json().await?, bad.json().await?);
    ensure!(good_status == 200, "nobody wins: {given}, {refused}");
    ensure!(
        bad_status.is_client_error() && refused["error"] == "invalid_grant",
        "{bad_status}: {refused}"
    );
    Ok(())
}

/// What came of traffic.
#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    sign_ins: AtomicU32,
    tokens: AtomicU32,
    bad: Mutex<Vec<String>>,
}

async fn evicted(stage: &Stage, bare: &Bare, authority: &Authority) -> Result<()> {
    let (web, batch) = join!(
        set_up(stage, NAMESPACE, "web"),
        set_up(stage, NAMESPACE, "batch")
    );
    let (web, batch) = (web?, batch?);
    let services: Api<Service> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let service = services.get(PODS).await?;
    let address = service.spec.and_then(|spec| spec.cluster_ip);
    let address = SocketAddr::new(address.context("no address")?.parse()?, 443);
    let gate = bare.node.gate(LOOPBACK, address).await?;
    let door = || Door::at(HOST, gate.address(), &authority.pem);
    let tally = Tally::default();
    let users = join_all((0..CROWD).map(|_| sign_in(&tally, &web, door)));
    let programs = join_all((0..CROWD).map(|_| ask(&tally, &batch, door)));
    let evictions = async {
        let outcome = evict_both(stage, bare, authority, &tally).await;
        tally.stop.store(true, Ordering::Relaxed);
        outcome
    };
    let (outcome, _, _) = join!(evictions, users, programs);
    outcome?;
    let [sign_ins, tokens] = [&tally.sign_ins, &tally.tokens].map(|n| n.load(Ordering::Relaxed));
    let bad = tally.bad.into_inner().map_err(|_| anyhow!("poisoned"))?;
    ensure!(
        bad.is_empty(),
        "{} failed beside {sign_ins} sign-ins and {tokens} tokens: {}",
        bad.len(),
        bad.iter().take(10).cloned().collect::<Vec<_>>().join("\n")
    );
    say(&format!(
        "                 {sign_ins} sign-ins and {tokens} tokens"
    ));
    Ok(())
}

impl Tally {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn add(&self, good: &AtomicU32, outcome: Result<()>) {
        match outcome {
            Ok(()) => {
                good.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                if let Ok(mut bad) = self.bad.lock() {
                    bad.push(format!("{error:#}"));
                }
            }
        }
    }

    /// Waits until there was some more of both.
    async fn flows(&self) -> Result<()> {
        let count = || [&self.sign_ins, &self.tokens].map(|n| n.load(Ordering::Relaxed));
        let before = count();
        eventually("traffic flows", async || {
            let now = count();
            let enough = now[0] >= before[0] + 3 && now[1] >= before[1] + 10;
            ensure!(enough, "{before:?}, {now:?}");
            Ok(())
        })
        .await
    }
}

/// Somebody new signs in, again and again; each request is a connection of its own, to either pod.
async fn sign_in(tally: &Tally, web: &SetUp, door: impl Fn() -> Result<Door>) {
    while tally.goes_on() {
        let outcome = async {
            let mut door = door()?;
            let code = door.code(web).await?;
            door.given(web, &of_code(&code)).await?;
            Ok(())
        };
        tally.add(&tally.sign_ins, outcome.await);
    }
}

async fn ask(tally: &Tally, batch: &SetUp, door: impl Fn() -> Result<Door>) {
    let form = [("grant_type", "client_credentials"), ("audience", API)];
    while tally.goes_on() {
        let outcome = async {
            door()?.given(batch, &form).await?;
            Ok(())
        };
        tally.add(&tally.tokens, outcome.await);
    }
}

/// As `kubectl drain` does, from node after node.
async fn evict_both(
    stage: &Stage,
    bare: &Bare,
    authority: &Authority,
    tally: &Tally,
) -> Result<()> {
    let api: Api<Pod> = Api::namespaced(stage.client.clone(), NAMESPACE);
    let first = pods(stage).await?;
    for pod in &first {
        tally.flows().await?;
        let status = api.get(pod).await?.status;
        let address = status.and_then(|status| status.pod_ip);
        let address = SocketAddr::new(address.context("no address")?.parse()?, 7743);
        let gate = bare.node.gate(LOOPBACK, address).await?;
        let door = Door::at(HOST, gate.address(), &authority.pem)?;
        api.evict(pod, &EvictParams::default()).await?;
        let allowed = allowed(stage).await?;
        ensure!(allowed == "0", "{allowed} more could go at the same time");
        // A proxy that hears of it every two seconds, as Traefik does, leads to it meanwhile.
        sleep(Duration::from_secs(2)).await;
        door.keys().await.context("it takes no connections")?;
        eventually("another one is ready, and this one gone", async || {
            let left = api.get_opt(pod).await?;
            ensure!(left.is_none(), "{pod} is there");
            let deployment = format!("deployment/{PODS}");
            let ready = ["rollout", "status", &deployment, "--timeout=60s"];
            stage.kubectl(NAMESPACE, &ready).await?;
            Ok(())
        })
        .await?;
    }
    tally.flows().await?;
    let now = pods(stage).await?;
    ensure!(now.iter().all(|pod| !first.contains(pod)), "{now:?}");
    Ok(())
}
