//! The state taken apart and put together again.

use mintage_core::plan::{State, part_name};

use crate::support::Cluster;

#[test]
fn nothing_is_lost() {
    let state = Cluster::standard().state.clone();
    assert!(!state.claims.is_empty() && !state.audiences.is_empty() && !state.bundles.is_empty());
    let parts = state.clone().split();
    assert!(parts.tenants.len() > 1 && !parts.domains.is_empty());
    let joined = State::join(parts.clone());
    assert_eq!(joined.clone().split(), parts, "in the order of names");
    let sizes = |state: &State| {
        [
            state.claims.len(),
            state.audiences.len(),
            state.tenants.len(),
            state.keyrings.len(),
            state.bundles.len(),
            state.rotations.len(),
        ]
    };
    assert_eq!(sizes(&joined), sizes(&state));
    for claim in &state.claims {
        assert!(joined.claims.contains(claim), "{claim:?}");
    }
    for ledger in &state.audiences {
        assert!(joined.audiences.contains(ledger), "{ledger:?}");
    }
    for keyring in &state.keyrings {
        assert!(joined.keyrings.contains(keyring), "{keyring:?}");
    }
}

#[test]
fn each_part_has_one_form_in_json() {
    for tenant in Cluster::standard()
        .state
        .clone()
        .split()
        .tenants
        .into_values()
    {
        let json = serde_json::to_string(&tenant.root).unwrap();
        assert_eq!(
            serde_json::from_str::<mintage_core::plan::RootPart>(&json).unwrap(),
            tenant.root
        );
        for part in tenant.namespaces.into_values() {
            let json = serde_json::to_string(&part).unwrap();
            assert_eq!(
                serde_json::from_str::<mintage_core::plan::NamespacePart>(&json).unwrap(),
                part
            );
        }
        for part in tenant.audiences.into_values() {
            let json = serde_json::to_string(&part).unwrap();
            assert_eq!(
                serde_json::from_str::<mintage_core::plan::AudiencePart>(&json).unwrap(),
                part
            );
        }
    }
}

#[test]
fn names_of_parts_are_few_and_tell_families_apart() {
    let names: std::collections::BTreeSet<String> = (0..5000)
        .map(|number| part_name(&format!("https://a{number}.test"), 'a'))
        .collect();
    assert_eq!(names.len(), 256);
    assert!(
        names
            .iter()
            .all(|name| name.len() == 3 && name.starts_with('a'))
    );
    assert_ne!(part_name("shop", 'a'), part_name("shop", 'n'));
}
