//! Who asked the API server for what.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde::Deserialize;

/// Everything, without bodies; and no line before the answer has begun.
pub const POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
";

/// A request that the API server answered, or a watch that it began to answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// Who it counted as.
    pub user: String,
    /// The groups of that user.
    pub groups: Vec<String>,
    /// What the client calls itself.
    pub user_agent: String,
    /// Empty for the core group, and where there is no resource.
    pub group: String,
    /// `pods`, `tenants`; empty where there is none.
    pub resource: String,
    /// `status`, `token`; empty where there is none.
    pub subresource: String,
    /// Empty where there is none.
    pub namespace: String,
    /// Empty where there is none: in a list, and in a `create` of a name that the server makes.
    pub name: String,
    /// The status of the answer.
    pub code: u16,
    /// The path and query that was asked for.
    pub uri: String,
    /// When the request arrived.
    pub received: Timestamp,
    /// Whether the answer has ended; a watch may go on.
    pub complete: bool,
}

/// A place in the audit log.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

impl Mark {
    /// Before the first request.
    pub const START: Self = Self(0);
}

/// The end of the log's last whole line: one that is being written comes after.
pub fn mark(log: &Path) -> Mark {
    // Before the first request there is no file.
    Mark(whole_lines(log).unwrap_or(0))
}

/// How many bytes of a file its whole lines take.
fn whole_lines(file: &Path) -> io::Result<u64> {
    const STEP: u64 = 64 * 1024;
    let mut file = File::open(file)?;
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        (&file).take(end - start).read_to_end(&mut bytes)?;
        if let Some(newline) = bytes.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// What was written after a mark, by request, in the order of the answers; each request stands there once, as it was
/// last.
pub fn read(log: &Path, from: Mark) -> Result<Vec<Event>> {
    let mut text = String::new();
    let mut file = File::open(log).with_context(|| log.display().to_string())?;
    file.seek(SeekFrom::Start(from.0))?;
    file.read_to_string(&mut text)?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<Event>> {
    // A line without an end is being written.
    let lines = text
        .split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'));
    let mut seen = HashSet::new();
    let mut events = Vec::new();
    // From the end: the answer to a watch begins and ends, and its later line says more.
    for line in lines.rev() {
        let written: Written = serde_json::from_str(line).with_context(|| line.to_owned())?;
        if seen.insert(written.audit_id.clone()) {
            events.push(Event::from(written));
        }
    }
    events.reverse();
    Ok(events)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(rename = "auditID")]
    audit_id: String,
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    impersonated_user: Option<User>,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: Object,
    #[serde(default)]
    response_status: Status,
    request_received_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
    #[serde(default)]
    groups: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Object {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
}

impl From<Written> for Event {
    fn from(written: Written) -> Self {
        let user = written.impersonated_user.unwrap_or(written.user);
        let object = written.object_ref;
        Self {
            verb: written.verb,
            user: user.username,
            groups: user.groups,
            user_agent: written.user_agent,
            group: object.api_group,
            resource: object.resource,
            subresource: object.subresource,
            namespace: object.namespace,
            name: object.name,
            code: written.response_status.code,
            uri: written.request_uri,
            received: written.request_received_timestamp,
            complete: written.stage == "ResponseComplete",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_where_a_line_begins() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.log");
        assert_eq!(mark(&file).0, 0, "there is none yet");
        let long = "x".repeat(200_000);
        for (text, whole) in [
            ("", 0),
            ("half", 0),
            ("one\n", 4),
            ("one\nhal", 4),
            ("one\n\n", 5),
            (&*format!("one\n{long}"), 4),
            (&*format!("{long}\n{long}\nhalf"), 400_002),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(mark(&file).0, whole);
        }
    }

    #[test]
    fn each_request_stands_there_once_and_half_a_line_not_at_all() {
        let line = |id: &str, stage: &str, more: &str| {
            format!(
                r#"{{"kind":"Event","auditID":"{id}","stage":"{stage}","requestURI":"/api/v1/pods?watch=1","verb":"watch","user":{{"username":"a","groups":["g"]}},"requestReceivedTimestamp":"2026-11-25T12:00:00.000001Z"{more}}}"#
            )
        };
        let object = r#","objectRef":{"resource":"tenants","namespace":"n","name":"x","apiGroup":"mintage.dev","subresource":"status"},"responseStatus":{"metadata":{},"code":200}"#;
        let text = format!(
            "{}\n{}\n{}\n{}",
            line("1", "ResponseStarted", object),
            line(
                "2",
                "ResponseComplete",
                r#","impersonatedUser":{"username":"b"}"#
            ),
            line("1", "ResponseComplete", object),
            line("3", "ResponseComplete", ""),
        );
        let events = parse(&text).unwrap();
        assert_eq!(
            events.iter().map(|event| &*event.user).collect::<Vec<_>>(),
            ["b", "a"]
        );
        let watch = &events[1];
        assert_eq!(
            (
                &*watch.resource,
                &*watch.subresource,
                watch.code,
                watch.complete
            ),
            ("tenants", "status", 200, true)
        );
        assert_eq!(watch.received.to_string(), "2026-11-25T12:00:00.000001Z");
    }
}
