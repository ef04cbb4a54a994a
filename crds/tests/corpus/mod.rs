//! Reads the cases of this folder; the format is in `README.md`.

#![expect(
    clippy::unwrap_used,
    reason = "a case that can't be read fails its test"
)]

use std::{collections::BTreeSet, fs, path::Path};

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// An object and what the API server says about it.
pub struct Case {
    /// File and name, for messages.
    #[allow(dead_code, reason = "read where verdicts are compared")]
    pub id: String,
    /// The object before an update.
    pub old: Option<Value>,
    /// The object to judge.
    pub object: Value,
    /// Each fault as `<field path>: <kind>`.
    pub expect: BTreeSet<String>,
    /// What a real API server names beside that.
    #[allow(dead_code, reason = "read where there is an API server")]
    pub server: BTreeSet<String>,
    /// A merge patch that changes nothing in the stored object.
    #[allow(dead_code, reason = "read where verdicts are compared")]
    pub stored: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "read by people")]
    kind: String,
    base: Value,
    cases: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    patch: Option<Value>,
    object: Option<Value>,
    update: Option<Value>,
    expect: BTreeSet<String>,
    #[serde(default)]
    server: BTreeSet<String>,
    stored: Option<Value>,
}

/// All cases, by file and in the order of the file.
pub fn cases() -> Vec<Case> {
    // Tests of other packages read them, too: cargo runs each in its package's folder.
    let folder = Path::new("../crds/tests/corpus");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .flat_map(|path| read(path))
        .collect()
}

fn read(path: &Path) -> Vec<Case> {
    let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
    let file: File = serde_yaml::from_str(&fs::read_to_string(path).unwrap())
        .unwrap_or_else(|error| panic!("{stem}: {error}"));
    let mut names = BTreeSet::new();
    file.cases
        .into_iter()
        .map(|written| {
            let id = format!("{stem}: {}", written.name);
            assert!(
                names.insert(written.name),
                "{id}: a second case of this name"
            );
            let first = match (written.patch, written.object) {
                (Some(first), None) => merged(file.base.clone(), &expanded(first)),
                (None, Some(object)) => expanded(object),
                (None, None) => file.base.clone(),
                (Some(_), Some(_)) => panic!("{id}: either a patch or an object"),
            };
            let (old, object) = match written.update {
                None => (None, first),
                Some(update) => (Some(first.clone()), merged(first, &expanded(update))),
            };
            Case {
                id,
                old,
                object,
                expect: written.expect,
                server: written.server,
                stored: written.stored.map(expanded),
            }
        })
        .collect()
}

/// `target` with the merge patch (RFC 7396) applied.
pub fn merged(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch.clone();
    };
    let mut fields = if let Value::Object(fields) = target {
        fields
    } else {
        Map::new()
    };
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(name);
        } else {
            let old = fields.remove(name).unwrap_or(Value::Null);
            fields.insert(name.clone(), merged(old, value));
        }
    }
    Value::Object(fields)
}

fn expanded(value: Value) -> Value {
    match value {
        Value::String(text) => json!(repeated(&text)),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (repeated(&name), expanded(value)))
            .collect(),
        Value::Array(items) => items.into_iter().flat_map(expanded_item).collect(),
        other => other,
    }
}

fn expanded_item(item: Value) -> Vec<Value> {
    let Some(count) = item.get("$repeat").and_then(Value::as_u64) else {
        return vec![expanded(item)];
    };
    let text = item["item"].to_string();
    (0..count)
        .map(|i| expanded(serde_json::from_str(&text.replace("{i}", &i.to_string())).unwrap()))
        .collect()
}

/// `text` with each `{x*n}` written out.
fn repeated(text: &str) -> String {
    let Some((before, rest)) = text.split_once('{') else {
        return text.to_owned();
    };
    let written = rest.split_once('}').and_then(|(inside, after)| {
        let (unit, count) = inside.rsplit_once('*')?;
        Some((unit.repeat(count.parse().ok()?), after))
    });
    match written {
        Some((unit, after)) => format!("{before}{unit}{}", repeated(after)),
        None => format!("{before}{{{}", repeated(rest)),
    }
}
