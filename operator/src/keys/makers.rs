//! Makes keys beside everything else: an RSA key takes about 70 ms, and a thousand namespaces want one each.

use std::collections::BTreeSet;

use mintage_core::TenantRef;
use mintage_core::bundle::PrivateEntry;
use mintage_core::jose::{Jwk, Pkcs8, PrivateKey};
use mintage_core::plan::KeyName;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

/// A key that was made.
#[derive(Debug)]
pub struct Made {
    pub name: KeyName,
    pub jwk: Jwk,
    pub entry: PrivateEntry,
}

/// Makes keys, a few at a time, one tenant's after the other's: a tenant that wants hundreds holds nobody up.
#[derive(Debug)]
pub struct Makers {
    wanted: BTreeSet<KeyName>,
    making: BTreeSet<KeyName>,
    last: Option<TenantRef>,
    at_once: usize,
    sender: mpsc::UnboundedSender<(KeyName, Result<Made, String>)>,
}

/// What the makers send back.
pub type Finished = mpsc::UnboundedReceiver<(KeyName, Result<Made, String>)>;

impl Makers {
    /// Makers that use all cores but one for keys, and at least one.
    pub fn start() -> (Self, Finished) {
        let (sender, finished) = mpsc::unbounded_channel();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let makers = Self {
            wanted: BTreeSet::new(),
            making: BTreeSet::new(),
            last: None,
            at_once: cores.saturating_sub(1).max(1),
            sender,
        };
        (makers, finished)
    }

    /// Says which keys are wanted from now on; what is no longer wanted is not begun.
    pub fn want(&mut self, wanted: BTreeSet<KeyName>) {
        self.wanted = wanted;
        self.begin();
    }

    /// A key is finished.
    pub fn done(&mut self, name: &KeyName) {
        self.making.remove(name);
        self.wanted.remove(name);
        self.begin();
    }

    /// Whether any key is being made or waits to be.
    pub fn is_busy(&self) -> bool {
        !self.making.is_empty() || !self.wanted.is_empty()
    }

    fn begin(&mut self) {
        while self.making.len() < self.at_once {
            let Some(name) = self.next() else { return };
            self.last = Some(name.0.tenant.clone());
            self.making.insert(name.clone());
            let sender = self.sender.clone();
            spawn_blocking(move || {
                let made = make(&name);
                // Nobody waits for it when leadership is over.
                sender.send((name, made)).ok();
            });
        }
    }

    /// The next key to make: the first of the tenant after the last one's.
    fn next(&self) -> Option<KeyName> {
        let mut waiting = self
            .wanted
            .iter()
            .filter(|name| !self.making.contains(*name));
        let first = waiting.next()?;
        let Some(last) = &self.last else {
            return Some(first.clone());
        };
        if first.0.tenant > *last {
            return Some(first.clone());
        }
        let next = waiting.find(|name| name.0.tenant > *last);
        Some(next.unwrap_or(first).clone())
    }
}

fn make(name: &KeyName) -> Result<Made, String> {
    let alg = name.1;
    let make = || {
        let pkcs8 = Pkcs8::generate(alg)?;
        let jwk = PrivateKey::from_pkcs8(alg, &pkcs8)?.jwk().clone();
        let entry = PrivateEntry {
            kid: jwk.kid.clone(),
            alg,
            pkcs8,
        };
        Ok::<_, mintage_core::jose::InvalidPrivateKey>(Made {
            name: name.clone(),
            jwk,
            entry,
        })
    };
    make().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use mintage_core::keyring::Owner;
    use mintage_core::{Alg, Namespace};

    use super::*;

    fn name(tenant: &str, namespace: &str) -> KeyName {
        let tenant = TenantRef::parse(tenant).unwrap();
        let namespace = Namespace::parse(namespace).unwrap();
        (Owner::namespace(tenant, namespace), Alg::ES256)
    }

    #[tokio::test]
    async fn tenants_take_turns() {
        let (mut makers, mut finished) = Makers::start();
        makers.at_once = 1;
        let many = (0..9).map(|number| name("a/big", &format!("n{number}")));
        let wanted = many.chain([name("b/small", "x"), name("c/small", "y")]);
        makers.want(wanted.collect());
        let mut order = Vec::new();
        while makers.is_busy() {
            let (name, made) = finished.recv().await.unwrap();
            assert_eq!(made.unwrap().name, name);
            makers.done(&name);
            order.push(name.0.tenant.to_string());
        }
        assert_eq!(order.len(), 11);
        assert_eq!(order[..4], ["a/big", "b/small", "c/small", "a/big"]);
    }

    #[tokio::test]
    async fn what_is_no_longer_wanted_is_not_begun() {
        let (mut makers, mut finished) = Makers::start();
        makers.at_once = 1;
        makers.want(BTreeSet::from([name("a/t", "x"), name("a/t", "y")]));
        makers.want(BTreeSet::new());
        let (first, _) = finished.recv().await.unwrap();
        makers.done(&first);
        assert!(!makers.is_busy());
        assert!(finished.try_recv().is_err());
    }
}
