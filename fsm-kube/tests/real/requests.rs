//! How many requests a controller makes of the API server, by the server's audit log. Invariant: each row is as many as a careful hand would make.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use durable_fsm_kube::{AnnotationStore, Reconciler, Verb, predicate, strip_managed_fields};
use futures::StreamExt as _;
use kube::Api;
use kube::api::DeleteParams;
use kube::runtime::{Controller, WatchStreamExt as _, reflector, watcher};
use kube_api_server::ApiServer;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::chain::{ChainFlow, EFFECTS};
use crate::cluster::{self, Cluster};
use crate::controller::{condition, events, wait_for};
use crate::provider::Provider;
use crate::worker::Worker;

type ChainReconciler = Reconciler<Worker, ChainFlow, Provider>;

/// The controller's user agent.
const CONTROLLER: &str = "the-controller";

/// Ten times the default. On a busy computer, a replica may be slow. With a short turn, the others would take it for crashed, and the counts would change.
const TURN: Duration = Duration::from_secs(8);

/// A server with an audit log, and the requests that were counted so far.
pub struct Bench {
    pub server: ApiServer,
    pub cluster: Cluster,
    counted: usize,
    markers: usize,
}

impl Bench {
    pub async fn new(namespace: &str) -> Option<Self> {
        let server = ApiServer::start_audited_or_skip().await?;
        cluster::define(server.client().await.unwrap()).await;
        let cluster = Cluster::on(server.client().await.unwrap(), namespace).await;
        Some(Self { server, cluster, counted: 0, markers: 0 })
    }

    /// A controller as it runs in a cluster, until the handle is aborted. Its requests are counted under this name.
    pub async fn controller(&self, agent: &str) -> JoinHandle<()> {
        let client = self.server.client_named(agent).await.unwrap();
        let store = AnnotationStore::of::<Worker>(client.clone());
        let reconciler = ChainReconciler::new(Provider::Here(self.cluster.shelf.clone()), store).unwrap().turn(TURN);
        let (reader, writer) = reflector::store();
        let workers = watcher(Api::<Worker>::all(client), watcher::Config::default())
            .default_backoff()
            .modify(strip_managed_fields)
            .reflect(writer)
            .applied_objects()
            .predicate_filter(predicate(reconciler.names().clone()), Default::default());
        let controller = Controller::for_stream(workers, reader)
            .run(Reconciler::reconcile, Reconciler::error_policy, Arc::new(reconciler))
            .for_each(|_| std::future::ready(()));
        tokio::spawn(controller)
    }

    async fn ask(&self, verb: Verb) {
        let names = AnnotationStore::of::<Worker>(self.cluster.client.clone()).names("test.durable-fsm.io/chain");
        self.cluster.patch("alice", json!({ "metadata": { "annotations": { names.unwrap().verb(verb): "" } } })).await;
    }

    /// Waits until alice says this of a generation.
    async fn until(&self, reason: &str, generation: i64) {
        wait_for(|| async {
            let worker = self.cluster.workers.get("alice").await.unwrap();
            let conditions = worker.status.iter().flat_map(|status| &status.conditions);
            let mut ready = conditions.filter(|it| it.type_ == "Ready");
            ready.any(|it| it.reason == reason && it.observed_generation == Some(generation))
        })
        .await;
    }

    /// The requests about alice since the last count, by verb and resource. What her own events have woken up is over by then, because another object
    /// was made after them and is ready.
    async fn count(&mut self) -> BTreeMap<String, usize> {
        self.markers += 1;
        let marker = format!("marker-{}", self.markers);
        self.cluster.create(&marker).await;
        let workers = &self.cluster.workers;
        wait_for(|| async {
            let worker = workers.get(&marker).await.unwrap();
            worker.status.is_some() && condition(&worker, "Ready").0 == "True"
        })
        .await;
        let requests = self.server.requests_of(CONTROLLER).unwrap();
        let mut count = BTreeMap::new();
        for request in requests[self.counted..].iter().filter(|it| it.name == "alice") {
            *count.entry(format!("{} {}", request.verb, request.resource)).or_default() += 1;
        }
        self.counted = requests.len();
        count
    }
}

fn total(count: &BTreeMap<String, usize>) -> usize {
    count.values().sum()
}

/// Status early included. Events are apart: one for each change of the reason.
#[tokio::test(flavor = "multi_thread")]
async fn a_controller_makes_no_request_that_a_careful_hand_would_not() {
    let Some(mut bench) = Bench::new("requests").await else { return };
    let running = bench.controller(CONTROLLER).await;
    let mut rows = Vec::new();

    bench.cluster.create("alice").await;
    bench.until("AsDeclared", 1).await;
    rows.push(("create, 4 effects", bench.count().await, EFFECTS + 3));

    bench.cluster.patch("alice", json!({ "metadata": { "labels": { "edited": "yes" } } })).await;
    rows.push(("at rest, another label", bench.count().await, 0));

    bench.cluster.patch("alice", json!({ "spec": { "image": "web:2" } })).await;
    bench.until("AsDeclared", 2).await;
    rows.push(("spec edit, 1 effect", bench.count().await, 3));

    bench.ask(Verb::Pause).await;
    bench.until("Paused", 2).await;
    bench.ask(Verb::Resume).await;
    bench.until("AsDeclared", 2).await;
    rows.push(("pause and resume", bench.count().await, 4));

    running.abort();
    let running = bench.controller(CONTROLLER).await;
    rows.push(("restart of the controller", bench.count().await, 1));

    let told: Vec<String> = events(&bench.cluster, "alice").await.into_iter().map(|(reason, _)| reason).collect();
    bench.cluster.workers.delete("alice", &DeleteParams::default()).await.unwrap();
    wait_for(|| async { bench.cluster.workers.get_opt("alice").await.unwrap().is_none() }).await;
    rows.push(("delete, 4 undos", bench.count().await, EFFECTS + 3));
    running.abort();

    for (what, count, bar) in &rows {
        println!("{what:<26} {:>2} of {bar:>2}  {count:?}", total(count));
    }
    assert_eq!(told, ["AsDeclared", "Pause", "Paused", "Resume", "AsDeclared"]);
    assert!(rows[0].1.contains_key("patch workers/status"), "nothing was counted");
    for (what, count, bar) in rows {
        assert!(total(&count) <= bar, "{what}: {count:?}, and {bar} are enough");
    }
}
