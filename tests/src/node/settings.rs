//! What the programs of a node are told.

use std::path::Path;

use crate::cluster::routed;

use serde_json::{Value, json};

/// Where containerd listens, inside.
const SOCKET: &str = "unix:///run/containerd/containerd.sock";

/// What pods have: addresses that are nowhere but in the node.
const PODS: &str = "10.244.0.0/24";

/// The kubelet; where Services are routed, with the file of the authority whose users may ask it for logs and the like.
pub fn kubelet(authority: Option<&Path>) -> Value {
    let mut kubelet = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
        },
        "authorization": { "mode": "Webhook" },
        "cgroupDriver": "cgroupfs",
        "containerRuntimeEndpoint": SOCKET,
        // Whatever the machine has: its disk is none of ours.
        "evictionHard": { "imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%" },
        "failCgroupV1": false,
        "failSwapOn": false,
        "imageGCHighThresholdPercent": 100,
        "localStorageCapacityIsolation": false,
        "resolvConf": "",
        // The default is a folder of the machine's.
        "volumePluginDir": "/run/node/volume-plugins",
    });
    if let Some(authority) = authority {
        kubelet["authentication"]["x509"] = json!({ "clientCAFile": authority });
        kubelet["clusterDomain"] = "cluster.local".into();
        kubelet["clusterDNS"] = json!([routed::DNS]);
        // Changed Secrets reach pods within seconds instead of a minute: what waits for them waits that much less.
        kubelet["syncFrequency"] = "10s".into();
    }
    kubelet
}

/// kube-proxy on a node, as the user of a kubeconfig file.
pub fn proxy(node: &str, kubeconfig: &Path) -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": { "kubeconfig": kubeconfig },
        "clusterCIDR": PODS,
        // The kernel's limits are the machine's.
        "conntrack": {
            "maxPerCore": 0, "min": 0,
            "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s",
        },
        "hostnameOverride": node,
        "mode": "nftables",
        // As soon as an endpoint is ready.
        "nftables": { "minSyncPeriod": "0s" },
    })
}

/// containerd, with its programs in folders.
pub fn containerd(pause: &str, runc: &Path, plugins: &Path, networks: &Path) -> String {
    let (runc, plugins) = (runc.display(), plugins.display());
    let networks = networks.display();
    format!(
        r#"version = 3
root = "/run/node/containerd"
state = "/run/containerd"
# Its folder is the machine's.
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri"]

[grpc]
address = "/run/containerd/containerd.sock"

[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{pause}"

[plugins."io.containerd.cri.v1.runtime"]
# Not every machine lets root make a process less likely to be ended for want of memory.
restrict_oom_score_adj = true
tolerate_missing_hugetlb_controller = true

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{plugins}"]
conf_dir = "{networks}"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = "{runc}"
SystemdCgroup = false
"#
    )
}

/// The network of pods: a bridge, without a way out.
pub fn network() -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [{
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": true,
            // A pod may be behind the Service that it asks.
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/node/addresses",
                "ranges": [[{ "subnet": PODS }]],
                "routes": [{ "dst": "0.0.0.0/0" }],
            },
        }],
    })
}
