//! How the process stands: whether it can answer, and what is measured of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use arc_swap::ArcSwapOption;
use mintage_core::UnixTime;
use prometheus_client::encoding::text;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::admin::Health;
use crate::clock::{Clock as _, SystemClock};
use crate::endpoint::Realms;
use crate::metrics::process::Process;
use crate::server::Connections;

/// How the process stands.
pub struct Standing {
    realms: Realms,
    /// What is wrong with the files that are there.
    complaint: ArcSwapOption<String>,
    /// What the beginning waits for.
    waits: ArcSwapOption<String>,
    /// Why nobody can be answered by TLS.
    no_tls: ArcSwapOption<String>,
    draining: AtomicBool,
    registry: Registry,
    process: Process,
    connections: Gauge<i64, AtomicI64>,
    ends: Gauge<i64, AtomicI64>,
}

impl Standing {
    /// For a process that has just begun; `register` adds what the endpoint counts.
    pub fn new(realms: Realms, register: impl FnOnce(&mut Registry)) -> Self {
        let mut standing = Self {
            realms,
            complaint: ArcSwapOption::empty(),
            waits: ArcSwapOption::from_pointee("the store is not open yet".to_owned()),
            no_tls: ArcSwapOption::empty(),
            draining: AtomicBool::new(false),
            registry: Registry::default(),
            process: Process::default(),
            connections: Gauge::default(),
            ends: Gauge::default(),
        };
        standing.register();
        register(&mut standing.registry);
        standing
    }

    fn register(&mut self) {
        self.process
            .register(&mut self.registry, env!("CARGO_PKG_VERSION"));
        let of = self.registry.sub_registry_with_prefix("mintage");
        of.register("connections", "Open connections", self.connections.clone());
        of.register_with_unit(
            "told_for",
            "How long what the operator told still counts; at 0 nothing is answered any more",
            Unit::Seconds,
            self.ends.clone(),
        );
    }

    /// What is wrong with the files that are there; whether that is news.
    pub fn complain(&self, complaint: Option<String>) -> bool {
        let is_news = complaint.is_some() && self.complaint.load().as_deref() != complaint.as_ref();
        self.complaint.store(complaint.map(Arc::new));
        is_news
    }

    /// Why nobody can be answered by TLS, or that somebody can.
    pub fn without_tls(&self, why: Option<String>) {
        self.no_tls.store(why.map(Arc::new));
    }

    /// What the beginning waits for.
    pub fn wait_for(&self, what: String) {
        self.waits.store(Some(Arc::new(what)));
    }

    /// The beginning waits for nothing any more.
    pub fn open(&self) {
        self.waits.store(None);
    }

    /// The process is to end.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// How long what the operator told still counts, in seconds; `None` if nothing was told.
    fn left(&self, now: UnixTime) -> Option<i64> {
        let realms = self.realms.load();
        let ends = realms.values().map(|realm| realm.ends_at).min()?;
        Some((ends - now).max(0))
    }
}

impl Health for Arc<Standing> {
    fn ready(&self) -> Result<(), String> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("shutting down".to_owned());
        }
        if let Some(waits) = &*self.waits.load() {
            return Err(waits.to_string());
        }
        let why = match self.left(SystemClock.now()) {
            None => "the operator has told nothing yet",
            Some(0) => "the operator has told nothing for too long",
            Some(_) => match &*self.no_tls.load() {
                Some(why) => return Err(why.to_string()),
                None => return Ok(()),
            },
        };
        let complaint = self.complaint.load();
        let cause = complaint
            .as_ref()
            .map(|text| format!("\nthe files that are there: {text}"));
        Err(format!("{why}{}", cause.unwrap_or_default()))
    }

    fn metrics(&self) -> Result<String, fmt::Error> {
        self.process.measure();
        self.ends.set(self.left(SystemClock.now()).unwrap_or(0));
        let mut page = String::new();
        text::encode(&mut page, &self.registry)?;
        Ok(page)
    }
}

impl Connections for Standing {
    fn add_connections(&self, change: i64) {
        self.connections.inc_by(change);
    }
}
