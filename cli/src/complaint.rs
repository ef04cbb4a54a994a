//! What a tenant's endpoint complains about, in the words of a folder of manifests.

use std::path::Path;

use mintage_core::TenantRef;
use mintage_crds::Manifests;
use mintage_sidecar::endpoint::{About, Complaint};

use crate::place::{self, Place};

/// A complaint as people who write manifests want it.
pub struct Told {
    /// Where it is written.
    pub place: Place,
    /// In words, with the mend.
    pub text: String,
}

/// Puts a complaint about a tenant of the folder into its words.
pub fn tell(manifests: &Manifests, tenant: &TenantRef, complaint: &Complaint) -> Option<Told> {
    let place = place::of_complaint(manifests, tenant, complaint)?;
    let text = match &complaint.about {
        // What the cluster is given by kubectl, a folder has in a file.
        About::Secret {
            secret,
            of_users: true,
            ..
        } => {
            let beside = Path::new(&*place.at.file).with_file_name(format!("{secret}.yaml"));
            format!(
                "{}; `mintage users add <name> -n {} --secret {secret} --file {}` makes it",
                complaint.text,
                tenant.namespace,
                beside.display()
            )
        }
        _ => complaint.to_string(),
    };
    Some(Told { place, text })
}
