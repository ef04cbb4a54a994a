//! An application's secret is changed, and nobody notices but who has only the old one.

use std::collections::BTreeSet;

use mintage_core::endpoint::Application;
use mintage_core::ownership::Kind;
use mintage_core::plan::State;
use mintage_core::world::{ClientAuth, SecretRules, World};
use mintage_core::{LEEWAY, UnixTime};

use crate::support::endpoint::{MACHINE, SPA, WEB, told, with_endpoints};
use crate::support::{ACME, Cluster, NOW, name};

const DAY: i64 = 86_400;

/// What the endpoint is told of an application.
fn at(cluster: &mut Cluster, application: &str, now: UnixTime) -> Application {
    let config = told(cluster, ACME, now).body;
    let mut all = config.applications.into_values();
    all.find(|one| one.at == name(application)).unwrap()
}

/// The generation that it is given, and all that are good.
fn secrets(cluster: &mut Cluster, application: &str, now: UnixTime) -> (u32, BTreeSet<u32>) {
    let application = at(cluster, application, now);
    let good = application.good_secrets(now).collect();
    (application.secret_generation, good)
}

fn declare(world: &mut World, application: &str, generation: u32, accept_previous: i64) {
    let mut all = world.applications.iter_mut();
    let found = all.find(|one| one.at == name(application)).unwrap();
    found.secret = SecretRules {
        accept_previous,
        generation,
    };
}

/// An application that was made with this generation.
fn at_generation_3() -> Cluster {
    let mut world = with_endpoints();
    declare(&mut world, WEB, 3, DAY);
    Cluster::new(world)
}

#[test]
fn the_endpoint_knows_a_new_secret_before_the_application_and_the_old_one_for_a_day_after() {
    let mut cluster = Cluster::new(with_endpoints());
    let first = at(&mut cluster, WEB, NOW);
    assert_eq!(first.secret_generation, 1);
    assert!(first.other_secrets.is_empty());

    cluster.edit(|world| declare(world, WEB, 2, DAY));
    let before = cluster.plan_at(NOW);
    assert_eq!(secrets(&mut cluster, WEB, NOW), (1, [1, 2].into()));
    // The tenant's propagation delay, and a little for clocks.
    let given = NOW + 300 + LEEWAY;
    assert!(before.next_due.unwrap() <= given);
    let too_early = secrets(&mut cluster, WEB, given - 1);
    assert_eq!(too_early, (1, [1, 2].into()));
    assert_eq!(secrets(&mut cluster, WEB, given), (2, [1, 2].into()));
    let other = at(&mut cluster, MACHINE, given);
    assert_eq!(other.secret_generation, 1);
    assert!(
        other.other_secrets.is_empty(),
        "it is about one application"
    );

    // The endpoint refuses it by its own clock, whether it hears anything or not.
    let application = at(&mut cluster, WEB, given);
    let good = |now| application.good_secrets(now).collect::<Vec<_>>();
    assert_eq!(good(given + DAY), [2, 1]);
    assert_eq!(good(given + DAY + 1), [2]);
    assert_eq!(secrets(&mut cluster, WEB, given + DAY + 1), (2, [2].into()));
}

#[test]
fn it_goes_on_with_a_planner_that_starts_anew_from_what_is_stored() {
    let mut cluster = Cluster::new(with_endpoints());
    cluster.plan_at(NOW);
    cluster.edit(|world| declare(world, WEB, 2, DAY));
    cluster.plan_at(NOW + 100);
    let stored = cluster.state.clone().split();
    cluster.state = State::join(stored);
    let halfway = secrets(&mut cluster, WEB, NOW + 200);
    assert_eq!(halfway, (1, [1, 2].into()));
    assert_eq!(
        secrets(&mut cluster, WEB, NOW + 300 + LEEWAY),
        (2, [1, 2].into())
    );
}

#[test]
fn a_secret_that_leaked_is_refused_at_once() {
    let mut cluster = Cluster::new(with_endpoints());
    cluster.plan_at(NOW);
    cluster.edit(|world| declare(world, WEB, 2, 0));
    assert_eq!(secrets(&mut cluster, WEB, NOW + 1), (2, [2].into()));
}

#[test]
fn a_generation_that_goes_down_counts_for_nothing_and_is_said() {
    let mut cluster = at_generation_3();
    assert_eq!(secrets(&mut cluster, WEB, NOW), (3, [3].into()));
    cluster.edit(|world| declare(world, WEB, 2, DAY));
    assert_eq!(secrets(&mut cluster, WEB, NOW + 1000), (3, [3].into()));
    let status = cluster.status(Kind::Application, WEB);
    assert!(status.reason.is_ready());
    let said = status.notes.join("\n");
    assert!(
        said.contains("generation is 2") && said.contains("3 counts"),
        "{said}"
    );
}

/// One that is without secret, or not admitted, for a while.
#[test]
fn a_generation_does_not_come_back_by_a_detour() {
    let mut cluster = at_generation_3();
    let auth = |world: &mut World, auth| {
        let mut all = world.applications.iter_mut();
        all.find(|one| one.at == name(WEB)).unwrap().auth = auth;
    };
    cluster.edit(|world| auth(world, ClientAuth::None));
    let public = at(&mut cluster, WEB, NOW + 1);
    assert!(public.other_secrets.is_empty());
    let endpoint = cluster.world.tenants[0].endpoint.clone();
    cluster.edit(|world| {
        auth(world, ClientAuth::Either);
        declare(world, WEB, 1, DAY);
        world.tenants[0].endpoint = None;
    });
    cluster.plan_at(NOW + 2);
    cluster.edit(|world| world.tenants[0].endpoint = endpoint);
    assert_eq!(secrets(&mut cluster, WEB, NOW + 3), (3, [3].into()));
}

#[test]
fn what_is_remembered_goes_with_the_application_and_is_of_those_alone_that_are_admitted() {
    let mut cluster = Cluster::new(with_endpoints());
    let remembered = |cluster: &Cluster| {
        let all = cluster.state.secrets.iter();
        all.map(|ledger| ledger.at.to_string()).collect::<Vec<_>>()
    };
    cluster.plan_at(NOW);
    let all = remembered(&cluster);
    assert!(all.contains(&WEB.to_owned()) && all.contains(&MACHINE.to_owned()));
    assert!(!all.contains(&SPA.to_owned()), "it has no secret");

    cluster.edit(|world| declare(world, WEB, 5, DAY));
    cluster.plan_at(NOW + 1);
    cluster.edit(|world| {
        let mut all = world.applications.iter_mut();
        let web = all.find(|one| one.at == name(WEB)).unwrap();
        web.uid = name("uid-of-another-life");
        web.secret.generation = 1;
    });
    let anew = secrets(&mut cluster, WEB, NOW + 2);
    assert_eq!(
        anew,
        (1, [1].into()),
        "another client_id, and so another secret"
    );

    cluster.edit(|world| world.applications.retain(|one| one.at == name(MACHINE)));
    cluster.plan_at(NOW + 3);
    assert_eq!(remembered(&cluster), [MACHINE]);

    let mut closed = with_endpoints();
    closed.tenants[0].endpoint = None;
    let mut cluster = Cluster::new(closed);
    cluster.plan_at(NOW);
    assert!(!remembered(&cluster).contains(&WEB.to_owned()));
}
