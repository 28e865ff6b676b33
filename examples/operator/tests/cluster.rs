//! The program on a real API server, with no rights but those of `manifests/rbac.yaml`, killed in the middle of a request.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use example_operator::trial_cloud::TrialCloud;
use example_operator::{Project, ProjectSpec};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, ResourceExt as _};
use kube_api_server::ApiServer;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::Notify;

const ACCOUNT: &str = "system:serviceaccount:project-operator:project-operator";

#[test]
fn the_definition_is_the_one_in_the_manifests() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/definition.yaml");
    let definition = example_operator::definition().unwrap();
    if std::env::var_os("UPDATE_MANIFESTS").is_some() {
        std::fs::write(path, &definition).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(kept, definition, "run with UPDATE_MANIFESTS=1 and look at the difference");
}

/// Swallows the answer to the first request for a project, which has been carried out by then.
#[derive(Clone, Default)]
struct Silence {
    has_struck: Arc<AtomicBool>,
    struck: Arc<Notify>,
}

async fn swallow(State(silence): State<Silence>, request: Request, next: Next) -> Response {
    let creates = request.method() == Method::POST && request.uri().path() == "/projects";
    let answer = next.run(request).await;
    if creates && !silence.has_struck.swap(true, Ordering::SeqCst) {
        silence.struck.notify_one();
        std::future::pending::<()>().await;
    }
    answer
}

/// The operator, as a process. It is killed when this value is dropped.
struct Operator {
    process: Child,
    log: Lines<BufReader<ChildStderr>>,
}

impl Operator {
    fn start(kubeconfig: &std::path::Path, cloud: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_example-operator"))
            .args(["run", "--serve", "127.0.0.1:0", "--cloud", cloud])
            .env("KUBECONFIG", kubeconfig)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = BufReader::new(process.stderr.take().unwrap()).lines();
        Self { process, log }
    }

    /// The rest of the first line of the log that has this word.
    async fn logged(&mut self, word: &str) -> String {
        loop {
            let line = self.log.next_line().await.unwrap().expect("the operator still runs");
            if let Some((_, rest)) = line.split_once(word) {
                return rest.to_owned();
            }
        }
    }

    async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// Asks it to stop, and answers whether it ended well.
    async fn terminate(mut self) -> bool {
        let pid = rustix::process::Pid::from_raw(self.process.id().unwrap() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.process.wait().await.unwrap().success()
    }
}

/// Applies all documents of a manifest.
async fn apply(client: &Client, manifest: &str) {
    let path = format!("{}/manifests/{manifest}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    for document in serde_saphyr::from_multiple::<DynamicObject>(&text).unwrap() {
        let kind = document.types.clone().unwrap();
        let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(&kind).unwrap());
        let api: Api<DynamicObject> = match document.namespace() {
            Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        api.patch(&document.name_any(), &PatchParams::apply("test").force(), &Patch::Apply(&document)).await.unwrap();
    }
}

/// Whether the machine rests, and what was published is about this generation.
fn rests_at(generation: i64) -> impl Fn(Option<&Project>) -> bool {
    move |project| {
        let status = project.and_then(|it| it.status.as_ref());
        let reason = status.and_then(|it| it.fsm.as_ref()?.reason.as_deref());
        reason == Some("AsDeclared") && status.and_then(|it| it.observed_generation) == Some(generation)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_created_once_although_the_operator_is_killed_in_the_middle() {
    let Some(server) = ApiServer::shared_or_skip().await else { return };
    let client = server.client().await.unwrap();
    apply(&client, "definition.yaml").await;
    apply(&client, "rbac.yaml").await;
    let defined = Api::all(client.clone());
    await_condition(defined, "projects.example.io", conditions::is_crd_established()).await.unwrap();
    // Only a server of our own signs certificates for users; on a given one the operator may do what we may.
    let kubeconfig = server.kubeconfig_as(ACCOUNT).unwrap_or_else(|error| {
        eprintln!("the rights of manifests/rbac.yaml are not tested: {error}");
        server.kubeconfig().to_owned()
    });

    let (cloud, silence) = (TrialCloud::default(), Silence::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = cloud.router().layer(from_fn_with_state(silence.clone(), swallow));
    tokio::spawn(async move { axum::serve(listener, router).await });

    let projects: Api<Project> = Api::namespaced(client.clone(), "default");
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "default");
    let first = Operator::start(&kubeconfig, &url);
    projects.create(&PostParams::default(), &Project::new("acme", ProjectSpec { quota: 5 })).await.unwrap();
    silence.struck.notified().await;
    first.kill().await;
    assert_eq!(cloud.list(), json!({ "projects": { "project-1": null }, "keys": 0 }));

    let mut second = Operator::start(&kubeconfig, &url);
    let address = second.logged("watching projects address=").await;
    await_condition(projects.clone(), "acme", rests_at(1)).await.unwrap();
    assert_eq!(cloud.list(), json!({ "projects": { "project-1": 5 }, "keys": 1 }));
    let told = secrets.get("acme-access").await.unwrap().data.unwrap();
    assert_eq!(told["id"].0, b"key-1");
    assert_eq!(told["secret"].0, b"secret-of-project-1-1");
    let record = projects.get("acme").await.unwrap().annotations()["example.io/project-record"].clone();
    assert!(record.contains("key-1") && !record.contains("secret-of"), "{record}");

    let metrics = reqwest::get(format!("http://{address}/metrics")).await.unwrap().text().await.unwrap();
    let made = "durable_fsm_attempts_total{machine=\"example.io/project\",transition=\"issue_access\",action=\"run\",class=\"ok\"} 1";
    assert!(metrics.contains(made), "{metrics}");

    let larger = Patch::Merge(json!({ "spec": { "quota": 7 } }));
    projects.patch("acme", &PatchParams::default(), &larger).await.unwrap();
    await_condition(projects.clone(), "acme", rests_at(2)).await.unwrap();
    assert_eq!(cloud.list(), json!({ "projects": { "project-1": 7 }, "keys": 1 }));

    let uid = projects.get("acme").await.unwrap().uid().unwrap();
    projects.delete("acme", &DeleteParams::default()).await.unwrap();
    await_condition(projects, "acme", conditions::is_deleted(&uid)).await.unwrap();
    assert_eq!(cloud.list(), json!({ "projects": {}, "keys": 0 }));
    assert!(secrets.get_opt("acme-access").await.unwrap().is_none());

    finds_its_name_taken(&client, &cloud).await;
    assert!(second.terminate().await, "the exit code after SIGTERM is 0");
}

/// Somebody else's Secret stays as it is, no access key is issued, and the project can be deleted from there.
async fn finds_its_name_taken(client: &Client, cloud: &TrialCloud) {
    let (projects, secrets): (Api<Project>, Api<Secret>) =
        (Api::namespaced(client.clone(), "default"), Api::namespaced(client.clone(), "default"));
    let theirs = json!({ "metadata": { "name": "late-access" }, "stringData": { "id": "theirs" } });
    secrets.create(&PostParams::default(), &serde_json::from_value(theirs).unwrap()).await.unwrap();
    projects.create(&PostParams::default(), &Project::new("late", ProjectSpec { quota: 5 })).await.unwrap();
    let is_held = |project: Option<&Project>| {
        let fsm = project.and_then(|it| it.status.as_ref()?.fsm.as_ref());
        fsm.and_then(|it| it.reason.as_deref()) == Some("NotOurs")
    };
    let held = await_condition(projects.clone(), "late", is_held).await.unwrap().unwrap();
    assert_eq!(cloud.list(), json!({ "projects": { "project-2": null }, "keys": 0 }));

    projects.delete("late", &DeleteParams::default()).await.unwrap();
    await_condition(projects, "late", conditions::is_deleted(&held.uid().unwrap())).await.unwrap();
    assert_eq!(cloud.list(), json!({ "projects": {}, "keys": 0 }));
    assert_eq!(secrets.get("late-access").await.unwrap().data.unwrap()["id"].0, b"theirs");
}
