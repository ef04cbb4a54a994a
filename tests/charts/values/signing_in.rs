//! The values of tenants' endpoints.

use serde_json::json;

use super::Case;
use super::Seen::{Argument, Gone};
use super::cases::case;

/// All of them.
pub fn cases() -> Vec<Case> {
    vec![
        case(
            "endpoints.enabled",
            json!(false),
            Gone("ValidatingAdmissionPolicy", "mintage-endpoints"),
        ),
        case(
            "endpoints.gatewayApi",
            json!(true),
            Argument("--endpoint-gateway-api"),
        ),
        case(
            "endpoints.certManager",
            json!(true),
            Argument("--endpoint-cert-manager"),
        ),
        case(
            "endpoints.resources.requests.cpu",
            json!("50m"),
            Argument("--endpoint-cpu-request=50m"),
        ),
        case(
            "endpoints.resources.requests.memory",
            json!(""),
            Argument("--endpoint-memory-request="),
        ),
        case(
            "endpoints.resources.limits.memory",
            json!("1Gi"),
            Argument("--endpoint-memory-limit=1Gi"),
        ),
    ]
}
