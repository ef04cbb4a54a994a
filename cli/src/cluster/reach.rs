//! What the API server answers, in words with a mend.

use kube::Error;

use crate::Failure;

/// A failure of a request about something.
pub fn failure(about: &str, error: &Error) -> Failure {
    match error {
        Error::Api(status) if status.code == 404 => {
            // About an object that is not there it names the object; a kind that it does not know has no name to give.
            if status.message.ends_with("\" not found") {
                Failure::Input(format!("there is no {about}"))
            } else {
                Failure::Input(format!(
                    "the cluster does not know {about}: install the chart mintage-crds (helm install mintage-crds charts/mintage-crds)"
                ))
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

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn each_refusal_is_named_with_its_mend() {
        for (code, message, said) in [
            (
                404,
                "404 page not found",
                "Input(\"the cluster does not know tenants",
            ),
            (
                404,
                "the server could not find the requested resource",
                "helm install mintage-crds",
            ),
            (
                404,
                "tenants.mintage.dev \"x\" not found",
                "Input(\"there is no tenants",
            ),
            (
                401,
                "Unauthorized",
                "Unreachable(\"the cluster does not accept who you are",
            ),
            (
                403,
                "x is forbidden",
                "Refused(\"you may not: x is forbidden",
            ),
            (422, "x is invalid", "Refused(\"tenants: x is invalid"),
            (503, "later", "Unreachable(\"the cluster does not answer"),
        ] {
            let error = Error::Api(Box::new(Status {
                code,
                message: message.to_owned(),
                ..Status::default()
            }));
            let failure = format!("{:?}", failure("tenants", &error));
            assert!(failure.contains(said), "{code} {message}: {failure}");
        }
    }
}
