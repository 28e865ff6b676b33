//! A server on a loopback port that can be taken down and brought up again, and the log of its calls.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tokio::net::TcpListener;
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

/// The calls to all servers, in order.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    /// The calls since this was asked last.
    #[must_use]
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn add(&self, call: Call) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
}

#[derive(Clone)]
struct Log {
    server: &'static str,
    calls: Calls,
}

async fn log(State(log): State<Log>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let response = next.run(request).await;
    log.calls.add(Call { server: log.server, method, path, status: response.status().as_u16() });
    response
}

/// A server on a loopback port.
pub struct Listener {
    address: SocketAddr,
    router: Router,
    task: Option<JoinHandle<()>>,
}

impl Listener {
    pub(super) async fn start(server: &'static str, calls: &Calls, router: Router) -> std::io::Result<Self> {
        let router = router.layer(from_fn_with_state(Log { server, calls: calls.clone() }, log));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut started = Self { address: listener.local_addr()?, router, task: None };
        started.serve(listener);
        Ok(started)
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes it down: connections are refused. What it knows, it keeps.
    pub async fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
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
        self.task = Some(tokio::spawn(async move {
            drop(axum::serve(listener, router).await);
        }));
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
