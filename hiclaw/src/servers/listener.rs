//! A server on a loopback port that can be taken down and brought up again, and the log of its calls.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// One call that a server has seen.
#[derive(Debug, Clone)]
pub struct Call {
    /// The server.
    pub server: &'static str,
    /// The method.
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
}

/// The calls to all servers, in order, the replies that are to be lost, and the calls that are to be refused.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    calls: Vec<Call>,
    to_lose: Vec<(&'static str, String)>,
    to_refuse: Vec<(&'static str, String)>,
}

/// Whether this call is in the list; then it is taken out.
fn taken(list: &mut Vec<(&'static str, String)>, method: &str, path: &str) -> bool {
    let found = list.iter().position(|(its, part)| *its == method && path.contains(part.as_str()));
    found.map(|index| list.remove(index)).is_some()
}

impl Calls {
    /// The calls since this was asked last.
    #[must_use]
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.log().calls)
    }

    /// Lets the next successful call with this method and a path that contains this happen, and loses its reply: the caller is told that a
    /// gateway has given up.
    pub fn lose_reply(&self, method: &'static str, path: &str) {
        self.log().to_lose.push((method, path.to_owned()));
    }

    /// How many replies are still to be lost.
    #[must_use]
    pub fn to_lose(&self) -> usize {
        self.log().to_lose.len()
    }

    /// Answers the next call with this method and a path that contains this with 403. The server does not see it.
    pub fn refuse(&self, method: &'static str, path: &str) {
        self.log().to_refuse.push((method, path.to_owned()));
    }

    /// How many calls are still to be refused.
    #[must_use]
    pub fn to_refuse(&self) -> usize {
        self.log().to_refuse.len()
    }

    pub(super) fn add(&self, call: Call) {
        self.log().calls.push(call);
    }

    fn loses(&self, method: &str, path: &str) -> bool {
        taken(&mut self.log().to_lose, method, path)
    }

    fn refuses(&self, method: &str, path: &str) -> bool {
        taken(&mut self.log().to_refuse, method, path)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone)]
struct Listening {
    server: &'static str,
    calls: Calls,
}

async fn log(State(at): State<Listening>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let mut response = match at.calls.refuses(&method, &path) {
        true => (StatusCode::FORBIDDEN, "the server's policy forbids it").into_response(),
        false => next.run(request).await,
    };
    if response.status().is_success() && at.calls.loses(&method, &path) {
        response = (StatusCode::GATEWAY_TIMEOUT, "the upstream's answer did not come").into_response();
    }
    at.calls.add(Call { server: at.server, method, path, status: response.status().as_u16() });
    response
}

/// A server on a loopback port.
pub struct Listener {
    address: SocketAddr,
    router: Router,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Listener {
    pub(super) async fn start(server: &'static str, calls: &Calls, router: Router) -> std::io::Result<Self> {
        let router = router.layer(from_fn_with_state(Listening { server, calls: calls.clone() }, log));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut started = Self { address: listener.local_addr()?, router, running: None };
        started.serve(listener);
        Ok(started)
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes it down: connections are closed, and new ones refused. What it knows, it keeps.
    pub async fn stop(&mut self) {
        if let Some((stop, task)) = self.running.take() {
            drop(stop);
            // The port is free only when the task has let go of it.
            drop(task.await);
        }
    }

    /// Brings it up again, on the same port.
    ///
    /// # Errors
    /// The port was taken meanwhile.
    pub async fn resume(&mut self) -> std::io::Result<()> {
        let listener = TcpListener::bind(self.address).await?;
        self.serve(listener);
        Ok(())
    }

    fn serve(&mut self, listener: TcpListener) {
        let router = self.router.clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = axum::serve(listener, router).with_graceful_shutdown(async move { drop(stopped.await) });
        self.running = Some((stop, tokio::spawn(async move { drop(serving.await) })));
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some((_, task)) = &self.running {
            task.abort();
        }
    }
}
