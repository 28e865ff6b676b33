//! Three controller processes under fire, on a real API server: a random one is killed every few hundred milliseconds, API server and etcd are
//! killed now and then, and another client edits everything all the while. At the end nothing is there twice, nothing is left over, and no
//! edit is lost.

#[path = "../real/cluster.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod cluster;
mod controllers;
mod editor;
#[path = "../real/provider.rs"]
#[expect(dead_code, reason = "the other test binary uses the rest")]
mod provider;
#[path = "../real/worker.rs"]
mod worker;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::future::join_all;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams};
use kube_api_server::ApiServer;
use serde_json::json;

use crate::cluster::Cluster;
use crate::controllers::Controllers;
use crate::editor::Editor;
use crate::worker::Worker;

const WORKERS: usize = 60;
const EFFECTS: usize = 8;
/// So many controllers are killed at least before anything is deleted.
const KILLS: u32 = 150;
/// API server and etcd are killed after so many more.
const SERVER_KILLS: u32 = 40;
const PATIENCE: Duration = Duration::from_secs(600);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match std::env::var(controllers::PROVIDER) {
        Ok(provider) => runtime.block_on(controllers::run(provider)),
        Err(_) => runtime.block_on(fire()),
    }
}

async fn fire() {
    let Some(server) = ApiServer::start_or_skip().await else { return };
    let started = Instant::now();
    cluster::define(server.client().await.unwrap()).await;
    let cluster = Cluster::on(server.client().await.unwrap(), "fire").await;
    let url = cluster.shelf.serve().await;
    let names: Vec<String> = (0..WORKERS).map(|number| format!("worker-{number:02}")).collect();
    for name in &names {
        cluster.create(name).await;
    }
    let mut controllers = Controllers::start(3, &url, server.kubeconfig());
    let editor = Editor::start(server.client().await.unwrap(), &names);
    let mut fire = Fire { server: &server, controllers: &mut controllers, server_kills: 0, cluster: &cluster };

    println!("{WORKERS} workers, 3 controllers, one of them killed every 200 to 500 ms");
    fire.until("all are ready", |workers| workers.iter().filter(|worker| !is_ready(worker)).count()).await;
    let (first, kills) = (started.elapsed(), fire.controllers.kills());
    println!("all were ready after {first:.1?} and {kills} kills");
    let mut images = 1;
    while fire.controllers.kills() < KILLS {
        images += 1;
        let image = json!({ "spec": { "image": format!("web:{images}") } });
        join_all(names.iter().map(|name| cluster.patch_until_done(name, image.clone()))).await;
        fire.until("all are ready again", |workers| workers.iter().filter(|worker| !is_ready(worker)).count()).await;
    }
    let made = cluster.shelf.live();
    assert_eq!(made.len(), WORKERS * EFFECTS, "things of ready workers");
    assert_eq!(cluster.shelf.duplicates(), Vec::<String>::new());
    let (forward_kills, forward_server_kills) = (fire.controllers.kills(), fire.server_kills);

    let edits = editor.stop().await;
    let lost = edits.lost(&workers(&cluster).await.unwrap());
    assert_eq!(lost, Vec::<String>::new(), "edits of another writer were lost");

    join_all(names.iter().map(|name| delete_until_done(&cluster, name))).await;
    fire.until("all are gone", Vec::len).await;
    let (kills, server_kills) = (fire.controllers.kills(), fire.server_kills);
    drop(controllers);
    assert!(cluster.shelf.live().is_empty(), "left behind: {:?}", cluster.shelf.live());
    assert_eq!(cluster.shelf.twice(), Vec::<String>::new(), "there was a moment with two");
    assert!(forward_kills >= KILLS && server_kills >= 2, "{forward_kills} kills, {server_kills} of the server");
    println!(
        "{forward_kills} kills until ready ({images} specs), {} more while deleting; API server and etcd killed {server_kills} times ({forward_server_kills} before the deletion)",
        kills - forward_kills
    );
    println!(
        "{} calls for {} things; {} edits of another writer, 0 lost; 0 duplicates, 0 orphans, 0 finalizers left; {:.0?}",
        cluster.shelf.calls(),
        WORKERS * EFFECTS,
        edits.count(),
        started.elapsed()
    );
}

struct Fire<'a> {
    server: &'a ApiServer,
    controllers: &'a mut Controllers,
    server_kills: u32,
    cluster: &'a Cluster,
}

impl Fire<'_> {
    /// Kills until nothing is left to wait for.
    async fn until(&mut self, goal: &str, left: impl Fn(&Vec<Worker>) -> usize) {
        let begun = Instant::now();
        let mut told = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(200 + fastrand::u64(..300))).await;
            self.controllers.kill_one();
            if self.controllers.kills() >= (self.server_kills + 1) * SERVER_KILLS {
                // In mode KUBECONFIG the server is somebody else's and stays.
                if self.server.processes().is_some() {
                    self.server.kill_and_restart().await.unwrap();
                }
                self.server_kills += 1;
            }
            let Some(workers) = workers(self.cluster).await else { continue };
            let left = left(&workers);
            if left == 0 {
                return;
            }
            if told.elapsed() > Duration::from_secs(5) {
                told = Instant::now();
                println!("  until {goal}: {left} left, {} kills", self.controllers.kills());
            }
            assert!(begun.elapsed() < PATIENCE, "{goal}: {}", states(&workers));
        }
    }
}

async fn workers(cluster: &Cluster) -> Option<Vec<Worker>> {
    cluster.workers.list(&ListParams::default()).await.ok().map(|list| list.items)
}

/// Ready, for the generation that it has now.
fn is_ready(worker: &Worker) -> bool {
    let conditions = worker.status.iter().flat_map(|status| &status.conditions);
    let is_ready = |it: &&_| -> bool {
        let it: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition = it;
        it.type_ == "Ready" && it.status == "True"
    };
    let applied =
        worker.annotations().values().any(|record| record.contains(&format!("\"image\":\"{}\"", worker.spec.image)));
    applied && conditions.into_iter().any(|it| is_ready(&it))
}

fn states(workers: &[Worker]) -> String {
    let mut count: BTreeMap<String, u32> = BTreeMap::new();
    for worker in workers {
        let status = worker.status.clone().unwrap_or_default().fsm.unwrap_or_default();
        *count.entry(format!("{:?} {:?}", status.state, status.reason)).or_default() += 1;
    }
    format!("{count:?}")
}

async fn delete_until_done(cluster: &Cluster, name: &str) {
    loop {
        match cluster.workers.delete(name, &DeleteParams::default()).await {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if status.code == 404 => return,
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
