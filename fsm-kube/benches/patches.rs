//! The store's patches a second over the raw client's, for the same bytes on the same server, at 1, 8 and 64 resources at once. It fails
//! where the ratio is under 0.85. `cargo bench -p durable-fsm-kube`

#[path = "../tests/real/cluster.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod cluster;
#[path = "../tests/real/provider.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod provider;
#[path = "../tests/real/worker.rs"]
mod worker;

use std::process::ExitCode;
use std::time::Instant;

use durable_fsm::{RecordId, ResourceId, Store as _, Version};
use durable_fsm_kube::AnnotationStore;
use futures::future::join_all;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use kube_api_server::ApiServer;
use serde_json::json;

use crate::cluster::Cluster;
use crate::worker::Worker;

/// As long as the largest record of the eight-step worker.
const BYTES: usize = 1_300;
/// Rounds are short and many, and taken in turn, so that whatever else the machine does meets both ways alike.
const ROUNDS: usize = 60;
const PATCHES_A_ROUND: u32 = 64;
/// What the store has to reach of the raw client's rate.
const LEAST: f64 = 0.85;
const MACHINE: &str = "test.durable-fsm.io/worker";
const KEY: &str = "test.durable-fsm.io/worker-record";

#[tokio::main]
async fn main() -> ExitCode {
    let Some(server) = ApiServer::start_or_skip().await else { return ExitCode::SUCCESS };
    cluster::define(server.client().await.unwrap()).await;
    let cluster = Cluster::on(server.client().await.unwrap(), "bench").await;
    println!("{BYTES} bytes a record; {ROUNDS} rounds of {PATCHES_A_ROUND} patches each way, taken in turn");
    let mut missed = false;
    for count in [1, 8, 64] {
        let names = |way: &'static str| (0..count).map(move |number| format!("{way}-{count}-{number:02}"));
        let mut raw = join_all(names("raw").map(|name| Raw::new(&cluster, name))).await;
        let mut ours = join_all(names("ours").map(|name| Ours::new(&cluster, name))).await;
        let each = PATCHES_A_ROUND / count;
        let (mut rates, mut own_rates) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let ours_first = round % 2 == 1;
            let before = if ours_first { Some(rate(ours.iter_mut().map(|it| it.patch(each))).await) } else { None };
            let of_raw = rate(raw.iter_mut().map(|it| it.patch(each))).await;
            let of_ours = match before {
                Some(rate) => rate,
                None => rate(ours.iter_mut().map(|it| it.patch(each))).await,
            };
            // The first warms up.
            if round > 0 {
                rates.push(of_raw);
                own_rates.push(of_ours);
            }
        }
        let mut ratios: Vec<f64> = own_rates.iter().zip(&rates).map(|(ours, raw)| ours / raw).collect();
        let ratio = median(&mut ratios);
        println!(
            "{count:>2} at once: raw {:.0}/s, ours {:.0}/s, ratio {ratio:.2} (medians; the ratio's of pairs)",
            median(&mut rates),
            median(&mut own_rates)
        );
        if ratio < LEAST {
            eprintln!("{count:>2} at once: {ratio:.2} is under {LEAST}");
            missed = true;
        }
    }
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Patches a second of one round.
async fn rate<F: Future<Output = u32>>(patches: impl Iterator<Item = F>) -> f64 {
    let begun = Instant::now();
    let done: u32 = join_all(patches).await.into_iter().sum();
    f64::from(done) / begun.elapsed().as_secs_f64()
}

/// What somebody would write by hand: one annotation, with the resourceVersion as precondition. The resource has another author than its
/// controller, so that each has fields of its own; the server keeps a list for either.
struct Raw {
    workers: Api<Worker>,
    name: String,
    version: String,
    done: u32,
}

impl Raw {
    async fn new(cluster: &Cluster, name: String) -> Self {
        let version = cluster.create(&name).await.resource_version().unwrap();
        Self { workers: cluster.workers.clone(), name, version, done: 0 }
    }

    async fn patch(&mut self, times: u32) -> u32 {
        let params = PatchParams { field_manager: Some("by-hand".to_owned()), ..PatchParams::default() };
        for _ in 0..times {
            self.done += 1;
            let metadata = json!({ "resourceVersion": self.version, "annotations": { KEY: text(self.done) } });
            let patch = Patch::Merge(json!({ "metadata": metadata }));
            let patched = self.workers.patch(&self.name, &params, &patch).await.unwrap();
            self.version = patched.resource_version().unwrap();
        }
        times
    }
}

struct Ours {
    store: AnnotationStore,
    id: RecordId,
    version: Version,
    done: u32,
}

impl Ours {
    async fn new(cluster: &Cluster, name: String) -> Self {
        cluster.create(&name).await;
        let id = RecordId { machine: MACHINE.to_owned(), resource: ResourceId::new(&cluster.namespace, &name) };
        let store = cluster.store();
        let version = store.load(&id).await.unwrap().version;
        Self { store, id, version, done: 0 }
    }

    async fn patch(&mut self, times: u32) -> u32 {
        for _ in 0..times {
            self.done += 1;
            let text = text(self.done);
            let loaded = self.store.compare_and_swap(&self.id, &self.version, text.as_bytes()).await.unwrap();
            self.version = loaded.version;
        }
        times
    }
}

fn text(number: u32) -> String {
    format!("{number:0>BYTES$}")
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
