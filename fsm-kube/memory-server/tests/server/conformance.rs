//! The same requests to a real API server and to the memory server, and the same answers. This keeps the memory server honest.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use kube::core::{ApiResource, DynamicObject};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, ResourceExt};
use kube_api_server::ApiServer;
use kube_memory_server::{Invalid, Kind, MemoryServer};
use serde_json::json;
use tokio::time::timeout;

use crate::script::{Step, run};

const LONG: Duration = Duration::from_secs(60);
const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";
const GROUP: &str = "memory.example.com";

fn kind() -> Kind {
    Kind::new(GROUP, "v1", "Widget", "widgets").validated(|object| match object["spec"]["size"].as_u64() {
        Some(size) if size > 100 => Err(Invalid::new("spec.size", "must not be greater than 100")),
        _ => Ok(()),
    })
}

/// The same kind on a real server.
async fn define(client: &Client) {
    let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let size = json!({"size": {"type": "integer", "maximum": 100}});
    let spec = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": size});
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("widgets.{GROUP}")},
        "spec": {
            "group": GROUP, "scope": "Namespaced", "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": any}}}}],
        },
    });
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = format!("widgets.{GROUP}");
    crds.patch(&name, &PatchParams::apply("conformance").force(), &Patch::Apply(crd)).await.unwrap();
    timeout(LONG, await_condition(crds, &name, conditions::is_crd_established())).await.expect("established").unwrap();
    let widgets: Api<DynamicObject> =
        Api::all_with(client.clone(), &MemoryServer::new([kind()]).api_resource(&kind().name()));
    let served = async { while widgets.list(&ListParams::default()).await.is_err() {} };
    timeout(LONG, served).await.expect("served");
}

/// A client of a real server, which shows every answer: by default, kube tries again when it is told to wait.
async fn real() -> Option<Client> {
    let mut config = ApiServer::shared_or_skip().await?.config().await.unwrap();
    config.default_retry = false;
    let client = Client::try_from(config).unwrap();
    define(&client).await;
    Some(client)
}

/// A name that no other run uses, for servers that outlive one.
fn unused_namespace() -> String {
    format!("conformance-{}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos())
}

/// The steps as (method, path behind the kind's, content type, body).
fn steps(namespace: &str) -> Vec<Step> {
    let head = format!(r#""apiVersion":"{GROUP}/v1","kind":"Widget""#);
    let new = |rest: &str| format!("{{{head},{rest}}}");
    let annotation = |bytes: usize| format!(r#"{{"metadata":{{"annotations":{{"k":"{}"}}}}}}"#, "x".repeat(bytes));
    let table: Vec<(&str, &str, &str, String)> = vec![
        // Creation.
        ("GET", "/one", JSON, String::new()),
        ("POST", "", JSON, new(r#""metadata":{"name":"one","resourceVersion":"5"}"#)),
        (
            "POST",
            "",
            JSON,
            new(
                r#""metadata":{"name":"one","uid":"u","generation":7,"foo":"bar","deletionTimestamp":"2020-01-01T00:00:00Z"},"spec":{"size":1},"status":{"a":1}"#,
            ),
        ),
        ("POST", "", JSON, new(r#""metadata":{"name":"one"}"#)),
        ("POST", "", JSON, new(r#""metadata":{"name":"One_"}"#)),
        ("POST", "", JSON, new(r#""metadata":{}"#)),
        ("POST", "", JSON, new(r#""metadata":{"name":"two","namespace":"other"}"#)),
        ("POST", "", JSON, new(r#""metadata":{"name":"two"},"spec":{"size":1000}"#)),
        ("POST", "", JSON, new(r#""metadata":{"name":"two","annotations":{"bad key":"x"}}"#)),
        ("POST", "", JSON, new(r#""metadata":{"name":"two","labels":{"a":"b c"}}"#)),
        (
            "POST",
            "",
            JSON,
            r#"{"apiVersion":"memory.example.com/v1","kind":"Gadget","metadata":{"name":"two"}}"#.to_owned(),
        ),
        (
            "POST",
            "",
            JSON,
            r#"{"apiVersion":"memory.example.com/v2","kind":"Widget","metadata":{"name":"two"}}"#.to_owned(),
        ),
        ("POST", "", JSON, r#"{"metadata":{"name":"two"}}"#.to_owned()),
        ("POST", "", JSON, "{nonsense".to_owned()),
        ("POST", "?dryRun=All", JSON, new(r#""metadata":{"name":"dry"},"spec":{"size":1000}"#)),
        ("GET", "/dry", JSON, String::new()),
        // Merge patches.
        ("PATCH", "/none", MERGE, annotation(1)),
        ("PATCH", "/one", MERGE, annotation(1)),
        ("PATCH", "/one", MERGE, annotation(1)),
        ("PATCH", "/one", MERGE, annotation(262_143)),
        ("PATCH", "/one", MERGE, annotation(262_144)),
        ("PATCH", "/one", MERGE, annotation(3 * 1024 * 1024)),
        ("PATCH", "/one", MERGE, r#"{"metadata":{"annotations":{"k":null}}}"#.to_owned()),
        (
            "PATCH",
            "/one",
            MERGE,
            r#"{"metadata":{"annotations":{"a":"1"},"resourceVersion":"@version","uid":"@uid"}}"#.to_owned(),
        ),
        ("PATCH", "/one", MERGE, r#"{"metadata":{"annotations":{"a":"2"},"resourceVersion":"@old"}}"#.to_owned()),
        ("PATCH", "/one", MERGE, r#"{"metadata":{"annotations":{"a":"2"},"uid":"other"}}"#.to_owned()),
        (
            "PATCH",
            "/one",
            MERGE,
            r#"{"metadata":{"annotations":{"a":"2"},"uid":"other","resourceVersion":"@old"}}"#.to_owned(),
        ),
        ("PATCH", "/one", MERGE, r#"{"metadata":{"resourceVersion":"three"}}"#.to_owned()),
        ("PATCH", "/one", MERGE, r#"{"metadata":{"name":"three"}}"#.to_owned()),
        ("PATCH", "/one", MERGE, r#"{"metadata":{"namespace":"three"}}"#.to_owned()),
        (
            "PATCH",
            "/one",
            MERGE,
            r#"{"metadata":{"creationTimestamp":"2020-01-01T00:00:00Z","generation":55,"uid":null}}"#.to_owned(),
        ),
        ("PATCH", "/one", MERGE, r#"{"metadata":{"deletionTimestamp":"2020-01-01T00:00:00Z"}}"#.to_owned()),
        ("PATCH", "/one", MERGE, r#"{"metadata":{"annotations":{"a":1}}}"#.to_owned()),
        ("PATCH", "/one", MERGE, r#"{"metadata":null}"#.to_owned()),
        ("PATCH", "/one", MERGE, r#"{"kind":"Gadget"}"#.to_owned()),
        ("PATCH", "/one", MERGE, "[]".to_owned()),
        ("PATCH", "/one", MERGE, "{bad".to_owned()),
        ("PATCH", "/one", MERGE, r#"{"spec":{"size":200}}"#.to_owned()),
        ("PATCH", "/one", MERGE, r#"{"spec":{"size":2},"status":{"b":1}}"#.to_owned()),
        ("PATCH", "/one?dryRun=All", MERGE, r#"{"spec":{"size":200}}"#.to_owned()),
        ("PATCH", "/one", "application/strategic-merge-patch+json", "{}".to_owned()),
        ("PATCH", "/one", "text/plain", "{}".to_owned()),
        // The status, which is another world: it takes no metadata, and the uid is no precondition.
        (
            "PATCH",
            "/one/status",
            MERGE,
            r#"{"spec":{"size":3},"status":{"b":1},"metadata":{"annotations":{"z":"1"},"finalizers":["a.b/c"]}}"#
                .to_owned(),
        ),
        ("PATCH", "/one/status", MERGE, r#"{"status":{"b":2},"metadata":{"resourceVersion":"@old"}}"#.to_owned()),
        ("PATCH", "/one/status", MERGE, r#"{"status":{"b":3},"metadata":{"uid":"other"}}"#.to_owned()),
        ("PATCH", "/one/other", MERGE, "{}".to_owned()),
        ("GET", "/one/status", JSON, String::new()),
        ("GET", "/one/other", JSON, String::new()),
        ("PUT", "/one/status", JSON, new(r#""metadata":{"name":"one"},"status":{"c":1}"#)),
        (
            "PUT",
            "/one/status",
            JSON,
            new(r#""metadata":{"name":"one","resourceVersion":"@version"},"spec":{"size":9},"status":{"c":1}"#),
        ),
        // Replacement.
        ("PUT", "/one", JSON, new(r#""metadata":{"name":"one"},"spec":{"size":3}"#)),
        ("PUT", "/one", JSON, new(r#""metadata":{"name":"one","resourceVersion":"@old"},"spec":{"size":3}"#)),
        (
            "PUT",
            "/one",
            JSON,
            new(r#""metadata":{"name":"one","resourceVersion":"@version","uid":"x"},"spec":{"size":3}"#),
        ),
        ("PUT", "/one", JSON, new(r#""metadata":{"name":"onex","resourceVersion":"@version"}"#)),
        ("PUT", "/none", JSON, new(r#""metadata":{"name":"none","resourceVersion":"@version"}"#)),
        ("PUT", "/one", JSON, new(r#""metadata":{"name":"one","resourceVersion":"@version"},"spec":{"size":3}"#)),
        // JSON patches.
        (
            "PATCH",
            "/one",
            JSON_PATCH,
            r#"[{"op":"test","path":"/spec/size","value":99},{"op":"replace","path":"/spec/size","value":5}]"#
                .to_owned(),
        ),
        (
            "PATCH",
            "/one",
            JSON_PATCH,
            r#"[{"op":"test","path":"/spec/size","value":3},{"op":"replace","path":"/spec/size","value":5}]"#
                .to_owned(),
        ),
        (
            "PATCH",
            "/one",
            JSON_PATCH,
            r#"[{"op":"replace","path":"/metadata/resourceVersion","value":"@old"}]"#.to_owned(),
        ),
        ("PATCH", "/one", JSON_PATCH, r#"[{"op":"add","path":"/metadata/annotations/x","value":"1"}]"#.to_owned()),
        ("PATCH", "/one", JSON_PATCH, r#"[{"op":"add","path":"/metadata/annotations","value":{"x":"1"}}]"#.to_owned()),
        ("PATCH", "/one", JSON_PATCH, r#"[{"op":"remove","path":"/metadata/annotations/none"}]"#.to_owned()),
        ("PATCH", "/one", JSON_PATCH, r#"{"op":"x"}"#.to_owned()),
        ("PATCH", "/one", JSON_PATCH, r#"[{"op":"frob","path":"/a"}]"#.to_owned()),
        // Lists.
        ("PATCH", "/one", MERGE, r#"{"metadata":{"labels":{"side":"left"}}}"#.to_owned()),
        ("POST", "", JSON, new(r#""metadata":{"name":"two","labels":{"side":"right"}}"#)),
        ("GET", "", JSON, String::new()),
        ("GET", "?labelSelector=side%3Dleft", JSON, String::new()),
        ("GET", "?labelSelector=side+notin+%28left%29,side", JSON, String::new()),
        ("GET", "?labelSelector=a%3D%3D%3Db", JSON, String::new()),
        ("GET", "?fieldSelector=metadata.name%3Dtwo", JSON, String::new()),
        ("GET", "?fieldSelector=spec.size%3D1", JSON, String::new()),
        ("GET", "?limit=1", JSON, String::new()),
        ("GET", "?limit=1&continue=nonsense", JSON, String::new()),
        ("GET", "?resourceVersion=nonsense", JSON, String::new()),
        ("GET", "?resourceVersion=999999999&resourceVersionMatch=NotOlderThan", JSON, String::new()),
        (
            "GET",
            "?watch=1&resourceVersion=0&sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
            JSON,
            String::new(),
        ),
        ("GET", "?watch=1&resourceVersion=nonsense", JSON, String::new()),
        // Deletion.
        ("DELETE", "/none", JSON, String::new()),
        ("DELETE", "/one", JSON, r#"{"preconditions":{"uid":"x"}}"#.to_owned()),
        ("DELETE", "/one", JSON, r#"{"preconditions":{"resourceVersion":"@old"}}"#.to_owned()),
        ("DELETE", "/one", JSON, "{bad".to_owned()),
        ("PATCH", "/one", MERGE, r#"{"metadata":{"finalizers":["a.b/c"]}}"#.to_owned()),
        ("DELETE", "/one", JSON, r#"{"preconditions":{"uid":"@uid"}}"#.to_owned()),
        ("DELETE", "/one", JSON, String::new()),
        ("PATCH", "/one", MERGE, r#"{"metadata":{"finalizers":["a.b/c","a.b/d"]}}"#.to_owned()),
        ("PATCH", "/one", MERGE, r#"{"metadata":{"annotations":{"while":"deleting"}}}"#.to_owned()),
        ("PATCH", "/one", MERGE, r#"{"spec":{"size":9}}"#.to_owned()),
        ("PATCH", "/one/status", MERGE, r#"{"metadata":{"finalizers":null},"status":{"q":1}}"#.to_owned()),
        ("POST", "", JSON, new(r#""metadata":{"name":"one"}"#)),
        ("PATCH", "/one", MERGE, r#"{"metadata":{"finalizers":null,"annotations":{"last":"1"}}}"#.to_owned()),
        ("GET", "/one", JSON, String::new()),
        ("PATCH", "/one", MERGE, annotation(1)),
        ("POST", "", JSON, new(r#""metadata":{"name":"three"}"#)),
        ("DELETE", "/three", JSON, r#"{"propagationPolicy":"Foreground"}"#.to_owned()),
        ("PATCH", "/three", MERGE, r#"{"metadata":{"finalizers":[]}}"#.to_owned()),
        ("DELETE", "/two", JSON, r#"{"propagationPolicy":"Background"}"#.to_owned()),
        ("POST", "", JSON, new(r#""metadata":{"name":"four","finalizers":["a.b/c"]}"#)),
        ("POST", "", JSON, new(r#""metadata":{"name":"five"}"#)),
        ("DELETE", "", JSON, String::new()),
        ("GET", "", JSON, String::new()),
    ];
    let widgets = format!("/apis/{GROUP}/v1/namespaces/{namespace}/widgets");
    let namespaces = "/api/v1/namespaces";
    let step = |method, path: String, content_type, body| Step { method, path, content_type, body, until: None };
    let mut steps = vec![
        step("POST", widgets.clone(), JSON, new(r#""metadata":{"name":"early"}"#)),
        step(
            "POST",
            namespaces.to_owned(),
            JSON,
            format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{namespace}"}}}}"#),
        ),
    ];
    steps.extend(
        table
            .into_iter()
            .map(|(method, path, content_type, body)| step(method, format!("{widgets}{path}"), content_type, body)),
    );
    steps.extend([
        step("GET", format!("/apis/{GROUP}/v1/namespaces/{namespace}/gadgets"), JSON, String::new()),
        step("DELETE", format!("{namespaces}/{namespace}"), JSON, String::new()),
        Step {
            until: Some(403),
            ..step("POST", format!("{widgets}?dryRun=All"), JSON, new(r#""metadata":{"name":"late"}"#))
        },
        step("PATCH", format!("{widgets}/four"), MERGE, annotation(1)),
        step("PATCH", format!("{widgets}/four"), MERGE, r#"{"metadata":{"finalizers":null}}"#.to_owned()),
    ]);
    steps
}

#[tokio::test]
async fn a_real_server_answers_the_same() {
    let Some(real) = real().await else { return };
    let steps = steps(&unused_namespace());
    let memory = MemoryServer::new([kind()]);
    let (real, memory) = (run(&real, &steps).await, run(&memory.client(), &steps).await);
    let mut differences = String::new();
    for ((step, real), memory) in steps.iter().zip(&real).zip(&memory) {
        if real != memory {
            let body: String = step.body.chars().take(150).collect();
            differences += &format!("{} {} {body}\n  real   {real:?}\n  memory {memory:?}\n", step.method, step.path);
        }
    }
    assert!(differences.is_empty(), "{differences}");
    // The steps reach what they are there for.
    for code in [200, 201, 400, 403, 404, 409, 413, 415, 422, 500, 504] {
        assert!(memory.iter().any(|it| it.code() == code), "no step was answered with {code}");
    }
}

/// What a watch says of a life, and of the life of an object that stops matching.
#[tokio::test]
async fn a_real_server_watches_the_same() {
    async fn told(client: Client, resource: &ApiResource, namespace: &str) -> Vec<String> {
        let create = format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{namespace}"}}}}"#);
        let create =
            http::Request::post("/api/v1/namespaces").header("content-type", JSON).body(create.into_bytes()).unwrap();
        client.request_text(create).await.unwrap();
        let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, resource);
        let begin = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
        let merge = |patch: serde_json::Value| Patch::Merge(patch);
        let mut object = DynamicObject::new("one", resource);
        object.metadata.labels = Some([("side".to_owned(), "left".to_owned())].into());
        api.create(&Default::default(), &object).await.unwrap();
        let params = PatchParams::default();
        for patch in [
            json!({"metadata": {"annotations": {"a": "1"}}}),
            json!({"metadata": {"annotations": {"a": "1"}}}),
            json!({"metadata": {"labels": {"side": "right"}}}),
            json!({"metadata": {"labels": {"side": "left"}, "finalizers": ["a.b/c"]}}),
        ] {
            api.patch("one", &params, &merge(patch)).await.unwrap();
        }
        api.delete("one", &Default::default()).await.unwrap();
        api.patch("one", &params, &merge(json!({"metadata": {"finalizers": null, "annotations": {"a": "2"}}})))
            .await
            .unwrap();
        let mut told = Vec::new();
        for (selector, lives) in [("", 1), ("side=left", 2)] {
            let mut deletions = 0;
            let watch = api.watch(&WatchParams::default().labels(selector).timeout(2), &begin).await.unwrap();
            let mut watch = std::pin::pin!(watch);
            while let Some(event) = futures::TryStreamExt::try_next(&mut watch).await.unwrap() {
                let (what, object) = match event {
                    WatchEvent::Added(it) => ("added", it),
                    WatchEvent::Modified(it) => ("modified", it),
                    WatchEvent::Deleted(it) => ("deleted", it),
                    other => panic!("{other:?}"),
                };
                let (labels, annotations) = (object.labels(), object.annotations());
                let meta = &object.metadata;
                told.push(format!("{what} {labels:?} {annotations:?} {:?} {:?}", meta.generation, meta.finalizers));
                deletions += usize::from(what == "deleted");
                if deletions == lives {
                    break;
                }
            }
            told.push("end".to_owned());
        }
        told
    }
    let Some(real) = real().await else { return };
    let memory = MemoryServer::new([kind()]);
    let (resource, namespace) = (memory.api_resource(&kind().name()), unused_namespace());
    let told_by_memory = told(memory.client(), &resource, &namespace).await;
    assert_eq!(told(real, &resource, &namespace).await, told_by_memory);
    assert_eq!(told_by_memory.iter().filter(|it| it.starts_with("deleted")).count(), 3, "{told_by_memory:#?}");
}
