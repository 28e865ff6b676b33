//! The requests that an operator may make with an annotation.
//!
//! Invariant: the list is closed, and each verb documents its value.

use std::fmt;

/// A request that an operator makes by annotating the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Tries again now. Ends a wait between attempts, a block, or a hold whose cause is mended. The value is ignored.
    Retry,
    /// Asks the provider in the next pass whether everything is still there, and has transitions that look at rest look. The value is ignored.
    Verify,
    /// Says what became of an effect in doubt. The value is a [`ResolveRequest`](crate::ResolveRequest).
    Resolve,
    /// Pauses the resource. Until it is resumed, no pass runs, not even for deletion.
    Pause,
    /// Ends a pause.
    Resume,
    /// Gives the record to this object, whose uid differs from the one in the record.
    Rebind,
    /// Drops record and finalizer, and leaves everything at external systems as it is. No pass runs while the annotation exists.
    Release,
}

impl Verb {
    /// All of them, in the order in which they are carried out.
    pub const ALL: [Verb; 7] =
        [Verb::Release, Verb::Pause, Verb::Resume, Verb::Rebind, Verb::Resolve, Verb::Retry, Verb::Verify];

    /// The verb's name, at the end of the annotation's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Verb::Retry => "retry",
            Verb::Verify => "verify",
            Verb::Resolve => "resolve",
            Verb::Pause => "pause",
            Verb::Resume => "resume",
            Verb::Rebind => "rebind",
            Verb::Release => "release",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
