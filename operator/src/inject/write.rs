//! Writes the sidecar into a pod, or finds that it is there.

use mintage_core::WorkloadId;
use serde_json::{Value, json};

use super::draft::Draft;
use super::parts::{self, Env, Recipe};
use super::settings::Settings;
use super::{CONTAINER, HASH, INJECTED, INJECTED_ISSUER, INJECTED_TENANT, SKIPPED, VOLUME};

/// Where the API server's own plugin mounts the account's token, into every container it sees.
const API_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

const ANNOTATIONS: [&str; 2] = ["metadata", "annotations"];
const INITIAL: [&str; 2] = ["spec", "initContainers"];
const CONTAINERS: [&str; 2] = ["spec", "containers"];
const VOLUMES: [&str; 2] = ["spec", "volumes"];

/// The pod with a current sidecar, and the changes that it took. `issuer_before`: what an earlier injection told the app.
pub fn write(
    pod: Value,
    recipe: &Recipe,
    settings: &Settings,
    workload: &WorkloadId,
    issuer_before: Option<&str>,
) -> (Value, json_patch::Patch) {
    let mut draft = Draft::new(pod);
    let before = issuer_before.and_then(|issuer| {
        let sidecar = draft.items(&INITIAL).iter().find(|one| is_sidecar(one))?;
        Some(parts::env(&variable(sidecar, "MINTAGE_LISTEN")?, issuer))
    });
    let annotations = [
        (HASH, recipe.hash(settings)),
        (INJECTED_TENANT, recipe.tenant.to_string()),
        (INJECTED_ISSUER, recipe.issuer.to_string()),
    ];
    for (name, value) in annotations {
        draft.set(&ANNOTATIONS, name, json!(value));
    }
    // Copied from a pod that went without.
    draft.unset(&ANNOTATIONS, SKIPPED);
    draft.set(&["metadata", "labels"], INJECTED, json!("true"));
    put_volume(&mut draft, recipe.volume());
    put_sidecar(
        &mut draft,
        recipe.container(settings, &workload.to_string()),
    );
    let env = parts::env(&settings.workload_api().to_string(), recipe.issuer.as_str());
    for containers in [&INITIAL, &CONTAINERS] {
        for index in 0..draft.items(containers).len() {
            if !is_sidecar(&draft.items(containers)[index]) {
                put_env(&mut draft, containers, index, &env, before.as_ref());
            }
        }
    }
    draft.finish()
}

/// The change that makes a pod say why it goes without a sidecar.
pub fn mark(pod: Value, why: &str) -> json_patch::Patch {
    let mut draft = Draft::new(pod);
    draft.set(&ANNOTATIONS, SKIPPED, json!(why));
    draft.finish().1
}

fn is_sidecar(container: &Value) -> bool {
    container["name"] == CONTAINER
}

/// The value of a variable of a container.
fn variable(container: &Value, name: &str) -> Option<String> {
    let mut env = container["env"].as_array()?.iter();
    let found = env.find(|one| one["name"] == name)?;
    found["value"].as_str().map(str::to_owned)
}

fn put_volume(draft: &mut Draft, volume: Value) {
    let present = positions(draft.items(&VOLUMES), |one| one["name"] == VOLUME);
    if let [index] = present[..]
        && draft.items(&VOLUMES)[index] == volume
    {
        return;
    }
    for index in present.into_iter().rev() {
        draft.remove(&VOLUMES, index);
    }
    let end = draft.items(&VOLUMES).len();
    draft.insert(&VOLUMES, end, volume);
}

/// The sidecar becomes the first init container. One that is there and current is left where it is: others put
/// themselves first as well, and contending for the place would have no end.
fn put_sidecar(draft: &mut Draft, sidecar: Value) {
    let present = positions(draft.items(&INITIAL), is_sidecar);
    if let [index] = present[..]
        && is_current(&draft.items(&INITIAL)[index], &sidecar)
    {
        return;
    }
    for index in present.into_iter().rev() {
        draft.remove(&INITIAL, index);
    }
    draft.insert(&INITIAL, 0, sidecar);
}

/// Whether a container is the sidecar as it should be, besides what others in the API server may add to any container:
/// the account's token, and resources by a `LimitRange` or an autoscaler.
fn is_current(present: &Value, sidecar: &Value) -> bool {
    let mut present = present.clone();
    if let Some(mounts) = present["volumeMounts"].as_array_mut() {
        mounts.retain(|mount| mount["mountPath"] != API_TOKEN);
    }
    present["resources"] = sidecar["resources"].clone();
    present == *sidecar
}

/// Tells a container where the sidecar is. What the pod sets itself stands; our own come first, so that the container's
/// may refer to them (`$(MINTAGE_URL)`).
fn put_env(draft: &mut Draft, containers: &[&str], index: usize, env: &Env, before: Option<&Env>) {
    let at = index.to_string();
    let path: Vec<&str> = containers.iter().copied().chain([&*at, "env"]).collect();
    let mut next = 0;
    for (number, (name, value)) in env.iter().enumerate() {
        let found = positions(draft.items(&path), |one| one["name"] == *name);
        let Some(&first) = found.first() else {
            let variable = json!({ "name": name, "value": value });
            draft.insert(&path, next, variable);
            next += 1;
            continue;
        };
        // Set by an earlier injection, to something else than is right now.
        let was = before.map(|before| &before[number].1);
        let present = &draft.items(&path)[first]["value"];
        if was.is_some_and(|was| present == was) && present != value {
            draft.set_in(&path, first, "value", json!(value));
        }
        if first == next {
            next += 1;
        }
    }
}

fn positions(items: &[Value], is_it: impl Fn(&Value) -> bool) -> Vec<usize> {
    let numbered = items.iter().enumerate();
    numbered
        .filter(|(_, item)| is_it(item))
        .map(|(index, _)| index)
        .collect()
}
