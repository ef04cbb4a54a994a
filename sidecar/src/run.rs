//! The process as a whole, and that of a sidecar: load, listen, end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::sync::watch;

use crate::admin::admin_api;
use crate::central::Central;
use crate::clock::SystemClock;
use crate::descriptors;
use crate::endpoint::role;
use crate::ext_authz::ext_authz_api;
use crate::feed;
use crate::metrics::Metrics;
use crate::options::{Options, OrOff, Role};
use crate::reload::Reloader;
use crate::routes::{App, workload_api};
use crate::server::{Limits, Listener, Protocol};
use crate::signals;
use crate::state::{Identity, Shared};
use crate::traces::Traces;

/// Runs until a signal ends it.
pub fn run(options: Options) -> Result<()> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = options.common().threads {
        builder.worker_threads(threads.into());
    }
    let runtime = builder.enable_all().build()?;
    match options.role {
        None => runtime.block_on(serve(options)),
        Some(Role::Endpoint(options)) => runtime.block_on(role::serve(options)),
    }
}

async fn serve(options: Options) -> Result<()> {
    let asked_to_end = signals::termination();
    let shared = Arc::new(Shared::new(Arc::new(SystemClock)));
    let metrics = Arc::new(Metrics::default());
    let traces = options
        .otlp_endpoint
        .as_deref()
        .map(|endpoint| Traces::start(endpoint, "mintage-sidecar"))
        .transpose()?
        .map(Arc::new);
    let app = App {
        shared: Arc::clone(&shared),
        metrics: Arc::clone(&metrics),
        central: Some(Arc::new(Central::new(&options.dir, Arc::clone(&metrics)))),
        traces: traces.clone(),
    };
    let identity = Identity {
        workload: options.workload.context("--as is missing")?,
        accept: options.accept,
        domain: options.domain,
    };
    let (inlet, outlet) = feed::ends(&options.dir);
    tokio::spawn(feed::follow(outlet, Arc::clone(&metrics)));
    let reloader = Reloader::new(
        &options.dir,
        identity,
        Arc::clone(&shared),
        Arc::clone(&metrics),
    );
    tokio::spawn(reloader.fed(inlet).run());

    let bind = |address| {
        Listener::bind(address, None).with_context(|| format!("cannot listen on {address}"))
    };
    let workload = bind(options.listen)?;
    let admin = bind(options.common.admin_listen)?;
    let ext_authz = match options.ext_authz_listen {
        OrOff::On(address) => Some(bind(address)?.speaking(Protocol::Http2)),
        OrOff::Off => None,
    };
    let limits = Limits::default();
    let listeners = if ext_authz.is_some() { 3 } else { 2 };
    let limits = Limits {
        connections: descriptors::connections(listeners, limits.connections),
        drain: Duration::from_secs(options.common.drain_seconds),
        ..limits
    };
    let of_ext_authz = ext_authz.as_ref().map(Listener::local_addr).transpose()?;
    tracing::info!(
        event = "listening",
        workload_api = %workload.local_addr()?,
        admin = %admin.local_addr()?,
        ext_authz = of_ext_authz.map(tracing::field::display),
    );
    let (end, ended) = watch::channel(false);
    // The admin listener outlives the others, so that a probe sees "not ready" while requests finish.
    let (end_admin, admin_ended) = watch::channel(false);
    let admin = tokio::spawn(admin.serve(
        admin_api(app.clone()),
        limits,
        Arc::clone(&metrics),
        admin_ended,
    ));
    let ext_authz = ext_authz.map(|listener| {
        let (api, metrics) = (ext_authz_api(app.clone()), Arc::clone(&metrics));
        tokio::spawn(listener.serve(api, limits, metrics, ended.clone()))
    });
    let workload = tokio::spawn(workload.serve(workload_api(app), limits, metrics, ended));

    asked_to_end.await?;
    tracing::info!(event = "ending", "finishing the requests that were begun");
    shared.drain();
    end.send_replace(true);
    workload.await?;
    if let Some(ext_authz) = ext_authz {
        ext_authz.await?;
    }
    end_admin.send_replace(true);
    admin.await?;
    if let Some(traces) = traces {
        tokio::task::spawn_blocking(move || traces.finish()).await?;
    }
    Ok(())
}
