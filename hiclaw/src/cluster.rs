//! In a Kubernetes cluster: records in annotations, workers in pods, secrets in Secrets. Invariant: whatever a controller knows is in the
//! cluster, so that any number of replicas may run at once and none has to be the leader.

mod controller;
mod exchange;
mod human_object;
mod pods;
mod records;
mod secrets;
mod status;
mod team_object;
mod worker_object;
mod workforce;

pub use controller::{ClusterController, ClusterError};
pub use human_object::{HumanObject, HumanObjectSpec};
pub use pods::Pods;
pub use secrets::Secrets;
pub use status::ObjectStatus;
pub use team_object::{MemberSpec, TeamObject, TeamObjectSpec};
pub use worker_object::{WorkerObject, WorkerObjectSpec};
pub use workforce::{EMPLOYER, WorkerObjects};
