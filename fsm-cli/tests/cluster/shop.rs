//! A namespace of a real API server, its controller, and `fsm` as a process.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use durable_fsm_kube::{AnnotationStore, Reconciler};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::{Controller, watcher};
use kube::{Api, Client, CustomResourceExt as _};
use kube_api_server::ApiServer;
use tokio::process::Command;
use tokio::sync::{OnceCell, oneshot};
use tokio::task::JoinHandle;

use crate::order::{Bank, Order, OrderFlow, OrderSpec};

/// Where the controllers keep their graphs.
pub(crate) const CONTROLLERS: &str = "default";

pub(crate) type OrderReconciler = Reconciler<Order, OrderFlow, Bank>;

pub(crate) struct Shop {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) orders: Api<Order>,
    pub(crate) bank: Bank,
    kubeconfig: PathBuf,
    /// Where `kubectl-fsm` is.
    plugin: tempfile::TempDir,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// What a command has said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    #[track_caller]
    pub(crate) fn fine(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }
}

impl Shop {
    /// A namespace of its own, with a controller. None if the tests were told to do without a server.
    pub(crate) async fn open(namespace: &str) -> Option<Self> {
        static DEFINED: OnceCell<()> = OnceCell::const_new();
        let server = ApiServer::shared_or_skip().await?;
        let client = server.client().await.unwrap();
        DEFINED.get_or_init(|| define(client.clone())).await;
        let metadata = ObjectMeta { name: Some(namespace.to_owned()), ..ObjectMeta::default() };
        let made = Namespace { metadata, ..Namespace::default() };
        Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &made).await.unwrap();
        let plugin = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_fsm"), plugin.path().join("kubectl-fsm")).unwrap();
        let mut shop = Self {
            orders: Api::namespaced(client.clone(), namespace),
            client,
            namespace: namespace.to_owned(),
            bank: Bank::default(),
            kubeconfig: server.kubeconfig().to_owned(),
            plugin,
            running: None,
        };
        shop.reconciler().keep_graph(CONTROLLERS).await.unwrap();
        shop.start();
        Some(shop)
    }

    pub(crate) fn reconciler(&self) -> OrderReconciler {
        Reconciler::new(self.bank.clone(), AnnotationStore::of::<Order>(self.client.clone())).unwrap()
    }

    /// Starts the controller.
    pub(crate) fn start(&mut self) {
        let (stop, stopped) = oneshot::channel::<()>();
        let controller = Controller::new(self.orders.clone(), watcher::Config::default())
            .graceful_shutdown_on(async move { drop(stopped.await) })
            .run(OrderReconciler::reconcile, OrderReconciler::error_policy, Arc::new(self.reconciler()))
            .for_each(|_| std::future::ready(()));
        self.running = Some((stop, tokio::spawn(controller)));
    }

    /// Stops the controller.
    pub(crate) async fn stop(&mut self) {
        let (stop, controller) = self.running.take().unwrap();
        drop(stop);
        controller.await.unwrap();
    }

    pub(crate) async fn order(&self, name: &str) {
        self.orders.create(&PostParams::default(), &Order::new(name, OrderSpec { cents: 500 })).await.unwrap();
    }

    pub(crate) async fn patch(&self, name: &str, patch: serde_json::Value) {
        self.orders.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// Waits until the order is in this phase, for this reason.
    pub(crate) async fn is(&self, name: &str, phase: &'static str, reason: &'static str) {
        let is_so = move |order: Option<&Order>| {
            let fsm = order.and_then(|order| order.status.as_ref()?.fsm.as_ref());
            fsm.is_some_and(|fsm| fsm.phase.as_deref() == Some(phase) && fsm.reason.as_deref() == Some(reason))
        };
        let reached = await_condition(self.orders.clone(), name, is_so);
        if tokio::time::timeout(Duration::from_secs(60), reached).await.is_err() {
            panic!("{name} is not {phase} for {reason}: {:?}", self.orders.get(name).await.unwrap().status);
        }
    }

    /// Runs `fsm --cluster` with these words, in this namespace.
    pub(crate) async fn fsm(&self, words: &[&str]) -> Said {
        let words = [&["--cluster", "-n", &self.namespace, "--controllers", CONTROLLERS], words].concat();
        self.run(Path::new(env!("CARGO_BIN_EXE_fsm")), &words).await
    }

    /// Runs the command under the name of a plugin of `kubectl`.
    pub(crate) async fn kubectl_fsm(&self, words: &[&str]) -> Said {
        self.run(&self.plugin.path().join("kubectl-fsm"), words).await
    }

    async fn run(&self, program: &Path, words: &[&str]) -> Said {
        let mut command = Command::new(program);
        command.args(words).env("KUBECONFIG", &self.kubeconfig).env("LANG", "C.UTF-8").kill_on_drop(true);
        for other in ["FSM_DIR", "FSM_GRAPH", "FSM_CONTROLLERS", "NO_COLOR", "COLUMNS", "LC_ALL", "LC_CTYPE"] {
            command.env_remove(other);
        }
        let Output { status, stdout, stderr } = command.stdin(std::process::Stdio::null()).output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
    }

    /// Runs the command that `fsm show` prints for what begins with this.
    pub(crate) async fn remedy(&self, name: &str, what: &str) -> Said {
        let shown: serde_json::Value = serde_json::from_str(&self.fsm(&["--json", "show", name]).await.fine()).unwrap();
        let remedies = shown["remedies"].as_array().unwrap();
        let found = remedies.iter().find(|it| it["what"].as_str().unwrap().starts_with(what));
        let command = found.unwrap_or_else(|| panic!("{remedies:?}"))["command"].as_str().unwrap();
        let words = shlex::split(command).unwrap();
        assert_eq!(words[0], "fsm", "{command}");
        let words: Vec<&str> = words[1..].iter().map(String::as_str).chain(["--yes"]).collect();
        self.run(Path::new(env!("CARGO_BIN_EXE_fsm")), &words).await
    }
}

async fn define(client: Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.create(&PostParams::default(), &Order::crd()).await.unwrap();
    let established = await_condition(definitions, Order::crd_name(), conditions::is_crd_established());
    tokio::time::timeout(Duration::from_secs(60), established).await.unwrap().unwrap();
    // Established is said a moment before the first request succeeds.
    let orders: Api<Order> = Api::namespaced(client, "default");
    let served = async {
        while orders.list(&kube::api::ListParams::default()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), served).await.unwrap();
}
