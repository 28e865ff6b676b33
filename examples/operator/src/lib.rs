//! An operator as a crate of its own. Each file has one subject, so each can be replaced by yours:
//!
//! | file | what it has |
//! |---|---|
//! | `project.rs` | the custom resource |
//! | `machine.rs` | the machine |
//! | `provision.rs` | what each transition does, and what it needs from outside |
//! | `cloud.rs` | the client of the cloud, over HTTP |
//! | `access.rs` | the Secret in which a project finds its access key |
//! | `controller.rs` | the watch, the number of passes at once, the stop on SIGTERM |
//! | `serving.rs` | health and metrics |
//! | `trial_cloud.rs` | a cloud to try it on. You have a real one |

mod access;
mod cloud;
mod controller;
mod machine;
mod project;
mod provision;
mod serving;
pub mod trial_cloud;

pub use access::Secrets;
pub use cloud::Cloud;
pub use controller::{Controller, ControllerError};
pub use machine::*;
pub use project::{Project, ProjectSpec, ProjectStatus, definition};
pub use provision::{Access, Provider, ProviderError, Provisioner};
