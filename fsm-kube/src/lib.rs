//! The Kubernetes side of `durable-fsm`: the record in an annotation of the resource itself, and the glue for a controller that many
//! replicas can run.

mod names;
mod refusal;
mod store;
mod verb;

pub use names::Names;
pub use refusal::ANNOTATIONS_LIMIT;
pub use store::{AnnotationStore, FIELD_MANAGER};
pub use verb::Verb;
