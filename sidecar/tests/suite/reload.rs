//! Reloads: what cannot be used leaves the last good bundle.

use std::sync::Arc;

use mintage_core::TenantRef;
use mintage_core::bundle::KeyringFile;
use mintage_core::keyring::Owner;
use mintage_sidecar::files::{Files, KEYRING};
use mintage_sidecar::reload::Reloader;
use mintage_sidecar::server::Limits;

use crate::cluster::{ACME, Cluster, GLOBEX, NOW, ORDERS, standard};
use crate::folder::{Folder, in_two_shards};
use crate::pod::{Pod, files, identity};

/// `shop/checkout` with its folder, and the files before and after a change.
struct Mounted {
    pod: Pod,
    folder: Folder,
    reloader: Reloader,
    before: Files,
    after: Files,
    versions: (u64, u64),
}

impl Mounted {
    fn new() -> Self {
        let mut cluster = Cluster::new(standard());
        let before = files(&cluster, ACME, "shop");
        let old = cluster.bundle(ACME, "shop").version;
        cluster.edit_audience("orders/orders", |audience| audience.lifetime = 300);
        let after = files(&cluster, ACME, "shop");
        let new = cluster.bundle(ACME, "shop").version;
        assert!(old < new);
        let pod = Pod::empty(identity("shop/checkout", ""), Limits::default());
        let folder = Folder::new(&before);
        let (shared, metrics) = (Arc::clone(&pod.shared), Arc::clone(&pod.metrics));
        let mut reloader = Reloader::new(folder.path(), pod.identity.clone(), shared, metrics);
        reloader.look();
        let mounted = Self {
            pod,
            folder,
            reloader,
            before,
            after,
            versions: (old, new),
        };
        assert_eq!(mounted.version(), old);
        mounted
    }

    fn version(&self) -> u64 {
        self.pod.shared.current().unwrap().bundle.version
    }

    fn swap(&mut self, files: &Files) {
        self.folder.swap(files);
        self.reloader.look();
    }

    fn reloads(&self, outcome: &str) -> u64 {
        let name = format!("mintage_reloads_total{{outcome=\"{outcome}\"}}");
        self.pod.metric(&name)
    }

    /// A bad set of files keeps what is loaded; the good one then comes through.
    async fn keeps_and_recovers(&mut self, bad: &Files) {
        self.swap(bad);
        assert_eq!(self.version(), self.versions.0);
        self.pod.token(ORDERS).await;
        // Looking again complains no second time.
        self.reloader.look();
        assert_eq!((self.reloads("loaded"), self.reloads("refused")), (1, 1));
        let after = self.after.clone();
        self.swap(&after);
        assert_eq!(self.version(), self.versions.1);
        self.pod.token(ORDERS).await;
        assert_eq!((self.reloads("loaded"), self.reloads("refused")), (2, 1));
    }

    /// The new files with one changed.
    fn with(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Files {
        let mut files = self.after.clone();
        let mut bytes = files.get(name).unwrap().to_vec();
        change(&mut bytes);
        files.insert(name, bytes);
        files
    }
}

#[tokio::test]
async fn truncated_and_empty_shards() {
    for keep in [0, 1, 50, 150, 400] {
        let mut mounted = Mounted::new();
        let bad = mounted.with("bundle-0", |bytes| bytes.truncate(keep));
        mounted.keeps_and_recovers(&bad).await;
    }
    let mut mounted = Mounted::new();
    let bad = mounted.with("bundle-0", |bytes| bytes.truncate(bytes.len() - 1));
    mounted.keeps_and_recovers(&bad).await;
}

#[tokio::test]
async fn a_damaged_byte() {
    let mut mounted = Mounted::new();
    let bad = mounted.with("bundle-0", |bytes| {
        let text = String::from_utf8(std::mem::take(bytes)).unwrap();
        *bytes = text.replacen("read:orders", "read:other5", 1).into_bytes();
    });
    mounted.keeps_and_recovers(&bad).await;
}

#[tokio::test]
async fn shards_of_two_bundles() {
    let mut mounted = Mounted::new();
    let (before, after) = (
        in_two_shards(&mounted.before),
        in_two_shards(&mounted.after),
    );
    let mut mixed = after.clone();
    mixed.insert("bundle-1", before.get("bundle-1").unwrap().to_vec());
    mounted.keeps_and_recovers(&mixed).await;

    let mut mounted = Mounted::new();
    let mut missing = after.clone();
    missing.remove("bundle-1");
    mounted.keeps_and_recovers(&missing).await;

    // Both of one bundle are that bundle, and a shard that is left over does no harm.
    let mut mounted = Mounted::new();
    mounted.swap(&after);
    assert_eq!(mounted.version(), mounted.versions.1);
    let mut mounted = Mounted::new();
    let mut left_over = mounted.after.clone();
    left_over.insert("bundle-1", before.get("bundle-1").unwrap().to_vec());
    mounted.swap(&left_over);
    assert_eq!(mounted.version(), mounted.versions.1);
}

#[tokio::test]
async fn a_deleted_bundle_or_keyring() {
    for name in ["bundle-0", KEYRING] {
        let mut mounted = Mounted::new();
        let mut bad = mounted.after.clone();
        bad.remove(name);
        mounted.keeps_and_recovers(&bad).await;
    }
    let mut mounted = Mounted::new();
    mounted.keeps_and_recovers(&Files::default()).await;
}

#[tokio::test]
async fn a_damaged_keyring() {
    let damages: [fn(&mut Vec<u8>); 4] = [
        Vec::clear,
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| *bytes = b"{}".to_vec(),
        |bytes| {
            // The base64 of a key: another letter is another key, or none.
            let at = bytes.len() / 2;
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        },
    ];
    for damage in damages {
        let mut mounted = Mounted::new();
        let bad = mounted.with(KEYRING, damage);
        mounted.keeps_and_recovers(&bad).await;
    }
}

#[tokio::test]
async fn the_keyring_or_bundle_of_another() {
    let cluster = Cluster::standard();
    for (tenant, namespace, name) in [
        (ACME, "other", KEYRING),
        (GLOBEX, "shop", KEYRING),
        (ACME, "other", "bundle-0"),
        (GLOBEX, "shop", "bundle-0"),
    ] {
        let other = files(cluster, tenant, namespace);
        let mut mounted = Mounted::new();
        let bad = mounted.with(name, |bytes| *bytes = other.get(name).unwrap().to_vec());
        mounted.keeps_and_recovers(&bad).await;
    }
    let mut mounted = Mounted::new();
    let whole = files(cluster, GLOBEX, "shop");
    mounted.keeps_and_recovers(&whole).await;
}

#[tokio::test]
async fn an_older_bundle_is_refused() {
    let mut mounted = Mounted::new();
    let (before, after) = (mounted.before.clone(), mounted.after.clone());
    mounted.swap(&after);
    assert_eq!(mounted.version(), mounted.versions.1);
    mounted.swap(&before);
    assert_eq!(mounted.version(), mounted.versions.1);
    assert_eq!(mounted.reloads("refused"), 1);
    // The same fault after a good moment in between is news.
    mounted.swap(&after);
    mounted.swap(&before);
    assert_eq!(mounted.reloads("refused"), 2);
}

#[tokio::test]
async fn a_file_larger_than_any_secret() {
    let mut mounted = Mounted::new();
    let bad = mounted.with("bundle-0", |bytes| bytes.resize(2_000_000, b' '));
    mounted.keeps_and_recovers(&bad).await;
    assert_eq!(mounted.pod.shared.now(), NOW);
}

/// Fault F5: the keyring lost its keys, and the bundle still has one of them sign.
#[tokio::test]
async fn a_private_key_that_the_keyring_lost_signs_on_from_memory() {
    let mut mounted = Mounted::new();
    mounted.pod.token(ORDERS).await;
    let tenant = TenantRef::parse(ACME).unwrap();
    let namespace = "shop".parse().unwrap();
    let empty = KeyringFile::new(Owner::namespace(tenant, namespace));
    let lost = mounted.with(KEYRING, |bytes| *bytes = empty.to_bytes().to_vec());
    mounted.swap(&lost);
    assert_eq!(mounted.version(), mounted.versions.1);
    mounted.pod.token(ORDERS).await;

    // Without that memory there is nothing to sign with.
    let fresh = Pod::empty(identity("shop/checkout", ""), Limits::default());
    fresh.shared.load(&lost, &fresh.identity).unwrap();
    let answer = fresh.ask(&[("audience", ORDERS)]).send().await.unwrap();
    assert_eq!(answer.status(), 503);
}

#[tokio::test]
async fn who_is_not_ready_says_what_is_wrong_with_the_files() {
    let pod = Pod::empty(identity("shop/checkout", ""), Limits::default());
    let mut cluster = Cluster::new(standard());
    cluster.edit_audience("orders/orders", |audience| audience.lifetime = 300);
    // The files of another namespace.
    let mut folder = Folder::new(&files(&cluster, ACME, "orders"));
    let (shared, metrics) = (Arc::clone(&pod.shared), Arc::clone(&pod.metrics));
    let mut reloader = Reloader::new(folder.path(), pod.identity.clone(), shared, metrics);
    reloader.look();
    let ready = pod.admin("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(
        ready.body.contains("namespace orders") && ready.body.contains("namespace shop"),
        "{ready:?}"
    );
    folder.swap(&files(&cluster, ACME, "shop"));
    reloader.look();
    assert_eq!(pod.admin("/readyz").await.body, "ready\n");
}
