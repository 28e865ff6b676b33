use std::env;
use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Request};
use kube::Client;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use crate::audit::{AuditLog, Audited};
use crate::binaries::Binaries;
use crate::error::StartError;
use crate::kubeconfig;
use crate::pki::Pki;
use crate::ports::Ports;
use crate::program::{Folder, Program};

/// How long a server may take until it is ready. It takes 3 s on an idle machine; test runs share theirs.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);
const ADMIN: &str = "admin";

/// A Kubernetes API server for tests. Dropping it stops what was started and removes its data.
///
/// It can be shared by many tests, by reference, each on a runtime of its own; see [`ApiServer::shared`].
#[derive(Debug)]
pub struct ApiServer {
    kubeconfig: PathBuf,
    own: Option<Own>,
    /// Last, so that the programs are gone before their folder is removed.
    folder: Folder,
}

/// A server that was started here.
struct Own {
    running: Mutex<Option<Running>>,
    binaries: Binaries,
    ports: Ports,
    pki: Pki,
    audit: Option<AuditLog>,
}

#[derive(Debug)]
struct Running {
    // Dropped, and so killed, in this order.
    api_server: Program,
    etcd: Program,
}

/// The process ids of a server that was started here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Processes {
    /// The one of kube-apiserver.
    pub api_server: u32,
    /// The one of etcd.
    pub etcd: u32,
}

impl ApiServer {
    /// Finds or starts a server (see the [crate]) and waits until it is ready: its own health checks pass, the default roles
    /// exist, and so does the namespace `default`.
    ///
    /// Takes about 3 s; minutes when the programs have to be built first, which is told on standard error.
    ///
    /// # Errors
    /// [`StartError::NoServer`] where none can be had, and every other [`StartError`] when one does not start.
    pub async fn start() -> Result<Self, StartError> {
        Self::start_with(false).await
    }

    /// As [`ApiServer::start`], with an audit log of all requests, for [`ApiServer::requests_of`]. A server of `KUBECONFIG` has none.
    ///
    /// # Errors
    /// As for [`ApiServer::start`].
    pub async fn start_audited() -> Result<Self, StartError> {
        Self::start_with(true).await
    }

    /// [`ApiServer::start_audited`] for a test: nothing, and a loud line on standard error, if `DURABLE_FSM_SKIP_KUBE=1` is set or the server is
    /// that of `KUBECONFIG`.
    ///
    /// # Panics
    /// When no server can be had or it does not start, with a message that says why and what to do about it.
    pub async fn start_audited_or_skip() -> Option<Self> {
        if skipped() {
            return None;
        }
        let server = Self::start_audited().await.unwrap_or_else(|error| panic!("{}", explain(&error)));
        if server.own.is_none() {
            let _ =
                writeln!(std::io::stderr(), "SKIPPED: a test that reads the audit log of a server (KUBECONFIG is set)");
            return None;
        }
        Some(server)
    }

    async fn start_with(audited: bool) -> Result<Self, StartError> {
        let folder = Folder::create()?;
        let kubeconfig = folder.path().join("kubeconfig");
        if env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty()) {
            kubeconfig::write_given(&kubeconfig)?;
            let server = Self { folder, kubeconfig, own: None };
            server.wait_until_ready().await?;
            return Ok(server);
        }
        let binaries = tokio::task::spawn_blocking(Binaries::find)
            .await
            .map_err(|error| StartError::NoServer(error.to_string()))??;
        let pki = Pki::create(&folder.path().join("pki"))?;
        pki.client(ADMIN, ADMIN, Some("system:masters"))?;
        let audit = audited.then(|| AuditLog::create(folder.path())).transpose()?;
        let own = Own { running: Mutex::new(None), binaries, ports: Ports::pick()?, pki, audit };
        let mut server = Self { folder, kubeconfig, own: Some(own) };
        let mut tries = 1;
        loop {
            match server.start_once().await {
                Err(StartError::Died { log, .. }) if tries < 5 && log.contains("address already in use") => {
                    tries += 1;
                    server.pick_other_ports()?;
                }
                Err(error) => return Err(error),
                Ok(()) => return Ok(server),
            }
        }
    }

    /// [`ApiServer::start`] for a test: nothing, and a loud line on standard error, if `DURABLE_FSM_SKIP_KUBE=1` is set.
    ///
    /// # Panics
    /// When no server can be had or it does not start, with a message that says why and what to do about it.
    pub async fn start_or_skip() -> Option<Self> {
        if skipped() {
            return None;
        }
        Some(Self::start().await.unwrap_or_else(|error| panic!("{}", explain(&error))))
    }

    /// One server for all tests of this process, started by the first that asks. It ends with the process.
    ///
    /// # Errors
    /// As for [`ApiServer::start`]; the next caller tries again.
    pub async fn shared() -> Result<&'static Self, StartError> {
        static SHARED: OnceCell<ApiServer> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// [`ApiServer::shared`] for a test: nothing, and a loud line on standard error, if `DURABLE_FSM_SKIP_KUBE=1` is set.
    ///
    /// # Panics
    /// When no server can be had or it does not start, with a message that says why and what to do about it.
    pub async fn shared_or_skip() -> Option<&'static Self> {
        if skipped() {
            return None;
        }
        Some(Self::shared().await.unwrap_or_else(|error| panic!("{}", explain(&error))))
    }

    /// A client that may do everything. It belongs to the tokio runtime that it is made on.
    ///
    /// # Errors
    /// [`StartError::Kubeconfig`].
    pub async fn client(&self) -> Result<Client, StartError> {
        connect(self.config().await?)
    }

    /// A client that is this user, in these groups (and in `system:authenticated`), with only the rights that RBAC gives them.
    ///
    /// # Errors
    /// [`StartError::Kubeconfig`], also for a name that cannot be sent in an HTTP header.
    pub async fn client_as(&self, user: &str, groups: &[&str]) -> Result<Client, StartError> {
        let mut config = self.config().await?;
        let groups = groups.iter().map(|group| ("impersonate-group", *group));
        for (header, value) in std::iter::once(("impersonate-user", user)).chain(groups) {
            let value = HeaderValue::from_str(value).map_err(|error| StartError::Kubeconfig(error.into()))?;
            config.headers.push((HeaderName::from_static(header), value));
        }
        connect(config)
    }

    /// The client configuration of one that may do everything, to be changed before a client is made from it.
    ///
    /// # Errors
    /// [`StartError::Kubeconfig`].
    pub async fn config(&self) -> Result<kube::Config, StartError> {
        kubeconfig::load(&self.kubeconfig, self.own.is_some()).await
    }

    /// A kubeconfig, for a child process that may do everything: give it as `KUBECONFIG`. It lives as long as this value, and
    /// stays right across restarts.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A new kubeconfig, for a child process that is this user (in the group `system:authenticated` alone).
    ///
    /// # Errors
    /// [`StartError::NotOurs`] for a server that was not started here: a certificate must be signed for the user.
    pub fn kubeconfig_as(&self, user: &str) -> Result<PathBuf, StartError> {
        let own = self.own("make users for")?;
        let file = format!("user-{:016x}", fastrand::u64(..));
        own.pki.client(&file, user, None)?;
        let path = self.folder.path().join(format!("{file}.kubeconfig"));
        kubeconfig::write_own(&path, own.ports.api, &own.pki, &file)?;
        Ok(path)
    }

    /// A client that may do everything, and has this user agent.
    ///
    /// # Errors
    /// [`StartError::Kubeconfig`], also for a name that cannot be sent in an HTTP header.
    pub async fn client_named(&self, agent: &str) -> Result<Client, StartError> {
        let mut config = self.config().await?;
        let agent = HeaderValue::from_str(agent).map_err(|error| StartError::Kubeconfig(error.into()))?;
        config.headers.push((http::header::USER_AGENT, agent));
        connect(config)
    }

    /// The requests with this user agent so far, oldest first, from the audit log of a server that was started with
    /// [`ApiServer::start_audited`].
    ///
    /// # Errors
    /// [`StartError::NotOurs`] for a server without an audit log, and [`StartError::Io`].
    pub fn requests_of(&self, agent: &str) -> Result<Vec<Audited>, StartError> {
        let audit = self.own.as_ref().and_then(|own| own.audit.as_ref());
        audit.ok_or(StartError::NotOurs("read the audit log of"))?.requests_of(agent)
    }

    /// The process ids, if the server was started here and runs.
    #[must_use]
    pub fn processes(&self) -> Option<Processes> {
        let running = self.own.as_ref()?.running();
        running.as_ref().map(|it| Processes { api_server: it.api_server.pid(), etcd: it.etcd.pid() })
    }

    /// Kills kube-apiserver and etcd with SIGKILL and waits until both are gone. The data stay. Does nothing if they are gone.
    ///
    /// # Errors
    /// [`StartError::NotOurs`] for a server that was not started here.
    pub fn kill(&self) -> Result<(), StartError> {
        let running = self.own("kill")?.running().take();
        drop(running);
        Ok(())
    }

    /// Starts kube-apiserver and etcd again, with the same ports, certificates and data, and waits until they are ready. Kills
    /// them first if they run.
    ///
    /// # Errors
    /// [`StartError::NotOurs`] for a server that was not started here; otherwise as for [`ApiServer::start`].
    pub async fn restart(&self) -> Result<(), StartError> {
        self.kill()?;
        let started = Instant::now();
        loop {
            match self.start_once().await {
                // The ports are known to others by now, so they are waited for.
                Err(StartError::Died { log, .. })
                    if log.contains("address already in use") && started.elapsed() < PATIENCE =>
                {
                    sleep(POLL).await;
                }
                other => return other,
            }
        }
    }

    /// [`ApiServer::kill`], then [`ApiServer::restart`]: a crash of the whole cluster's storage.
    ///
    /// # Errors
    /// As for both.
    pub async fn kill_and_restart(&self) -> Result<(), StartError> {
        self.restart().await
    }

    fn own(&self, purpose: &'static str) -> Result<&Own, StartError> {
        self.own.as_ref().ok_or(StartError::NotOurs(purpose))
    }

    fn pick_other_ports(&mut self) -> Result<(), StartError> {
        if let Some(own) = &mut self.own {
            own.ports = Ports::pick()?;
        }
        Ok(())
    }

    /// Starts both programs and waits for them. Whatever was started is killed if that fails.
    async fn start_once(&self) -> Result<(), StartError> {
        let own = self.own("start")?;
        kubeconfig::write_own(&self.kubeconfig, own.ports.api, &own.pki, ADMIN)?;
        let mut etcd = own.start_etcd(self.folder.path())?;
        let etcd_listens =
            || async { TcpStream::connect(("127.0.0.1", own.ports.etcd)).await.map_err(|error| error.to_string()) };
        wait_for("etcd listens", self.folder.path(), &mut [&mut etcd], etcd_listens).await?;
        let mut api_server = own.start_api_server(self.folder.path())?;
        let client = self.client().await?;
        let ready = || async { ready(&client).await.map_err(|error| error.to_string()) };
        wait_for("the server is ready", self.folder.path(), &mut [&mut api_server, &mut etcd], ready).await?;
        *own.running() = Some(Running { api_server, etcd });
        Ok(())
    }

    async fn wait_until_ready(&self) -> Result<(), StartError> {
        let client = self.client().await?;
        let ready = || async { ready(&client).await.map_err(|error| error.to_string()) };
        wait_for("the server is ready", self.folder.path(), &mut [], ready).await
    }
}

impl Own {
    fn running(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_etcd(&self, folder: &Path) -> Result<Program, StartError> {
        let client = format!("http://127.0.0.1:{}", self.ports.etcd);
        let peer = format!("http://127.0.0.1:{}", self.ports.etcd_peer);
        let mut command = Command::new(&self.binaries.etcd);
        command.arg("--data-dir").arg(folder.join("etcd"));
        command.args(["--name=test", "--quota-backend-bytes=8589934592"]);
        command.args([format!("--listen-client-urls={client}"), format!("--advertise-client-urls={client}")]);
        command.args([format!("--listen-peer-urls={peer}"), format!("--initial-advertise-peer-urls={peer}")]);
        command.arg(format!("--initial-cluster=test={peer}"));
        Program::start("etcd", command, &folder.join("etcd.log"))
    }

    fn start_api_server(&self, folder: &Path) -> Result<Program, StartError> {
        let mut command = Command::new(&self.binaries.api_server);
        let file = |flag: &str, file: &str| format!("--{flag}={}", self.pki.path(file).display());
        command.args([
            format!("--etcd-servers=http://127.0.0.1:{}", self.ports.etcd),
            format!("--secure-port={}", self.ports.api),
        ]);
        command.args([
            file("tls-cert-file", "server.crt"),
            file("tls-private-key-file", "server.key"),
            file("client-ca-file", "ca.crt"),
        ]);
        command.args([file("service-account-key-file", "sa.pub"), file("service-account-signing-key-file", "sa.key")]);
        command.args([
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--service-cluster-ip-range=10.0.0.0/24",
        ]);
        command.args(["--service-account-issuer=https://kubernetes.default.svc", "--authorization-mode=RBAC"]);
        // No controller makes service accounts, and pods are wanted all the same.
        command.arg("--disable-admission-plugins=ServiceAccount");
        command.args(self.audit.iter().flat_map(AuditLog::arguments));
        Program::start("kube-apiserver", command, &folder.join("kube-apiserver.log"))
    }
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Own").field("ports", &self.ports).field("running", &*self.running()).finish_non_exhaustive()
    }
}

fn connect(config: kube::Config) -> Result<Client, StartError> {
    Client::try_from(config).map_err(|error| StartError::Kubeconfig(error.into()))
}

async fn ready(client: &Client) -> Result<(), kube::Error> {
    for path in ["/readyz", "/api/v1/namespaces/default"] {
        let request = Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
        client.request_text(request).await?;
    }
    Ok(())
}

/// Asks until the answer is yes, or a program has died, or patience ends.
async fn wait_for<F, T>(
    what: &str,
    folder: &Path,
    programs: &mut [&mut Program],
    ask: impl Fn() -> F,
) -> Result<(), StartError>
where
    F: Future<Output = Result<T, String>>,
{
    let deadline = Instant::now() + PATIENCE;
    let mut last = format!("never asked whether {what}");
    while Instant::now() < deadline {
        let answer = tokio::time::timeout_at(deadline, ask()).await;
        for program in programs.iter_mut() {
            program.check()?;
        }
        match answer {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => last = error,
            Err(_) => last = format!("no answer whether {what}"),
        }
        sleep(POLL).await;
    }
    let log = programs.iter().map(|program| program.log()).collect::<Vec<_>>().join("\n");
    Err(StartError::NotReady { seconds: PATIENCE.as_secs(), last, folder: folder.to_owned(), log })
}

fn skipped() -> bool {
    let skip = env::var_os("DURABLE_FSM_SKIP_KUBE").is_some_and(|value| value == "1");
    if skip {
        // Not `eprintln!`, which the test harness hides for tests that pass.
        let _ =
            writeln!(std::io::stderr(), "SKIPPED: a test that needs a Kubernetes API server (DURABLE_FSM_SKIP_KUBE=1)");
    }
    skip
}

/// The error with its causes.
fn explain(error: &StartError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
