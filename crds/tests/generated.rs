//! The committed definitions are those of the types.

use std::{fs, path::Path};

#[test]
fn committed_definitions_are_fresh() {
    let folder = Path::new("generated");
    let files = mintage_crds::generated();
    for (name, content) in &files {
        let committed = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            committed == *content,
            "crds/generated/{name} is stale: run `cargo xtask gen`"
        );
    }
    let mut committed: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    committed.sort();
    let generated: Vec<String> = files.into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        committed, generated,
        "crds/generated has a file too many: run `cargo xtask gen`"
    );
}
