//! What a control plane has besides where its node routes Services ([`Nodes::Routed`](super::Nodes::Routed)).
//!
//! The API server stays on the machine's loopback, and its node is in a network of its own. What it has to reach in there,
//! the kubelet and webhooks, it asks for on a socket, on which the node listens (an egress selector, as Kubernetes calls
//! it). Pods find the API server at the node's address, which forwards to it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::json;

use super::access::MASTERS;
use super::authority::Authority;
use crate::node::ADDRESS;

/// Addresses of Services.
pub const SERVICES: &str = "10.0.0.0/24";

/// The one of the cluster's DNS.
pub const DNS: &str = "10.0.0.10";

/// Names and addresses by which pods know the API server: its Service has the first address.
pub const NAMES: [&str; 6] = [
    ADDRESS,
    "10.0.0.1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// Further controllers: of Services and of what nodes do.
pub const CONTROLLERS: [&str; 9] = [
    "daemonset-controller",
    "disruption-controller",
    "endpoints-controller",
    "endpointslice-controller",
    "node-lifecycle-controller",
    "pod-garbage-collector-controller",
    "resourcequota-controller",
    "taint-eviction-controller",
    "ttl-after-finished-controller",
];

/// The socket on which the API server asks for connections to what is on the node.
pub fn socket(folder: &Path) -> PathBuf {
    folder.join("egress.sock")
}

/// Further options of the API server.
pub fn api_server(folder: &Path, authority: &Authority) -> Result<[(&'static str, String); 6]> {
    let put = |name: &str, text: &str| -> Result<String> {
        let file = folder.join(name);
        fs::write(&file, text).with_context(|| file.display().to_string())?;
        crate::text(&file)
    };
    let user = authority.user("kube-apiserver-kubelet-client", Some(MASTERS))?;
    let selector = json!({
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{
            "name": "cluster",
            "connection": {
                "proxyProtocol": "HTTPConnect",
                "transport": { "uds": { "udsName": socket(folder) } },
            },
        }],
    });
    Ok([
        ("advertise-address", ADDRESS.into()),
        ("endpoint-reconciler-type", "lease".into()),
        (
            "egress-selector-config-file",
            put("egress.yaml", &selector.to_string())?,
        ),
        (
            "kubelet-client-certificate",
            put("kubelet-client.pem", &user.certificate)?,
        ),
        ("kubelet-client-key", put("kubelet-client.key", &user.key)?),
        ("kubelet-preferred-address-types", "InternalIP".into()),
    ])
}
