//! What an error means. Invariant: an error that its author has not classified counts as *unknown*: the effect may have happened.

use std::time::Duration;

/// What a provider's error says about the effect that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// The effect may have happened, for example after a time-out, a connection reset after sending, or a 5xx. The driver keeps the intent and
    /// resolves it by the declared contract.
    Unknown,
    /// The effect certainly did not happen, for example because the connection was refused, or after 429. It is tried again after
    /// `retry_after`, or after the declared backoff if that is longer.
    NotApplied {
        /// How long the provider asks to wait. A time longer than a day counts as a day.
        retry_after: Option<Duration>,
    },
    /// The provider rejected the request, for example because of a bad spec or a quota. The effect did not happen. The resource is *blocked*: it goes on when the
    /// spec or the machine's version changes, or after the runner's `blocked_for`.
    Rejected,
    /// A thing of that name exists, and nothing proves that it is ours. The resource is *held* for a person, because adopting the thing
    /// could take over somebody else's.
    NotOurs,
}

impl Class {
    /// The effect certainly did not happen, and the provider named no time to wait.
    pub const NOT_APPLIED: Class = Class::NotApplied { retry_after: None };

    /// The class as it is written in records and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Class::Unknown => "unknown",
            Class::NotApplied { .. } => "not-applied",
            Class::Rejected => "rejected",
            Class::NotOurs => "not-ours",
        }
    }
}

/// Says what an error of a transition means.
///
/// The default is safe: with `impl Classify for MyError {}`, each failure is resolved by the declared contract before anything else
/// happens. Classify errors that certainly had no effect to avoid these waits.
///
/// ```
/// use durable_fsm::{Class, Classify};
///
/// #[derive(Debug, thiserror::Error)]
/// enum ProvisionError {
///     #[error("the spec is not acceptable: {0}")]
///     BadSpec(String),
///     #[error("the provider failed")]
///     Provider,
/// }
///
/// impl Classify for ProvisionError {
///     fn classify(&self) -> Class {
///         match self {
///             Self::BadSpec(_) => Class::Rejected,
///             Self::Provider => Class::Unknown,
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what an error of it means for an effect",
    label = "no `Classify`",
    note = "for an error of your own, write `impl durable_fsm::Classify for {Self} {{}}`: every failure then counts as unknown, and is resolved by the declared contract",
    note = "`type Error` is a type of your own that implements `std::error::Error`, as `#[derive(Debug, thiserror::Error)]` writes it"
)]
pub trait Classify: std::error::Error + Send + Sync + 'static {
    /// What this error means. [`Class::Unknown`] unless said otherwise.
    fn classify(&self) -> Class {
        Class::Unknown
    }
}

impl Classify for std::convert::Infallible {}
