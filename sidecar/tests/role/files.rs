//! What is mounted: taken up when it changes, and left alone when it cannot be used.

use mintage_core::UnixTime;
use mintage_core::bundle::Stamped;
use mintage_core::endpoint::Config;
use mintage_sidecar::files::Files;

use crate::process::Process;
use crate::tenant::Tenant;

/// The same with a higher version.
fn later(told: &Stamped<Config>, change: impl FnOnce(&mut Config)) -> Stamped<Config> {
    let mut later = told.clone();
    later.version += 1;
    change(&mut later.body);
    later
}

#[tokio::test]
async fn it_is_ready_once_it_was_told() {
    let mut tenant = Tenant::new(|_| {});
    let mut process = Process::start(&tenant, &Files::default()).await;
    process.event("endpoint-refused").await;
    let (status, text) = process.admin("/readyz").await;
    assert_eq!(status, 503);
    assert!(text.contains("shard 0 is missing"), "{text}");
    assert_eq!(process.admin("/healthz").await.0, 200);

    process.dir.swap(&tenant.files());
    process.event("endpoint-loaded").await;
    process.until_ready(200).await;
    let (_, metrics) = process.admin("/metrics").await;
    assert!(metrics.contains("mintage_told_for_seconds"), "{metrics}");
}

#[tokio::test]
async fn a_change_is_taken_up_and_an_older_version_is_not() {
    let mut tenant = Tenant::new(|_| {});
    let first = tenant.told();
    let mut process = Process::ready(&mut tenant).await;
    let form = tenant.machine();
    assert_eq!(process.token(&form).await.0, 200);

    let without = later(&first, |config| config.applications.clear());
    process.dir.swap(&tenant.files_with(&without));
    process.loaded(without.version).await;
    let (status, answer) = process.token(&form).await;
    assert_eq!((status, &answer["error"]), (401, &"access_denied".into()));

    process.dir.swap(&tenant.files_with(&first));
    let refused = process.event("endpoint-refused").await;
    let reason = refused["reason"].as_str().unwrap();
    assert!(reason.contains("is older than version"), "{reason}");
    assert_eq!(process.token(&form).await.0, 401);
    assert_eq!(process.admin("/readyz").await.0, 200);
}

#[tokio::test]
async fn files_that_cannot_be_used_leave_the_last_good_ones() {
    let mut tenant = Tenant::new(|_| {});
    let good = tenant.files();
    let mut process = Process::ready(&mut tenant).await;
    let form = tenant.machine();
    let with = |name: &str, bytes: &[u8]| {
        let mut files = good.clone();
        files.insert(name, bytes.to_vec());
        files
    };
    let without = |name: &str| {
        let mut files = good.clone();
        files.remove(name);
        files
    };
    let of_another_life =
        br#"{"tenantUid":"another","master":"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk"}"#;
    for (files, why) in [
        (with("endpoint-0", b"{}"), "manifest line"),
        (without("master.json"), "master.json is missing"),
        (with("master.json", b"{}"), "master secret is damaged"),
        (with("master.json", of_another_life), "another life of it"),
        (
            without("tenant-keyring.json"),
            "tenant-keyring.json is missing",
        ),
        (with("tenant-keyring.json", b"{}"), "keyring"),
    ] {
        process.dir.swap(&files);
        let refused = process.event("endpoint-refused").await;
        let reason = refused["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains(why), "{why}: {reason}");
        assert_eq!(process.token(&form).await.0, 200, "{why}");
        assert_eq!(process.admin("/readyz").await.0, 200, "{why}");
    }
}

#[tokio::test]
async fn another_tenant_is_not_taken_up() {
    let mut tenant = Tenant::new(|_| {});
    let first = tenant.told();
    let mut process = Process::ready(&mut tenant).await;
    let other = later(&first, |config| {
        config.tenant_uid = mintage_core::Uid::parse("another-life").unwrap();
    });
    process.dir.swap(&tenant.files_with(&other));
    let refused = process.event("endpoint-refused").await;
    let reason = refused["reason"].as_str().unwrap();
    assert!(reason.contains("is of another tenant"), "{reason}");
}

/// Attack 8: neither an older file nor one that forgot it brings a revoked key back.
#[tokio::test]
async fn attack_08_a_revoked_key_stays_so_at_the_endpoint() {
    let mut tenant = Tenant::new(|_| {});
    let first = tenant.told();
    let mut process = Process::ready(&mut tenant).await;
    let form = tenant.machine();
    let (_, answer) = process.token(&form).await;
    assert!(answer["access_token"].is_string(), "{answer}");

    let revoked = later(&first, |config| {
        for key in &mut config.keys {
            *key = key.clone().revoke(UnixTime(0));
        }
    });
    process.dir.swap(&tenant.files_with(&revoked));
    process.loaded(revoked.version).await;
    assert_eq!(process.token(&form).await.0, 503);
    let forgetful = Stamped {
        version: revoked.version + 1,
        ..first.clone()
    };
    process.dir.swap(&tenant.files_with(&forgetful));
    process.loaded(forgetful.version).await;
    let (status, answer) = process.token(&form).await;
    assert_eq!(status, 503, "{answer}");
}

#[tokio::test]
async fn what_was_told_too_long_ago_counts_no_more() {
    let mut tenant = Tenant::new(|world| world.tenants[0].max_bundle_age = 3600);
    let mut old = tenant.told();
    old.renewed_at = tenant.now - 3600;
    let process = Process::start(&tenant, &tenant.files_with(&old)).await;
    // The store comes first.
    process.until_unready("has told nothing for too long").await;
    let (status, answer) = process.token(&tenant.machine()).await;
    assert_eq!(
        (status, &answer["error"]),
        (503, &"temporarily_unavailable".into())
    );
    let said = answer["error_description"].as_str().unwrap();
    assert!(said.contains("endpoint-too-old"), "{said}");
}

#[tokio::test]
async fn users_come_and_go_with_their_secret() {
    let mut tenant = Tenant::new(|_| {});
    let mut process = Process::ready(&mut tenant).await;
    process.put_secret("staff", &Files::default());
    let lacks = process.event("endpoint-lacks").await;
    let text = lacks["message"].as_str().unwrap();
    assert!(
        text.contains("Secret identity/staff is not there"),
        "{text}"
    );
    assert_eq!(process.admin("/readyz").await.0, 200);
}
