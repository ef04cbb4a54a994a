//! The Secrets of tenants' endpoints: what each is told, its master secret, and what applications and APIs are set up with.
//!
//! An application hears of its secret once its endpoint was told of the application. One whose Secret cannot be written holds up
//! nobody.

use std::collections::{BTreeMap, BTreeSet};

use mintage_core::bundle::{self, MAX_SHARDS, Stamped};
use mintage_core::endpoint::{Config, Master, MasterFile};
use mintage_core::managed::{self, Content};
use mintage_core::world::{AudienceAlg, ClientAuth};
use mintage_core::{ObjectName, TenantRef, UnixTime};
use tokio::time::Instant;

use super::Outputs;
use super::carry_out::{Outcome, TenantPlan, carry_out};
use super::masters::MASTER;
use super::want::Step;
use crate::api::{Failure, Writer};
use crate::at_once::at_once;
use crate::secrets::{Draft, Place};

/// What an application is set up with; the names are those of `mintage dev`'s files.
const CLIENT_ID: &str = "CLIENT_ID";
const CLIENT_SECRET: &str = "CLIENT_SECRET";
const ISSUER: &str = "ISSUER_BASE_URL";

/// What an API that shares a secret is set up with.
const AUDIENCE: &str = "AUDIENCE";
const SIGNING_SECRET: &str = "SIGNING_SECRET";

/// Whether a Secret of this name can hold what an application or API is set up with.
pub fn is_named(content: Content, name: &str) -> bool {
    let prefix = match content {
        Content::Api => "mintage-api.",
        _ => "mintage-client.",
    };
    name.starts_with(prefix)
}

/// Whether a Secret of this name is one of the endpoint of a tenant.
pub fn is_of(content: Content, tenant: &ObjectName, name: &str) -> bool {
    match content {
        Content::Master => managed::master(tenant) == name,
        Content::Reviewer => managed::reviewer(tenant) == name,
        _ => (0..MAX_SHARDS).any(|index| managed::endpoint(tenant, index) == name),
    }
}

/// What the Secrets of an endpoint are to hold.
struct Wanted {
    /// In this order: the endpoint keeps the old whole until the new one is complete.
    endpoint: Vec<Draft>,
    /// In any order, each for itself.
    others: Vec<Draft>,
}

impl Outputs {
    /// Brings the Secrets of the tenants' endpoints to what the plan wants; the places of all that is wanted, by tenant.
    pub(super) async fn tell_endpoints(
        &mut self,
        writer: &Writer,
        now: UnixTime,
        plans: &BTreeMap<TenantRef, TenantPlan<'_>>,
        outcome: &mut Outcome,
    ) -> BTreeMap<TenantRef, BTreeSet<Place>> {
        self.renew_reviewers(writer, now, plans, outcome).await;
        let tried = Instant::now();
        let mut places = BTreeMap::new();
        let (mut news, mut told) = (Vec::new(), Vec::new());
        for (tenant, plan) in plans {
            let drafted = plan
                .endpoint
                .map(|told| (told.version, self.draft(tenant, told)));
            let kept: BTreeSet<Place> = match drafted {
                Some((version, Ok(wanted))) => {
                    let all = wanted.endpoint.iter().chain(&wanted.others);
                    let all = all.map(|draft| draft.place.clone()).collect();
                    let Wanted { endpoint, others } = wanted;
                    let is_told = self.told_endpoints.get(tenant) == Some(&version);
                    let others = others.into_iter().filter(|other| {
                        let place = (tenant.clone(), other.place.clone());
                        !self.withheld.waits(&place, tried)
                            && (!is_told || self.withheld.has(&place))
                    });
                    let others: Vec<Draft> = others.collect();
                    if !is_told {
                        news.push((tenant, version, endpoint, others));
                    } else if !others.is_empty() {
                        told.push((tenant, others));
                    }
                    all
                }
                Some((_, Err(text))) => {
                    outcome.fail(tenant, text);
                    // What is there stays until it can be said anew.
                    let known = self.known.get(tenant).into_iter().flatten();
                    known.map(|(place, _)| place.clone()).collect()
                }
                None => {
                    self.told_endpoints.remove(tenant);
                    self.reviewers.forget(tenant);
                    // An endpoint that is switched off for a while finds its sessions and secrets again.
                    let stays = self.masters.has(tenant) && !plan.goes;
                    if !stays {
                        self.masters.forget(tenant);
                    }
                    stays.then(|| master_place(tenant)).into_iter().collect()
                }
            };
            places.insert(tenant.clone(), kept);
        }
        self.withheld.retain(|(tenant, place)| {
            let wanted = places.get(tenant);
            wanted.is_none_or(|wanted: &BTreeSet<Place>| wanted.contains(place))
        });
        let news = news.into_iter().map(|(tenant, version, endpoint, others)| {
            let steps = endpoint
                .into_iter()
                .filter_map(|draft| self.put(tenant, draft));
            (tenant, version, steps.collect::<Vec<Step>>(), others)
        });
        let written = at_once(
            news.collect(),
            |(tenant, version, steps, others)| async move {
                let mut written = Vec::new();
                for step in steps {
                    let done = carry_out(writer, step).await;
                    let failed = done.1.is_err();
                    written.push(done);
                    if failed {
                        break;
                    }
                }
                (tenant, version, written, others)
            },
        );
        for (tenant, version, written, others) in written.await {
            let mut whole = true;
            for written in written {
                whole &= self.take(tenant, written, outcome);
            }
            if whole {
                self.told_endpoints.insert(tenant.clone(), version);
                told.push((tenant, others));
            }
        }
        self.hand_out(writer, told, tried, outcome).await;
        places
    }

    /// Writes what applications and APIs are set up with, each for itself: a namespace that has no room withholds nothing from
    /// others.
    async fn hand_out(
        &mut self,
        writer: &Writer,
        drafts: Vec<(&TenantRef, Vec<Draft>)>,
        now: Instant,
        outcome: &mut Outcome,
    ) {
        let mut steps = Vec::new();
        for (tenant, drafts) in drafts {
            for draft in drafts {
                let place = draft.place.clone();
                match self.put(tenant, draft) {
                    Some(step) => steps.push((tenant, step)),
                    None => self.withheld.succeed(&(tenant.clone(), place)),
                }
            }
        }
        let written = at_once(steps, |(tenant, step)| async move {
            (tenant, carry_out(writer, step).await)
        });
        for (tenant, written) in written.await {
            let key = (tenant.clone(), written.0.clone());
            match self.keep(tenant, written, outcome) {
                Ok(()) => self.withheld.succeed(&key),
                Err(text) => {
                    let complaints = outcome.complaints.entry(tenant.clone());
                    complaints.or_default().push(text.clone());
                    self.withheld.fail(key, vec![text], now);
                }
            }
        }
    }

    /// What applications and APIs are to be set up with and could not be written: where, and why.
    pub fn withheld(&self) -> impl Iterator<Item = (&TenantRef, &Place, &String)> {
        let said = self.withheld.said();
        said.flat_map(|((tenant, place), texts)| {
            texts.iter().map(move |text| (tenant, place, text))
        })
    }

    /// When the next of that is tried again, after a moment at which all was tried that could be.
    pub fn next_try(&self, moment: Instant) -> Option<Instant> {
        self.withheld.next_after(moment)
    }

    /// Has the tokens of endpoints made anew that have lived for half of their life.
    async fn renew_reviewers(
        &mut self,
        writer: &Writer,
        now: UnixTime,
        plans: &BTreeMap<TenantRef, TenantPlan<'_>>,
        outcome: &mut Outcome,
    ) {
        let with = plans.iter().filter(|(_, plan)| plan.endpoint.is_some());
        let due = with
            .map(|(tenant, _)| tenant)
            .filter(|tenant| self.reviewers.is_due(tenant, now));
        let reviewers = &self.reviewers;
        let asked = at_once(due.collect(), |tenant| async move {
            (tenant, reviewers.ask(writer).await)
        });
        let asked = asked.await;
        let account = self.reviewers.account().unwrap_or_default();
        for (tenant, asked) in asked {
            let Some(asked) = asked else { continue };
            let asked = asked.map_err(|failure| {
                outcome.deposed |= matches!(failure, Failure::NotLeading);
                let text = format!(
                    "its endpoint gets no token of ServiceAccount {account} by which to ask about those of workloads: {failure}"
                );
                let complaints = outcome.complaints.entry(tenant.clone());
                complaints.or_default().push(text.clone());
                text
            });
            if asked.is_ok() {
                self.told_endpoints.remove(tenant);
            }
            self.reviewers.take(tenant, asked, now);
        }
    }

    /// What is to be said of tenants, though all that there is to write could be written.
    pub fn complaints(&self) -> impl Iterator<Item = (&TenantRef, &String)> {
        self.reviewers.complaints()
    }

    /// When a token of an endpoint is to be made anew, after a moment.
    pub fn due_after(&self, now: UnixTime) -> Option<UnixTime> {
        self.reviewers.due_after(now)
    }

    fn draft(&mut self, tenant: &TenantRef, told: &Stamped<Config>) -> Result<Wanted, String> {
        let config = &told.body;
        let MasterFile { tenant_uid, master } = self
            .masters
            .of(tenant, &config.tenant_uid)
            .ok_or("this machine gives no random numbers, so its endpoint has no master secret")?;
        let shards = bundle::split(told).map_err(|error| error.to_string())?;
        let draft = |place: Place, content: Content, data: Vec<(&str, Vec<u8>)>| Draft {
            place,
            content,
            tenant: Some(tenant.clone()),
            annotations: BTreeMap::new(),
            data: data
                .into_iter()
                .map(|(name, bytes)| (name.to_owned(), bytes))
                .collect(),
        };
        let own = tenant.namespace.as_str();
        let mut endpoint: Vec<Draft> = shards
            .into_iter()
            .enumerate()
            .map(|(index, shard)| {
                let place = (own.to_owned(), managed::endpoint(&tenant.name, index));
                let name = format!("endpoint-{index}");
                draft(place, Content::Endpoint, vec![(&name, shard)])
            })
            .collect();
        let file = MasterFile {
            tenant_uid,
            master: master.clone(),
        };
        let data = vec![(MASTER, file.to_bytes().to_vec())];
        endpoint.insert(0, draft(master_place(tenant), Content::Master, data));
        if let Some(files) = self.reviewers.files(tenant) {
            let place = (own.to_owned(), managed::reviewer(&tenant.name));
            endpoint.insert(1, draft(place, Content::Reviewer, files));
        }
        let others = clients(config, &master)
            .into_iter()
            .map(|(place, data)| draft(place, Content::Client, data))
            .chain(
                apis(config, &master)
                    .into_iter()
                    .map(|(place, data)| draft(place, Content::Api, data)),
            );
        Ok(Wanted {
            others: others.collect(),
            endpoint,
        })
    }
}

fn master_place(tenant: &TenantRef) -> Place {
    (tenant.namespace.to_string(), managed::master(&tenant.name))
}

type Entries = Vec<(&'static str, Vec<u8>)>;

fn clients(config: &Config, master: &Master) -> Vec<(Place, Entries)> {
    let issuer = config.domain.issuer().to_string();
    let all = config.applications.values().map(|application| {
        let place = (
            application.at.namespace.to_string(),
            managed::client(&application.at.name),
        );
        let mut entries: Entries = vec![
            (CLIENT_ID, application.client.as_str().as_bytes().to_vec()),
            (ISSUER, issuer.clone().into_bytes()),
        ];
        if application.auth != ClientAuth::None {
            let secret = master.client_secret(&application.client, application.secret_generation);
            entries.push((CLIENT_SECRET, secret.as_bytes().to_vec()));
        }
        (place, entries)
    });
    all.collect()
}

fn apis(config: &Config, master: &Master) -> Vec<(Place, Entries)> {
    let issuer = config.domain.issuer().to_string();
    let shared = config
        .apis
        .values()
        .filter(|api| api.alg == AudienceAlg::Hs256);
    let all = shared.map(|api| {
        let place = (api.at.namespace.to_string(), managed::api(&api.at.name));
        let entries: Entries = vec![
            (AUDIENCE, api.identifier.as_str().as_bytes().to_vec()),
            (ISSUER, issuer.clone().into_bytes()),
            (SIGNING_SECRET, master.api_secret(api).as_bytes().to_vec()),
        ];
        (place, entries)
    });
    all.collect()
}

#[cfg(test)]
mod tests;
