//! What the API server answers, in words with a mend.

use kube::Error;

use crate::Failure;

/// A failure of a request about something.
pub fn failure(about: &str, error: &Error) -> Failure {
    match error {
        Error::Api(status) if status.code == 404 => {
            if status
                .message
                .contains("could not find the requested resource")
            {
                Failure::Input(format!(
                    "the cluster does not know {about}: install the chart mintage-crds"
                ))
            } else {
                Failure::Input(format!("there is no {about}"))
            }
        }
        Error::Api(status) if status.code == 401 => Failure::Unreachable(format!(
            "the cluster does not accept who you are: look at the credentials of the kubeconfig's context ({})",
            status.message
        )),
        Error::Api(status) if status.code == 403 => Failure::Refused(format!(
            "you may not: {}; this takes a role that reads bundles (Secrets) and changes Tenants",
            status.message
        )),
        Error::Api(status) if status.code < 500 => {
            Failure::Refused(format!("{about}: {}", status.message))
        }
        other => Failure::Unreachable(format!("the cluster does not answer: {other}")),
    }
}
