//! What the manifests of the crates say of each other.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// All packages of the workspace, as cargo reads them.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(super::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    serde_json::from_value(metadata["packages"].take()).unwrap()
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Whether a feature of `k8s-openapi` chooses a version of Kubernetes.
fn is_version(feature: &str) -> bool {
    feature.starts_with("v1_") || feature == "earliest" || feature == "latest"
}

/// A library that is published, and so is used with the version that its user has chosen.
fn is_published_library(package: &Value) -> bool {
    let is_library = |target: &Value| strings(&target["kind"]).any(|kind| kind == "lib");
    package["publish"].is_null() && package["targets"].as_array().unwrap().iter().any(is_library)
}

/// The versions of Kubernetes that a package chooses for those that depend on it.
fn versions_chosen(package: &Value) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    let openapi = dependencies.filter(|it| it["name"] == "k8s-openapi" && it["kind"] != "dev");
    let required = openapi.flat_map(|it| strings(&it["features"])).filter(|it| is_version(it));
    let features = package["features"].as_object().unwrap().values().flat_map(strings);
    let passed_on = features.filter_map(|it| it.strip_prefix("k8s-openapi")?.trim_start_matches('?').strip_prefix('/'));
    required.chain(passed_on.filter(|it| is_version(it))).map(str::to_owned).collect()
}

#[test]
fn no_published_library_chooses_a_version_of_kubernetes() {
    let packages = packages();
    let libraries: Vec<&Value> = packages.iter().filter(|it| is_published_library(it)).collect();
    let names: Vec<&str> = libraries.iter().filter_map(|it| it["name"].as_str()).collect();
    assert!(names.contains(&"durable-fsm") && names.contains(&"durable-fsm-kube"), "{names:?}");
    for library in libraries {
        let chosen = versions_chosen(library);
        assert!(chosen.is_empty(), "{} chooses {chosen:?}; its users could not choose another one", library["name"]);
    }
    // Programs have to, and all of this workspace choose the same.
    let chosen: BTreeSet<String> = packages.iter().flat_map(versions_chosen).collect();
    assert_eq!(chosen.len(), 1, "{chosen:?}");
}

/// The dependencies of a page's manifest, each with the version that it asks for.
fn dependencies_of(page: &str) -> Vec<(String, String)> {
    let block =
        page.split_once("```toml\n").and_then(|(_, rest)| rest.split_once("```")).expect("it shows a manifest").0;
    let line = |line: &str| {
        let (name, value) = line.split_once(" = ")?;
        let version = value.trim_start_matches("{ version = ").split('"').nth(1)?;
        Some((name.to_owned(), version.to_owned()))
    };
    block.lines().filter(|it| !it.starts_with('#')).filter_map(line).collect()
}

#[test]
fn the_page_of_the_kubernetes_crate_asks_for_what_its_example_is_compiled_with() {
    let page = super::read("fsm-kube/README.md".as_ref());
    let packages = packages();
    let crate_itself = packages.iter().find(|it| it["name"] == "durable-fsm-kube").unwrap();
    let dependencies = crate_itself["dependencies"].as_array().unwrap();
    let is_asked = |name: &str, version: &str| {
        let own = name == "durable-fsm-kube" && crate_itself["version"].as_str().unwrap().starts_with(version);
        own || dependencies.iter().any(|it| {
            let requirement = it["req"].as_str().unwrap().trim_start_matches('^');
            it["name"] == name && (requirement == version || requirement.starts_with(&format!("{version}.")))
        })
    };
    let shown = dependencies_of(&page);
    assert!(shown.iter().any(|(name, _)| name == "k8s-openapi") && page.contains("\"v1_"), "{shown:?}");
    for (name, version) in shown {
        assert!(is_asked(&name, &version), "{name} {version} is not what the workspace has");
    }
}
