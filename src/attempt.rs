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
    /// The spec that this life of the effect was started with. A repeat sees the same one, also when the resource's spec has
    /// changed since: a newer one under the same key is refused by some providers and ignored by others.
    ///
    /// Use it for everything that a transition with an effect sends, and for every fact that it records of what it sent. A transition that sends
    /// [`resource`](Self::resource)`().spec()` sends two requests under one key when an edit comes before its repeat. One that sends this
    /// spec and records the other one rests on something that was never made, because its guards then see no difference.
    ///
    /// In an undo, an abort and a look-up it is the spec with which the thing was made. In a transition without effect, which has no repeat, both are
    /// the same.
    #[must_use]
    pub fn spec(&self) -> &R::Spec {
        self.spec.as_deref().unwrap_or_else(|| self.resource.spec())
    }

    /// The resource as it is now: name, uid, labels, latest spec.
    ///
    /// Use it for what does not depend on the spec, such as the name. Its spec is what is wanted now, which guards and sets are asked about. What an
    /// attempt sends and records is [`spec`](Self::spec).
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

    /// What marks a thing as this resource's: 32 hex digits, a hash of machine and origin, fit for labels and tags.
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

    /// When the driver gives this attempt up.
    #[must_use]
    pub fn deadline(&self) -> SystemTime {
        self.details.deadline
    }

    /// Whether it was attempted before under this key, so that it may have taken effect already.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.details.resumed
    }
}
