//! `AdmissionReview` v1: what the API server asks, and what it is told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::core::DynamicObject;
use kube::core::Status;
use kube::core::admission::{
    AdmissionRequest, AdmissionResponse, AdmissionReview, META_API_VERSION_V1, META_KIND, Operation,
};
use kube::core::response::StatusDetails;
use mintage_core::Namespace;
use mintage_core::code::Coded as _;
use serde_json::Value;

use super::Answered;
use crate::inject::{Outcome, Skip};

/// How long a client is asked to wait before it tries again, in seconds; kubectl and every controller do so by themselves.
const RETRY_AFTER: u32 = 1;

/// A request that no API server sends.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// Not JSON of the right shape. `serde_json`'s own text may quote the request, so only the place is kept.
    #[error("not an AdmissionReview (line {line}, column {column})")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// Not a request of this version.
    #[error("an AdmissionReview of {META_API_VERSION_V1} with a request is expected")]
    Kind,
    /// No namespace.
    #[error("the request's namespace {0:?} is none")]
    Namespace(String),
}

impl From<serde_json::Error> for Malformed {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        Self::Json { line, column }
    }
}

/// What is decided about a request.
#[derive(Debug)]
pub enum Decision {
    /// About the pod.
    Decided(Outcome),
    /// The request is about nothing that gets a sidecar: it is let through.
    NotAPod,
    /// The code panicked.
    Panicked,
    /// Nothing is known about the cluster yet.
    Starting,
}

/// A request to admit something.
pub struct Request {
    /// As it came, without its object.
    pub admission: AdmissionRequest<DynamicObject>,
    /// The pod that is to be created, and its namespace: the request's.
    pub pod: Option<(Namespace, Value)>,
}

impl Request {
    /// Reads a request.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let review: AdmissionReview<DynamicObject> = serde_json::from_slice(body)?;
        if review.types.api_version != META_API_VERSION_V1 || review.types.kind != META_KIND {
            return Err(Malformed::Kind);
        }
        let admission: AdmissionRequest<_> = review.try_into().map_err(|_| Malformed::Kind)?;
        let mut request = Self {
            admission,
            pod: None,
        };
        if request.is_about_a_new_pod() {
            let namespace = request.admission.namespace.as_deref().unwrap_or_default();
            let namespace = Namespace::parse(namespace)
                .map_err(|_| Malformed::Namespace(namespace.to_owned()))?;
            let pod = request.admission.object.take().ok_or(Malformed::Kind)?;
            request.pod = Some((namespace, serde_json::to_value(pod)?));
        }
        Ok(request)
    }

    /// A pod's name is often empty: the API server makes it later, from a prefix.
    pub fn pod_name(&self) -> &str {
        let name = self.admission.name.as_str();
        if !name.is_empty() {
            return name;
        }
        let prefix = self.pod.as_ref().map(|(_, pod)| &pod["metadata"]);
        prefix
            .and_then(|metadata| metadata["generateName"].as_str())
            .unwrap_or_default()
    }

    fn is_about_a_new_pod(&self) -> bool {
        let request = &self.admission;
        let subresource = request.sub_resource.as_deref().unwrap_or_default();
        request.operation == Operation::Create
            && request.resource.group.is_empty()
            && request.resource.resource == "pods"
            && subresource.is_empty()
    }

    /// The answer, and what it is counted as.
    pub fn answer(&self, decision: Decision) -> (Value, Answered) {
        let response = AdmissionResponse::from(&self.admission);
        let (mut response, answered) = match decision {
            Decision::NotAPod => (response, Answered::Skipped),
            Decision::Panicked => (
                refuse(
                    response,
                    500,
                    "InternalError",
                    "mintage: the operator failed on this pod; its log says why (panicked)",
                ),
                Answered::Panicked,
            ),
            Decision::Starting => {
                let text =
                    "mintage: the operator is starting and has not seen the cluster: try again";
                (refuse_for_now(response, text), Answered::Unready)
            }
            Decision::Decided(outcome) => {
                let pod = self.pod.as_ref().map(|(_, pod)| pod);
                admit(response, outcome, pod)
            }
        };
        let outcome = answered.code().to_owned();
        response
            .audit_annotations
            .insert("outcome".to_owned(), outcome);
        let patch = response.patch.take();
        let review = serde_json::to_value(response.into_review());
        let mut review = review.expect("an AdmissionReview has string keys only");
        if let Some(patch) = patch {
            // kube writes bytes as an array of numbers; the API's own form is base64.
            review["response"]["patch"] = STANDARD.encode(patch).into();
        }
        (review, answered)
    }
}

fn admit(
    mut response: AdmissionResponse,
    outcome: Outcome,
    pod: Option<&Value>,
) -> (AdmissionResponse, Answered) {
    match outcome {
        Outcome::Injected(injection) => {
            response.warnings = some(injection.warnings);
            let tenant = injection.tenant.to_string();
            response
                .audit_annotations
                .insert("tenant".to_owned(), tenant);
            (patched(response, injection.patch), Answered::Injected)
        }
        Outcome::Unchanged { warnings } => {
            response.warnings = some(warnings);
            (response, Answered::Unchanged)
        }
        Outcome::Skipped(skip) => {
            if let Some(patch) = pod.and_then(|pod| skip.mark(pod)) {
                response = patched(response, patch);
            }
            // Who opts out by a label knows.
            let said = Some(skip).filter(|skip| *skip != Skip::OptedOut);
            response.warnings = said.map(|skip| vec![skip.to_string()]);
            (response, Answered::Skipped)
        }
        Outcome::Refused(refusal) => {
            let code = refusal.code();
            response
                .audit_annotations
                .insert("rule".to_owned(), code.to_owned());
            let text = format!("mintage: {refusal} ({code})");
            if refusal.is_passing() {
                (refuse_for_now(response, &text), Answered::Unready)
            } else {
                let refused = refuse(response, 403, "Forbidden", &text);
                (refused, Answered::Refused)
            }
        }
    }
}

fn patched(response: AdmissionResponse, patch: json_patch::Patch) -> AdmissionResponse {
    let patched = response.with_patch(patch);
    patched.expect("a patch of JSON values can be written as JSON")
}

fn some(warnings: Vec<String>) -> Option<Vec<String>> {
    Some(warnings).filter(|warnings| !warnings.is_empty())
}

fn refuse(
    mut response: AdmissionResponse,
    code: u16,
    reason: &str,
    text: &str,
) -> AdmissionResponse {
    response.allowed = false;
    response.result = Status::failure(text, reason).with_code(code);
    response
}

/// The API server hands on the code and the seconds, and its clients try again.
fn refuse_for_now(response: AdmissionResponse, text: &str) -> AdmissionResponse {
    let mut response = refuse(response, 503, "ServiceUnavailable", text);
    response.result.details = Some(StatusDetails {
        name: String::new(),
        group: String::new(),
        kind: String::new(),
        uid: String::new(),
        causes: Vec::new(),
        retry_after_seconds: RETRY_AFTER,
    });
    response
}
