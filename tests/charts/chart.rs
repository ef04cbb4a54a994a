//! The charts as such.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::helm::{self, chart, text};

const CHARTS: [&str; 2] = ["mintage", "mintage-crds"];

#[test]
fn the_charts_pass_helms_lint() -> Result<()> {
    let Some(helm) = helm::find("chart::the_charts_pass_helms_lint")? else {
        return Ok(());
    };
    for name in CHARTS {
        helm.says(&["lint", "--strict", text(&chart(name))?])?;
    }
    let everything = helm.file(&helm::everything())?;
    let mintage = chart("mintage");
    helm.says(&["lint", "--strict", text(&mintage)?, "--values", &everything])?;
    Ok(())
}

#[test]
fn the_charts_have_the_version_of_the_programs() -> Result<()> {
    for name in CHARTS {
        let facts = std::fs::read_to_string(chart(name).join("Chart.yaml"))?;
        let facts: Value = serde_yaml::from_str(&facts)?;
        assert_eq!(facts["version"], env!("CARGO_PKG_VERSION"), "{name}");
        assert_eq!(facts["appVersion"], env!("CARGO_PKG_VERSION"), "{name}");
        assert_eq!(facts["kubeVersion"], ">=1.33.0-0", "{name}");
        // Lists in a string, which nobody but the hub reads.
        let annotations = facts["annotations"].as_object().unwrap();
        assert_eq!(annotations["artifacthub.io/license"], "Apache-2.0");
        for list in ["crds", "images", "links", "changes"] {
            if let Some(list) = annotations.get(&format!("artifacthub.io/{list}")) {
                let list: Vec<Value> = serde_yaml::from_str(list.as_str().unwrap())?;
                assert!(!list.is_empty(), "{name}");
                for image in list.iter().filter_map(|entry| entry["image"].as_str()) {
                    assert!(image.ends_with(concat!(":", env!("CARGO_PKG_VERSION"))));
                }
            }
        }
    }
    Ok(())
}

#[test]
fn an_older_kubernetes_is_refused() -> Result<()> {
    let Some(helm) = helm::find("chart::an_older_kubernetes_is_refused")? else {
        return Ok(());
    };
    for name in CHARTS {
        let chart = chart(name);
        let render = |version| {
            let words = ["template", "m", text(&chart)?, "--kube-version", version];
            helm.run(&words)
        };
        let old = render("1.32.9")?;
        let said = String::from_utf8_lossy(&old.stderr);
        ensure!(
            !old.status.success() && said.contains("kubeVersion"),
            "{said}"
        );
        // Clouds put something behind the version.
        let cloud = render("v1.33.0-eks-1234567")?;
        let said = String::from_utf8_lossy(&cloud.stderr);
        ensure!(cloud.status.success(), "{said}");
    }
    Ok(())
}

#[test]
fn any_name_of_a_release_gives_names_that_kubernetes_takes() -> Result<()> {
    let Some(helm) = helm::find("chart::any_name_of_a_release_gives_names_that_kubernetes_takes")?
    else {
        return Ok(());
    };
    let chart = chart("mintage");
    let values = helm.file(&helm::everything())?;
    // 53 characters are what Helm allows, and one cut falls on a hyphen.
    for release in ["r", &"x".repeat(53), &format!("{}-{}", "x".repeat(39), "y")] {
        let words = ["template", release, text(&chart)?, "--values", &values];
        let objects = helm::Objects::parse(&helm.says(&words)?)?;
        for object in objects.iter() {
            let name = object["metadata"]["name"].as_str().unwrap();
            let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            assert!(name.len() <= 63, "{name}");
            assert!(
                name.starts_with(letters) && name.ends_with(letters),
                "{name}"
            );
            assert!(name.chars().all(|c| letters(c) || c == '-'), "{name}");
        }
    }
    Ok(())
}

#[test]
fn objects_are_in_the_namespace_of_the_release_or_in_none() -> Result<()> {
    let Some(helm) = helm::find("chart::objects_are_in_the_namespace_of_the_release_or_in_none")?
    else {
        return Ok(());
    };
    let objects = helm.render(&helm::everything())?;
    for object in objects.iter() {
        let kind = object["kind"].as_str().unwrap();
        let cluster = kind.starts_with("Cluster")
            || kind.starts_with("ValidatingAdmissionPolicy")
            || kind == "MutatingWebhookConfiguration";
        let expected = if cluster {
            json!(null)
        } else {
            json!(helm::NAMESPACE)
        };
        let namespace = &object["metadata"]["namespace"];
        assert_eq!(*namespace, expected, "{}", helm::shown(object));
    }
    Ok(())
}
