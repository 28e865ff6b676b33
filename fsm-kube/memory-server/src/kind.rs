use std::fmt;
use std::sync::Arc;

use kube::core::{ApiResource, ClusterResourceScope, NamespaceResourceScope, Resource};
use serde_json::Value;

/// Why a validator does not accept an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The field, such as `spec.size`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl Invalid {
    /// What is wrong with a field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

pub(crate) type Validator = Arc<dyn Fn(&Value) -> Result<(), Invalid> + Send + Sync>;

/// A kind of object that a server keeps.
#[derive(Clone)]
pub struct Kind {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) is_namespaced: bool,
    pub(crate) has_status: bool,
    pub(crate) has_generation: bool,
    pub(crate) validator: Option<Validator>,
}

impl Kind {
    /// A kind in namespaces, with a generation and a status subresource; the group is empty for the core group.
    pub fn new(
        group: impl Into<String>,
        version: impl Into<String>,
        kind: impl Into<String>,
        plural: impl Into<String>,
    ) -> Self {
        Self {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            plural: plural.into(),
            is_namespaced: true,
            has_status: true,
            has_generation: true,
            validator: None,
        }
    }

    /// The kind of a Rust type whose objects are in namespaces, with a generation and a status subresource.
    #[must_use]
    pub fn of<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>() -> Self {
        Self::new(K::group(&()), K::version(&()), K::kind(&()), K::plural(&()))
    }

    /// The kind of a Rust type whose objects are outside namespaces, with a generation and a status subresource.
    #[must_use]
    pub fn of_cluster<K: Resource<DynamicType = (), Scope = ClusterResourceScope>>() -> Self {
        Self::new(K::group(&()), K::version(&()), K::kind(&()), K::plural(&())).cluster_scoped()
    }

    /// The same kind, outside namespaces.
    #[must_use]
    pub fn cluster_scoped(mut self) -> Self {
        self.is_namespaced = false;
        self
    }

    /// The same kind without a status subresource: `status` is a field as any other.
    #[must_use]
    pub fn without_status(mut self) -> Self {
        self.has_status = false;
        self
    }

    /// The same kind without `metadata.generation`, as many built-in kinds are: `Secret`, `ConfigMap`, `Lease`, `Event`.
    #[must_use]
    pub fn without_generation(mut self) -> Self {
        self.has_generation = false;
        self
    }

    /// The same kind, whose objects must pass this check after every write, also one that changes metadata alone. An object that
    /// is refused is answered with 422, reason `Invalid`, and a cause `FieldValueInvalid`.
    #[must_use]
    pub fn validated(mut self, validator: impl Fn(&Value) -> Result<(), Invalid> + Send + Sync + 'static) -> Self {
        self.validator = Some(Arc::new(validator));
        self
    }

    /// How this crate calls the kind: `widgets.example.com`, or only `secrets` in the core group.
    #[must_use]
    pub fn name(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    pub(crate) fn namespaces() -> Self {
        Self::new("", "v1", "Namespace", "namespaces").cluster_scoped().without_generation()
    }

    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// How error messages call the kind.
    pub(crate) fn kind_and_group(&self) -> String {
        if self.group.is_empty() { self.kind.clone() } else { format!("{}.{}", self.kind, self.group) }
    }

    pub(crate) fn api_resource(&self) -> ApiResource {
        ApiResource {
            group: self.group.clone(),
            version: self.version.clone(),
            api_version: self.api_version(),
            kind: self.kind.clone(),
            plural: self.plural.clone(),
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kind").field(&self.name()).finish()
    }
}
