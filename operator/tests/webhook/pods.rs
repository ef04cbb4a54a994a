//! What a pod gets.

use mintage_operator::inject::{Outcome, PullPolicy, Settings, inject};
use serde_json::{Value, json};

use crate::cluster::{endpoint, env, injected, name, named, of_shop, pod, snapshot, world};

#[test]
fn the_sidecar_is_the_first_init_container_and_never_ends_before_the_app() {
    let own = json!({ "spec": { "initContainers": [
        { "name": "migrate", "image": "app:1" },
        { "name": "proxy", "image": "proxy:1", "restartPolicy": "Always" },
    ] } });
    let pod = injected(of_shop(own)).pod;
    let initial = pod["spec"]["initContainers"].as_array().unwrap();
    let names: Vec<_> = initial
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["mintage-sidecar", "migrate", "proxy"]);
    assert_eq!(initial[0]["restartPolicy"], "Always");
    assert_eq!(
        initial[0]["startupProbe"]["httpGet"],
        json!({ "path": "/readyz", "port": 7601, "scheme": "HTTP" })
    );
    assert_eq!(initial[0]["livenessProbe"]["httpGet"]["path"], "/healthz");
    assert_eq!(initial[0]["readinessProbe"]["httpGet"]["path"], "/readyz");
}

#[test]
fn the_sidecar_is_told_who_it_is_for() {
    let pod = injected(of_shop(json!({ "metadata": { "annotations": {
        "mintage.dev/accept-audiences": "orders, reports",
        "mintage.dev/domain": "login.acme.test",
    } } })));
    let of_sidecar = env(&pod.pod["spec"]["initContainers"][0]);
    let expected = [
        ("MINTAGE_ACCEPT_AUDIENCES", "orders,reports"),
        ("MINTAGE_ADMIN_LISTEN", "0.0.0.0:7601"),
        ("MINTAGE_DIR", "/var/run/mintage"),
        ("MINTAGE_DOMAIN", "login.acme.test"),
        ("MINTAGE_EXT_AUTHZ_LISTEN", "127.0.0.1:7602"),
        ("MINTAGE_LISTEN", "127.0.0.1:7600"),
        ("MINTAGE_LOG_LEVEL", "info"),
        ("MINTAGE_THREADS", "2"),
        ("MINTAGE_WORKLOAD", "shop/checkout"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(of_sidecar, expected.into());

    let plain = injected(of_shop(json!({})));
    let of_sidecar = env(&plain.pod["spec"]["initContainers"][0]);
    assert!(!of_sidecar.contains_key("MINTAGE_ACCEPT_AUDIENCES"));
    assert!(!of_sidecar.contains_key("MINTAGE_DOMAIN"));
}

/// What is injected is what the sidecar's own command line takes.
#[test]
fn the_sidecar_understands_what_it_is_told() {
    use clap::CommandFactory as _;
    let known = mintage_sidecar::options::Options::command();
    let known: Vec<_> = known
        .get_arguments()
        .filter_map(|one| one.get_env())
        .collect();
    let settings = Settings {
        otlp_endpoint: Some("http://127.0.0.1:4318".to_owned()),
        ..Settings::default()
    };
    let pod = pod(json!({ "metadata": { "annotations": {
        "mintage.dev/accept-audiences": "orders",
        "mintage.dev/domain": "login.acme.test",
    } } }));
    let pod = injected(inject(&snapshot(), &name("shop"), &pod, &settings)).pod;
    let told = env(&pod["spec"]["initContainers"][0]);
    assert_eq!(told.len(), 10);
    for name in told.keys() {
        assert!(known.iter().any(|one| *one == name.as_str()), "{name}");
    }
}

#[test]
fn the_account_is_the_one_that_the_pod_runs_under() {
    let workload = |spec: Value| {
        let pod = injected(of_shop(json!({ "spec": spec }))).pod;
        env(&pod["spec"]["initContainers"][0])["MINTAGE_WORKLOAD"].clone()
    };
    assert_eq!(workload(json!({ "serviceAccountName": "a.b" })), "shop/a.b");
    assert_eq!(
        workload(json!({ "serviceAccountName": null })),
        "shop/default"
    );
    assert_eq!(
        workload(json!({ "serviceAccountName": "" })),
        "shop/default"
    );
    assert_eq!(
        workload(json!({ "serviceAccountName": null, "serviceAccount": "old" })),
        "shop/old"
    );
}

#[test]
fn keys_and_bundle_come_in_one_volume_that_only_the_sidecar_mounts() {
    let pod = injected(of_shop(
        json!({ "spec": { "volumes": [{ "name": "data", "emptyDir": {} }] } }),
    ))
    .pod;
    let volume = &named(&pod["spec"]["volumes"], "mintage")["projected"];
    assert_eq!(volume["defaultMode"], 0o444);
    let sources = volume["sources"].as_array().unwrap();
    let keyring = &sources[0]["secret"];
    assert_eq!(
        *keyring,
        json!({
            "name": "mintage-keys.identity.acme",
            "items": [{ "key": "keyring.json", "path": "keyring.json" }],
            "optional": false,
        })
    );
    for index in 0..8 {
        assert_eq!(
            sources[index + 1]["secret"],
            json!({
                "name": format!("mintage-bundle-{index}.identity.acme"),
                "items": [{ "key": format!("bundle-{index}"), "path": format!("bundle-{index}") }],
                "optional": true,
            })
        );
    }
    let token =
        json!({ "audience": "mintage.dev", "expirationSeconds": 3600, "path": "operator-token" });
    assert_eq!(sources[9]["serviceAccountToken"], token);
    assert_eq!(sources.len(), 10);

    let sidecar = &pod["spec"]["initContainers"][0];
    let mount = json!([{ "name": "mintage", "mountPath": "/var/run/mintage", "readOnly": true }]);
    assert_eq!(sidecar["volumeMounts"], mount);
    assert_eq!(
        pod.to_string().matches("\"name\":\"mintage\"").count(),
        2,
        "the volume and one mount"
    );
}

/// For that issuer alone: no other service takes it, and the operator's token is none of the endpoint's.
#[test]
fn where_the_tenant_has_an_endpoint_the_sidecar_gets_a_token_to_show_it() {
    let mut snapshot = snapshot();
    world(&mut snapshot).tenants[0].endpoint = Some(endpoint().into());
    for (annotations, audience) in [
        (json!({}), "https://acme.test/"),
        (
            json!({ "mintage.dev/domain": "login.acme.test" }),
            "https://login.acme.test/",
        ),
    ] {
        let pod = pod(json!({ "metadata": { "annotations": annotations } }));
        let pod = injected(inject(&snapshot, &name("shop"), &pod, &Settings::default())).pod;
        let sources = &named(&pod["spec"]["volumes"], "mintage")["projected"]["sources"];
        let tokens: Vec<_> = sources.as_array().unwrap()[9..].to_vec();
        let token = |audience: &str, path: &str| json!({ "serviceAccountToken": { "audience": audience, "expirationSeconds": 3600, "path": path } });
        let expected = [
            token("mintage.dev", "operator-token"),
            token(audience, "endpoint-token"),
        ];
        assert_eq!(tokens, expected);
    }
}

/// F13: kubelet never updates what is mounted by a `subPath`, and files that are mounted one by one are swapped one by one.
#[test]
fn f13_the_sidecars_files_are_mounted_as_a_whole_folder_and_never_by_a_sub_path() {
    let own = json!([{ "name": "data", "mountPath": "/data", "subPath": "of/the/app" }]);
    let pod = injected(of_shop(json!({ "spec": {
        "volumes": [{ "name": "data", "emptyDir": {} }],
        "initContainers": [{ "name": "early", "image": "app:1", "volumeMounts": own }],
        "containers": [{ "name": "app", "image": "app:1", "volumeMounts": own }],
    } })))
    .pod;
    let mut seen = 0;
    for containers in ["initContainers", "containers"] {
        for container in pod["spec"][containers].as_array().unwrap() {
            for mount in container["volumeMounts"].as_array().into_iter().flatten() {
                if mount["name"] == "mintage" {
                    seen += 1;
                    for field in ["subPath", "subPathExpr"] {
                        assert!(mount.get(field).is_none(), "{container}");
                    }
                } else {
                    assert_eq!(mount["subPath"], "of/the/app", "the app's own are its own");
                }
            }
        }
    }
    assert_eq!(seen, 1);
    let sources = &named(&pod["spec"]["volumes"], "mintage")["projected"]["sources"];
    for source in sources.as_array().unwrap() {
        for item in source["secret"]["items"].as_array().into_iter().flatten() {
            let path = item["path"].as_str().unwrap();
            assert!(!path.contains('/'), "{path} lies in a folder of its own");
        }
    }
}

#[test]
fn the_sidecar_may_do_nothing() {
    let pod = injected(of_shop(
        json!({ "spec": { "securityContext": { "runAsUser": 0, "fsGroup": 5 } } }),
    ))
    .pod;
    let context = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": { "drop": ["ALL"] },
        "privileged": false,
        "readOnlyRootFilesystem": true,
        "runAsGroup": 7600,
        "runAsNonRoot": true,
        "runAsUser": 7600,
        "seccompProfile": { "type": "RuntimeDefault" },
    });
    assert_eq!(pod["spec"]["initContainers"][0]["securityContext"], context);
    assert_eq!(
        pod["spec"]["securityContext"],
        json!({ "runAsUser": 0, "fsGroup": 5 }),
        "the pod's own is the pod's"
    );
}

#[test]
fn the_pod_says_what_it_got() {
    let pod = injected(of_shop(json!({}))).pod;
    let metadata = &pod["metadata"];
    assert_eq!(
        metadata["labels"],
        json!({ "app": "checkout", "mintage.dev/injected": "true" })
    );
    let annotations = metadata["annotations"].as_object().unwrap();
    assert_eq!(annotations["mintage.dev/injected-tenant"], "identity/acme");
    assert_eq!(
        annotations["mintage.dev/injected-issuer"],
        "https://acme.test/"
    );
    assert_eq!(
        annotations["mintage.dev/injection-hash"]
            .as_str()
            .unwrap()
            .len(),
        22
    );
    assert_eq!(annotations.len(), 3);
}

#[test]
fn settings_are_the_admins() {
    let settings = Settings {
        admin_address: "::".parse().unwrap(),
        image: "mirror.test/sidecar@sha256:1".to_owned(),
        image_pull_policy: PullPolicy::Never,
        otlp_endpoint: Some("http://127.0.0.1:4318".to_owned()),
        uid: 1234,
        ..serde_json::from_value(
            json!({ "ports": { "workloadApi": 8600 }, "resources": { "limits": {} } }),
        )
        .unwrap()
    };
    settings.check().unwrap();
    let pod = injected(inject(
        &snapshot(),
        &name("shop"),
        &pod(json!({})),
        &settings,
    ))
    .pod;
    let sidecar = &pod["spec"]["initContainers"][0];
    assert_eq!(sidecar["image"], "mirror.test/sidecar@sha256:1");
    assert_eq!(sidecar["imagePullPolicy"], "Never");
    assert_eq!(sidecar["securityContext"]["runAsUser"], 1234);
    assert_eq!(
        sidecar["resources"],
        json!({ "requests": { "cpu": "10m", "memory": "16Mi" }, "limits": {} })
    );
    let of_sidecar = env(sidecar);
    assert_eq!(of_sidecar["MINTAGE_ADMIN_LISTEN"], "[::]:7601");
    assert_eq!(of_sidecar["MINTAGE_LISTEN"], "127.0.0.1:8600");
    assert_eq!(of_sidecar["MINTAGE_OTLP_ENDPOINT"], "http://127.0.0.1:4318");
    assert_eq!(
        env(&pod["spec"]["containers"][0])["MINTAGE_URL"],
        "http://127.0.0.1:8600"
    );

    for wrong in [
        json!({ "image": " " }),
        json!({ "uid": 0 }),
        json!({ "ports": { "admin": 7600 } }),
        json!({ "ports": { "extAuthz": 0 } }),
    ] {
        let settings: Settings = serde_json::from_value(wrong).unwrap();
        settings.check().unwrap_err();
    }
    serde_json::from_value::<Settings>(json!({ "imagee": "x" })).unwrap_err();
}

/// Pods of every make, with and without what others leave out; the patch leads to the pod each time.
#[test]
fn the_patch_makes_the_pod() {
    for changes in [
        json!({}),
        json!({ "metadata": { "labels": null, "annotations": null } }),
        json!({ "metadata": { "labels": {}, "annotations": {} } }),
        json!({ "spec": { "volumes": [], "initContainers": [] } }),
        json!({ "metadata": { "annotations": { "a/b~c": "d" } }, "spec": { "volumes": [{ "name": "v", "emptyDir": {} }] } }),
        // A Job's.
        json!({ "spec": { "restartPolicy": "Never", "initContainers": [{ "name": "fetch", "image": "x" }] } }),
        json!({ "spec": { "containers": [
            { "name": "one", "image": "x", "env": [] },
            { "name": "two", "image": "x", "env": [{ "name": "A", "value": "b" }] },
        ] } }),
    ] {
        let mut original = pod(changes);
        let outcome = inject(&snapshot(), &name("shop"), &original, &Settings::default());
        let injection = injected(outcome);
        json_patch::patch(&mut original, &injection.patch).unwrap();
        assert_eq!(original, injection.pod);
    }
}

#[test]
fn null_is_absent() {
    let mut original = pod(json!({}));
    original["metadata"]["labels"] = Value::Null;
    original["metadata"]["annotations"] = Value::Null;
    original["spec"]["volumes"] = Value::Null;
    original["spec"]["initContainers"] = Value::Null;
    original["spec"]["containers"][0]["env"] = Value::Null;
    let outcome = inject(&snapshot(), &name("shop"), &original, &Settings::default());
    let injection = injected(outcome);
    json_patch::patch(&mut original, &injection.patch).unwrap();
    assert_eq!(original, injection.pod);
    assert_eq!(
        original["spec"]["initContainers"].as_array().unwrap().len(),
        1
    );
}

#[test]
fn fields_that_this_version_does_not_know_are_kept() {
    let new = json!({ "metadata": { "someday": 1 }, "spec": { "someday": { "a": [null] } } });
    let pod = injected(of_shop(new)).pod;
    assert_eq!(pod["metadata"]["someday"], 1);
    assert_eq!(pod["spec"]["someday"], json!({ "a": [null] }));
}

#[test]
fn an_audience_that_is_not_there_yet_is_only_a_warning() {
    let accept = |names: &str| json!({ "metadata": { "annotations": { "mintage.dev/accept-audiences": names } } });
    let of_orders = |names: &str| {
        let outcome = inject(
            &snapshot(),
            &name("orders"),
            &pod(accept(names)),
            &Settings::default(),
        );
        injected(outcome).warnings
    };
    assert_eq!(of_orders("orders"), Vec::<String>::new());
    let warnings = of_orders("orders,report");
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].contains("no ApiAudience report of tenant identity/acme"),
        "{warnings:?}"
    );
    assert!(warnings[0].len() <= 256, "longer ones are cut off");
}

#[test]
fn a_pod_that_opts_in_by_itself_needs_no_enabled_namespace() {
    let opted = pod(json!({ "metadata": { "labels": { "mintage.dev/inject": "true" } } }));
    injected(inject(
        &snapshot(),
        &name("plain"),
        &opted,
        &Settings::default(),
    ));
    let outcome = inject(
        &snapshot(),
        &name("plain"),
        &pod(json!({})),
        &Settings::default(),
    );
    assert!(matches!(outcome, Outcome::Skipped(_)), "{outcome:?}");
}
