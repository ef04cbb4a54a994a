//! Bundles that come by the operator's stream, beside those that are mounted.

use std::sync::Arc;

use mintage_core::bundle::split;
use mintage_sidecar::feed::{Inlet, Pushed, Standing};
use mintage_sidecar::files::{Files, KEYRING};
use mintage_sidecar::reload::Reloader;
use mintage_sidecar::server::Limits;
use tokio::sync::watch;

use crate::cluster::{ACME, Cluster, GLOBEX, ORDERS, standard};
use crate::folder::Folder;
use crate::pod::{Pod, files, identity};

/// `shop/checkout` with its folder and the other end of its stream.
struct Fed {
    pod: Pod,
    folder: Folder,
    reloader: Reloader,
    push: watch::Sender<Option<Arc<Pushed>>>,
    standing: watch::Receiver<Standing>,
    cluster: Cluster,
    mounted: Files,
}

impl Fed {
    fn new() -> Self {
        let cluster = Cluster::new(standard());
        let mounted = files(&cluster, ACME, "shop");
        let pod = Pod::empty(identity("shop/checkout", ""), Limits::default());
        let folder = Folder::new(&mounted);
        let (shared, metrics) = (Arc::clone(&pod.shared), Arc::clone(&pod.metrics));
        let (push, pushed) = watch::channel(None);
        let (stand, standing) = watch::channel(Standing::default());
        let inlet = Inlet {
            pushed,
            standing: stand,
        };
        let reloader = Reloader::new(folder.path(), pod.identity.clone(), shared, metrics);
        let mut fed = Self {
            pod,
            folder,
            reloader: reloader.fed(inlet),
            push,
            standing,
            cluster,
            mounted,
        };
        fed.reloader.look();
        fed
    }

    /// Something changes; its bundle comes by the stream.
    fn change(&mut self, lifetime: i64) -> Pushed {
        let set = |audience: &mut mintage_core::world::Audience| audience.lifetime = lifetime;
        self.cluster.edit_audience("orders/orders", set);
        self.bundle_of(ACME)
    }

    fn bundle_of(&self, tenant: &str) -> Pushed {
        let bundle = self.cluster.bundle(tenant, "shop");
        Pushed {
            version: bundle.version,
            shards: split(bundle).unwrap(),
        }
    }

    fn push(&mut self, pushed: Pushed) {
        self.push.send_replace(Some(Arc::new(pushed)));
        self.reloader.look();
    }

    fn version(&self) -> u64 {
        self.pod.shared.current().unwrap().bundle.version
    }

    fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }
}

#[tokio::test]
async fn the_newer_of_two_bundles_is_used_and_what_is_used_is_told() {
    let mut fed = Fed::new();
    let first = fed.version();
    assert_eq!(fed.standing().version, first);
    assert_eq!(fed.standing().tenant.unwrap().to_string(), ACME);
    let pushed = fed.change(300);
    let second = pushed.version;
    assert!(first < second);
    fed.push(pushed);
    assert_eq!((fed.version(), fed.standing().version), (second, second));
    let token = fed.pod.token(ORDERS).await;
    assert_eq!(token.split('.').count(), 3);
    // The mount is older for a while: nothing to complain of.
    fed.reloader.look();
    assert_eq!(fed.version(), second);
    assert_eq!(fed.pod.shared.complaint(), None);
    // It catches up, and then goes ahead.
    let same = files(&fed.cluster, ACME, "shop");
    fed.folder.swap(&same);
    fed.reloader.look();
    assert_eq!(fed.version(), second);
    let third = fed.change(600).version;
    let newest = files(&fed.cluster, ACME, "shop");
    fed.folder.swap(&newest);
    fed.reloader.look();
    assert_eq!((fed.version(), fed.standing().version), (third, third));
    assert_eq!(fed.standing().refused, None);
}

/// Attack: whoever sits in the operator's place sends what is not a bundle, an old one, or another tenant's.
#[tokio::test]
async fn a_bundle_that_cannot_be_used_leaves_what_is_there_and_is_told() {
    let mut fed = Fed::new();
    let first = fed.version();
    let good = fed.change(300);
    let mut damaged = Pushed {
        version: good.version,
        shards: good.shards.clone(),
    };
    damaged.shards[0].truncate(good.shards[0].len() - 1);
    let mut stranger = fed.bundle_of(GLOBEX);
    stranger.version = good.version;
    for bad in [damaged, stranger] {
        fed.push(bad);
        assert_eq!((fed.version(), fed.standing().version), (first, first));
        assert!(fed.standing().refused.is_some());
        fed.pod.token(ORDERS).await;
    }
    let second = good.version;
    let again = Pushed {
        version: good.version,
        shards: good.shards.clone(),
    };
    fed.push(good);
    assert_eq!((fed.version(), fed.standing().refused), (second, None));
    // One that only says that it is newer.
    let mut old = fed.bundle_of(ACME);
    let mut bundle = fed.cluster.bundle(ACME, "shop").clone();
    bundle.version = first - 1;
    old.shards = split(&bundle).unwrap();
    old.version = second + 5;
    fed.push(old);
    assert_eq!(fed.version(), second);
    assert!(fed.standing().refused.unwrap().contains("older"));
    fed.push(again);
    assert_eq!(fed.version(), second);
}

/// A keyring that is damaged is none of the stream's doing, and the bundle that came by it stays.
#[tokio::test]
async fn what_came_by_the_stream_outlives_a_damaged_mount() {
    let mut fed = Fed::new();
    let pushed = fed.change(300);
    let second = pushed.version;
    fed.push(pushed);
    let mut damaged = fed.mounted.clone();
    damaged.insert(KEYRING, b"{".to_vec());
    fed.folder.swap(&damaged);
    fed.reloader.look();
    assert_eq!(fed.version(), second);
    let mended = fed.mounted.clone();
    fed.folder.swap(&mended);
    fed.reloader.look();
    assert_eq!((fed.version(), fed.pod.shared.complaint()), (second, None));
    assert_eq!(fed.standing().refused, None);
}
