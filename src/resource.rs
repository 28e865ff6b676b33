//! What the library needs to know of a resource. Invariant: keys and owner tags derive from the uid that the resource had when its
//! record was born, never from its name.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

use crate::canonical;

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
    /// What its author wants. The spec is stored in the intent of every attempt, so that a repeat sends what the first attempt
    /// sent. It must not contain secrets.
    type Spec: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Its namespace and name.
    fn id(&self) -> ResourceId;

    /// Its uid. A resource that is created again under the same name has another uid.
    fn uid(&self) -> &str;

    /// Its spec.
    fn spec(&self) -> &Self::Spec;

    /// A number that changes when the spec changes, such as `metadata.generation`. A change of this number releases a blocked
    /// resource. The default is a hash of the spec's canonical form, so equal specs have equal numbers, even if they contain maps or sets
    /// without an order. A spec that cannot be recorded has 0. Its first effect is refused with the reason.
    ///
    /// If the store knows the resource's generation ([`Signals::generation`](crate::Signals)), return that number or keep the default. A pass that is given a
    /// resource with a lower generation than the store's does nothing.
    fn generation(&self) -> u64 {
        canonical::form(self.spec()).map_or(0, |form| canonical::digest(&form))
    }

    /// Whether it is to be deleted. Once the record says so, this is not asked again.
    fn deleting(&self) -> bool {
        false
    }

    /// Why the resource must not be deleted now. None allows the deletion, and is the default.
    ///
    /// While this returns a reason, a deletion does not begin. The resource is provisioned as before, and the outcome says why the deletion is refused
    /// ([`BlockedReason::DeletionRefused`](crate::record::BlockedReason::DeletionRefused)). Once a deletion has begun, this is not asked again. Before the first record is
    /// written, nothing is protected. All machines on one resource get the same answer.
    fn keeps(&self) -> Option<String> {
        None
    }
}

/// Namespace and name of a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    /// The namespace. It is empty for a resource without one.
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

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[derive(Clone)]
    struct Site(HashMap<String, HashSet<u32>>);

    impl Resource for Site {
        type Spec = HashMap<String, HashSet<u32>>;
        fn id(&self) -> ResourceId {
            ResourceId::new("", "site")
        }
        fn uid(&self) -> &str {
            "uid-1"
        }
        fn spec(&self) -> &Self::Spec {
            &self.0
        }
    }

    /// Each map and set has an order of its own, also where they are equal.
    #[test]
    fn equal_specs_have_the_same_generation() {
        let site = |ports: u32| Site((0..20).map(|host| (host.to_string(), (0..ports).collect())).collect());
        let generations: HashSet<u64> = (0..8).map(|_| site(20).generation()).collect();
        assert_eq!(generations.len(), 1);
        assert!(!generations.contains(&site(21).generation()));
        assert!(!generations.contains(&0));
    }
}
