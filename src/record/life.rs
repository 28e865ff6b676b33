//! Which life of which effect. Invariant: no two intents begin the same life, because each is numbered by the write that begins it.

use super::{Effect, Intent, Touched, Undone};

/// One life of an effect: what an intent is under way for, what a live effect has, what a touched step was sent under, and what an undo has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life<'r> {
    pub(crate) transition: &'r str,
    pub(crate) subject: Option<&'r str>,
    /// The `seq` of its first intent.
    pub(crate) number: u64,
}

impl Intent {
    pub(crate) fn of(&self) -> Life<'_> {
        Life { transition: &self.transition, subject: self.subject.as_deref(), number: self.life }
    }
}

impl Effect {
    pub(crate) fn of(&self) -> Life<'_> {
        Life { transition: &self.transition, subject: self.subject.as_deref(), number: self.life }
    }
}

impl Touched {
    pub(crate) fn of(&self) -> Life<'_> {
        Life { transition: &self.transition, subject: self.subject.as_deref(), number: self.life }
    }
}

impl Undone {
    pub(crate) fn of(&self) -> Life<'_> {
        Life { transition: &self.transition, subject: self.subject.as_deref(), number: self.life }
    }
}
