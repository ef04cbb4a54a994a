//! Where in a folder of manifests something is said.

use mintage_core::ownership::{Kind, Object};
use mintage_core::plan::{Reason, Status};
use mintage_core::{Namespace, ObjectName, ObjectRef, TenantRef, WorkloadId};
use mintage_crds::Manifests;
use mintage_crds::manifest::{Located, Location, Secret, Source, Workload};
use mintage_sidecar::endpoint::{About, Complaint};
use serde::{Serialize, Serializer};

/// A field of a resource, and where it is written.
#[derive(Clone, Debug, Serialize)]
pub struct Place {
    /// Kind, namespace and name.
    pub resource: String,
    /// The path of the field; empty for the whole.
    pub field: String,
    /// File and line.
    #[serde(serialize_with = "as_text", skip_serializing_if = "is_of_cluster")]
    pub at: Location,
}

/// The file that objects of a cluster are in: they have no lines that anybody could look up.
pub const CLUSTER: &str = "(cluster)";

/// Whether a location is none that can be opened.
pub fn is_of_cluster(at: &Location) -> bool {
    &*at.file == CLUSTER
}

fn as_text<S: Serializer>(at: &Location, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

impl Place {
    fn new(resource: String, source: &Source, field: &str) -> Self {
        Self {
            resource,
            at: source.at(field),
            field: field.to_owned(),
        }
    }

    /// The resource and its field, in words.
    pub fn subject(&self) -> String {
        if self.field.is_empty() {
            self.resource.clone()
        } else {
            format!("{}, {}", self.resource, self.field)
        }
    }
}

/// A field of a `Tenant`.
pub fn of_tenant(manifests: &Manifests, at: &TenantRef, field: &str) -> Option<Place> {
    let at = ObjectRef::new(at.namespace.clone(), at.name.clone());
    of_object(
        manifests,
        &Object {
            kind: Kind::Tenant,
            at,
        },
        field,
    )
}

/// A field of an `ApiAudience`.
pub fn of_audience(manifests: &Manifests, at: &ObjectRef, field: &str) -> Option<Place> {
    let object = Object {
        kind: Kind::ApiAudience,
        at: at.clone(),
    };
    of_object(manifests, &object, field)
}

/// A field of an object of ours.
pub fn of_object(manifests: &Manifests, object: &Object, field: &str) -> Option<Place> {
    let is = |namespace: &Option<String>, name: &Option<String>| {
        namespace.as_deref() == Some(object.at.namespace.as_str())
            && name.as_deref() == Some(object.at.name.as_str())
    };
    macro_rules! source {
        ($list:expr) => {
            $list
                .iter()
                .find(|one| is(&one.object.metadata.namespace, &one.object.metadata.name))
                .map(|one| &one.source)
        };
    }
    let source = match object.kind {
        Kind::ApiAudience => source!(manifests.audiences),
        Kind::Application => source!(manifests.applications),
        Kind::CustomDomain => source!(manifests.domains),
        Kind::Tenant => source!(manifests.tenants),
    };
    source.map(|source| Place::new(object.to_string(), source, field))
}

/// The field for which an object is not served.
pub fn of_status(manifests: &Manifests, status: &Status) -> Option<Place> {
    let field = match (status.reason, status.object.kind) {
        (Reason::Conflict, Kind::ApiAudience) | (Reason::Reserved, _) => "spec.identifier",
        (Reason::Conflict | Reason::NotVerified, _) => "spec.domain",
        (Reason::AlgorithmNotAllowed | Reason::AlgorithmNotServed, _) => "spec.signingAlgorithm",
        (Reason::InvalidAddress, _) => return of_address(manifests, status),
        (
            Reason::NamespaceNotAllowed
            | Reason::NoEndpoint
            | Reason::TenantNotFound
            | Reason::TenantNotServed,
            _,
        ) => "spec.tenantRef",
        (Reason::Deleting | Reason::Served, _) => "",
    };
    of_object(manifests, &status.object, field)
}

/// The address for which an application is not served: the status names its list and quotes it.
fn of_address(manifests: &Manifests, status: &Status) -> Option<Place> {
    let (field, _) = status.message.split_once(": ")?;
    let mut all = manifests.applications.iter();
    let at = &status.object.at;
    let found = all.find(|one| {
        let meta = &one.object.metadata;
        meta.name.as_deref() == Some(at.name.as_str())
            && meta.namespace.as_deref() == Some(at.namespace.as_str())
    })?;
    let spec = &found.object.spec;
    let list = match field {
        "spec.redirectUris" => &spec.redirect_uris,
        "spec.logoutUris" => &spec.logout_uris,
        _ => &spec.web_origins,
    };
    // The longest one, of several that begin with each other.
    let quoted = list.iter().enumerate();
    let quoted = quoted.filter(|(_, address)| status.message.contains(*address));
    let index = quoted.max_by_key(|(_, address)| address.len());
    let field = match index {
        Some((index, _)) => format!("{field}[{index}]"),
        None => field.to_owned(),
    };
    of_object(manifests, &status.object, &field)
}

/// What the endpoint of a tenant complains about.
pub fn of_complaint(
    manifests: &Manifests,
    tenant: &TenantRef,
    complaint: &Complaint,
) -> Option<Place> {
    let field = match &complaint.about {
        About::Connection(index)
        | About::Secret {
            connection: index, ..
        } => format!("spec.login.connections[{index}]"),
        About::NoConnection => "spec.login.connections".to_owned(),
        About::Proxy(index) => format!("spec.endpoint.trustedProxies[{index}]"),
        About::User { secret, entry } => {
            return of_secret(manifests, &tenant.namespace, secret, entry.as_deref());
        }
    };
    of_tenant(manifests, tenant, &field)
}

/// An entry of a `Secret`, or all of it.
fn of_secret(
    manifests: &Manifests,
    namespace: &Namespace,
    name: &ObjectName,
    entry: Option<&str>,
) -> Option<Place> {
    let mut all = manifests.secrets.iter();
    let is = |one: &&Located<Secret>| {
        one.object.namespace == namespace.as_str() && one.object.name == name.as_str()
    };
    let source = &all.find(is)?.source;
    // `stringData` counts before `data`; a field that is not written is where what is around it is.
    let fields = ["stringData", "data"].into_iter().map(|of| (of, entry));
    let mut fields = fields.filter_map(|(of, entry)| Some((of, format!("{of}.{}", entry?))));
    let field = fields.find(|(of, field)| source.at(field) != source.at(of));
    let field = field.map(|(_, field)| field).unwrap_or_default();
    let resource = format!("Secret {namespace}/{name}");
    Some(Place::new(resource, source, &field))
}

/// A field of a `Namespace`.
pub fn of_namespace(manifests: &Manifests, name: &Namespace, field: &str) -> Option<Place> {
    let found = manifests
        .namespaces
        .iter()
        .find(|one| one.object.name == name.as_str())?;
    Some(Place::new(
        format!("Namespace {name}"),
        &found.source,
        field,
    ))
}

/// An annotation of a `Namespace`, if it has it.
pub fn of_namespace_annotation(
    manifests: &Manifests,
    name: &Namespace,
    annotation: &str,
) -> Option<Place> {
    let mut all = manifests.namespaces.iter();
    let found = all.find(|one| one.object.name == name.as_str())?;
    let field = format!("metadata.annotations.{annotation}");
    let has = found.object.annotations.contains_key(annotation);
    has.then(|| Place::new(format!("Namespace {name}"), &found.source, &field))
}

/// An annotation of the pods of a workload.
pub fn of_annotation(
    manifests: &Manifests,
    workload: &WorkloadId,
    annotation: &str,
) -> Option<Place> {
    let is = |one: &&Located<Workload>| {
        one.object.namespace == workload.namespace.as_str()
            && one.object.service_account == workload.service_account.as_str()
            && one.object.annotations.contains_key(annotation)
    };
    manifests
        .workloads
        .iter()
        .find(is)
        .map(|one| in_pods(one, annotation))
}

/// An annotation of the pods that an object makes.
pub fn in_pods(workload: &Located<Workload>, annotation: &str) -> Place {
    let Located { object, source } = workload;
    let field = object.pod_field(&format!("metadata.annotations.{annotation}"));
    Place::new(resource(object), source, &field)
}

/// A whole object that is or makes pods.
pub fn of_workload(workload: &Located<Workload>) -> Place {
    Place::new(resource(&workload.object), &workload.source, "")
}

fn resource(workload: &Workload) -> String {
    format!("{} {}/{}", workload.kind, workload.namespace, workload.name)
}
