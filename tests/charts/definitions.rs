//! The chart `mintage-crds`.

use anyhow::Result;
use serde_json::{Value, json};

use crate::helm::{self, Objects};

#[test]
fn the_chart_holds_the_definitions_and_keeps_them() -> Result<()> {
    let Some(helm) = helm::find("definitions::the_chart_holds_the_definitions_and_keeps_them")?
    else {
        return Ok(());
    };
    let arguments = helm.template("mintage-crds", &json!({}))?;
    let objects = Objects::parse(&helm.says(&arguments.each())?)?;
    let mut rendered: Vec<Value> = objects.iter().cloned().collect();
    for definition in &mut rendered {
        let annotations = definition["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("annotations");
        let keep = json!({ "helm.sh/resource-policy": "keep" });
        assert_eq!(annotations, Some(keep));
    }
    rendered.sort_by_key(helm::shown);
    let generated = mintage_crds::generated().into_iter();
    let generated: Vec<Value> = generated
        .map(|(_, text)| serde_yaml::from_str(&text))
        .collect::<Result<_, _>>()?;
    assert_eq!(rendered, generated);
    Ok(())
}

#[test]
fn there_is_nothing_to_set() -> Result<()> {
    let Some(helm) = helm::find("definitions::there_is_nothing_to_set")? else {
        return Ok(());
    };
    let arguments = helm.template("mintage-crds", &json!({ "keep": false }))?;
    let output = helm.run(&arguments.each())?;
    let said = String::from_utf8(output.stderr)?;
    assert!(!output.status.success() && said.contains("keep"), "{said}");
    // A chart above this one shares what it likes.
    let arguments = helm.template("mintage-crds", &json!({ "global": { "a": 1 } }))?;
    helm.says(&arguments.each())?;
    Ok(())
}
