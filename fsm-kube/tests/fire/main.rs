//! Three controller processes under fire, on a real API server: a random one is killed every few hundred milliseconds, API server and etcd are
//! killed now and then, and another client edits every object three times a second all the while, also what is being deleted. At the end nothing
//! is there twice and nothing is left over; no undo was repeated but those that a kill has left in doubt; and whenever the objects are read, no
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

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::future::join_all;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams};
use kube_api_server::ApiServer;
use serde_json::json;

use crate::cluster::Cluster;
use crate::controllers::Controllers;
use crate::editor::Editor;
use crate::provider::Undo;
use crate::worker::Worker;

const WORKERS: usize = 20;
const EFFECTS: usize = 8;
/// So many workers are deleted while nothing is killed.
const CALM: usize = 8;
/// So many controllers are killed at least before anything is deleted, unless `FIRE_KILLS` says another number.
const KILLS: u32 = 60;
/// The workers are provisioned through so many specs at least, until then.
const SPECS: u32 = 3;
/// API server and etcd are killed so often until then.
const SERVER_KILLS: u32 = 3;
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
    let mut fire = Fire {
        server: &server,
        controllers: &mut controllers,
        editor: &editor,
        kills: planned(),
        server_kills: 0,
        is_calm: false,
        cluster: &cluster,
    };

    println!("{WORKERS} workers, 3 controllers, one of them killed every 200 to 350 ms");
    let mut wanted = BTreeMap::new();
    fire.until("all are ready", |workers| count_unready(workers, &wanted)).await;
    let (first, kills) = (started.elapsed(), fire.controllers.kills());
    println!("all were ready after {first:.1?} and {kills} kills");
    let mut images = 1;
    while fire.controllers.kills() < fire.kills || images < SPECS {
        images += 1;
        let image = json!({ "spec": { "image": format!("web:{images}") } });
        let edited = join_all(names.iter().map(|name| cluster.patch_until_done(name, image.clone()))).await;
        wanted = edited.into_iter().map(|worker| (worker.name_any(), worker.metadata.generation)).collect();
        fire.until("all are ready again", |workers| count_unready(workers, &wanted)).await;
    }
    let made = cluster.shelf.live();
    assert_eq!(made.len(), WORKERS * EFFECTS, "things of ready workers");
    assert_eq!(cluster.shelf.duplicates(), Vec::<String>::new());
    let (forward_kills, forward_server_kills) = (fire.controllers.kills(), fire.server_kills);

    // A few are deleted while only the other writer disturbs: nothing is in doubt, so no undo is repeated.
    fire.is_calm = true;
    // The server may have been killed just now.
    let before = editor.edits();
    let is_waiting = |name: &&String| editor.edits().of(name) == before.of(name);
    fire.until("all are edited again", |_| names.iter().filter(is_waiting).count()).await;
    let (calm, rest) = names.split_at(CALM);
    join_all(calm.iter().map(|name| delete_until_done(&cluster, name))).await;
    fire.until("the first are gone", |workers| workers.len() - rest.len()).await;
    let calm_repeated = repeated(&cluster.shelf.undos(), fire.controllers.killed());
    few(&calm_repeated, CALM * EFFECTS);

    fire.is_calm = false;
    join_all(rest.iter().map(|name| delete_until_done(&cluster, name))).await;
    fire.until("all are gone", Vec::len).await;
    let (planned, kills, server_kills) = (fire.kills, fire.controllers.kills(), fire.server_kills);
    let undos = cluster.shelf.undos();
    let repeated = repeated(&undos, fire.controllers.killed());
    drop(controllers);
    let edits = editor.stop().await;
    assert!(cluster.shelf.live().is_empty(), "left behind: {:?}", cluster.shelf.live());
    assert_eq!(cluster.shelf.twice(), Vec::<String>::new(), "there was a moment with two");
    few(&repeated, WORKERS * EFFECTS);
    assert!(forward_kills >= planned, "{forward_kills} kills");
    assert!(edits.while_deleting() > 0, "nothing that was being deleted was edited");
    println!("{forward_kills} kills until ready ({images} specs), {} more while deleting", kills - forward_kills);
    if server.processes().is_some() {
        assert!(server_kills >= 2, "the server was killed {server_kills} times");
        println!("API server and etcd killed {server_kills} times, {forward_server_kills} of them before the deletion");
    } else {
        println!("API server and etcd were not killed: they are those of KUBECONFIG, and somebody else's");
    }
    println!(
        "{} calls for {} things, {} undos of them repeated in doubt; {} edits of another writer, one of each object every {:.1?}, {} of them on what was being deleted, 0 lost; 0 duplicates, 0 orphans, 0 finalizers left; {:.0?}",
        cluster.shelf.calls(),
        WORKERS * EFFECTS,
        undos.values().map(|undos| undos.len() - 1).sum::<usize>(),
        edits.count(),
        edits.interval(),
        edits.while_deleting(),
        started.elapsed()
    );
}

/// How many controllers are killed before anything is deleted.
fn planned() -> u32 {
    std::env::var("FIRE_KILLS").map_or(KILLS, |it| it.parse().expect("FIRE_KILLS is a number of kills"))
}

struct Fire<'a> {
    server: &'a ApiServer,
    controllers: &'a mut Controllers,
    editor: &'a Editor,
    /// So many controllers are killed before anything is deleted.
    kills: u32,
    server_kills: u32,
    /// Nothing is killed meanwhile.
    is_calm: bool,
    cluster: &'a Cluster,
}

impl Fire<'_> {
    /// Kills until nothing is left to wait for.
    async fn until(&mut self, goal: &str, left: impl Fn(&Vec<Worker>) -> usize) {
        let begun = Instant::now();
        let mut told = Instant::now();
        loop {
            tokio::time::sleep(Duration::from_millis(200 + fastrand::u64(..150))).await;
            if !self.is_calm {
                self.controllers.kill_one();
            }
            // In mode KUBECONFIG the server is somebody else's and stays.
            let may_kill = self.server.processes().is_some() && !self.is_calm;
            if may_kill && self.controllers.kills() >= (self.server_kills + 1) * (self.kills / SERVER_KILLS) {
                self.cluster.shelf.begin_era();
                self.server.kill_and_restart().await.unwrap();
                self.cluster.shelf.begin_era();
                self.server_kills += 1;
            }
            let edits = self.editor.edits();
            let Some(workers) = workers(self.cluster).await else { continue };
            assert_eq!(edits.lost(&workers), Vec::<String>::new(), "edits of another writer were lost");
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

/// The undos that a controller has asked for again although they were answered, it was not killed, and the server was there.
fn repeated(undos: &BTreeMap<String, Vec<Undo>>, killed: &BTreeSet<u32>) -> Vec<String> {
    let mut found = Vec::new();
    for (id, undos) in undos {
        for pair in undos.windows(2) {
            let is_same = pair[0].by == pair[1].by && !killed.contains(&pair[0].by);
            if pair[0].is_answered && is_same && pair[0].era == pair[1].era {
                found.push(format!("{id}: {pair:?}"));
            }
        }
    }
    found
}

/// On a computer with too much to do, a time-out may be noticed before an answer that has arrived, and then the undo is in doubt. On an idle one there is none.
fn few(repeated: &[String], of: usize) {
    println!("{} of {of} undos repeated although they were answered", repeated.len());
    assert!(repeated.len() * 16 <= of, "undos that were repeated although nothing was in doubt: {repeated:#?}");
}

async fn workers(cluster: &Cluster) -> Option<Vec<Worker>> {
    cluster.workers.list(&ListParams::default()).await.ok().map(|list| list.items)
}

/// How many are not ready, or not yet for the generation that is wanted of them.
fn count_unready(workers: &[Worker], wanted: &BTreeMap<String, Option<i64>>) -> usize {
    let is_ready = |worker: &&Worker| {
        let wanted = wanted.get(&worker.name_any()).copied().flatten();
        let mut conditions = worker.status.iter().flat_map(|status| &status.conditions);
        conditions.any(|it| it.type_ == "Ready" && it.status == "True" && it.observed_generation >= wanted)
    };
    workers.len() - workers.iter().filter(is_ready).count()
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
