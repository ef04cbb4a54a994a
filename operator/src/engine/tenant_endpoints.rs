//! The part of a turn that is about tenants' endpoints.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt as _;
use mintage_core::endpoint::Config;
use mintage_core::plan::Plan;
use mintage_core::world::World;
use mintage_core::{Domain, TenantRef};
use mintage_crds::domain::{IssuerRef, Tls};
use mintage_crds::{GROUP, Tenant, VERSION};
use serde_json::json;
use tokio::time::Instant;

use super::Engine;
use super::tenants::place;
use super::turn::Deposed;
use crate::endpoints::{Object, Settings, objects};
use crate::snapshot::Snapshot;

/// What a Tenant that asks for an endpoint is told where none are run.
const NO_ENDPOINT: &str = "spec.endpoint: this operator is set up to run no endpoints, so users cannot sign in, and applications get no tokens; install the chart with endpoints.enabled: true. Pods that are left of one before answer until they are too old: delete the Deployments, Services and so on with the label mintage.dev/endpoint, and no PersistentVolumeClaim";

/// What one is told that asks for a route where there is no Gateway API.
const NO_ROUTE: &str = "spec.endpoint.httpRoute: this operator is set up for a cluster without the Gateway API, so there is no HTTPRoute; install the chart with endpoints.gatewayApi: true";

/// What one is told of an issuer where there is no cert-manager.
const NO_ISSUER: &str = "tls.issuerRef: this operator is set up for a cluster without cert-manager, so nobody makes the certificate; install the chart with endpoints.certManager: true, or name a certificate that is there in tls.secretName";

impl Engine {
    /// Looks at what others may have changed of endpoints, and whether their pods fare otherwise.
    pub(super) fn look_at_endpoints(&mut self) {
        for seen in self.endpoint_changes.take() {
            if self.endpoints.look(&seen) {
                self.rest = None;
            }
        }
    }

    /// Takes endpoints out of the world where nobody runs them, and says of others what the cluster has not got for them.
    pub(super) fn know_endpoints(&self, snapshot: &Snapshot, world: &mut Cow<'_, World>) {
        let all = snapshot.world.tenants.iter().enumerate();
        for (index, of) in all.filter(|(_, tenant)| tenant.endpoint.is_some()) {
            let Some(settings) = &self.context.settings.endpoints else {
                let tenant = &mut world.to_mut().tenants[index];
                tenant.endpoint = None;
                tenant.unreadable.push(NO_ENDPOINT.to_owned());
                continue;
            };
            let Some(object) = snapshot.tenants.get(&place(&of.at)) else {
                continue;
            };
            let lacks = lacks(snapshot, object, &of.at, settings);
            if !lacks.is_empty() {
                let tenant = &mut world.to_mut().tenants[index];
                tenant
                    .unreadable
                    .extend(lacks.into_iter().map(str::to_owned));
            }
        }
    }

    /// Brings the pods of endpoints, and what goes with them, to what was planned. What fails is tried again for itself: it holds
    /// up nothing else of a tenant.
    pub(super) async fn run_endpoints(
        &mut self,
        snapshot: &Snapshot,
        plan: &Plan,
        blocked: &BTreeSet<TenantRef>,
        now: Instant,
    ) -> Result<(), Deposed> {
        let Some(settings) = &self.context.settings.endpoints else {
            return Ok(());
        };
        let wanted = plan.endpoints.iter().filter_map(|(tenant, told)| {
            let object = snapshot.tenants.get(&place(tenant))?;
            let owner = json!({
                "apiVersion": format!("{GROUP}/{VERSION}"),
                "kind": "Tenant",
                "name": object.name_any(),
                "uid": object.uid()?,
            });
            let wishes = &object.spec.endpoint;
            let issued = issued(snapshot, object, &told.body);
            let all = objects(wishes, &issued, &told.body, &owner, settings);
            Some((tenant.clone(), all))
        });
        let wanted: BTreeMap<TenantRef, Vec<Object>> = wanted.collect();
        // Nothing changes of a tenant of which it is not known what it is to be.
        let damaged = self.truth.damaged().keys();
        let waiting = self.endpoint_retries.waiting(now);
        let held = blocked.iter().chain(damaged).chain(waiting);
        let held = held.cloned().collect();
        let outcome = self.endpoints.apply(&self.writer, &wanted, &held).await;
        if outcome.deposed {
            return Err(Deposed);
        }
        let standings = self.endpoints.standings();
        let there = standings.keys().chain(wanted.keys());
        let fares = there.map(|tenant| (tenant.clone(), standings.get(tenant).cloned()));
        self.facts.endpoints = fares.collect();
        self.tell_failures(snapshot, &outcome.failures);
        self.endpoint_retries.settle(outcome.failures, &held, now);
        Ok(())
    }
}

/// What a tenant asks for that the cluster has not got.
fn lacks(
    snapshot: &Snapshot,
    object: &Tenant,
    at: &TenantRef,
    settings: &Settings,
) -> Vec<&'static str> {
    let route = !settings.gateway_api && object.spec.endpoint.http_route.is_some();
    let issuer = !settings.cert_manager
        && tls(snapshot, object, at).any(|(_, tls)| tls.issuer_ref.is_some());
    let all = [route.then_some(NO_ROUTE), issuer.then_some(NO_ISSUER)];
    all.into_iter().flatten().collect()
}

/// The domains whose certificates cert-manager makes, of those that the endpoint serves.
fn issued(snapshot: &Snapshot, object: &Tenant, config: &Config) -> Vec<(Domain, IssuerRef)> {
    let all = tls(snapshot, object, &config.tenant);
    let issued = all.filter_map(|(domain, tls)| {
        let domain = Domain::parse(domain).ok()?;
        let issuer = tls.issuer_ref.clone()?;
        config
            .certificates
            .contains_key(&domain)
            .then_some((domain, issuer))
    });
    issued.collect()
}

/// What a tenant's domains say of their certificates: its own, and its custom ones.
fn tls<'a>(
    snapshot: &'a Snapshot,
    object: &'a Tenant,
    at: &'a TenantRef,
) -> impl Iterator<Item = (&'a str, &'a Tls)> {
    let own = object.spec.endpoint.tls.as_ref();
    let own = own.map(|tls| (object.spec.domain.as_str(), tls));
    let customs = snapshot.domains.iter().filter(move |(place, domain)| {
        place.namespace == at.namespace && domain.spec.tenant_ref.name == at.name.as_str()
    });
    let customs = customs
        .filter_map(|(_, domain)| Some((domain.spec.domain.as_str(), domain.spec.tls.as_ref()?)));
    own.into_iter().chain(customs)
}
