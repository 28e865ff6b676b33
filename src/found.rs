//! What an import has found, without the machine's types. Invariant: it is data alone; whether it can be is for the record's rules to say.

use crate::Facts;

/// An import, without the types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The state's index.
    pub(crate) state: usize,
    pub(crate) facts: Facts,
    /// What is undone on deletion, the last one first.
    pub(crate) owned: Vec<Owned>,
}

/// An effect that an import takes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// The transition that would have made it.
    pub transition: String,
    /// The subject, for a member of a set.
    pub subject: Option<String>,
    /// The state that was reached, for a branch.
    pub state: Option<String>,
}

/// What an import gives the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Importing {
    /// Nothing is there.
    Fresh,
    /// This is there.
    At(Found),
    /// It must not be taken over.
    Refuse(String),
}
