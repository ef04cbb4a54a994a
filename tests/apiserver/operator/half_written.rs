//! F13: files that are half of something. The operator's own Secrets, damaged on their way into the folder of a pod,
//! take nothing from a sidecar that runs; and the next good ones are taken up.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mintage_core::bundle::{Bundle, MAX_SHARDS, join};
use mintage_tests::cluster::within;
use mintage_tests::dice::Dice;
use mintage_tests::operator::Options;
use mintage_tests::pod::{Sidecar, header};
use mintage_tests::volume::{Files, Volume};
use serde_json::{Value, json};

use super::scene::{PATIENCE, Scene};

const API: &str = "https://orders.test";

const KEYRING: &str = "keyring.json";

/// Longer than it takes to look at files on a busy machine.
const DELAY: &str = "8s";

/// APIs that do nothing but make the bundle so large that one Secret does not hold it.
const HEAVY: usize = 8;

fn orders(life: i64) -> Value {
    json!({
        "tenantRef": {"name": "acme", "namespace": "identity"},
        "identifier": API,
        "signingAlgorithm": "ES256",
        "tokenLifetimeSeconds": life,
        "scopes": [{"name": "read"}],
        "grants": [
            {"workload": {"namespace": "shop", "serviceAccount": "app"}, "scopes": ["read"]},
            {"workload": {"namespace": "shop", "serviceAccount": "web"}, "scopes": ["read"]},
        ],
    })
}

fn heavy(number: usize) -> Value {
    let scopes: Vec<String> = (0..256)
        .map(|scope| format!("{number:04}:{scope:0120}"))
        .collect();
    let declared: Vec<Value> = scopes.iter().map(|name| json!({ "name": name })).collect();
    json!({
        "tenantRef": {"name": "acme", "namespace": "identity"},
        "identifier": format!("https://heavy{number}.test"),
        "signingAlgorithm": "ES256",
        "scopes": declared,
        "grants": [{"workload": {"namespace": "shop", "serviceAccount": "app"}, "scopes": scopes}],
    })
}

/// Two pods of one namespace: what comes to the one is damaged, the other has what the Secrets hold.
struct Pods {
    scene: Scene,
    volume: Volume,
    app: Sidecar,
    whole: Volume,
    web: Sidecar,
    /// What the first has loaded, and the version of its bundle.
    good: Files,
    version: u64,
    life: i64,
    refused: u64,
    _dir: tempfile::TempDir,
}

impl Pods {
    async fn start(scene: Scene) -> Result<Self> {
        let life = 600;
        scene.namespace("identity", &json!({})).await?;
        scene.opted_in("shop").await?;
        scene
            .tenant(
                "identity/acme",
                json!({
                    "domain": "acme.test",
                    "allowedNamespaces": {"from": "All"},
                    "signing": {"propagationDelay": DELAY},
                }),
            )
            .await?;
        scene.audience("shop/orders", orders(life)).await?;
        for number in 0..HEAVY {
            let at = format!("shop/heavy{number}");
            scene.audience(&at, heavy(number)).await?;
        }
        scene.audience_ready("shop/orders").await?;
        for number in 0..HEAVY {
            scene.audience_ready(&format!("shop/heavy{number}")).await?;
        }
        let dir = tempfile::tempdir()?;
        let volume = |name: &str| {
            let path = dir.path().join(name);
            Volume::new(scene.client.clone(), "shop", "identity/acme", &path)
        };
        let (mut volume, mut whole) = (volume("app")?, volume("web")?);
        let good = volume.read().await?;
        volume.write(good.clone())?;
        whole.sync().await?;
        let accept = ["--accept", "orders"];
        let app = Sidecar::start(volume.dir(), "shop/app", &accept).await?;
        let web = Sidecar::start(whole.dir(), "shop/web", &accept).await?;
        let refused = refusals(&app).await?;
        let version = app.bundle_version().await?;
        ensure!(
            good.contains_key("bundle-1"),
            "the bundle fits into one Secret"
        );
        Ok(Self {
            scene,
            volume,
            app,
            whole,
            web,
            good,
            version,
            life,
            refused,
            _dir: dir,
        })
    }

    /// Changes an API; what the Secrets hold once the operator has told the namespace, and the version of the bundle.
    async fn next(&mut self) -> Result<(Files, u64)> {
        // Shorter takes effect at once, longer after the delay.
        self.life -= 1;
        let life = self.life;
        self.scene.audience("shop/orders", orders(life)).await?;
        // Bundles are written before statuses.
        self.scene.audience_ready("shop/orders").await?;
        let files = self.volume.read().await?;
        let bundle = bundle(&files)?;
        let mut issued = bundle.body.issue.iter();
        let told = issued.any(|one| one.identifier.as_str() == API && one.lifetime == life);
        ensure!(told, "version {} has not the change", bundle.version);
        Ok((files, bundle.version))
    }

    /// Both pods' tokens are good at the other, and have the life of what the first has loaded.
    async fn serve(&self, life: i64) -> Result<()> {
        let answer = self.app.ask(API).await?;
        let (status, answer): (_, Value) = (answer.status(), answer.json().await?);
        ensure!(status == 200, "{status}: {answer}");
        ensure!(answer["expires_in"] == life, "{answer}, and not {life}");
        let token = answer["access_token"].as_str().context("no token")?;
        for (name, validator, token) in [
            ("web", &self.web, token.to_owned()),
            ("app", &self.app, self.web.token(API).await?),
        ] {
            let answer = validator.validate(&token).await?;
            let (status, text) = (answer.status(), answer.text().await?);
            ensure!(status == 200, "{name}: {status}: {text}");
        }
        Ok(())
    }

    /// Files that are no whole are refused, once and with a reason, and what is there serves on; the good ones are then
    /// taken up.
    async fn keeps_and_recovers(
        &mut self,
        what: &str,
        bad: Files,
        (next, version): (Files, u64),
    ) -> Result<()> {
        let before = self.version;
        let life = self.life + 1;
        self.volume.write(bad)?;
        let refused = self.refused + 1;
        within(PATIENCE, &format!("{what}: it is refused"), async || {
            let count = refusals(&self.app).await?;
            ensure!(count == refused, "{count} sets of files were refused");
            Ok(())
        })
        .await?;
        let kept = self.app.bundle_version().await?;
        ensure!(kept == before, "{what}: version {kept}, and not {before}");
        self.serve(life).await.context(what.to_owned())?;
        ensure!(self.app.is_ready().await?, "{what}: it is not ready");

        self.whole.sync().await?;
        self.volume.write(next.clone())?;
        self.arrives(what, version).await?;
        self.serve(self.life).await.context(what.to_owned())?;
        ensure!(refusals(&self.app).await? == refused, "{what}");
        self.refused = refused;
        (self.good, self.version) = (next, version);
        Ok(())
    }

    async fn arrives(&self, what: &str, version: u64) -> Result<()> {
        let what = format!("{what}: version {version} is loaded");
        within(PATIENCE, &what, async || {
            let loaded = self.app.bundle_version().await?;
            ensure!(loaded == version, "it is {loaded}");
            Ok(())
        })
        .await
    }

    /// How many sets of files it has taken up.
    async fn loads(&self) -> Result<u64> {
        let count = self
            .app
            .metric("mintage_reloads_total{outcome=\"loaded\"} ");
        Ok(count.await?.unwrap_or_default())
    }

    async fn kid(&self) -> Result<String> {
        let header = header(&self.app.token(API).await?)?;
        Ok(header["kid"].as_str().context("no kid")?.to_owned())
    }
}

/// The bundle of a set of files, if they are one.
fn bundle(files: &Files) -> Result<Bundle> {
    let shards = (0..MAX_SHARDS).map(|index| files.get(&format!("bundle-{index}")));
    let shards: Vec<_> = shards.map(|shard| shard.map(Vec::as_slice)).collect();
    Ok(join(&shards)?)
}

async fn refusals(sidecar: &Sidecar) -> Result<u64> {
    let count = sidecar
        .metric("mintage_reloads_total{outcome=\"refused\"} ")
        .await?;
    Ok(count.unwrap_or_default())
}

/// The files of the next version with one changed.
fn with(next: &Files, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Result<Files> {
    let mut files = next.clone();
    change(files.get_mut(name).with_context(|| format!("no {name}"))?);
    ensure!(files != *next, "{name} is as it was");
    Ok(files)
}

type Damage = fn(&Files, &Files, &mut Dice) -> Result<Files>;

/// From what was there, and what is to come.
const DAMAGES: [(&str, Damage); 15] = [
    ("the first shard lacks its last byte", |_, next, _| {
        with(next, "bundle-0", |bytes| bytes.truncate(bytes.len() - 1))
    }),
    ("the first shard ends in its manifest", |_, next, _| {
        with(next, "bundle-0", |bytes| bytes.truncate(40))
    }),
    ("the second shard is cut in half", |_, next, _| {
        with(next, "bundle-1", |bytes| bytes.truncate(bytes.len() / 2))
    }),
    ("a shard is empty", |_, next, _| {
        with(next, "bundle-0", Vec::clear)
    }),
    ("a shard has not arrived", |_, next, _| {
        let mut files = next.clone();
        files.remove("bundle-1").context("one shard")?;
        Ok(files)
    }),
    (
        "the second shard is of the version before",
        |before, next, _| {
            with(next, "bundle-1", |bytes| {
                before["bundle-1"].clone_into(bytes);
            })
        },
    ),
    (
        "the first shard is of the version before",
        |before, next, _| {
            with(next, "bundle-0", |bytes| {
                before["bundle-0"].clone_into(bytes);
            })
        },
    ),
    ("a byte of the second shard is another", |_, next, dice| {
        with(next, "bundle-1", |bytes| {
            let at = bytes.len() / 2 + dice.roll(bytes.len() / 4);
            bytes[at] ^= 1;
        })
    }),
    ("the keyring is empty", |_, next, _| {
        with(next, KEYRING, Vec::clear)
    }),
    ("the keyring is cut in half", |_, next, _| {
        with(next, KEYRING, |bytes| bytes.truncate(bytes.len() / 2))
    }),
    ("the keyring is JSON of another shape", |_, next, _| {
        with(next, KEYRING, |bytes| {
            b"{\"keys\":[]}".as_slice().clone_into(bytes);
        })
    }),
    ("the keyring is a bundle", |_, next, _| {
        with(next, KEYRING, |bytes| next["bundle-0"].clone_into(bytes))
    }),
    ("every file is noise", |_, next, dice| {
        let mut files = next.clone();
        for bytes in files.values_mut() {
            bytes.fill_with(|| u8::try_from(dice.roll(256)).unwrap_or_default());
        }
        Ok(files)
    }),
    ("every file is full of zeros", |_, next, _| {
        let mut files = next.clone();
        for bytes in files.values_mut() {
            bytes.fill(0);
        }
        Ok(files)
    }),
    ("there is no file at all", |_, _, _| Ok(Files::new())),
];

#[tokio::test]
async fn f13_half_of_the_operators_secrets_takes_nothing_from_a_sidecar_that_runs() -> Result<()> {
    let name = "operator::half_written::f13_half_of_the_operators_secrets_takes_nothing_from_a_sidecar_that_runs";
    let Some(scene) = Scene::start(name).await? else {
        return Ok(());
    };
    let _operator = scene.operator(&Options::default()).await?;
    let mut pods = Pods::start(scene).await?;
    pods.serve(pods.life).await?;
    let mut dice = Dice::new(13);
    for (what, damage) in DAMAGES {
        let next = pods.next().await?;
        let bad = damage(&pods.good, &next.0, &mut dice)?;
        pods.keeps_and_recovers(what, bad, next).await?;
    }
    Ok(())
}

/// Kubelet may bring the keyring before the bundle or after it. Whichever comes first, tokens are issued and good all the
/// while, and a key signs only once both are there.
#[tokio::test]
async fn f13_keyring_and_bundle_of_two_generations_serve_together() -> Result<()> {
    let name = "operator::half_written::f13_keyring_and_bundle_of_two_generations_serve_together";
    let Some(scene) = Scene::start(name).await? else {
        return Ok(());
    };
    let _operator = scene.operator(&Options::default()).await?;
    let mut pods = Pods::start(scene).await?;
    for (what, keyring_first) in [("keyring first", true), ("bundle first", false)] {
        let old = pods.kid().await?;
        let before = pods.good.clone();
        let rotate = json!({"mintage.dev/rotate-now": what});
        pods.scene.annotate("identity/acme", rotate).await?;
        // The private key is delivered after the bundle that lists it, and before it signs.
        let next = within(PATIENCE, "the next keys are delivered", async || {
            let files = pods.volume.read().await?;
            bundle(&files)?;
            ensure!(
                files[KEYRING] != before[KEYRING],
                "the keyring is as it was"
            );
            Ok(files)
        })
        .await?;
        pods.whole.sync().await?;
        let mut mixed = if keyring_first { &before } else { &next }.clone();
        let keyring = if keyring_first { &next } else { &before }[KEYRING].clone();
        mixed.insert(KEYRING.to_owned(), keyring);
        let loads = pods.loads().await?;
        pods.volume.write(mixed.clone())?;
        within(PATIENCE, "the files are loaded", async || {
            ensure!(pods.loads().await? > loads, "they are not");
            Ok(())
        })
        .await?;
        pods.arrives(what, bundle(&mixed)?.version).await?;
        pods.serve(pods.life).await.context(what)?;
        ensure!(
            pods.kid().await? == old,
            "{what}: the next key signs already"
        );

        // The rest arrives, and then the next key signs.
        let end = tokio::time::Instant::now() + PATIENCE;
        while pods.kid().await? == old {
            pods.volume.sync().await?;
            pods.whole.sync().await?;
            pods.serve(pods.life).await.context(what)?;
            ensure!(
                tokio::time::Instant::now() < end,
                "{what}: {old} signs still"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        pods.good = pods.volume.read().await?;
        pods.volume.write(pods.good.clone())?;
        ensure!(
            refusals(&pods.app).await? == 0,
            "{what}: files were refused"
        );
    }
    Ok(())
}
