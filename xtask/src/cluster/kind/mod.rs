//! A kind cluster, made for a run and ended with it.
//!
//! ```text
//!  Docker, podman or nerdctl runs ──► kind with its own image of a node
//!  none, and root on a Debian     ──► Sandbox: dockerd in namespaces of its own ── kind with an image that is made here
//!                                       ▲                                             │
//!  tests ── kubeconfig ── Bridge ───────┴──────────────► the API server ◄─────────────┘
//! ```

mod bridge;
mod node;
mod own;
mod sandbox;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::place::run;
use crate::process;
use crate::progress::say;
use crate::test::ClusterPrograms;

use own::Own;

/// Its name.
const NAME: &str = "mintage-e2e";

/// kind, and what its nodes run in.
pub struct Kind {
    program: PathBuf,
    engine: Engine,
}

enum Engine {
    /// What runs on this machine already.
    Machine,
    /// Docker that is started for it.
    Own(Own),
}

impl Kind {
    /// Makes sure that kind is there, and something that it can run nodes in; or says why there can be none.
    pub fn prepare() -> Result<Result<Self, String>> {
        let programs = ClusterPrograms::prepare_kind()?;
        let program = match programs.path("kind") {
            Ok(program) => program,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut clusters = Command::new(&program);
        clusters.args(["get", "clusters"]).stderr(Stdio::null());
        let Ok(clusters) = process::read(&mut clusters) else {
            say(
                "no Docker, podman or nerdctl runs here: one will be started for it, in namespaces of its own",
            )?;
            let own = Own::prepare()?;
            return Ok(own.map(|own| Self {
                program,
                engine: Engine::Own(own),
            }));
        };
        if clusters.lines().any(|name| name == NAME) {
            bail!(
                "there is a kind cluster {NAME} already: `kind delete cluster --name {NAME}` removes it"
            );
        }
        let engine = Engine::Machine;
        Ok(Ok(Self { program, engine }))
    }

    /// Makes a cluster whose nodes have images, with its kubeconfig in a folder; or says why there can be none.
    pub fn cluster(
        self,
        folder: &Path,
        archives: &[PathBuf],
        keep: bool,
    ) -> Result<Result<Cluster, String>> {
        let Self { program, engine } = self;
        let running = match engine {
            Engine::Machine => None,
            Engine::Own(own) => match own.start(&program)? {
                Ok(running) => Some(running),
                Err(reason) => return Ok(Err(reason)),
            },
        };
        let folder = running.as_ref().map_or(folder, own::Running::folder);
        let kubeconfig = folder.join("kubeconfig");
        let made = Cluster {
            program,
            running,
            kubeconfig,
            keep,
        };
        made.create()?;
        for archive in archives {
            let mut load = made.kind();
            run(load
                .args(["load", "image-archive", "--name", NAME])
                .arg(archive))?;
        }
        Ok(Ok(made))
    }
}

/// A running one.
pub struct Cluster {
    program: PathBuf,
    running: Option<own::Running>,
    kubeconfig: PathBuf,
    keep: bool,
}

impl Cluster {
    /// Who may do everything.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Removes it, unless it is to be kept: then it says how to get at it. The error says what is left.
    pub fn end(mut self) -> Result<()> {
        if self.keep && self.running.is_none() {
            say(format_args!(
                "the cluster is left: `kind export kubeconfig --name {NAME}` leads to it, `kind delete cluster --name {NAME}` ends it"
            ))?;
            return Ok(());
        }
        if self.keep {
            say(format_args!(
                "the cluster runs until Ctrl-C: export KUBECONFIG={}",
                self.kubeconfig.display()
            ))?;
            loop {
                std::thread::park();
            }
        }
        self.delete();
        // The destructor has nothing left to do.
        self.keep = true;
        self.running.take().map_or(Ok(()), own::Running::end)
    }

    fn create(&self) -> Result<()> {
        let mut create = self.kind();
        create
            .args(["create", "cluster", "--name", NAME, "--wait", "3m"])
            .arg("--kubeconfig")
            .arg(&self.kubeconfig);
        if let Some(running) = &self.running {
            // What did not start can be asked.
            create.args(["--retain", "--image", node::NAME, "--config"]);
            create.arg(running.config()?);
        }
        if !process::run(&mut create)? {
            if let Some(running) = &self.running {
                say(running.diagnosis(NAME)?)?;
            }
            bail!(
                "`{}` failed; what it said is above",
                process::shown(&create)
            );
        }
        match &self.running {
            Some(running) => running.bridge(&self.kubeconfig),
            None => Ok(()),
        }
    }

    /// kind where its nodes run.
    fn kind(&self) -> Command {
        match &self.running {
            Some(running) => running.command(&self.program),
            None => Command::new(&self.program),
        }
    }

    fn delete(&self) {
        let mut delete = self.kind();
        // What is left of it is named, and the next run refuses to begin beside it.
        process::run(delete.args(["delete", "cluster", "--name", NAME])).ok();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.keep {
            self.delete();
        }
    }
}
