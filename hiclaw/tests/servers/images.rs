//! Images that the container engine does not have yet, and networks.

use std::time::Duration;

use durable_fsm::{Class, Classify as _};
use hiclaw::clients::{ClientError, Clients, NewContainer, Urls};
use hiclaw::container_settings::ContainerSettings;
use hiclaw::containers::{Containers as _, Wanted};
use hiclaw::servers::World;
use hiclaw::worker::{Worker, WorkerSpec};

use crate::world;

async fn create(clients: &Clients, image: &str) -> Result<String, ClientError> {
    clients.docker.create(&NewContainer { name: "c", image, ..NewContainer::default() }).await
}

fn pulls(world: &World) -> Vec<(String, u16)> {
    let calls = world.calls.take().into_iter().filter(|call| call.path.contains("/images/create"));
    calls.map(|call| (call.path, call.status)).collect()
}

/// Asks until no pull is under way.
async fn end_of_pull(clients: &Clients, image: &str) -> Result<String, ClientError> {
    loop {
        match create(clients, image).await {
            Err(ClientError::Pulling(_)) => tokio::task::yield_now().await,
            other => return other,
        }
    }
}

#[tokio::test]
async fn an_image_is_pulled_once_and_no_attempt_waits_for_it() {
    let (world, clients) = world().await;
    world.docker.pulls_from(&["web:latest"]);
    world.docker.hold_up_pulls();
    for _ in 0..3 {
        let error = create(&clients, "web").await.unwrap_err();
        assert!(matches!(error, ClientError::Pulling(_)), "{error}");
        assert_eq!(error.classify(), Class::NOT_APPLIED);
    }
    world.docker.answer_pulls();
    end_of_pull(&clients, "web").await.unwrap();
    let pulls = pulls(&world);
    assert_eq!(pulls.len(), 1, "{pulls:?}");
}

#[tokio::test]
async fn a_pull_that_fails_is_told_and_begun_again() {
    let (world, clients) = world().await;
    world.docker.pulls_from(&["web:1"]);
    // The engine answers 200 to the first one, and the failure stands in the text.
    for (image, said, status) in
        [("web:2", "manifest unknown", 200), ("hub.local:5000/other:1", "repository does not exist", 404)]
    {
        let error = end_of_pull(&clients, image).await.unwrap_err();
        assert!(matches!(error, ClientError::NotPulled { .. }), "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert_eq!(error.classify(), Class::NOT_APPLIED);
        let pulls = pulls(&world);
        assert!(pulls.contains(&("/images/create".to_owned(), status)), "{pulls:?}");
    }
    world.docker.pulls_from(&["web:1", "web:2"]);
    while let Err(error) = create(&clients, "web:2").await {
        assert!(matches!(error, ClientError::Pulling(_) | ClientError::NotPulled { .. }), "{error}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_container_has_its_network_volumes_and_variables_and_one_that_cannot_start_is_in_doubt() {
    let (world, _) = world().await;
    let containers = ContainerSettings {
        docker_network: Some("workers".to_owned()),
        docker_volume: vec!["skills:/skills:ro".parse().unwrap()],
        worker_env: vec!["TZ=UTC".parse().unwrap()],
    };
    let urls = Urls { containers, ..world.urls() };
    let clients = Clients::new(&urls, Duration::from_secs(5)).unwrap();
    let spec = WorkerSpec { image: "web:1".to_owned(), model: "m".to_owned(), skills: [].into() };
    let worker = Worker {
        namespace: "default".to_owned(),
        name: "alice".to_owned(),
        uid: "u".to_owned(),
        spec,
        deleting: false,
    };
    let wanted = Wanted { worker: &worker, image: "web:1", owner_tag: "tag", key: "key" };
    let error = clients.docker.run(&wanted).await.unwrap_err();
    assert!(error.to_string().contains("network workers not found"), "{error}");
    // A container is there, so the step was not refused.
    assert_eq!(error.classify(), Class::Unknown);
    assert_eq!(clients.docker.all().await.unwrap().len(), 1);
    world.docker.add_network("workers");
    let id = clients.docker.run(&wanted).await.unwrap();
    let [running] = clients.docker.all().await.unwrap().try_into().unwrap();
    assert_eq!((&running.id, running.state.as_str()), (&id, "running"));
    let shown = world.docker.inspect(&id).unwrap();
    let own = ["HICLAW_WORKER=alice", "HICLAW_NAMESPACE=default", "HICLAW_CONFIG_OBJECT=agents/alice/openclaw.json"];
    assert_eq!(shown["Config"]["Env"], serde_json::json!([own[0], own[1], own[2], "TZ=UTC"]));
    assert_eq!(shown["HostConfig"], serde_json::json!({ "NetworkMode": "workers", "Binds": ["skills:/skills:ro"] }));
}
