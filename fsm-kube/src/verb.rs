//! What an operator may ask for with an annotation. Invariant: the list is closed, and each verb says what its value must be.

use std::fmt;

/// What an operator asks for, by annotating the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Try again now: ends a wait between attempts, a block, or a hold whose cause is mended. The value is ignored.
    Retry,
    /// Says what became of an effect in doubt; the value is a [`ResolveRequest`](crate::ResolveRequest).
    Resolve,
    /// Nobody is to act on the resource, also not to delete it.
    Pause,
    /// Ends a pause.
    Resume,
    /// Gives the record to this object, which has another uid than the one that it was made for.
    Rebind,
    /// Drops record and finalizer, leaves everything outside as it is, and keeps away for as long as the annotation stands.
    Release,
}

impl Verb {
    /// All of them, in the order in which they are carried out.
    pub const ALL: [Verb; 6] = [Verb::Release, Verb::Pause, Verb::Resume, Verb::Rebind, Verb::Resolve, Verb::Retry];

    /// The verb's name, at the end of the annotation's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Verb::Retry => "retry",
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
