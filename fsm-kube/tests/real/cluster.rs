//! The API server of this test process, with the Worker's definition, and a namespace for each test.

use std::time::Duration;

use durable_fsm::Outcome;
use durable_fsm_kube::{AnnotationStore, Reconciler, Runs};
use http::Request;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, CustomResourceExt as _};
use kube_api_server::ApiServer;
use tokio::sync::OnceCell;
use tower::ServiceExt as _;

use crate::provider::{Provider, Shelf};
use crate::worker::{Worker, WorkerFlow, WorkerSpec};

pub type WorkerReconciler = Reconciler<Worker, WorkerFlow, Provider>;

/// One test's part of the cluster.
pub struct Cluster {
    pub client: Client,
    pub namespace: String,
    pub workers: Api<Worker>,
    pub shelf: Shelf,
}

impl Cluster {
    /// A namespace of its own on the shared server. None if the tests were told to do without a server.
    pub async fn join(namespace: &str) -> Option<Self> {
        static DEFINED: OnceCell<()> = OnceCell::const_new();
        let server = ApiServer::shared_or_skip().await?;
        let client = server.client().await.unwrap();
        DEFINED.get_or_init(|| define(client.clone())).await;
        Some(Self::on(client, namespace).await)
    }

    /// A namespace of its own on the server of this client.
    pub async fn on(client: Client, namespace: &str) -> Self {
        if namespace != "default" {
            let metadata = ObjectMeta { name: Some(namespace.to_owned()), ..ObjectMeta::default() };
            let made = Namespace { metadata, ..Namespace::default() };
            Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &made).await.unwrap();
        }
        let workers = Api::namespaced(client.clone(), namespace);
        Self { client, namespace: namespace.to_owned(), workers, shelf: Shelf::default() }
    }

    pub fn store(&self) -> AnnotationStore {
        AnnotationStore::of::<Worker>(self.client.clone())
    }

    /// A controller in this process.
    pub fn reconciler(&self) -> WorkerReconciler {
        Reconciler::new(Provider::Here(self.shelf.clone()), self.store()).unwrap()
    }

    pub async fn create(&self, name: &str) -> Worker {
        let worker = Worker::new(name, WorkerSpec { image: "web:1".to_owned(), notes: None });
        self.workers.create(&PostParams::default(), &worker).await.unwrap()
    }

    /// A controller in this process whose requests pass `look` first, which may do something else before, or change them.
    pub fn reconciler_through<F, Fut>(&self, look: F) -> WorkerReconciler
    where
        F: Fn(Request<Vec<u8>>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Request<Vec<u8>>> + Send + 'static,
    {
        Reconciler::new(Provider::Here(self.shelf.clone()), self.store_through(look)).unwrap()
    }

    /// A store whose requests pass `look` first.
    pub fn store_through<F, Fut>(&self, look: F) -> AnnotationStore
    where
        F: Fn(Request<Vec<u8>>) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Request<Vec<u8>>> + Send + 'static,
    {
        let client = self.client.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (client, look) = (client.clone(), look.clone());
            async move {
                let (parts, body) = request.into_parts();
                let bytes = body.collect_bytes().await?.to_vec();
                let request = look(Request::from_parts(parts, bytes)).await;
                client.send(request.map(Body::from)).await.map_err(tower::BoxError::from)
            }
        });
        AnnotationStore::of::<Worker>(Client::new(service.boxed_clone(), self.namespace.clone()))
    }

    /// An object as a watch may have delivered it: its name is all that is used of it.
    pub fn named(&self, name: &str) -> Worker {
        let mut object = Worker::new(name, WorkerSpec::default());
        object.metadata.namespace = Some(self.namespace.clone());
        object
    }

    /// Reconciles one object until it is to be left alone for longer than the tests' retries.
    pub async fn settle<M: Runs<Provider, Resource = Worker>>(
        &self,
        reconciler: &Reconciler<Worker, M, Provider>,
        name: &str,
    ) -> Outcome<M::State> {
        let object = self.named(name);
        loop {
            let (_, outcome) = reconciler.pass(&object).await.unwrap();
            match outcome.requeue_after() {
                Some(after) if after < Duration::from_secs(30) => tokio::time::sleep(after).await,
                _ => return outcome,
            }
        }
    }

    /// As [`patch`](Self::patch), also while the server is being restarted.
    pub async fn patch_until_done(&self, name: &str, patch: serde_json::Value) -> Worker {
        let params = PatchParams { field_manager: Some("somebody".to_owned()), ..PatchParams::default() };
        loop {
            match self.workers.patch(name, &params, &Patch::Merge(patch.clone())).await {
                Ok(worker) => return worker,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Changes an object as another client would, without any precondition.
    pub async fn patch(&self, name: &str, patch: serde_json::Value) -> Worker {
        let params = PatchParams { field_manager: Some("somebody".to_owned()), ..PatchParams::default() };
        self.workers.patch(name, &params, &Patch::Merge(patch)).await.unwrap()
    }
}

/// Installs the definition and waits until it is served.
pub async fn define(client: Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let params = PatchParams::apply("tests").force();
    let definition = Worker::crd();
    let name = Worker::crd_name();
    definitions.patch(name, &params, &Patch::Apply(definition)).await.unwrap();
    let established = await_condition(definitions, name, conditions::is_crd_established());
    tokio::time::timeout(Duration::from_secs(60), established).await.unwrap().unwrap();
    // Established is said a moment before the first request succeeds.
    let workers: Api<Worker> = Api::namespaced(client, "default");
    let served = async {
        while workers.list(&kube::api::ListParams::default()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), served).await.unwrap();
}
