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
use std::time::{Duration, Instant};

use durable_fsm::{RecordId, ResourceId, Store as _};
use futures::future::join_all;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use kube_api_server::ApiServer;
use serde_json::json;

use crate::cluster::Cluster;

/// As long as the record of a ready eight-step worker.
const BYTES: usize = 2_500;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(2);
/// What the store has to reach of the raw client's rate.
const LEAST: f64 = 0.85;
const KEY: &str = "test.durable-fsm.io/worker-record";

#[tokio::main]
async fn main() -> ExitCode {
    let Some(server) = ApiServer::start_or_skip().await else { return ExitCode::SUCCESS };
    cluster::define(server.client().await.unwrap()).await;
    let cluster = Cluster::on(server.client().await.unwrap(), "bench").await;
    let names: Vec<String> = (0..64).map(|number| format!("worker-{number:02}")).collect();
    for name in &names {
        cluster.create(name).await;
    }
    println!("{BYTES} bytes a record, {ROUNDS} rounds of {ROUND:?} each way, taken in turn");
    let mut missed = false;
    for count in [1, 8, 64] {
        let (mut raw, mut ours) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let a = rate(join_all(names[..count].iter().map(|name| patch_raw(&cluster, name)))).await;
            let b = rate(join_all(names[..count].iter().map(|name| patch_ours(&cluster, name)))).await;
            // The first warms up.
            if round > 0 {
                raw.push(a);
                ours.push(b);
            }
        }
        let mut ratios: Vec<f64> = ours.iter().zip(&raw).map(|(ours, raw)| ours / raw).collect();
        let ratio = median(&mut ratios);
        println!(
            "{count:>2} at once: raw {:.0}/s, ours {:.0}/s, ratio {ratio:.2} (median of paired rounds)",
            median(&mut raw),
            median(&mut ours)
        );
        if ratio < LEAST {
            eprintln!("{count:>2} at once: {ratio:.2} is under {LEAST}");
            missed = true;
        }
    }
    if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

async fn rate(patches: impl Future<Output = Vec<u32>>) -> f64 {
    let begun = Instant::now();
    let done: u32 = patches.await.into_iter().sum();
    f64::from(done) / begun.elapsed().as_secs_f64()
}

/// What somebody would write by hand: one annotation, with the resourceVersion as precondition.
async fn patch_raw(cluster: &Cluster, name: &str) -> u32 {
    let begun = Instant::now();
    let mut version = cluster.workers.get(name).await.unwrap().resource_version().unwrap();
    let mut done = 0;
    while begun.elapsed() < ROUND {
        let patch = json!({ "metadata": { "resourceVersion": version, "annotations": { KEY: text(done) } } });
        let patched = cluster.workers.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        version = patched.resource_version().unwrap();
        done += 1;
    }
    done
}

async fn patch_ours(cluster: &Cluster, name: &str) -> u32 {
    let begun = Instant::now();
    let store = cluster.store();
    let id = RecordId {
        machine: "test.durable-fsm.io/worker".to_owned(),
        resource: ResourceId::new(&cluster.namespace, name),
    };
    let mut version = store.load(&id).await.unwrap().version;
    let mut done = 0;
    while begun.elapsed() < ROUND {
        version = store.compare_and_swap(&id, &version, text(done).as_bytes()).await.unwrap().version;
        done += 1;
    }
    done
}

fn text(number: u32) -> String {
    format!("{number:0>BYTES$}")
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
