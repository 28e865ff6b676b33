//! In a Kubernetes cluster: records in annotations, workers in pods, secrets in Secrets. Invariant: whatever a controller knows is in the
//! cluster, so that any number of replicas may run at once and none has to be the leader.

mod controller;
mod kind;
mod pods;
mod secrets;
mod serving;

pub use controller::{ClusterController, ClusterError};
pub use kind::{WorkerObject, WorkerObjectSpec, WorkerStatus};
pub use pods::Pods;
pub use secrets::Secrets;
