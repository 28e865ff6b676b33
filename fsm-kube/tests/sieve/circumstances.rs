//! The whole controller where nothing fails and little is as usual: a server that is slow, one that limits, and a kind without generations.
//!
//! Invariant: none of these makes a controller send an effect twice, ask without a pause, or miss an edit.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use kube_memory_server::{Fault, Kind, MemoryServer, Refusal, Seen, Verb};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::controller::operate;
use crate::machine::WorkerFlow;
use crate::shelf::Shelf;
use crate::worker::{WORKERS, Worker, WorkerSpec, says_ready};
use crate::world::{NAME, NAMESPACE};

/// The name of the controller's client.
const CONTROLLER: &str = "controller";

/// Nothing in these tests takes longer, on virtual time. An object at rest is looked at again only after 600 seconds, so an edit that is missed shows.
const LONGEST: Duration = Duration::from_secs(300);

/// A server on which a controller runs.
struct Cluster {
    server: MemoryServer,
    shelf: Shelf,
    changed: Arc<Notify>,
    workers: Api<Worker>,
}

impl Cluster {
    /// Each request of the controller, but its watch, comes to this.
    fn new(workers: Kind, mut becomes: impl FnMut(&Seen) -> Fault + Send + 'static) -> Self {
        fastrand::seed(7);
        let events = Kind::new("events.k8s.io", "v1", "Event", "events").without_status().without_generation();
        let (server, changed) = (MemoryServer::new([workers, events]), Arc::new(Notify::new()));
        server.on_request(move |seen| {
            let is_controllers = &*seen.client == CONTROLLER && seen.verb != Verb::Watch;
            if is_controllers { becomes(seen) } else { Fault::None }
        });
        let tell = changed.clone();
        server.on_write(move |_| tell.notify_one());
        let client: Client = server.client_named("somebody");
        let (shelf, workers) = (Shelf::new(changed.clone()), Api::namespaced(client, NAMESPACE));
        Self { server, shelf, changed, workers }
    }

    /// Plays a part while the controller runs.
    async fn play(&self, part: impl Future<Output = ()>) {
        let controller = operate::<WorkerFlow>(self.server.client_named(CONTROLLER), self.shelf.clone(), 1);
        tokio::select! {
            biased;
            () = part => {}
            () = controller => unreachable!("a controller runs until it dies"),
        }
    }

    async fn create(&self) {
        let spec = WorkerSpec { skills: ["web".to_owned()].into() };
        self.workers.create(&PostParams::default(), &Worker::new(NAME, spec)).await.unwrap();
    }

    /// Asks for other skills, as somebody else.
    fn edit(&self, skills: &[&str]) {
        let patch = json!({ "spec": { "skills": skills } });
        self.server.merge("somebody", WORKERS, NAMESPACE, NAME, &patch).unwrap();
    }

    async fn delete(&self) {
        self.workers.delete(NAME, &DeleteParams::default()).await.unwrap();
    }

    async fn until(&self, what: &str, holds: impl Fn(Option<&Value>) -> bool) {
        let wait = async {
            while !holds(self.server.object(WORKERS, NAMESPACE, NAME).as_deref()) {
                self.changed.notified().await;
            }
        };
        let ended = timeout(LONGEST, wait).await;
        assert!(ended.is_ok(), "{what}: {:#?}", self.server.object(WORKERS, NAMESPACE, NAME));
    }

    /// Until it is ready with these things.
    async fn until_ready(&self, things: &[&str]) {
        let has_all = || self.shelf.kinds_of(NAME) == things;
        self.until("it is not ready", |worker| worker.is_some_and(says_ready) && has_all()).await;
    }

    /// From the creation to the end. Every effect is sent once, and every undo.
    async fn live(&self) {
        self.create().await;
        self.until_ready(&["account", "room", "skill-web"]).await;
        assert_eq!(self.shelf.calls(), 3);
        // Otherwise the pass that the controller's own writes ask for finds the edit.
        sleep(Duration::from_secs(60)).await;
        self.edit(&["night", "web"]);
        self.until_ready(&["account", "room", "skill-night", "skill-web"]).await;
        assert_eq!(self.shelf.calls(), 4);
        self.delete().await;
        self.until("it is not gone", |worker| worker.is_none()).await;
        assert_eq!((self.shelf.calls(), self.shelf.kinds_of(NAME), self.shelf.twice()), (8, vec![], vec![]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_two_seconds_for_each_answer_delays_everything_and_repeats_nothing() {
    let second = Duration::from_secs(1);
    let cluster = Cluster::new(Kind::of::<Worker>(), move |_| Fault::Slow(second, second));
    let begun = Instant::now();
    cluster.play(cluster.live()).await;
    assert!(begun.elapsed() > 20 * second, "the server was not slow");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_limits_is_asked_again_after_a_pause_and_nothing_is_repeated() {
    // It refuses two of five requests. With one of two, each pass would read and never write.
    let mut number = 0;
    let cluster = Cluster::new(Kind::of::<Worker>(), move |seen| {
        number += 1;
        let is_refused = number % 5 < 2 && seen.verb != Verb::List;
        if is_refused { Fault::Answer(Refusal::too_many_requests(3)) } else { Fault::None }
    });
    cluster.play(cluster.live()).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_everything_for_a_minute_is_asked_a_few_times() {
    let (minute, begun) = (Duration::from_secs(60), Instant::now());
    let refused: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let noted = refused.clone();
    let cluster = Cluster::new(Kind::of::<Worker>(), move |seen| {
        if begun.elapsed() >= minute || seen.verb == Verb::List {
            return Fault::None;
        }
        noted.lock().unwrap().push(begun.elapsed());
        Fault::Answer(Refusal::too_many_requests(3))
    });
    cluster.play(cluster.live()).await;
    let refused = refused.lock().unwrap();
    // The pauses grow: 5 to 10 seconds, 10 to 20, 20 to 40. Requests of one pass follow each other at once.
    let pauses: Vec<u64> = refused.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).filter(|it| *it > 0).collect();
    let ranges = [5..=10, 10..=20, 20..=40, 40..=80];
    assert!(pauses.len() >= 2 && pauses.iter().zip(&ranges).all(|(pause, range)| range.contains(pause)), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn an_object_without_a_generation_is_followed_by_its_spec() {
    let cluster = Cluster::new(Kind::of::<Worker>().without_generation(), |_| Fault::None);
    cluster.play(cluster.live()).await;
}
