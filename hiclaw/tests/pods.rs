//! A pod that is in the way of ours: our own, which an earlier request has made, is ours; another one is not.

use durable_fsm::{Class, Classify as _};
use hiclaw::cluster::Pods;
use hiclaw::container_settings::ContainerSettings;
use hiclaw::containers::{Containers as _, Wanted};
use hiclaw::provision::ProvisionError;
use hiclaw::worker::{Worker, WorkerSpec};
use k8s_openapi::api::core::v1::Pod;
use kube_memory_server::{Fault, Kind, MemoryServer, Verb, When};

fn worker() -> Worker {
    let spec = WorkerSpec { image: "worker:1".to_owned(), model: "qwen".to_owned(), skills: [].into() };
    let (namespace, name, uid) = ("default".to_owned(), "alice".to_owned(), "uid-1".to_owned());
    Worker { namespace, name, uid, spec, deleting: false }
}

fn pods(server: &MemoryServer) -> Pods {
    Pods::new(server.client(), ContainerSettings::default())
}

async fn run(server: &MemoryServer, owner_tag: &str, key: &str) -> Result<String, ProvisionError> {
    let worker = worker();
    pods(server).run(&Wanted { worker: &worker, image: "worker:1", owner_tag, key }).await
}

#[tokio::test]
async fn our_own_pod_that_was_made_late_is_ours() {
    let server = MemoryServer::new([Kind::of::<Pod>()]);
    let mut creates = 0;
    server.on_request(move |seen| {
        creates += usize::from(seen.verb == Verb::Create);
        // The first one arrives just before the second, as when a client sends it again after a time-out.
        if seen.verb == Verb::Create && creates == 1 { Fault::ServeLate(When::Requests(1)) } else { Fault::None }
    });
    let unanswered = run(&server, "tag", "key").await.unwrap_err();
    assert_eq!(unanswered.classify(), Class::Unknown, "{unanswered:?}");
    assert!(server.objects("pods").is_empty());
    let id = run(&server, "tag", "key").await.unwrap();
    assert_eq!(server.history().len(), 1, "two pods were made");
    let found = pods(&server).with_key(&worker(), "key").await.unwrap();
    assert_eq!(found.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
}

#[tokio::test]
async fn a_pod_with_another_mark_or_key_is_not_ours() {
    for (owner_tag, key) in [("other", "key"), ("tag", "other")] {
        let server = MemoryServer::new([Kind::of::<Pod>()]);
        run(&server, owner_tag, key).await.unwrap();
        let foreign = run(&server, "tag", "key").await.unwrap_err();
        assert_eq!(foreign.classify(), Class::NotOurs, "{foreign:?}");
        assert_eq!(server.history().len(), 1);
    }
}

#[tokio::test]
async fn a_pod_on_its_way_out_is_waited_for() {
    let server = MemoryServer::new([Kind::of::<Pod>()]);
    server.on_request(|seen| match seen.verb {
        Verb::Create => Fault::Change(std::sync::Arc::new(|pod| {
            pod["metadata"]["finalizers"] = serde_json::json!(["example.com/slow"]);
        })),
        _ => Fault::None,
    });
    let id = run(&server, "tag", "key").await.unwrap();
    let pods = pods(&server);
    let going = pods.remove(&worker(), &id).await.unwrap_err();
    assert!(matches!(going, ProvisionError::Removing(_)), "{going:?}");
    let waits = run(&server, "tag", "key").await.unwrap_err();
    assert_eq!(waits.classify(), Class::NOT_APPLIED, "{waits:?}");
}
