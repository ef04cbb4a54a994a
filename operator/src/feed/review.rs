//! Who asks: the API server reviews the token, and the pod must live.

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use kube::api::PostParams;
use kube::{Api, Client};
use mintage_core::service_account::{NotGood, look};
use mintage_core::{Namespace, ObjectName, ObjectRef, UnixTime};
use tonic::Status;

use super::survey::injected;
use crate::inject::TOKEN_AUDIENCE;
use crate::snapshot::Snapshot;

/// The pod that a token belongs to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    /// Its place.
    pub pod: ObjectRef,
    /// Which life of it.
    pub uid: String,
    /// When the token expires.
    pub expires_at: UnixTime,
}

/// Has the API server review a token.
pub async fn review(client: &Client, token: &str, now: UnixTime) -> Result<Caller, Status> {
    // What can be seen to be wrong is nothing to ask the API server about.
    let expires_at = looked_at(token, now)?;
    let asked = TokenReview {
        spec: TokenReviewSpec {
            token: Some(token.to_owned()),
            audiences: Some(vec![TOKEN_AUDIENCE.to_owned()]),
        },
        ..TokenReview::default()
    };
    let reviews: Api<TokenReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &asked).await;
    let answer = answer.map_err(|error| {
        tracing::warn!(event = "token-review-failed", error = %crate::api::shown(&error));
        Status::unavailable("the API server cannot review tokens now")
    })?;
    caller(answer, expires_at)
}

/// When a token expires that nothing can be seen to be wrong with.
fn looked_at(token: &str, now: UnixTime) -> Result<UnixTime, Status> {
    look(token, TOKEN_AUDIENCE, now).map_err(|why| {
        unauthenticated(match why {
            NotGood::Audience => "the token is for another audience",
            NotGood::Expired => "the token has expired",
            NotGood::Malformed | NotGood::NoPod | NotGood::Unknown => {
                "the token is no ServiceAccount token"
            }
        })
    })
}

/// What the API server says of a token.
fn caller(review: TokenReview, expires_at: UnixTime) -> Result<Caller, Status> {
    let status = review.status.unwrap_or_default();
    if status.authenticated != Some(true) {
        return Err(unauthenticated("the API server does not know the token"));
    }
    // One that knows no audiences would have passed a token for any.
    let audiences = status.audiences.unwrap_or_default();
    if !audiences.iter().any(|audience| audience == TOKEN_AUDIENCE) {
        return Err(unauthenticated("the token is for another audience"));
    }
    let user = status.user.unwrap_or_default();
    let no_pod = || unauthenticated("the token belongs to no pod");
    let namespace = namespace(&user).ok_or_else(no_pod)?;
    let pod = extra(&user, "authentication.kubernetes.io/pod-name").ok_or_else(no_pod)?;
    let uid = extra(&user, "authentication.kubernetes.io/pod-uid").ok_or_else(no_pod)?;
    let name = ObjectName::parse(&pod).map_err(|_| no_pod())?;
    Ok(Caller {
        pod: ObjectRef { namespace, name },
        uid,
        expires_at,
    })
}

fn namespace(user: &UserInfo) -> Option<Namespace> {
    let name = user.username.as_deref()?;
    let (namespace, _) = name
        .strip_prefix("system:serviceaccount:")?
        .split_once(':')?;
    Namespace::parse(namespace).ok()
}

fn extra(user: &UserInfo, name: &str) -> Option<String> {
    match user.extra.as_ref()?.get(name)?.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// Whether a caller's pod lives, under the UID that its token names, and has a sidecar.
pub fn check_lives(snapshot: &Snapshot, caller: &Caller) -> Result<(), Status> {
    let pod = snapshot.pods.get(&caller.pod);
    let pod = pod.filter(|pod| *pod.uid == *caller.uid && !pod.ending);
    let pod = pod.ok_or_else(|| {
        // A pod of a moment ago may not have been seen yet: the sidecar asks again.
        Status::unavailable("no such pod lives, as far as the operator has seen")
    })?;
    match injected(pod) {
        Some(_) => Ok(()),
        None => Err(Status::permission_denied(
            "the pod has no sidecar of Mintage's",
        )),
    }
}

fn unauthenticated(text: &str) -> Status {
    Status::unauthenticated(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use k8s_openapi::api::authentication::v1::TokenReviewStatus;
    use mintage_core::service_account::MAX_LEN;
    use tonic::Code;

    use super::*;
    use crate::inject;
    use crate::snapshot::PodSeen;

    /// What an API server says of a good token.
    fn good() -> TokenReviewStatus {
        let extra = [
            ("authentication.kubernetes.io/pod-name", "checkout-1"),
            ("authentication.kubernetes.io/pod-uid", "uid-1"),
        ];
        let extra = extra.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
        TokenReviewStatus {
            audiences: Some(vec![TOKEN_AUDIENCE.to_owned()]),
            authenticated: Some(true),
            error: None,
            user: Some(UserInfo {
                extra: Some(BTreeMap::from(extra)),
                username: Some("system:serviceaccount:shop:checkout".to_owned()),
                ..UserInfo::default()
            }),
        }
    }

    fn of(status: TokenReviewStatus) -> Result<Caller, Code> {
        let review = TokenReview {
            status: Some(status),
            ..TokenReview::default()
        };
        caller(review, UnixTime(9)).map_err(|status| status.code())
    }

    #[test]
    fn a_pod_is_known_by_what_the_api_server_says_of_its_token() {
        let caller = of(good()).unwrap();
        assert_eq!(caller.pod, ObjectRef::parse("shop/checkout-1").unwrap());
        assert_eq!((&*caller.uid, caller.expires_at), ("uid-1", UnixTime(9)));
    }

    /// Each with one change: whoever is not known, for another audience, no pod's, or not one's alone.
    #[test]
    fn attack_37_a_token_that_is_not_a_pods_for_this_audience_is_refused() {
        let changes: [fn(&mut TokenReviewStatus); 8] = [
            |status| status.authenticated = Some(false),
            |status| status.authenticated = None,
            |status| status.audiences = None,
            |status| status.audiences = Some(vec!["https://kubernetes.default.svc".to_owned()]),
            |status| status.user.as_mut().unwrap().extra = None,
            |status| status.user.as_mut().unwrap().username = Some("admin".to_owned()),
            |status| status.user = None,
            |status| {
                let extra = status.user.as_mut().unwrap().extra.as_mut().unwrap();
                let uids = extra
                    .get_mut("authentication.kubernetes.io/pod-uid")
                    .unwrap();
                uids.push("another".to_owned());
            },
        ];
        for change in changes {
            let mut status = good();
            change(&mut status);
            assert_eq!(of(status.clone()), Err(Code::Unauthenticated), "{status:?}");
        }
    }

    #[test]
    fn what_is_no_token_never_reaches_the_api_server() {
        let token = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
        for good in [
            r#"{"exp":9,"aud":["mintage.dev"]}"#,
            r#"{"exp":9,"aud":"mintage.dev","more":1}"#,
        ] {
            assert_eq!(looked_at(&token(good), UnixTime(8)).unwrap(), UnixTime(9));
            assert!(looked_at(&token(good), UnixTime(9)).is_err(), "{good}");
        }
        let long = token(&format!(r#"{{"exp":9,"aud":"{}"}}"#, "a".repeat(MAX_LEN)));
        for bad in [
            "",
            "a.b",
            "a.b.c.d",
            "e30.!.c",
            &token("[]"),
            &token("{}"),
            &long,
        ] {
            assert!(looked_at(bad, UnixTime(8)).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_pod_must_live_under_the_same_uid_and_have_a_sidecar() {
        let caller = of(good()).unwrap();
        let annotations = [
            (inject::HASH, "hash"),
            (inject::INJECTED_TENANT, "identity/acme"),
        ];
        let annotations = annotations.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let lives = PodSeen {
            annotations: BTreeMap::from(annotations),
            uid: "uid-1".into(),
            ..PodSeen::default()
        };
        let check = |pod: &PodSeen| {
            let pods = BTreeMap::from([(caller.pod.clone(), Arc::new(pod.clone()))]);
            let snapshot = Snapshot {
                pods: Arc::new(pods),
                ..Snapshot::default()
            };
            check_lives(&snapshot, &caller).map_err(|status| status.code())
        };
        assert_eq!(check(&lives), Ok(()));
        let ends = PodSeen {
            ending: true,
            ..lives.clone()
        };
        let another = PodSeen {
            uid: "uid-2".into(),
            ..lives.clone()
        };
        let plain = PodSeen {
            annotations: BTreeMap::new(),
            ..lives
        };
        assert_eq!(check(&ends), Err(Code::Unavailable));
        assert_eq!(check(&another), Err(Code::Unavailable));
        assert_eq!(check(&plain), Err(Code::PermissionDenied));
        let nobody = check_lives(&Snapshot::default(), &caller);
        assert_eq!(
            nobody.map_err(|status| status.code()),
            Err(Code::Unavailable)
        );
    }
}
