//! A namespace on the API server of this test process, with stand-ins for the other servers, and controllers that are the manifests' service
//! account.

use std::net::SocketAddr;
use std::time::Duration;

use hiclaw::clients::Clients;
use hiclaw::cluster::{ClusterController, WorkerObject, WorkerObjectSpec};
use hiclaw::inventory::Inventory;
use hiclaw::kind::Kind;
use hiclaw::office::Office;
use hiclaw::post::{Post, SmtpTls};
use hiclaw::servers::World;
use hiclaw::worker::Worker;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client};
use kube_api_server::ApiServer;
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinHandle;

const ACCOUNT: &str = "system:serviceaccount:hiclaw-system:hiclaw-controller";

pub struct Stage {
    pub admin: Client,
    pub namespace: String,
    pub workers: Api<WorkerObject>,
    account: Client,
    pub world: World,
    pub clients: Clients,
}

impl Stage {
    /// None if the tests were told to do without a server.
    pub async fn start(namespace: &str) -> Option<Self> {
        Self::start_as(namespace, ACCOUNT).await
    }

    /// With controllers that are this account.
    pub async fn start_as(namespace: &str, account: &str) -> Option<Self> {
        static APPLIED: OnceCell<()> = OnceCell::const_new();
        let server = ApiServer::shared_or_skip().await?;
        let admin = server.client().await.unwrap();
        APPLIED.get_or_init(|| apply_all(admin.clone())).await;
        let account = server.client_as(account, &["system:serviceaccounts"]).await.unwrap();
        let object = Namespace {
            metadata: ObjectMeta { name: Some(namespace.to_owned()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        Api::all(admin.clone()).create(&PostParams::default(), &object).await.unwrap();
        let world = World::start().await.unwrap();
        let clients = Clients::new(&world.urls(), Duration::from_secs(5)).unwrap();
        let workers = Api::namespaced(admin.clone(), namespace);
        Some(Self { admin, namespace: namespace.to_owned(), workers, account, world, clients })
    }

    /// This many replicas, for the workers of this namespace.
    pub fn controllers(&self, count: usize) -> Controllers {
        let (stop, _) = watch::channel(false);
        let mut controllers = Controllers { stop, running: Vec::new(), addresses: Vec::new() };
        for _ in 0..count {
            let address = free_address();
            let controller = ClusterController {
                urls: self.world.urls(),
                namespace: "hiclaw-system".to_owned(),
                resources_in: Some(self.namespace.clone()),
                serve: address,
                concurrency: 4,
                post: Post {
                    smtp: self.world.mail.address().to_string(),
                    smtp_tls: SmtpTls::None,
                    smtp_ca: None,
                    smtp_user: None,
                    smtp_password: None,
                    mail_from: "hiclaw@hiclaw.test".to_owned(),
                },
                office: Office::default(),
            };
            let mut stopped = controllers.stop.subscribe();
            let stop = async move { drop(stopped.wait_for(|stop| *stop).await) };
            let client = self.account.clone();
            controllers.running.push(tokio::spawn(async move { controller.run_until(client, stop).await.unwrap() }));
            controllers.addresses.push(address);
        }
        controllers
    }

    pub async fn create(&self, name: &str, image: &str) {
        let skills = ["search".to_owned(), "mail".to_owned()].into();
        let spec = WorkerObjectSpec { image: image.to_owned(), model: "qwen".to_owned(), skills };
        self.workers.create(&PostParams::default(), &WorkerObject::new(name, spec)).await.unwrap();
    }

    /// Waits until the worker's state or reason is this.
    pub async fn until(&self, name: &str, word: &str) -> WorkerObject {
        let word = word.to_owned();
        let is_there = move |object: Option<&WorkerObject>| {
            let fsm = object.and_then(|it| it.status.as_ref()?.fsm.as_ref());
            fsm.is_some_and(|it| {
                it.reason.as_deref() == Some(&word)
                    || (it.state.as_deref() == Some(&word) && it.reason.as_deref() == Some("AsDeclared"))
            })
        };
        await_condition(self.workers.clone(), name, is_there).await.unwrap().unwrap()
    }

    /// Waits until there is no worker of this name.
    pub async fn until_gone(&self, name: &str) {
        until_gone(&self.workers, name).await;
    }

    /// The objects of another kind in this namespace.
    pub fn objects<K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>>(&self) -> Api<K> {
        Api::namespaced(self.admin.clone(), &self.namespace)
    }

    /// Waits until the worker's pod is like this.
    pub async fn until_pod(&self, pods: &Api<Pod>, is_right: impl Fn(&Pod) -> bool) {
        let is_right = move |pod: Option<&Pod>| pod.is_some_and(&is_right);
        await_condition(pods.clone(), "hiclaw-worker-alice", is_right).await.unwrap();
    }

    /// What the other servers have for a worker.
    pub async fn inventory(&self, name: &str) -> Inventory {
        let spec = WorkerObjectSpec { image: String::new(), model: String::new(), skills: [].into() };
        let mut object = WorkerObject::new(name, spec);
        object.metadata.namespace = Some(self.namespace.clone());
        Inventory::ask(&self.clients, &Worker::from(object)).await.unwrap()
    }
}

pub struct Controllers {
    stop: watch::Sender<bool>,
    running: Vec<JoinHandle<()>>,
    addresses: Vec<SocketAddr>,
}

impl Controllers {
    /// Tells all to stop and waits until they have.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for running in self.running {
            running.await.unwrap();
        }
    }

    /// Waits until the first controller serves its health.
    pub async fn until_healthy(&self) {
        let url = format!("http://{}/healthz", self.addresses[0]);
        let asked = async {
            while reqwest::get(&url).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), asked).await.unwrap();
    }

    /// What the first controller tells there.
    pub async fn get(&self, path: &str) -> String {
        reqwest::get(format!("http://{}{path}", self.addresses[0])).await.unwrap().text().await.unwrap()
    }
}

/// Waits until there is no object of this name.
pub async fn until_gone<K>(api: &Api<K>, name: &str)
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static,
{
    let uid = match api.get_opt(name).await.unwrap() {
        None => return,
        Some(object) => object.meta().uid.clone().unwrap(),
    };
    await_condition(api.clone(), name, conditions::is_deleted(&uid)).await.unwrap();
}

/// An address on which no server listened a moment ago.
fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Applies all manifests that this server knows: it is older than admission policies, and has no operator for scraping and alerts.
async fn apply_all(admin: Client) {
    for name in ["worker-crd.yaml", "team-crd.yaml", "human-crd.yaml", "rbac.yaml", "deployment.yaml", "service.yaml"] {
        let path = format!("{}/manifests/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let objects: Vec<DynamicObject> = serde_saphyr::from_multiple(&text).unwrap();
        for object in objects {
            let types = object.types.clone().unwrap();
            let kind = kube::core::GroupVersionKind::try_from(&types).unwrap();
            let (resource, _) = kube::discovery::pinned_kind(&admin, &kind).await.unwrap();
            let api: Api<DynamicObject> = match &object.metadata.namespace {
                Some(namespace) => Api::namespaced_with(admin.clone(), namespace, &resource),
                None => Api::all_with(admin.clone(), &resource),
            };
            let params = PatchParams::apply("tests").force();
            let name = object.metadata.name.clone().unwrap();
            api.patch(&name, &params, &Patch::Apply(object)).await.unwrap();
        }
    }
    let definitions: Api<CustomResourceDefinition> = Api::all(admin);
    for kind in Kind::ALL {
        let name = format!("{}.hiclaw.io", kind.directory());
        await_condition(definitions.clone(), &name, conditions::is_crd_established()).await.unwrap();
    }
}
