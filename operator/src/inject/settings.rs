//! What the operator's admin says of every sidecar. A pod chooses none of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// What every sidecar has alike.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Settings {
    /// The address of the admin listener: `::` on clusters without IPv4.
    pub admin_address: IpAddr,
    /// The sidecar's image.
    pub image: String,
    /// When a node fetches the image.
    pub image_pull_policy: PullPolicy,
    /// What the sidecar logs.
    pub log_level: String,
    /// Where the sidecar's traces go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
    /// The ports that the sidecar has in its pod.
    pub ports: Ports,
    /// What the sidecar asks for and is held to.
    pub resources: Resources,
    /// How long the sidecar may wait for a bundle before it is started anew, in seconds.
    pub start_seconds: u32,
    /// How many threads answer requests.
    pub threads: u16,
    /// The user and group that the sidecar runs as.
    pub uid: u32,
}

/// When a node fetches an image, in Kubernetes' words.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum PullPolicy {
    /// At each start.
    Always,
    /// Unless it is there.
    #[default]
    IfNotPresent,
    /// Not at all: it has been brought there.
    Never,
}

/// The ports that a sidecar has in its pod. No container of the app can have one of them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Ports {
    /// Health and metrics.
    pub admin: u16,
    /// Envoy's `ext_authz`, on the loopback.
    pub ext_authz: u16,
    /// The workload API, on the loopback.
    pub workload_api: u16,
}

/// What a container asks for and is held to, as Kubernetes writes quantities.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// What the scheduler sets aside.
    pub requests: BTreeMap<String, String>,
    /// What it cannot exceed.
    pub limits: BTreeMap<String, String>,
}

/// Settings that no sidecar can run with.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidSettings {
    /// No image.
    #[error("the sidecar's image is empty: name one")]
    Image,
    /// A port is zero or stands twice.
    #[error(
        "the sidecar's ports {workload_api}, {admin} and {ext_authz} must be three different ones between 1 and 65535",
        workload_api = .0.workload_api, admin = .0.admin, ext_authz = .0.ext_authz
    )]
    Ports(Ports),
    /// Root.
    #[error("the sidecar does not run as root: give it a uid above 0")]
    Root,
}

/// 7600: the port's number, and no user of the images that apps are commonly built from (65532 is "nonroot" of
/// distroless ones, 1000 the first user of most others).
const UID: u32 = 7600;

impl Default for Settings {
    fn default() -> Self {
        Self {
            admin_address: Ipv4Addr::UNSPECIFIED.into(),
            image: concat!(
                "ghcr.io/mintage-dev/mintage-sidecar:",
                env!("CARGO_PKG_VERSION")
            )
            .to_owned(),
            image_pull_policy: PullPolicy::default(),
            log_level: "info".to_owned(),
            otlp_endpoint: None,
            ports: Ports::default(),
            resources: Resources::default(),
            start_seconds: 300,
            // One for each core of a large node would cost each pod more memory than the rest of the sidecar.
            threads: 2,
            uid: UID,
        }
    }
}

impl Default for Ports {
    fn default() -> Self {
        Self {
            admin: 7601,
            ext_authz: 7602,
            workload_api: 7600,
        }
    }
}

impl Default for Resources {
    fn default() -> Self {
        let quantities = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(name, quantity)| ((*name).to_owned(), (*quantity).to_owned()))
                .collect()
        };
        Self {
            requests: quantities(&[("cpu", "10m"), ("memory", "16Mi")]),
            // No limit of CPU: a throttled signature would hold up the app.
            limits: quantities(&[("memory", "64Mi")]),
        }
    }
}

impl Settings {
    /// Refuses what no sidecar can run with.
    pub fn check(&self) -> Result<(), InvalidSettings> {
        if self.image.trim().is_empty() {
            return Err(InvalidSettings::Image);
        }
        if self.uid == 0 {
            return Err(InvalidSettings::Root);
        }
        let [a, b, c] = self.ports.all();
        if [a, b, c].contains(&0) || a == b || b == c || a == c {
            return Err(InvalidSettings::Ports(self.ports));
        }
        Ok(())
    }

    /// Where the workload API listens.
    pub(super) fn workload_api(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.workload_api).into()
    }

    /// Where Envoy's `ext_authz` is answered.
    pub(super) fn ext_authz(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.ext_authz).into()
    }

    /// Where the admin listener listens.
    pub(super) fn admin(&self) -> SocketAddr {
        (self.admin_address, self.ports.admin).into()
    }
}

impl Ports {
    /// All of them.
    pub fn all(self) -> [u16; 3] {
        [self.workload_api, self.admin, self.ext_authz]
    }
}
