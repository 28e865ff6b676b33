#![doc = include_str!("../README.md")]

mod claim;
mod classify;
mod conditions;
mod definition;
mod graphs;
mod managed_fields;
mod memory;
mod names;
mod object;
mod pass_store;
mod predicate;
mod publication;
mod reconciler;
mod refusal;
mod request;
mod resource;
mod status;
mod stop;
mod store;
mod verb;

/// The same for all controllers, with Kubernetes or without.
pub use durable_fsm::{Phase, RUNBOOK, Reason, metrics::Metrics};

pub use classify::classify;
pub use definition::DefinitionError;
pub use graphs::{KeptError, KeptMachine};
pub use managed_fields::strip_managed_fields;
pub use names::Names;
pub use predicate::predicate;
pub use reconciler::{Reconciler, Runs};
pub use refusal::ANNOTATIONS_LIMIT;
pub use request::{ResolveOutcome, ResolveRequest};
pub use status::FsmStatus;
pub use stop::stopped_before_it_began;
pub use store::{AnnotationStore, FIELD_MANAGER};
pub use verb::Verb;

/// What the macros of this crate name. Nothing here is covered by semantic versioning.
#[doc(hidden)]
pub use resource::private as __private;
