//! Takes over a resource that somebody else has provisioned. Invariant: an import only writes the record; nothing is sent.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::each::subject_text;
use crate::fact::record;
use crate::found::{Found, Importing, Owned};
use crate::machine::method::Method;
use crate::machine::{Boxed, Failure, classified};
use crate::{Classify, FactError, Facts, Machine};

/// The answer of `import`: what exists of a resource that has no record.
#[derive(Debug)]
pub enum Import<M: Machine> {
    /// Nothing exists. The machine begins at the initial state.
    Fresh,
    /// Somebody else has brought the resource to this state. The record begins there.
    At(Imported<M>),
    /// The resource must not be taken over, for this reason. It is held, and the next pass calls `import` again.
    Refuse(String),
}

/// The state to which somebody else has brought a resource, and the effects that the machine owns from now on.
#[derive(Debug)]
pub struct Imported<M: Machine> {
    found: Result<Found, FactError>,
    machine: std::marker::PhantomData<fn() -> M>,
}

/// A state enum whose facts can be written.
#[doc(hidden)]
pub trait Known {
    /// Writes all facts that are known, and gives the state's index.
    ///
    /// # Errors
    /// A fact cannot be written as JSON.
    fn known(&self, facts: &mut Facts) -> Result<usize, FactError>;
}

impl<M: Machine> Imported<M> {
    /// The resource is in this state. A state is made as in a test: by its edges, from `start()` of the initial one.
    #[must_use]
    pub fn at(state: impl Into<M::State>) -> Self
    where
        M::State: Known,
    {
        let mut facts = Facts::default();
        let found = state.into().known(&mut facts).map(|state| Found { state, facts, owned: Vec::new() });
        Self { found, machine: std::marker::PhantomData }
    }

    /// The machine owns the effect of this transition: a deletion undoes it. List the effects in the order in which they were made. Effects that are not
    /// listed stay on deletion.
    #[must_use]
    pub fn owns(self, transition: &str) -> Self {
        self.owned(transition, None, None)
    }

    /// As [`owns`](Self::owns), for a branch that has reached this state.
    #[must_use]
    pub fn owns_at(self, transition: &str, state: &str) -> Self {
        self.owned(transition, None, Some(state.to_owned()))
    }

    /// The machine owns this member of a set. `fact` is the set's fact, and `made` is what is recorded for the subject.
    #[must_use]
    pub fn owns_member<S: Serialize, T: Serialize + DeserializeOwned>(
        mut self,
        transition: &str,
        fact: &str,
        subject: &S,
        made: &T,
    ) -> Self {
        let member = subject_text(subject).and_then(|subject| Ok((subject, record("member", made)?)));
        match (member, &mut self.found) {
            (Ok((subject, made)), Ok(found)) => {
                found.facts.set_member(fact, &subject, made);
                self.owned(transition, Some(subject), None)
            }
            (Err(error), found) => {
                *found = Err(error);
                self
            }
            (Ok(_), Err(_)) => self,
        }
    }

    fn owned(mut self, transition: &str, subject: Option<String>, state: Option<String>) -> Self {
        if let Ok(found) = &mut self.found {
            found.owned.push(Owned { transition: transition.to_owned(), subject, state });
        }
        self
    }
}

impl<M: Machine> Import<M> {
    pub(crate) fn untyped(self) -> Result<Importing, FactError> {
        Ok(match self {
            Import::Fresh => Importing::Fresh,
            Import::At(imported) => Importing::At(imported.found?),
            Import::Refuse(why) => Importing::Refuse(why),
        })
    }
}

/// Asks what there is of a resource without a record.
#[doc(hidden)]
pub fn import<M: Machine, T: Send + Sync + 'static, E: Classify>(
    transitions: Arc<T>,
    resource: Arc<M::Resource>,
    method: impl for<'a> Method<'a, (&'a T, &'a M::Resource), Answer = Result<Import<M>, E>>,
) -> Boxed<Result<Importing, Failure>> {
    Box::pin(async move { Ok(classified(method.call((&*transitions, &*resource)).await)?.untyped()?) })
}
