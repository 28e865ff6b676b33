//! Makes a Kubernetes object the resource of a machine.
//!
//! Invariant: uid and generation are those of the API server.

/// Implements `durable_fsm::Resource` for a kind that `kube::CustomResource` has derived.
///
/// ```
/// use kube::CustomResource;
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
/// #[kube(group = "example.io", version = "v1", kind = "Worker", namespaced)]
/// pub struct WorkerSpec {
///     pub image: String,
/// }
///
/// durable_fsm_kube::resource!(Worker, WorkerSpec);
/// ```
///
/// Objects of some built-in kinds have no `metadata.generation`. If a step of such an object is blocked, an edit of the spec does not end the block; the step is tried again when the block says so.
#[macro_export]
macro_rules! resource {
    ($kind:ty, $spec:ty) => {
        impl $crate::__private::Resource for $kind {
            type Spec = $spec;

            fn id(&self) -> $crate::__private::ResourceId {
                $crate::__private::id(&self.metadata)
            }

            fn uid(&self) -> &str {
                self.metadata.uid.as_deref().unwrap_or_default()
            }

            fn spec(&self) -> &$spec {
                &self.spec
            }

            fn generation(&self) -> u64 {
                $crate::__private::generation(&self.metadata)
            }

            fn deleting(&self) -> bool {
                self.metadata.deletion_timestamp.is_some()
            }
        }
    };
}

#[doc(hidden)]
pub mod private {
    pub use durable_fsm::{Resource, ResourceId};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    #[must_use]
    pub fn id(metadata: &ObjectMeta) -> ResourceId {
        ResourceId::new(metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
    }

    #[must_use]
    pub fn generation(metadata: &ObjectMeta) -> u64 {
        metadata.generation.and_then(|it| u64::try_from(it).ok()).unwrap_or_default()
    }
}
