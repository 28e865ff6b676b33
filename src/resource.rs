//! What the library needs to know of a resource. Invariant: everything that is derived for ever (keys, owner tags) derives
//! from the uid that the resource had when its record was born, never from its name.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

/// The object that a machine provisions for: a custom resource, or any value with a name, a uid and a spec.
///
/// ```
/// use durable_fsm::{Resource, ResourceId};
///
/// #[derive(Clone)]
/// struct Worker { name: String, uid: String, spec: WorkerSpec }
///
/// #[derive(Clone, serde::Serialize, serde::Deserialize)]
/// struct WorkerSpec { image: String }
///
/// impl Resource for Worker {
///     type Spec = WorkerSpec;
///     fn id(&self) -> ResourceId { ResourceId::new("default", &self.name) }
///     fn uid(&self) -> &str { &self.uid }
///     fn spec(&self) -> &WorkerSpec { &self.spec }
/// }
/// ```
pub trait Resource: Clone + Send + Sync + 'static {
    /// What its author wants. It is stored in the intent of every attempt, so that a repeat sends what the first attempt
    /// sent; it must not contain secrets.
    type Spec: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Its namespace and name.
    fn id(&self) -> ResourceId;

    /// Its uid: different for two resources of one name that lived one after the other.
    fn uid(&self) -> &str;

    /// Its spec.
    fn spec(&self) -> &Self::Spec;

    /// A number that changes when the spec changes, such as `metadata.generation`. A blocked resource is released when
    /// it changes. By default a hash of the spec.
    ///
    /// Where the store knows the resource's generation ([`Signals::generation`](crate::Signals)), it is that one or the default: a pass for a resource
    /// whose generation is lower than the store's is for one that is out of date, and does nothing.
    fn generation(&self) -> u64 {
        let json = serde_json::to_vec(self.spec()).unwrap_or_default();
        let hash = blake3::hash(&json);
        hash.as_bytes()[..8].iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    /// Whether it is to be deleted. Once a record says so, it is not asked again.
    fn deleting(&self) -> bool {
        false
    }
}

/// Namespace and name of a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    /// The namespace; empty for a resource without one.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl ResourceId {
    /// The id of the resource `name` in `namespace`.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}
