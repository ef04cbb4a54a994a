//! The committed definitions are those of the types.

use std::{fs, path::Path};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

#[test]
fn committed_definitions_are_fresh() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("generated");
    let files = mintage_crds::generated();
    for (name, content) in &files {
        let committed = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(
            committed == *content,
            "crds/generated/{name} is stale: run `cargo xtask gen`"
        );
    }
    let mut committed: Vec<String> = fs::read_dir(&folder)
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

/// What is written is what a YAML 1.1 reader such as Kubernetes' reads: no bare word that it takes for a bool.
#[test]
fn definitions_survive_yaml() {
    for (definition, (name, yaml)) in mintage_crds::definitions()
        .iter()
        .zip(mintage_crds::generated())
    {
        let again: CustomResourceDefinition = serde_yaml::from_str(&yaml).unwrap();
        assert_eq!(*definition, again, "{name}");
        for line in yaml.lines() {
            let value = line
                .trim_start_matches(['-', ' '])
                .rsplit(": ")
                .next()
                .unwrap_or_default();
            let boolean =
                ["y", "n", "yes", "no", "on", "off"].contains(&value.to_lowercase().as_str());
            assert!(
                !boolean,
                "{name}: a bare {value} is a bool to Kubernetes: {line}"
            );
        }
    }
}
