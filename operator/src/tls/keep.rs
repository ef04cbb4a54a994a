//! The leader: takes the steps of the plan, and tells API servers which authorities to trust.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch as JsonPatch, PatchOperation, TestOperation};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client};
use mintage_core::managed::FIELD_MANAGER;
use mintage_core::{Seconds, UnixTime};
use mintage_sidecar::clock::Clock;
use serde_json::json;
use tokio::time::sleep;

use super::certificate::make;
use super::follow::time;
use super::plan::{Names, Policy, Step, Told, step};
use super::repairs::Repairs;
use super::state::{self, Authority, State};
use super::{Config, Mode};
use crate::pauses::Pauses;

/// At least so often everything is looked at, in seconds: a watch may have missed something.
const RESYNC: Seconds = 600;

/// After a failure it is tried again, later each time, up to this many seconds.
const LONGEST_PAUSE: Seconds = 60;

/// Steps that one round takes at most; a plan needs three.
const MOST_STEPS: usize = 8;

/// What keeps the certificate from being kept.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// The API server refuses, or is away.
    #[error(transparent)]
    Api(#[from] kube::Error),
    /// A certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The Secret is somebody else's.
    #[error(
        "Secret {0} is not the operator's (it lacks the label mintage.dev/managed: tls), so it is left alone: remove it, or configure it as the given certificate"
    )]
    NotOurs(String),
    /// What was made cannot be read.
    #[error("a certificate that was just made cannot be used")]
    Unusable,
    /// Somebody else changes it again and again.
    #[error(
        "the plan does not come to rest: somebody else changes the Secret or the configuration"
    )]
    Unrest,
}

/// Makes, renews and publishes the certificate for as long as it is polled.
pub async fn keep(client: Client, config: Config, clock: Arc<dyn Clock>) {
    let Mode::Made {
        configuration,
        policy,
    } = config.mode.clone()
    else {
        return std::future::pending().await;
    };
    let mut keeper = Keeper {
        configurations: Api::all(client.clone()),
        secrets: Api::namespaced(client, config.namespace.as_str()),
        configuration,
        config,
        policy,
        repairs: Repairs::default(),
    };
    let changes = keeper.changes();
    let mut changes = std::pin::pin!(changes);
    let mut failures: u32 = 0;
    loop {
        let now = clock.now();
        let pause = match keeper.round(now).await {
            Ok(until) => {
                failures = 0;
                (until - now).clamp(1, RESYNC)
            }
            Err(trouble) => {
                tracing::error!(event = "webhook-certificate-not-kept", %trouble);
                failures = (failures + 1).min(6);
                (1 << failures).min(LONGEST_PAUSE)
            }
        };
        let pause = Duration::from_secs(pause.unsigned_abs());
        if failures > 0 {
            // What changes meanwhile is looked at afterwards.
            sleep(pause).await;
            continue;
        }
        tokio::select! {
            _ = changes.next() => {}
            () = sleep(pause) => {}
        }
    }
}

struct Keeper {
    config: Config,
    configuration: String,
    configurations: Api<MutatingWebhookConfiguration>,
    policy: Policy,
    repairs: Repairs,
    secrets: Api<Secret>,
}

impl Keeper {
    /// Says when the Secret or the configuration may have changed.
    fn changes(&self) -> impl futures::Stream<Item = ()> + use<> {
        let named =
            |name: &str| watcher::Config::default().fields(&format!("metadata.name={name}"));
        let secrets = watcher(self.secrets.clone(), named(self.config.secret.as_str()));
        let secrets = secrets.backoff(Pauses::new()).map(|event| {
            if let Ok(event) = event {
                drop(event.modify(state::wipe));
            }
        });
        let configurations = watcher(self.configurations.clone(), named(&self.configuration));
        let configurations = configurations.backoff(Pauses::new()).map(drop);
        stream::select(secrets, configurations)
    }

    /// Takes steps until there is nothing to do; until when that is so.
    async fn round(&mut self, now: UnixTime) -> Result<UnixTime, Trouble> {
        for _ in 0..MOST_STEPS {
            let mut secret = self.secrets.get_opt(self.config.secret.as_str()).await?;
            let ours = secret.as_ref().is_none_or(state::is_ours);
            if !ours {
                return Err(Trouble::NotOurs(self.config.secret.to_string()));
            }
            let read = secret.as_ref().map(State::read).transpose();
            let state = read.unwrap_or_else(|cause| {
                tracing::error!(event = "webhook-certificate-damaged", %cause);
                None
            });
            let (told, look_again) = match &state {
                None => (Told::Otherwise, None),
                Some(state) => self.tell(state, now).await?,
            };
            let all = self.config.all_names();
            let names = Names {
                called: &self.config.names,
                all: &all,
            };
            let step = step(now, state.as_ref(), told, names, self.policy);
            if let Step::Keep { until } = step {
                if let Some(secret) = &mut secret {
                    state::wipe(secret);
                }
                return Ok(look_again.map_or(until, |at| until.min(at)));
            }
            let salvaged = secret.as_ref().map_or_else(Vec::new, State::salvage);
            let state = self.take(step, state, salvaged, now)?;
            match self.write(secret, &state).await {
                Ok(()) => {
                    let expires = time(state.current.facts.not_after);
                    tracing::info!(event = "webhook-certificate-kept", ?step, expires);
                }
                // Another leader, or somebody else, was faster: look again.
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Trouble::Unrest)
    }

    fn take(
        &self,
        step: Step,
        state: Option<State>,
        salvaged: Vec<Authority>,
        now: UnixTime,
    ) -> Result<State, Trouble> {
        let made = || make(&self.config.all_names(), now, self.policy.life);
        let Some(state) = state else {
            return State::start(made()?, salvaged).ok_or(Trouble::Unusable);
        };
        match step {
            Step::Forget => Some(state.forget(now)),
            Step::Keep { .. } => Some(state),
            Step::Note { since } => Some(state.told(since)),
            Step::Prepare => state.prepare(made()?),
            Step::Promote => Some(state.promote()),
            Step::Start => State::start(made()?, state.trusted),
        }
        .ok_or(Trouble::Unusable)
    }

    /// Writes the Secret: a new one, or over the one that was read.
    async fn write(&self, secret: Option<Secret>, state: &State) -> kube::Result<()> {
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let name = self.config.secret.as_str();
        let mut written = match secret {
            None => {
                let metadata = ObjectMeta {
                    name: Some(name.to_owned()),
                    ..ObjectMeta::default()
                };
                let mut secret = Secret {
                    metadata,
                    ..Secret::default()
                };
                state.write(&mut secret);
                let written = self.secrets.create(&params, &secret).await;
                state::wipe(&mut secret);
                written?
            }
            Some(mut secret) => {
                // It carries the version that was read, so nobody's change in between is lost.
                state.write(&mut secret);
                let written = self.secrets.replace(name, &params, &secret).await;
                state::wipe(&mut secret);
                written?
            }
        };
        state::wipe(&mut written);
        Ok(())
    }

    /// Brings every `caBundle` of the configuration to what it should be; what API servers were told, and when to look
    /// again at one that somebody insists on changing.
    async fn tell(
        &mut self,
        state: &State,
        now: UnixTime,
    ) -> Result<(Told, Option<UnixTime>), Trouble> {
        let Some(found) = self.configurations.get_opt(&self.configuration).await? else {
            return Ok((Told::Otherwise, None));
        };
        let bundle = state.bundle();
        let Some(patch) = bundle_patch(&found, &bundle) else {
            return Ok((Told::Already, None));
        };
        let next = self.repairs.next(now);
        if next > now {
            return Ok((Told::Otherwise, Some(next)));
        }
        self.repairs.made(now);
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Json::<()>(patch);
        let patched = self
            .configurations
            .patch(&self.configuration, &params, &patch);
        patched.await?;
        tracing::info!(
            event = "webhook-ca-bundle-written",
            configuration = self.configuration
        );
        Ok((Told::Now, None))
    }
}

/// What brings every `caBundle` to what it should be; `None` if all are.
///
/// A JSON patch, and no server-side apply: that merges webhooks by name, and would make a new one where somebody has just
/// removed it. The tests make the patch fail instead, if the list is not the one that was read.
fn bundle_patch(found: &MutatingWebhookConfiguration, bundle: &str) -> Option<JsonPatch> {
    let mut operations = Vec::new();
    for (index, webhook) in found.webhooks.iter().flatten().enumerate() {
        let present = webhook.client_config.ca_bundle.as_ref();
        if present.is_some_and(|present| present.0 == bundle.as_bytes()) {
            continue;
        }
        let at = |rest: &[&str]| {
            let index = index.to_string();
            let path = ["webhooks", &*index].into_iter();
            PointerBuf::from_tokens(path.chain(rest.iter().copied()))
        };
        operations.push(PatchOperation::Test(TestOperation {
            path: at(&["name"]),
            value: json!(webhook.name),
        }));
        operations.push(PatchOperation::Add(AddOperation {
            path: at(&["clientConfig", "caBundle"]),
            value: json!(ByteString(bundle.as_bytes().to_vec())),
        }));
    }
    (!operations.is_empty()).then_some(JsonPatch(operations))
}
