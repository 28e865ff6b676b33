//! A thing that carries an owner tag, as a provider lists it.

use serde::Serialize;
use serde_json::Value;

use crate::fact::encode;
use crate::{FactError, Facts};

/// Something that carries an owner tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    /// The transition that has made it.
    pub transition: String,
    /// The subject, for a member of a set, as records have it.
    pub subject: Option<String>,
    /// The tag ([`Attempt::owner_tag`](crate::Attempt::owner_tag)).
    pub owner_tag: String,
    /// The idempotency key under which it was made, if the provider keeps it.
    pub key: Option<String>,
    /// What a person finds it by.
    pub handle: String,
    /// The state that was reached, for a branch.
    pub(super) state: Option<String>,
    /// What its transition has recorded of it, or would record.
    pub(super) made: Result<Made, FactError>,
}

/// What is recorded of a thing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) facts: Facts,
    pub(super) member: Option<Value>,
}

impl Tagged {
    /// Something that this transition has made.
    #[must_use]
    pub fn new(transition: impl Into<String>, owner_tag: impl Into<String>, handle: impl Into<String>) -> Self {
        let (transition, owner_tag, handle) = (transition.into(), owner_tag.into(), handle.into());
        Self { transition, subject: None, owner_tag, key: None, handle, state: None, made: Ok(Made::default()) }
    }

    /// For a member of a set.
    #[must_use]
    pub fn of(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// With the key that the provider keeps. It tells a thing of an earlier life from the one that is recorded. Leave it out if the provider has each name once: after a
    /// restore, the thing of that name is the recorded one whichever life has made it.
    #[must_use]
    pub fn keyed(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// The state that was reached, if the transition is a branch. The undo of an orphan needs it.
    #[must_use]
    pub fn reached(self, state: impl Into<String>) -> Self {
        Self { state: Some(state.into()), ..self }
    }

    /// A fact that the transition records of this thing, such as its id. Facts tell the recorded thing from another one of the same transition, and the undo of an
    /// orphan reads them.
    #[must_use]
    pub fn fact<T: Serialize + ?Sized>(self, name: &str, value: &T) -> Self {
        self.with(|made| {
            made.facts.set(name, encode(name, value)?);
            Ok(())
        })
    }

    /// What the transition records of this member of a set.
    #[must_use]
    pub fn member<T: Serialize + ?Sized>(self, value: &T) -> Self {
        self.with(|made| {
            made.member = Some(encode("member", value)?);
            Ok(())
        })
    }

    fn with(mut self, say: impl FnOnce(&mut Made) -> Result<(), FactError>) -> Self {
        if let Ok(made) = &mut self.made
            && let Err(error) = say(made)
        {
            self.made = Err(error);
        }
        self
    }

    /// Whether it says what is recorded of it.
    pub(super) fn is_described(&self) -> bool {
        self.made.as_ref().is_ok_and(|made| !made.facts.is_empty() || made.member.is_some())
    }
}
