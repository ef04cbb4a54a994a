//! Who somebody is to the API server, what they may do, and what stands in the audit log.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::authentication::v1::{SelfSubjectReview, UserInfo};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use mintage_tests::cluster::{self, Cluster, MASTERS, eventually, rule};
use mintage_tests::skip;

async fn who(client: Client) -> Result<UserInfo> {
    let reviews: Api<SelfSubjectReview> = Api::all(client);
    let asked = reviews
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await?;
    let status = asked.status.context("no status")?;
    status.user_info.context("nobody")
}

#[tokio::test]
async fn a_client_is_the_user_that_was_asked_for() -> Result<()> {
    let test = "users::a_client_is_the_user_that_was_asked_for";
    let Some(cluster) = cluster::shared(test).await? else {
        return Ok(());
    };
    for groups in [&[][..], &["alpha"], &["alpha", "beta", "gamma"]] {
        let user = who(cluster.client("ann", groups).await?).await?;
        ensure!(user.username.as_deref() == Some("ann"), "{user:?}");
        for group in groups {
            let named = user.groups.iter().flatten().any(|found| found == group);
            ensure!(named, "{group} is not in {user:?}");
        }
    }
    let namespace = cluster.namespace("users", &[]).await?;
    let account = cluster
        .service_account_client(&namespace.name, "default")
        .await?;
    let user = who(account).await?;
    let expected = format!("system:serviceaccount:{namespace}:default");
    ensure!(user.username == Some(expected), "{user:?}");
    Ok(())
}

/// As with a kubeconfig in `MINTAGE_TEST_KUBECONFIG`.
#[tokio::test]
async fn in_a_cluster_that_is_given_tests_act_as_others_and_leave_nothing() -> Result<()> {
    let test = "users::in_a_cluster_that_is_given_tests_act_as_others_and_leave_nothing";
    let Some(plane) = cluster::local(test).await? else {
        return Ok(());
    };
    if let Err(reason) = cluster::command_line("kubectl")? {
        return skip::skip(test, &reason);
    }
    if !plane.has_controllers() {
        return skip::skip(test, "there is no kube-controller-manager");
    }
    let given = Cluster::given(&plane.kubeconfig("root", &[MASTERS])?)?;
    ensure!(given.is_given() && given.api_server_url() == plane.api_server_url());
    let root = who(given.admin().await?).await?;
    ensure!(root.username.as_deref() == Some("root"), "{root:?}");
    let ann = who(given.client("ann", &["alpha", "beta"]).await?).await?;
    let groups = ann.groups.context("no groups")?;
    ensure!(ann.username.as_deref() == Some("ann"));
    ensure!(
        groups.contains(&"alpha".into()) && groups.contains(&"beta".into()),
        "{groups:?}"
    );

    let namespace = given.namespace("given", &[]).await?;
    let account = given
        .service_account_client(&namespace.name, "default")
        .await?;
    let account = who(account).await?;
    let expected = format!("system:serviceaccount:{namespace}:default");
    ensure!(account.username == Some(expected), "{account:?}");

    let namespaces: Api<Namespace> = Api::all(plane.admin().await?);
    let name = namespace.name.clone();
    drop(namespace);
    let left = namespaces.get_opt(&name).await?;
    let left = left.filter(|object| object.metadata.deletion_timestamp.is_none());
    ensure!(left.is_none(), "{left:?}");
    Ok(())
}

#[tokio::test]
async fn a_user_may_do_what_was_allowed_and_the_audit_log_says_who_did_what() -> Result<()> {
    let test = "users::a_user_may_do_what_was_allowed_and_the_audit_log_says_who_did_what";
    let Some(plane) = cluster::local(test).await? else {
        return Ok(());
    };
    let namespace = plane.namespace("users", &[]).await?;
    let mark = plane.audit_mark();
    let user = format!("bob-of-{namespace}");
    let maps: Api<ConfigMap> = Api::namespaced(plane.client(&user, &[]).await?, &namespace.name);
    let list = async || maps.list(&ListParams::default()).await;
    let refused = list().await;
    ensure!(
        matches!(&refused, Err(kube::Error::Api(status)) if status.code == 403),
        "{refused:?}"
    );

    plane
        .allow(
            &user,
            Some(&namespace.name),
            &[rule("", &["configmaps"], &["list"])],
        )
        .await?;
    list().await?;
    let other: Api<ConfigMap> = Api::namespaced(plane.client(&user, &[]).await?, "default");
    ensure!(
        other.list(&ListParams::default()).await.is_err(),
        "in another namespace, too"
    );

    eventually("the audit log has the three requests", async || {
        let events = plane.audit_since(mark)?;
        let own = events.iter().filter(|event| event.user == user);
        let seen: Vec<_> = own
            .map(|event| {
                (
                    &*event.verb,
                    &*event.resource,
                    &*event.namespace,
                    event.code,
                )
            })
            .collect();
        let here = &*namespace.name;
        let expected = [
            ("list", "configmaps", here, 403),
            ("list", "configmaps", here, 200),
            ("list", "configmaps", "default", 403),
        ];
        ensure!(seen == expected, "{seen:?}");
        Ok(())
    })
    .await
}
