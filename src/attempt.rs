//! One attempt at an effect, as its method sees it. Invariant: key and owner tag are hashes of what is in the record, never of
//! time or chance, so a repeat after any crash presents the same ones.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::Resource;

/// What a transition's method is given besides the state it starts from. The derive emits an alias for each machine, such as
/// `WorkerAttempt`.
pub struct Attempt<R: Resource> {
    pub(crate) resource: Arc<R>,
    /// None for the resource's own.
    pub(crate) spec: Option<Arc<R::Spec>>,
    pub(crate) details: Details,
}

/// The part of an attempt that does not depend on the resource's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Details {
    pub(crate) key: String,
    pub(crate) owner_tag: String,
    pub(crate) number: u32,
    pub(crate) since: SystemTime,
    pub(crate) deadline: SystemTime,
    pub(crate) resumed: bool,
}

impl<R: Resource> fmt::Debug for Attempt<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("resource", &self.resource.id()).field("details", &self.details).finish()
    }
}

impl<R: Resource> Attempt<R> {
    /// The spec with which this life of the effect began. A repeat is given the same spec, even if the resource was edited since: some providers refuse a new
    /// spec under the same key, and others ignore it.
    ///
    /// Use this spec for everything that an effect sends, and for every fact that it records of the request. If an effect sends
    /// [`resource`](Self::resource)`().spec()` instead, an edit before a repeat makes it send two requests under one key. If it sends this
    /// spec and records the other one, the record describes something that was never made, and its guards see no difference.
    ///
    /// In an undo, an abort and a look-up, this is the spec with which the thing was made. In a transition without effect it is the resource's spec.
    #[must_use]
    pub fn spec(&self) -> &R::Spec {
        self.spec.as_deref().unwrap_or_else(|| self.resource.spec())
    }

    /// The resource as it is now: name, uid, labels, latest spec.
    ///
    /// Use it for what does not depend on the spec, such as the name. Its spec is the one that is wanted now; an attempt sends and records
    /// [`spec`](Self::spec).
    #[must_use]
    pub fn resource(&self) -> &R {
        &self.resource
    }

    /// The idempotency key: 32 hex digits, a hash of origin, machine, transition, subject and life. In an undo, an abort and a
    /// look-up it is the key under which the thing was made. Empty in a transition without effect, which makes nothing.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.details.key
    }

    /// Marks things of this resource: 32 hex digits, a hash of machine and origin. It fits into labels and tags.
    #[must_use]
    pub fn owner_tag(&self) -> &str {
        &self.details.owner_tag
    }

    /// The number of this attempt under its intent; the first is 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.details.number
    }

    /// When the resource entered the state that it is in.
    #[must_use]
    pub fn since(&self) -> SystemTime {
        self.details.since
    }

    /// When the driver stops waiting for this attempt.
    #[must_use]
    pub fn deadline(&self) -> SystemTime {
        self.details.deadline
    }

    /// Whether an attempt was made before under this key, so the effect may have happened already.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.details.resumed
    }
}
