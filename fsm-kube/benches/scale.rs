//! A controller of a machine of four effects beside a naive one that does the same: time, requests by the audit log, and memory, for
//! as many objects as are asked for.
//!
//! ```sh
//! cargo bench -p durable-fsm-kube --bench scale -- 1000   # 1,000 objects, which is the default
//! cargo bench -p durable-fsm-kube --bench scale -- 5000 1 # and one round instead of two
//! ```
//!
//! Each controller is a process of its own. The naive one saves the handle of each effect in the status and keeps no record: it adds a finalizer, says that it has begun,
//! patches the status after each effect, and publishes an Event. Its status says the same as the other one's. If it crashes between an effect and its patch, the effect is sent again.
//!
//! The objects exist before a controller starts. They are then made ready, and deleted. The two controllers take turns, after 500 objects that are not measured. It fails if the requests are more
//! than 1.3 of the naive controller's, or the memory is more than 60 MiB. The times are printed.

#[path = "../tests/real/chain.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod chain;
#[path = "../tests/real/cluster.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod cluster;
#[path = "scale/naive.rs"]
mod naive;
#[path = "scale/ours.rs"]
mod ours;
#[path = "../tests/real/provider.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod provider;
#[path = "../tests/real/worker.rs"]
mod worker;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, CustomResourceExt, ResourceExt as _};
use kube_api_server::ApiServer;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The variable that makes this program a controller: `ours` or `naive`.
const CONTROLLER: &str = "SCALE_CONTROLLER";

/// How many objects a controller works on at once. Without a limit, all of them would be under way at the same time.
const CONCURRENCY: u16 = 64;

/// How many objects the server has seen live and go before anything is measured.
const WARM_UP: usize = 500;

/// What is allowed of the naive controller's requests, and how much memory, in KiB.
const REQUESTS: f64 = 1.3;
const MEMORY: u64 = 60 * 1024;

/// What one controller has needed.
struct Cost {
    ready: Duration,
    gone: Duration,
    requests: usize,
    /// In KiB: when all were ready, and at its largest.
    memory: u64,
    peak: u64,
    /// Seconds of processor time: of the controller, and of the API server with etcd.
    own_cpu: f64,
    server_cpu: f64,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match std::env::var(CONTROLLER).as_deref() {
        Ok("naive") => runtime.block_on(naive::run()),
        Ok(_) => runtime.block_on(ours::run()),
        Err(_) => {
            let mut numbers = std::env::args().skip(1).filter_map(|it| it.parse().ok());
            let (count, rounds) = (numbers.next().unwrap_or(1000), numbers.next().unwrap_or(2));
            return runtime.block_on(compare(count, rounds));
        }
    }
    ExitCode::SUCCESS
}

async fn compare(count: usize, rounds: usize) -> ExitCode {
    let Some(server) = ApiServer::start_audited_or_skip().await else { return ExitCode::SUCCESS };
    let client = server.client().await.unwrap();
    define::<naive::Errand>(&client).await;
    define::<worker::Worker>(&client).await;
    // A server that has just started is faster. Without these objects, the controller that is measured first would look faster.
    live::<naive::Errand>(&server, "naive", count.min(WARM_UP), json!({ "image": "web:1" }), naive::is_ready).await;
    let (mut ours, mut naive) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for is_ours in [round % 2 == 1, round % 2 == 0] {
            let (who, cost) = if is_ours {
                (
                    "ours",
                    live::<worker::Worker>(&server, "ours", count, json!({ "image": "web:1" }), ours::is_ready).await,
                )
            } else {
                (
                    "naive",
                    live::<naive::Errand>(&server, "naive", count, json!({ "image": "web:1" }), naive::is_ready).await,
                )
            };
            println!(
                "{who:<5} {count} objects: ready in {:.1?}, gone in {:.1?}; {} requests; {:.1} MiB, at most {:.1}; processor {:.1} s and the server {:.1} s",
                cost.ready,
                cost.gone,
                cost.requests,
                cost.memory as f64 / 1024.0,
                cost.peak as f64 / 1024.0,
                cost.own_cpu,
                cost.server_cpu
            );
            if is_ours { ours.push(cost) } else { naive.push(cost) }
        }
    }
    let sum = |costs: &[Cost], of: &dyn Fn(&Cost) -> f64| costs.iter().map(of).sum::<f64>();
    let ratio = |of: &dyn Fn(&Cost) -> f64| sum(&ours, of) / sum(&naive, of);
    println!("time to ready: {:.2} of the naive controller's", ratio(&|it| it.ready.as_secs_f64()));
    println!("time to gone: {:.2} of the naive controller's", ratio(&|it| it.gone.as_secs_f64()));
    let requests = ratio(&|it| it.requests as f64);
    println!("requests: {requests:.2} of the naive controller's; {REQUESTS} is allowed");
    let peak = ours.iter().map(|it| it.peak).max().unwrap_or_default();
    println!("memory: {:.1} MiB at most; {} is allowed", peak as f64 / 1024.0, MEMORY / 1024);
    if requests > REQUESTS || peak > MEMORY { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

async fn define<K: CustomResourceExt>(client: &Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let params = PatchParams::apply("bench").force();
    definitions.patch(K::crd_name(), &params, &Patch::Apply(K::crd())).await.unwrap();
    await_condition(definitions, K::crd_name(), conditions::is_crd_established()).await.unwrap();
}

/// The life of so many objects under a controller of its own process.
async fn live<K>(server: &ApiServer, who: &str, count: usize, spec: Value, is_ready: fn(&K) -> bool) -> Cost
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + serde::Serialize
        + std::fmt::Debug
        + Send
        + 'static,
{
    let objects: Api<K> = Api::namespaced(server.client().await.unwrap(), "default");
    let create = |number: usize| {
        let (objects, spec) = (objects.clone(), spec.clone());
        async move {
            let (kind, version) = (K::kind(&()), K::api_version(&()));
            let name = format!("object-{number:05}");
            let object = json!({ "apiVersion": version, "kind": kind, "metadata": { "name": name }, "spec": spec });
            // A moment after its definition is there the server may still not serve a kind.
            while objects
                .create(&PostParams::default(), &serde_json::from_value(object.clone()).unwrap())
                .await
                .is_err()
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    futures::stream::iter((0..count).map(create)).buffer_unordered(32).collect::<Vec<_>>().await;

    let before = server.requests_of(who).unwrap().len();
    let server_cpu = || server.processes().map_or(0.0, |it| cpu(it.api_server) + cpu(it.etcd));
    let server_before = server_cpu();
    let begun = Instant::now();
    let controller = Controller::start(who, server.kubeconfig());
    until(&objects, |all: &Seen| all.ready.len() == count, is_ready).await;
    let ready = begun.elapsed();
    let (memory, _) = controller.memory();

    let begun = Instant::now();
    let delete = |number: usize| {
        let objects = objects.clone();
        async move { drop(objects.delete(&format!("object-{number:05}"), &DeleteParams::default()).await.unwrap()) }
    };
    futures::stream::iter((0..count).map(delete)).buffer_unordered(32).collect::<Vec<_>>().await;
    until(&objects, |all: &Seen| all.left.is_empty(), is_ready).await;
    let gone = begun.elapsed();
    let (_, peak) = controller.memory();
    let (own_cpu, server_cpu) = (cpu(controller.0.id()), server_cpu() - server_before);
    drop(controller);
    let requests = server.requests_of(who).unwrap().len() - before;
    Cost { ready, gone, requests, memory, peak, own_cpu, server_cpu }
}

/// The processor time of a process, in seconds.
fn cpu(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    // User and system time, in hundredths of a second.
    after_name.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<f64>().ok()).sum::<f64>() / 100.0
}

#[derive(Default)]
struct Seen {
    left: BTreeSet<String>,
    ready: BTreeSet<String>,
}

/// Watches until that is so.
async fn until<K>(objects: &Api<K>, holds: impl Fn(&Seen) -> bool, is_ready: fn(&K) -> bool)
where
    K: kube::Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let mut events = std::pin::pin!(watcher(objects.clone(), watcher::Config::default()).default_backoff());
    let mut seen = Seen::default();
    let mut is_listed = false;
    while let Some(event) = events.try_next().await.unwrap_or(Some(watcher::Event::Init)) {
        match event {
            watcher::Event::Init => seen = Seen::default(),
            watcher::Event::InitDone => is_listed = true,
            watcher::Event::InitApply(object) | watcher::Event::Apply(object) => {
                if is_ready(&object) {
                    seen.ready.insert(object.name_any());
                }
                seen.left.insert(object.name_any());
            }
            watcher::Event::Delete(object) => {
                seen.left.remove(&object.name_any());
            }
        }
        if is_listed && holds(&seen) {
            return;
        }
    }
}

/// A process that ends with this value.
struct Controller(Child);

impl Controller {
    fn start(who: &str, kubeconfig: &Path) -> Self {
        let program = std::env::current_exe().unwrap();
        Self(Command::new(program).env(CONTROLLER, who).env("KUBECONFIG", kubeconfig).spawn().unwrap())
    }

    /// In KiB, now and at its largest.
    fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
        };
        (field("VmRSS:"), field("VmHWM:"))
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A client whose requests are found in the audit log under this name.
async fn client(who: &str) -> Client {
    let mut config = kube::Config::infer().await.unwrap();
    config.headers.push((http::header::USER_AGENT, who.parse().unwrap()));
    Client::try_from(config).unwrap()
}
