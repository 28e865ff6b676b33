//! A replica that stands still in an effect, its clocks included, until it is let go on.

use std::thread::JoinHandle;

use durable_fsm::Outcome;
use durable_fsm_kube::{AnnotationStore, Reconciler};
use kube_api_server::ApiServer;

use crate::cluster::{Cluster, WorkerReconciler};
use crate::provider::{Provider, Stopped};
use crate::worker::{Worker, WorkerState};

pub struct Replica {
    stopped: Stopped,
    pass: JoinHandle<Outcome<WorkerState>>,
}

impl Replica {
    /// Begins a pass and comes back when it has made the first thing of this kind.
    pub async fn stopped_after(cluster: &Cluster, object: &Worker, kind: &str) -> Self {
        let stopped = cluster.shelf.stop_after(kind);
        let (shelf, object) = (cluster.shelf.clone(), object.clone());
        let pass = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = ApiServer::shared().await.unwrap().client().await.unwrap();
                let store = AnnotationStore::of::<Worker>(client);
                let reconciler: WorkerReconciler = Reconciler::new(Provider::Here(shelf), store).unwrap();
                reconciler.pass(&object).await.unwrap().1
            })
        });
        let stopped = blocking(move || {
            stopped.wait();
            stopped
        })
        .await;
        Self { stopped, pass }
    }

    /// Lets it go on, and gives how its pass ends.
    pub async fn go_on(self) -> Outcome<WorkerState> {
        self.stopped.go_on();
        blocking(move || self.pass.join().unwrap()).await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}
