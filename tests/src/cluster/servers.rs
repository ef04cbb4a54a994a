//! The programs of a control plane.

use std::path::PathBuf;

use anyhow::Result;

use super::access::{Cluster, MASTERS};
use super::control_plane::{Nodes, Options};
use super::process::Server;
use super::{programs, routed};

/// The controllers that tests can see: those that need nodes, provisioners or metrics stay away.
const CONTROLLERS: [&str; 14] = [
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "deployment-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "persistentvolume-binder-controller",
    "persistentvolume-protection-controller",
    "persistentvolumeclaim-protection-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
];

/// What runs.
pub struct Servers {
    pub etcd: Server,
    pub api_server: Server,
    pub controllers: Option<Server>,
    pub scheduler: Option<Server>,
}

/// Where the programs are, of those that are to run.
pub struct Programs {
    pub etcd: PathBuf,
    pub api_server: PathBuf,
    pub controllers: Option<PathBuf>,
    pub scheduler: Option<PathBuf>,
}

impl Programs {
    /// The programs, or why those that have to be are not to be had.
    pub fn find(options: &Options) -> Result<Result<Self, String>> {
        let [etcd, api_server, controllers] = [
            programs::program("etcd")?,
            programs::program("kube-apiserver")?,
            programs::program("kube-controller-manager")?,
        ];
        let scheduler = match options.nodes {
            Nodes::Routed => Some(programs::program("kube-scheduler")?),
            Nodes::None | Nodes::Alone => None,
        };
        Ok(etcd.and_then(|etcd| {
            Ok(Self {
                etcd,
                api_server: api_server?,
                controllers: controllers.ok().filter(|_| options.controllers),
                scheduler: scheduler.transpose()?,
            })
        }))
    }
}

impl Servers {
    /// Each of them.
    pub fn each(&self) -> impl Iterator<Item = &Server> {
        [&self.etcd, &self.api_server]
            .into_iter()
            .chain(&self.controllers)
            .chain(&self.scheduler)
    }

    /// Which server ended by itself, if one did, and how.
    pub fn ended(&mut self) -> Result<Option<String>> {
        let servers = [&mut self.etcd, &mut self.api_server];
        let others = self.controllers.iter_mut().chain(&mut self.scheduler);
        for server in servers.into_iter().chain(others) {
            if let Some(status) = server.ended()? {
                return Ok(Some(format!("{} ended with {status}", server.name())));
            }
        }
        Ok(None)
    }
}

/// kube-controller-manager, if it is to run, with the files of the control plane.
pub fn controllers_of(
    programs: &Programs,
    options: &Options,
    cluster: &Cluster,
    files: &[(&str, &str)],
) -> Result<Option<Server>> {
    let Some(program) = &programs.controllers else {
        return Ok(None);
    };
    let mut controllers = CONTROLLERS.to_vec();
    if options.nodes == Nodes::Routed {
        controllers.extend(routed::CONTROLLERS);
    }
    let user = cluster.kubeconfig("system:kube-controller-manager", &[MASTERS])?;
    let mut arguments = arguments(&[
        ("kubeconfig", &crate::text(&user)?),
        ("controllers", &controllers.join(",")),
        ("leader-elect", "false"),
        ("secure-port", "0"),
    ]);
    arguments.extend(self::arguments(files));
    let name = "kube-controller-manager";
    Ok(Some(Server::new(
        name,
        program.clone(),
        arguments,
        cluster.folder(),
    )))
}

/// kube-scheduler, where the node is one that it binds pods to.
pub fn scheduler_of(programs: &Programs, cluster: &Cluster) -> Result<Option<Server>> {
    let Some(program) = &programs.scheduler else {
        return Ok(None);
    };
    let user = cluster.kubeconfig("system:kube-scheduler", &[MASTERS])?;
    let arguments = arguments(&[
        ("kubeconfig", &crate::text(&user)?),
        ("leader-elect", "false"),
        ("secure-port", "0"),
    ]);
    let name = "kube-scheduler";
    Ok(Some(Server::new(
        name,
        program.clone(),
        arguments,
        cluster.folder(),
    )))
}

/// Options of a program, as its command line has them.
pub fn arguments(pairs: &[(&str, &str)]) -> Vec<String> {
    pairs
        .iter()
        .map(|(name, value)| format!("--{name}={value}"))
        .collect()
}
