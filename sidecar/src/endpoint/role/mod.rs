//! The process of the role `endpoint`: one tenant's endpoint, told by mounted files.
//!
//! ```text
//!  <dir>: endpoint-0…7, master.json, tenant-keyring.json ─┐
//!  <secrets>/<Secret>/…: users, certificates ─────────────┴─► Loader ─► Realms ─► endpoint_api ─┬─ TLS, by host name
//!                                                                └────► certificates            └─ plain, from proxies
//! ```
//!
//! Files that cannot be used leave the last good ones, as at a sidecar.

mod certificates;
mod loader;
mod mark;
mod options;
mod proxied;
mod standing;
mod transport;
mod whereabouts;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use axum::Router;
use tokio::sync::watch;
use tokio::time::sleep;

use super::store::{self, Error, Store};
use super::{Endpoint, Metrics, Reach, Realms, endpoint_api};
use crate::admin::admin_api;
use crate::clock::SystemClock;
use crate::descriptors;
use crate::issuer::issuer_api;
use crate::options::OrOff;
use crate::server::{Limits, Listener};
use crate::signals;

pub use options::EndpointOptions;

use loader::Loader;
use standing::Standing;
use whereabouts::Whereabouts;

/// How long to wait for a store that cannot be reached, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// Serves until a signal ends it.
pub async fn serve(options: EndpointOptions) -> Result<()> {
    let asked_to_end = signals::termination();
    // What is there and says nothing of use is told before anything begins.
    let mut whereabouts = options.whereabouts()?;
    let reach = Reach::trusting_file(options.provider_ca.as_deref())?;
    let api_server = options.api_server()?;
    let realms = Realms::default();
    let metrics = Arc::new(Metrics::default());
    let standing = Standing::new(Arc::clone(&realms), |registry| metrics.register(registry));
    let standing = Arc::new(standing);
    let tls = Arc::new(ArcSwap::from_pointee(certificates::none()?));
    let loader = Loader::new(
        &options.dir,
        &options.secrets_dir,
        Arc::clone(&realms),
        Arc::clone(&tls),
        Arc::clone(&standing),
    );
    tokio::spawn(loader.run());

    let bind = |address, tls| {
        Listener::bind(address, tls).with_context(|| format!("cannot listen on {address}"))
    };
    let admin = bind(options.common.admin_listen, None)?;
    let direct = bind(options.tls_listen, Some(tls))?.telling_peers();
    let proxied = match options.proxy_listen {
        OrOff::On(address) => Some(bind(address, None)?.telling_peers()),
        OrOff::Off => None,
    };
    let limits = Limits::default();
    let listeners = if proxied.is_some() { 3 } else { 2 };
    let limits = Limits {
        connections: descriptors::connections(listeners, limits.connections),
        drain: Duration::from_secs(options.common.drain_seconds),
        ..limits
    };
    let of_proxied = proxied.as_ref().map(Listener::local_addr).transpose()?;
    tracing::info!(
        event = "listening",
        tls = %direct.local_addr()?,
        proxies = of_proxied.map(tracing::field::display),
        admin = %admin.local_addr()?,
    );
    let (end, ended) = watch::channel(false);
    // The admin listener outlives the others, so that a probe sees "not ready" while requests finish.
    let (end_admin, admin_ended) = watch::channel(false);
    let told = Arc::clone(&standing);
    let admin =
        tokio::spawn(admin.serve(admin_api(told), limits, Arc::clone(&standing), admin_ended));

    tokio::pin!(asked_to_end);
    let opened = tokio::select! {
        opened = open(&mut whereabouts, &standing) => Some(opened?),
        asked = &mut asked_to_end => { asked?; None }
    };
    if let Some(opened) = opened {
        let mut endpoint =
            Endpoint::new(realms, opened, Arc::new(SystemClock), metrics).reaching(reach);
        if let Some(api_server) = api_server {
            endpoint = endpoint.reviewing(api_server);
        }
        let sweeping = tokio::spawn(store::sweep(endpoint.store(), Arc::new(SystemClock)));
        let following = tokio::spawn(whereabouts.follow(endpoint.store()));
        let api = || transport::secure(endpoint_api(endpoint.clone(), no_other_issuer()));
        let serve = |listener: Listener, api| {
            tokio::spawn(listener.serve(api, limits, Arc::clone(&standing), ended.clone()))
        };
        let direct = serve(direct, api());
        let proxied =
            proxied.map(|listener| serve(listener, proxied::only(endpoint.clone(), api())));
        standing.open();
        asked_to_end.await?;
        tracing::info!(event = "ending", "finishing the requests that were begun");
        standing.drain();
        end.send_replace(true);
        direct.await?;
        if let Some(proxied) = proxied {
            proxied.await?;
        }
        sweeping.abort();
        following.abort();
    }
    end_admin.send_replace(true);
    admin.await?;
    Ok(())
}

/// For hosts that no tenant of this endpoint has.
fn no_other_issuer() -> Router {
    issuer_api(Arc::default())
}

/// Opens the store, as soon as it is said where it is and it can be reached. What waiting does not help ends the process.
async fn open(whereabouts: &mut Whereabouts, standing: &Standing) -> Result<Arc<dyn Store>> {
    let (mut wait, most) = RETRY;
    loop {
        let text = match whereabouts.place() {
            Some(place) => match store::open(place).await {
                Ok(opened) => return Ok(opened),
                Err(error @ Error::Unavailable(_)) => {
                    format!("the store cannot be reached: {error}")
                }
                Err(error) => return Err(error).context("the store cannot be used"),
            },
            None => "the file that says where the store is is not there".to_owned(),
        };
        tracing::warn!(event = "store-unavailable", error = text, "trying again");
        standing.wait_for(text);
        sleep(wait).await;
        wait = (wait * 2).min(most);
        // It may be there now, or have another password.
        whereabouts.look_again();
    }
}
