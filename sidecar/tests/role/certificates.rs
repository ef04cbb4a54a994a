//! Which certificate a client is shown.

use mintage_core::world::World;
use mintage_sidecar::files::Files;

use crate::cluster::name;
use crate::process::Process;
use crate::tenant::Tenant;

const KEYS: &str = "/.well-known/jwks.json";

#[tokio::test]
async fn a_domain_without_a_certificate_is_not_served_over_tls() {
    let mut tenant = Tenant::new(|_| {});
    let process = Process::ready(&mut tenant).await;
    assert_eq!(process.get("acme.test", KEYS).await.unwrap().status(), 200);
    // It is a domain of the tenant, whose certificate is nowhere: a proxy has it.
    assert!(process.get("login.acme.test", KEYS).await.is_err());
}

#[tokio::test]
async fn without_the_certificate_that_it_is_told_of_it_is_not_ready() {
    let with_certificate = |world: &mut World, of: &str| {
        let mut login = (**world.tenants[0].endpoint.as_ref().unwrap()).clone();
        login.certificate = Some(name(of));
        login.trusted_proxies.clear();
        world.tenants[0].endpoint = Some(login.into());
    };
    let mut tenant = Tenant::new(|world| with_certificate(world, "late-tls"));
    let files = tenant.files();
    let mut process = Process::start(&tenant, &files).await;
    process.event("endpoint-loaded").await;
    let text = process.until_ready(503).await;
    let told = async |process: &Process| {
        while !process.admin("/readyz").await.1.contains("late-tls") {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let patience = std::time::Duration::from_mins(2);
    tokio::time::timeout(patience, told(&process))
        .await
        .expect(&text);
    with_certificate(&mut tenant.cluster.world, "acme-tls");
    process.dir.swap(&tenant.files());
    process.until_ready(200).await;
    assert_eq!(process.get("acme.test", KEYS).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_up_and_a_bad_one_is_not() {
    let mut tenant = Tenant::new(|_| {});
    let mut process = Process::ready(&mut tenant).await;
    let of_another_name = tenant.certificate("login.acme.test");
    let mut mixed = tenant.certificate("acme.test");
    let other = tenant.certificate("acme.test");
    mixed.insert("tls.key", other.get("tls.key").unwrap().to_vec());
    let mut no_pem = other.clone();
    no_pem.insert("tls.key", b"hunter2".to_vec());
    for (files, why) in [
        (of_another_name, "is not good for acme.test"),
        (mixed, "it cannot be used"),
        (no_pem, "tls.key is no private key in PEM"),
        (Files::default(), "it is not there"),
    ] {
        process.put_secret("acme-tls", &files);
        let lacks = process.event("endpoint-lacks").await;
        let text = lacks["message"].as_str().unwrap();
        assert!(text.contains(why), "{why}: {text}");
        assert!(text.contains("the last good one stays"), "{text}");
        assert_eq!(process.get("acme.test", KEYS).await.unwrap().status(), 200);
    }
    assert!(!process.said().contains("hunter2"));

    // By another authority, which the client does not trust.
    let strangers = Tenant::new(|_| {}).certificate("acme.test");
    process.put_secret("acme-tls", &strangers);
    let refused = async {
        while process.get("acme.test", KEYS).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let patience = std::time::Duration::from_mins(2);
    tokio::time::timeout(patience, refused).await.unwrap();
}
