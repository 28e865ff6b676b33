//! The manifests fit the program: the custom resource is the Rust type, the arguments are ones that it knows, alerts and dashboard ask for metrics
//! that it has, and the policies keep others away from the record. `UPDATE_MANIFESTS=1` writes the custom resource anew.

mod policy;
mod promtool;
mod queries;

use std::path::PathBuf;

use clap::{CommandFactory as _, Parser as _};
use durable_fsm_kube::Names;
use hiclaw::cluster::{ClusterController, HumanObject, TeamObject, WorkerObject};
use hiclaw::kind::Kind;
use kube::CustomResourceExt as _;
use serde_json::Value;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("manifests").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

fn documents(name: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(name)).unwrap()
}

#[test]
fn the_custom_resources_are_the_rust_types() {
    let heading =
        "# Written from the Rust type; UPDATE_MANIFESTS=1 cargo test -p hiclaw --features cluster --test manifests\n";
    for (name, definition) in [
        ("worker-crd.yaml", WorkerObject::crd()),
        ("team-crd.yaml", TeamObject::crd()),
        ("human-crd.yaml", HumanObject::crd()),
    ] {
        let declared = serde_json::to_value(definition).unwrap();
        if std::env::var_os("UPDATE_MANIFESTS").is_some() {
            let yaml = heading.to_owned() + &serde_saphyr::to_string(&declared).unwrap();
            std::fs::write(path(name), yaml).unwrap();
        }
        assert_eq!(documents(name), [declared], "write {name} anew with UPDATE_MANIFESTS=1");
    }
}

#[test]
fn what_a_schema_does_not_name_is_kept() {
    // An object with more fields loses none of them when these definitions are applied.
    for name in ["worker-crd.yaml", "team-crd.yaml", "human-crd.yaml"] {
        let [definition] = documents(name).try_into().unwrap();
        let spec = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        assert_eq!(spec["x-kubernetes-preserve-unknown-fields"], true, "{name}");
    }
}

#[derive(Debug, clap::Parser)]
struct InCluster {
    #[command(flatten)]
    controller: ClusterController,
}

#[test]
fn the_deployment_has_replicas_and_arguments_that_the_controller_knows() {
    let [deployment] = documents("deployment.yaml").try_into().unwrap();
    assert!(deployment["spec"]["replicas"].as_u64().unwrap() >= 2);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let arguments: Vec<&str> = container["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(arguments[0], "in-cluster");
    let parsed = InCluster::try_parse_from(&arguments).unwrap().controller;
    let port = u64::from(parsed.serve.port());
    assert_eq!(container["ports"][0]["containerPort"], port);
    let named = deployment["spec"]["template"]["spec"]["serviceAccountName"].as_str();
    let account = documents("rbac.yaml").into_iter().find(|it| it["kind"] == "ServiceAccount").unwrap();
    assert_eq!(account["metadata"]["name"].as_str(), named);
    assert_eq!(account["metadata"]["namespace"], deployment["metadata"]["namespace"]);
}

#[test]
fn the_deployment_sets_variables_that_the_controller_reads() {
    let [deployment] = documents("deployment.yaml").try_into().unwrap();
    let set = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    let command = InCluster::command();
    let read: Vec<&str> = command.get_arguments().filter_map(|it| it.get_env()?.to_str()).collect();
    for name in set.iter().map(|it| it["name"].as_str().unwrap()) {
        assert!(read.contains(&name), "{name} is none of {read:?}");
    }
    let secrets = command.get_arguments().filter(|it| it.is_hide_env_values_set());
    for secret in secrets.filter_map(|it| it.get_env()?.to_str()).filter(|it| *it != "HICLAW_MATRIX_ADMIN_TOKEN") {
        assert!(set.iter().any(|it| it["name"] == secret && it["valueFrom"]["secretKeyRef"].is_object()), "{secret}");
    }
    // The command that the guide has for it makes every key of the secret.
    let guide = std::fs::read_to_string(path("../README.md")).unwrap();
    for key in set.iter().filter_map(|it| it["valueFrom"]["secretKeyRef"]["key"].as_str()) {
        assert!(guide.contains(&format!("--from-literal={key}=")), "{key}");
    }
}

#[test]
fn the_metrics_are_scraped_where_the_deployment_tells_them() {
    let [deployment] = documents("deployment.yaml").try_into().unwrap();
    let [service] = documents("service.yaml").try_into().unwrap();
    let [monitor] = documents("service-monitor.yaml").try_into().unwrap();
    let template = &deployment["spec"]["template"];
    assert_eq!(service["spec"]["selector"], template["metadata"]["labels"]);
    let (port, told) = (&service["spec"]["ports"][0], &template["spec"]["containers"][0]["ports"][0]);
    assert_eq!((&port["targetPort"], &port["port"]), (&told["name"], &told["containerPort"]));
    assert_eq!(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"]);
    let endpoint = &monitor["spec"]["endpoints"][0];
    assert_eq!((&endpoint["port"], endpoint["path"].as_str()), (&port["name"], Some("/metrics")));
    for object in [&service, &monitor] {
        assert_eq!(object["metadata"]["namespace"], deployment["metadata"]["namespace"]);
    }
}

#[test]
fn the_dockerfile_builds_the_image_of_the_deployment() {
    let [deployment] = documents("deployment.yaml").try_into().unwrap();
    let image = deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap();
    let dockerfile = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Dockerfile")).unwrap();
    assert!(dockerfile.contains(&format!("--tag {image} ")), "{image}");
    let built = dockerfile.lines().find_map(|it| it.strip_prefix("RUN cargo build ")).unwrap();
    assert!(built.contains("--features cluster"), "{built}");
    assert!(dockerfile.contains("COPY --from=build /src/target/release/hiclaw "));
}

#[test]
fn the_policies_name_what_the_library_names() {
    let policy = text("policy.yaml");
    for kind in Kind::ALL {
        let names = Names::of(kind.graph().name).unwrap();
        let stem = names.record().strip_suffix("-record").unwrap();
        assert!(policy.contains(&format!("\"{}\": \"{stem}\"", kind.directory())), "{stem}");
        assert_eq!(names.finalizer(), format!("{stem}-cleanup"));
        for verb in [durable_fsm_kube::Verb::Resolve, durable_fsm_kube::Verb::Rebind, durable_fsm_kube::Verb::Release] {
            let ending = names.verb(verb).strip_prefix(stem).unwrap().to_owned();
            assert!(policy.contains(&format!("variables.stem + \"{ending}\"")), "{ending}");
        }
    }
}
