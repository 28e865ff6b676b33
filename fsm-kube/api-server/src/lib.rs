//! A real Kubernetes API server (kube-apiserver and etcd) for tests.
//!
//! ```no_run
//! # async fn test() -> Result<(), Box<dyn std::error::Error>> {
//! let server = kube_api_server::ApiServer::start().await?;
//! let client = server.client().await?;
//! server.kill_and_restart().await?; // whatever was acknowledged is still there
//! # Ok(())
//! # }
//! ```
//!
//! Which server, in this order:
//!
//! | set in the environment | server |
//! |---|---|
//! | `KUBECONFIG` | that one; nothing is started |
//! | `KUBEBUILDER_ASSETS` | started from the `etcd` and `kube-apiserver` in that folder |
//! | neither | started from the cache folder, `DURABLE_FSM_KUBE_CACHE` or `$XDG_CACHE_HOME/durable-fsm` or `~/.cache/durable-fsm`; built into it, once, by `build.sh`, on a Debian machine |
//!
//! `DURABLE_FSM_SKIP_KUBE=1` makes [`ApiServer::start_or_skip`] and [`ApiServer::shared_or_skip`] return nothing, loudly.
//!
//! A started server listens on 127.0.0.1, needs about 3 s and 400 MB, and ends with the process that started it, also when that
//! is killed. There is no kubelet and no controller behind it: nothing runs pods and nothing collects what has lost its owner.
//! The server that `build.sh` builds is Kubernetes 1.20, which has no streaming lists.
//!
//! Everything here waits in real time; do not call it on a runtime whose time is paused.

mod audit;
mod binaries;
mod error;
mod kubeconfig;
mod pki;
mod ports;
mod program;
mod server;

pub use audit::Audited;
pub use error::StartError;
pub use server::{ApiServer, Processes};
