//! What a person needs who finds a failed step.

use super::Stage;

/// The state of pods, the last events, and the ends of logs.
pub async fn of(stage: &Stage) -> String {
    let mut told = String::new();
    for (title, arguments, lines) in [
        (
            "nodes and pods",
            "get nodes,pods --all-namespaces --output wide",
            60,
        ),
        (
            "the last events",
            "get events --all-namespaces --sort-by=.metadata.creationTimestamp",
            40,
        ),
        ("Mintage's resources", "get mintage --all-namespaces", 40),
        (
            "the operators, at the end of their logs",
            "logs --namespace mintage-system --selector app.kubernetes.io/component=operator --prefix --tail=20",
            60,
        ),
    ] {
        told.push_str(&section(stage, title, arguments, lines).await);
    }
    for (namespace, name) in crate::release::DEPLOYMENTS {
        let title = format!("{namespace}/{name}, at the end of its logs");
        let arguments = format!(
            "logs --namespace {namespace} deployment/{name} --all-containers --prefix --tail=10"
        );
        told.push_str(&section(stage, &title, &arguments, 20).await);
    }
    told.push_str(&stage.logs());
    told
}

async fn section(stage: &Stage, title: &str, arguments: &str, count: usize) -> String {
    let words: Vec<&str> = arguments.split(' ').collect();
    let said = match stage.cluster().kubectl(&words).await {
        Ok(run) => run.said(),
        Err(error) => format!("{error:#}"),
    };
    let lines: Vec<&str> = said.lines().collect();
    let last = &lines[lines.len().saturating_sub(count)..];
    format!("--- {title}:\n{}\n", last.join("\n"))
}
