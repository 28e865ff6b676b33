//! What tests rely on: the server behaves as a server, keeps what it acknowledged, and tells users apart.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, ResourceExt};
use kube_api_server::{ApiServer, StartError};
use serde_json::json;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(60);

/// The API of a kind that is made for this test.
async fn widgets(client: &Client) -> Api<DynamicObject> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.test.example.com"},
        "spec": {
            "group": "test.example.com", "scope": "Namespaced", "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}}],
        },
    });
    crds.patch("widgets.test.example.com", &PatchParams::apply("test"), &Patch::Apply(crd)).await.unwrap();
    let established = await_condition(crds, "widgets.test.example.com", conditions::is_crd_established());
    timeout(LONG, established).await.expect("the CRD is not served").unwrap();
    let kind = GroupVersionKind::gvk("test.example.com", "v1", "Widget");
    let api = Api::namespaced_with(client.clone(), "default", &ApiResource::from_gvk(&kind));
    // Established means that it is about to be served.
    let served = async { while api.list(&ListParams::default()).await.is_err() {} };
    timeout(LONG, served).await.expect("the kind is not served");
    api
}

fn widget(name: &str) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "test.example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": 1},
    }))
    .unwrap()
}

fn mark(version: &str, value: &str) -> Patch<serde_json::Value> {
    Patch::Merge(json!({"metadata": {"resourceVersion": version, "annotations": {"mark": value}}}))
}

fn code(result: Result<DynamicObject, kube::Error>) -> (u16, String) {
    match result {
        Err(kube::Error::Api(status)) => (status.code, status.reason.clone()),
        other => panic!("refused by the server was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn a_stale_patch_is_a_conflict_and_an_acknowledged_one_survives_kill_9() {
    let Some(server) = ApiServer::start_or_skip().await else { return };
    let before = server.processes();
    let api = widgets(&server.client().await.unwrap()).await;
    let first = api.create(&PostParams::default(), &widget("one")).await.unwrap().resource_version().unwrap();
    let params = PatchParams::default();
    let second = api.patch("one", &params, &mark(&first, "kept")).await.unwrap().resource_version().unwrap();
    assert_eq!(code(api.patch("one", &params, &mark(&first, "late")).await), (409, "Conflict".to_owned()));

    let acknowledged = api.patch("one", &params, &mark(&second, "acknowledged")).await.unwrap();
    server.kill().unwrap();
    assert_eq!(server.processes(), None);
    timeout(LONG, api.get("one")).await.expect("a dead server refuses at once").unwrap_err();
    server.restart().await.unwrap();

    // The same client, the same address.
    let found = api.get("one").await.unwrap();
    assert_eq!(found.annotations().get("mark").map(String::as_str), Some("acknowledged"));
    assert_eq!((found.uid(), found.resource_version()), (acknowledged.uid(), acknowledged.resource_version()));
    let after = server.processes();
    assert!(after.is_some() && after != before, "{before:?}, then {after:?}");
}

#[tokio::test]
async fn users_have_the_rights_that_rbac_gives_them() {
    let Some(server) = ApiServer::shared_or_skip().await else { return };
    let namespaces = |client| Api::<k8s_openapi::api::core::v1::Namespace>::all(client);
    let admin = server.client().await.unwrap();
    namespaces(admin.clone()).list(&ListParams::default()).await.unwrap();
    let refused = |result: Result<_, kube::Error>| match result {
        Err(kube::Error::Api(status)) => assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden")),
        Err(error) => panic!("{error}"),
        Ok(()) => panic!("a user without rights may list namespaces"),
    };
    let list = async |client| namespaces(client).list(&ListParams::default()).await.map(drop);
    refused(list(server.client_as("somebody", &["readers"]).await.unwrap()).await);

    let by_file = Kubeconfig::read_from(server.kubeconfig_as("somebody").unwrap()).unwrap();
    let config = kube::Config::from_custom_kubeconfig(by_file, &KubeConfigOptions::default()).await.unwrap();
    let by_file = Client::try_from(config).unwrap();
    refused(list(by_file.clone()).await);

    // Rights of the group reach the one, rights of the user both.
    let binding = |name: &str, kind: &str, subject: &str| {
        serde_json::from_value(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": subject}],
        }))
        .unwrap()
    };
    let bindings: Api<k8s_openapi::api::rbac::v1::ClusterRoleBinding> = Api::all(admin);
    bindings.create(&PostParams::default(), &binding("group", "Group", "readers")).await.unwrap();
    let in_group = server.client_as("somebody", &["others", "readers"]).await.unwrap();
    let granted = async |client: &Client| while list(client.clone()).await.is_err() {};
    timeout(LONG, granted(&in_group)).await.expect("the group's rights do not arrive");
    refused(list(by_file.clone()).await);
    bindings.create(&PostParams::default(), &binding("user", "User", "somebody")).await.unwrap();
    timeout(LONG, granted(&by_file)).await.expect("the user's rights do not arrive");
}

/// Runs once more in a child process, as the environment cannot be changed safely in one that has threads.
#[tokio::test]
async fn a_given_server_is_used_and_not_ours_to_stop() {
    const NAME: &str = "a_given_server_is_used_and_not_ours_to_stop";
    if std::env::var_os("GIVEN_SERVER").is_none() {
        let Some(server) = ApiServer::shared_or_skip().await else { return };
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME])
            .env("KUBECONFIG", server.kubeconfig())
            .env("GIVEN_SERVER", "1")
            .status();
        assert!(status.unwrap().success());
        return;
    }
    let server = ApiServer::start().await.unwrap();
    assert_eq!(server.processes(), None);
    server.client().await.unwrap().apiserver_version().await.unwrap();
    // Another test gives rights to `somebody`, on the same server.
    let user = server.client_as("stranger", &[]).await.unwrap();
    let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::all(user);
    assert!(matches!(secrets.list(&ListParams::default()).await, Err(kube::Error::Api(status)) if status.code == 403));
    assert!(matches!(server.kill(), Err(StartError::NotOurs("kill"))));
    assert!(matches!(server.restart().await, Err(StartError::NotOurs(_))));
    assert!(matches!(server.kubeconfig_as("somebody"), Err(StartError::NotOurs(_))));
}
