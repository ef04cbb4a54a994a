//! `mintage.dev/rotate-now`.

use mintage_core::Alg;

use crate::support::{Cluster, NOW, standard};

const OWNER: &str = "identity/acme/shop";

fn ask(cluster: &mut Cluster, request: &str) {
    let request = request.to_owned();
    cluster.edit(|world| world.tenants[0].rotate_request = Some(request));
}

#[test]
fn a_request_in_the_second_of_a_keys_publication_is_carried_out() {
    let mut cluster = Cluster::new(standard());
    let first = cluster.key(OWNER, Alg::RS256).kid().clone();
    cluster.now = NOW;
    ask(&mut cluster, "1");
    cluster.advance_to(NOW + 600);
    assert_ne!(*cluster.key(OWNER, Alg::RS256).kid(), first);
}

#[test]
fn a_request_is_carried_out_once_and_another_one_again() {
    let mut cluster = Cluster::new(standard());
    cluster.now = NOW + 10;
    ask(&mut cluster, "1");
    cluster.advance_to(NOW + 600);
    let second = cluster.key(OWNER, Alg::RS256).kid().clone();
    cluster.advance_to(NOW + 3600);
    assert_eq!(*cluster.key(OWNER, Alg::RS256).kid(), second);
    ask(&mut cluster, "2");
    cluster.advance_to(NOW + 7200);
    assert_ne!(*cluster.key(OWNER, Alg::RS256).kid(), second);
}
