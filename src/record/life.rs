//! Which life of which effect. Invariant: no two intents begin the same life, because each is numbered by the write that begins it.

use super::lives::{Entry, Life};
use super::{Effect, Ended, Intent, Unconfirmed};

// The place of an entry on the way back: the `seq` of the last intent that sent it while it was not live, frozen when it first commits.
// It is its life unless it was sent again under the same life, or was made again in the place of one that was lost.

impl Intent {
    /// The place on the way back of what this intent makes.
    #[must_use]
    pub fn order(&self) -> u64 {
        self.order.unwrap_or(self.life)
    }
}

impl Effect {
    /// The place of this effect on the way back: the highest order is undone first. It is the `seq` of the last intent that sent the
    /// effect while it was not live, so a refused life that commits late stands above what was made before it.
    #[must_use]
    pub fn order(&self) -> u64 {
        self.order.unwrap_or(self.life)
    }
}

impl Unconfirmed {
    /// The place of this step on the way back: see [`Effect::order`].
    #[must_use]
    pub fn order(&self) -> u64 {
        self.order.unwrap_or(self.life)
    }
}

/// An order as it is written: only where it is not the life.
pub(super) fn written_order(order: u64, life: u64) -> Option<u64> {
    (order != life).then_some(order)
}

impl Entry for Effect {
    fn transition(&self) -> &str {
        &self.transition
    }
    fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }
    fn life(&self) -> u64 {
        self.life
    }
    fn order(&self) -> u64 {
        self.order()
    }
    fn mark(&self) -> u64 {
        // One life of one transition has one number, and the multiplier can be inverted: two lives of it never have one mark.
        self.transition.bytes().fold(self.life, |mark, byte| mark.wrapping_mul(31).wrapping_add(u64::from(byte)))
    }
    fn is_unmaking(&self) -> bool {
        self.unmaking
    }
    fn is_lost(&self) -> bool {
        self.lost
    }
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

impl Unconfirmed {
    pub(crate) fn of(&self) -> Life<'_> {
        Life { transition: &self.transition, subject: self.subject.as_deref(), number: self.life }
    }
}

impl Ended {
    pub(crate) fn of(&self) -> Life<'_> {
        Life { transition: &self.transition, subject: self.subject.as_deref(), number: self.life }
    }
}
