//! Several controllers at once, without a leader, by the audit log of the server: the controller that has begun goes on, and the others wait.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kube::api::{DeleteParams, ListParams};
use kube_api_server::Audited;
use serde_json::json;

use crate::chain::EFFECTS;
use crate::controller::wait_for;
use crate::requests::Bench;
use crate::worker::Worker;

/// How many objects the controllers share.
const FLEET: usize = 40;

/// What a fleet has cost.
struct Life {
    /// The requests about each object, by what was done with the fleet: verb and resource, and who has sent it.
    requests: BTreeMap<&'static str, Vec<(String, Audited)>>,
    deletion: Duration,
}

impl Life {
    /// Creates, edits, and deletes a fleet that so many controllers share.
    async fn of(bench: &Bench, controllers: usize) -> Self {
        let agents: Vec<String> =
            (1..=controllers).map(|number| format!("{controllers}-controllers-{number}")).collect();
        let mut running = Vec::new();
        for agent in &agents {
            running.push(bench.controller(agent).await);
        }
        let names: Vec<String> = (0..FLEET).map(|number| format!("fleet-{controllers}-{number}")).collect();
        let workers = &bench.cluster.workers;
        let mut counted = vec![0; controllers];
        // What each controller has asked since the last count.
        let mut count = || {
            let mut new = Vec::new();
            for (agent, counted) in agents.iter().zip(&mut counted) {
                let all = bench.server.requests_of(agent).unwrap();
                let is_counted = |request: &Audited| !matches!(&*request.verb, "list" | "watch");
                new.extend(all[*counted..].iter().filter(|it| is_counted(it)).map(|it| (agent.clone(), it.clone())));
                *counted = all.len();
            }
            new
        };
        let mut requests = BTreeMap::new();

        futures::future::join_all(names.iter().map(|name| bench.cluster.create(name))).await;
        wait_for(|| are_done(workers, "web:1")).await;
        requests.insert("create", count());

        let image = || json!({ "spec": { "image": "web:2" } });
        futures::future::join_all(names.iter().map(|name| bench.cluster.patch(name, image()))).await;
        wait_for(|| are_done(workers, "web:2")).await;
        requests.insert("edit", count());

        let begun = Instant::now();
        let deleted =
            names.iter().map(|name| async move { workers.delete(name, &DeleteParams::default()).await.unwrap() });
        drop(futures::future::join_all(deleted).await);
        wait_for(|| async { workers.list(&ListParams::default()).await.unwrap().items.is_empty() }).await;
        let deletion = begun.elapsed();
        requests.insert("delete", count());
        for controller in running {
            controller.abort();
        }
        Self { requests, deletion }
    }

    fn total(&self) -> usize {
        self.requests.values().map(Vec::len).sum()
    }

    fn print(&self, who: &str) {
        for (what, requests) in &self.requests {
            let mut count: BTreeMap<String, usize> = BTreeMap::new();
            for (_, request) in requests {
                *count.entry(format!("{} {}", request.verb, request.resource)).or_default() += 1;
            }
            println!("{who:<12} {what:<7} {:>4}  {count:?}", requests.len());
        }
        println!("{who:<12} in all  {:>4}  the deletion took {:.1?}", self.total(), self.deletion);
    }
}

async fn are_done(workers: &kube::Api<Worker>, image: &str) -> bool {
    let all = workers.list(&ListParams::default()).await.unwrap().items;
    let is_done = |worker: &&Worker| {
        let fsm = worker.status.as_ref().and_then(|status| status.fsm.as_ref());
        let rests = fsm.is_some_and(|it| {
            it.reason.as_deref() == Some("AsDeclared") && it.observed_generation == worker.metadata.generation
        });
        worker.spec.image == image && rests
    };
    all.iter().filter(is_done).map(kube::ResourceExt::name_any).collect::<BTreeSet<_>>().len() == FLEET
}

#[tokio::test(flavor = "multi_thread")]
async fn three_controllers_make_hardly_more_requests_than_one() {
    let Some(bench) = Bench::new("replicas").await else { return };
    let (one, three) = (Life::of(&bench, 1).await, Life::of(&bench, 3).await);
    one.print("1 controller");
    three.print("3 of them");
    assert!(bench.cluster.shelf.live().is_empty() && bench.cluster.shelf.twice().is_empty());
    assert_eq!(bench.cluster.shelf.calls(), 2 * 2 * (FLEET * EFFECTS) as u64, "each effect and each undo once");
    assert!(three.total() * 10 <= one.total() * 13, "{} and {}", three.total(), one.total());
    // The controller that has begun with an object ends it, so a deletion does not wait.
    let deletion = |life: &Life| life.requests["delete"].len();
    assert!(deletion(&three) * 10 <= deletion(&one) * 13, "{} and {}", deletion(&three), deletion(&one));
}

/// Those that are left share its objects: each of them goes on with some, and neither runs into the other.
#[tokio::test(flavor = "multi_thread")]
async fn the_objects_of_a_controller_that_is_gone_are_taken_over_by_one_of_the_others_each() {
    let Some(bench) = Bench::new("left").await else { return };
    let agents = ["first", "second", "third"];
    let mut running = Vec::new();
    for agent in agents {
        running.push(bench.controller(agent).await);
    }
    let names: Vec<String> = (0..FLEET).map(|number| format!("left-{number}")).collect();
    let workers = &bench.cluster.workers;
    futures::future::join_all(names.iter().map(|name| bench.cluster.create(name))).await;
    wait_for(|| are_done(workers, "web:1")).await;
    let requests = || agents.map(|agent| bench.server.requests_of(agent).unwrap());
    let before = requests();
    let patches = |agent: &[Audited]| agent.iter().filter(|it| it.verb == "patch").count();
    assert!(before.iter().all(|agent| patches(agent) > 0), "each of them has begun with some");

    running[0].abort();
    let deleted = names.iter().map(|name| async move { workers.delete(name, &DeleteParams::default()).await.unwrap() });
    drop(futures::future::join_all(deleted).await);
    wait_for(|| async { workers.list(&ListParams::default()).await.unwrap().items.is_empty() }).await;
    let all = requests();
    for controller in running {
        controller.abort();
    }
    let new = all.iter().zip(&before).skip(1).map(|(all, before)| all.len() - before.len());
    let new: Vec<usize> = new.collect();
    println!("{new:?} requests for the deletion of {FLEET} objects of three controllers, by the two that are left");
    assert!(bench.cluster.shelf.live().is_empty());
    assert_eq!(bench.cluster.shelf.calls(), 2 * (FLEET * EFFECTS) as u64, "each effect and each undo once");
    assert!(new.iter().sum::<usize>() * 10 <= FLEET * (EFFECTS + 1) * 13, "{new:?}");
}
