//! The traits that the derive implements. Invariant: a typed state exists only if it was decoded from a record or built by a
//! declared edge from such a state.

pub(crate) mod method;

use std::collections::BTreeSet;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use durable_fsm_graph::Graph;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::method::Method;
use crate::attempt::Attempt;
use crate::each::{subject_text, subject_value};
use crate::fact::record;
use crate::found::Importing;
use crate::text::redacted;
use crate::{Class, Classify, FactError, Facts, Lookup, Resource, Undone, Wait};

/// A machine: what `#[derive(Fsm)]` makes of an enum.
pub trait Machine: Sized + Send + Sync + 'static {
    /// The resource it provisions for.
    type Resource: Resource;
    /// The state enum, such as `WorkerState`.
    type State: Send + 'static;
    /// The graph: states, edges, contracts.
    const GRAPH: &'static Graph<'static>;

    /// Decodes the state with this index from facts.
    ///
    /// # Errors
    /// A fact that the state needs is missing or does not decode, or there is no such state.
    fn state(index: usize, facts: &Facts) -> Result<Self::State, FactError>;
}

/// One typed state, such as `RoomCreated`.
pub trait State: Sized + Send + 'static {
    /// Projects the state out of a record's facts.
    ///
    /// # Errors
    /// A fact is missing or does not decode.
    fn decode(facts: &Facts) -> Result<Self, FactError>;

    /// Writes the facts that it adds, and gives its index in the machine's graph.
    ///
    /// # Errors
    /// A fact cannot be written as JSON.
    fn add(&self, facts: &mut Facts) -> Result<usize, FactError>;

    /// Writes all facts that are known there, and gives its index. For machines that import.
    ///
    /// # Errors
    /// A fact cannot be written as JSON.
    fn known(&self, facts: &mut Facts) -> Result<usize, FactError> {
        self.add(facts)
    }
}

impl<S: State> Next for S {
    fn made(&self) -> Result<Made, FactError> {
        let mut facts = Facts::default();
        let state = self.add(&mut facts)?;
        Ok(Made { state, facts })
    }
}

/// What an edge may lead to: a state, or the generated enum of a branch.
pub trait Next: Sized + Send + 'static {
    /// The state's index and the facts that it adds.
    ///
    /// # Errors
    /// A fact cannot be written as JSON.
    fn made(&self) -> Result<Made, FactError>;
}

/// A state that was reached: its index, and the facts that it adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// Index into the graph's states.
    pub state: usize,
    /// The facts that the state adds; what was known before stays in the record.
    pub facts: Facts,
}

/// Holds the facts of a typed state, so that everyone can read it and no one can change it.
#[derive(Debug)]
pub struct Sealed<T>(T);

impl<T> Sealed<T> {
    #[doc(hidden)]
    pub const fn new(facts: T) -> Self {
        Self(facts)
    }

    #[doc(hidden)]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Sealed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A boxed future, as the generated dispatch returns it.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a dispatch returns.
pub type Answer<T> = Boxed<Result<T, Failure>>;

/// What is read from facts.
pub type Read<T> = Result<T, FactError>;

/// Calls the transitions `T` of a machine by index. Implemented by the derive for every `T` that implements the machine's
/// transitions trait.
pub trait Dispatch<T>: Machine {
    /// Runs a transition.
    fn run(transitions: Arc<T>, transition: usize, call: Call<Self::Resource>) -> Boxed<Result<Reply, Failure>>;
    /// Asks the look-up of a transition.
    fn lookup(
        transitions: Arc<T>,
        transition: usize,
        call: Call<Self::Resource>,
    ) -> Boxed<Result<Lookup<Reply>, Failure>>;
    /// Runs the undo of a transition; the call's facts and state are those that it produced.
    fn undo(transitions: Arc<T>, transition: usize, call: Call<Self::Resource>) -> Boxed<Result<Undone, Failure>>;
    /// Runs the abort of a transition.
    fn abort(transitions: Arc<T>, transition: usize, call: Call<Self::Resource>) -> Boxed<Result<Undone, Failure>>;
    /// Asks whether what a transition made is there, for a transition with `verify`; the call's facts and state are those that it produced.
    fn verify(_transitions: Arc<T>, _transition: usize, _call: Call<Self::Resource>) -> Boxed<Result<bool, Failure>> {
        absent("what says whether it is there")
    }
    /// Asks the guard that a transition has on this state; one without a guard may always run.
    ///
    /// # Errors
    /// The state cannot be decoded.
    fn guard(
        transitions: &T,
        state: usize,
        transition: usize,
        facts: &Facts,
        resource: &Self::Resource,
    ) -> Result<bool, FactError>;
    /// Whether the machine asks what there is of a resource without a record.
    const IMPORTS: bool = false;
    /// Asks it.
    fn import(_transitions: Arc<T>, _resource: Arc<Self::Resource>) -> Boxed<Result<Importing, Failure>> {
        absent("the import")
    }
    /// Whether what a transition has made is left behind, for a transition with `retain_when`.
    fn retains(_transitions: &T, _transition: usize, _resource: &Self::Resource) -> bool {
        false
    }
    /// The wanted set of a `for_each` transition, as texts.
    ///
    /// # Errors
    /// The state cannot be decoded, or a subject cannot be written.
    fn wanted(
        transitions: &T,
        transition: usize,
        facts: &Facts,
        resource: &Self::Resource,
    ) -> Result<BTreeSet<String>, FactError>;
}

/// What a transition produced.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The next state.
    Made(Made),
    /// What was made for one subject of a set.
    Member(Value),
    /// Not yet, and for how long not.
    NotYet(Option<std::time::Duration>),
}

/// Why a method produced nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The author's error, classified.
    Provider {
        /// What it means.
        class: Class,
        /// Its text, with the texts of its sources, [`redacted`](crate::text::redacted).
        message: String,
    },
    /// The state or spec in the record could not be decoded: the method was not called.
    Fact(FactError),
    /// The method has succeeded, and what it made cannot be recorded.
    Unrecorded(FactError),
}

impl From<FactError> for Failure {
    fn from(error: FactError) -> Self {
        Failure::Fact(error)
    }
}

/// One call of a method: the facts that it sees, its subject, and the attempt.
#[derive(Debug)]
pub struct Call<R: Resource> {
    pub(crate) facts: Facts,
    pub(crate) state: usize,
    pub(crate) subject: Option<String>,
    pub(crate) member: Option<Value>,
    pub(crate) attempt: Attempt<R>,
}

/// What is given one arm of a branch that was made: its undo, or what says whether it is there. It is given the generated enum.
type OfArm<T, S, R, A, E> =
    for<'a> fn(&'a T, &'a S, &'a Attempt<R>) -> Pin<Box<dyn Future<Output = Result<A, E>> + Send + 'a>>;

/// The generated dispatch hands each method over as a function; decoding, calling and encoding are compiled here, once.
#[doc(hidden)]
impl<R: Resource> Call<R> {
    /// The index of the state; for the undo of a branch, the arm that was taken.
    pub fn index(&self) -> usize {
        self.state
    }

    pub fn effect<T: Send + Sync + 'static, S: State, N: Next, E: Classify>(
        self,
        transitions: Arc<T>,
        method: impl for<'a> Method<'a, (&'a T, S, &'a Attempt<R>), Answer = Result<N, E>>,
    ) -> Boxed<Result<Reply, Failure>> {
        Box::pin(async move {
            let next = classified(method.call((&*transitions, self.state()?, &self.attempt)).await)?;
            next.made().map(Reply::Made).map_err(Failure::Unrecorded)
        })
    }

    pub fn wait<T: Send + Sync + 'static, S: State, N: Next, E: Classify>(
        self,
        transitions: Arc<T>,
        method: impl for<'a> Method<'a, (&'a T, S, &'a Attempt<R>), Answer = Result<Wait<N>, E>>,
    ) -> Boxed<Result<Reply, Failure>> {
        Box::pin(async move {
            Ok(match classified(method.call((&*transitions, self.state()?, &self.attempt)).await)? {
                Wait::Done(next) => Reply::Made(next.made()?),
                Wait::NotYet => Reply::NotYet(None),
                Wait::NotYetFor(time) => Reply::NotYet(Some(time)),
            })
        })
    }

    pub fn derive<T, S: State, N: Next, E: Classify>(
        self,
        transitions: Arc<T>,
        method: fn(&T, S, &Attempt<R>) -> Result<N, E>,
    ) -> Boxed<Result<Reply, Failure>> {
        let reply = self.state().map_err(Failure::Fact).and_then(|from| {
            let next = classified(method(&transitions, from, &self.attempt))?;
            Ok(Reply::Made(next.made()?))
        });
        Box::pin(std::future::ready(reply))
    }

    pub fn member<T: Send + Sync + 'static, S: State + Sync, U: Subject, M: Recorded, E: Classify>(
        self,
        transitions: Arc<T>,
        method: impl for<'a> Method<'a, (&'a T, &'a S, &'a U, &'a Attempt<R>), Answer = Result<M, E>>,
    ) -> Boxed<Result<Reply, Failure>> {
        Box::pin(async move {
            let (at, subject) = (self.state()?, self.subject()?);
            let made = classified(method.call((&*transitions, &at, &subject, &self.attempt)).await)?;
            record("member", &made).map(Reply::Member).map_err(Failure::Unrecorded)
        })
    }

    pub fn wait_member<T: Send + Sync + 'static, S: State + Sync, U: Subject, M: Recorded, E: Classify>(
        self,
        transitions: Arc<T>,
        method: impl for<'a> Method<'a, (&'a T, &'a S, &'a U, &'a Attempt<R>), Answer = Result<Wait<M>, E>>,
    ) -> Boxed<Result<Reply, Failure>> {
        Box::pin(async move {
            let (at, subject) = (self.state()?, self.subject()?);
            Ok(match classified(method.call((&*transitions, &at, &subject, &self.attempt)).await)? {
                Wait::Done(made) => Reply::Member(record("member", &made)?),
                Wait::NotYet => Reply::NotYet(None),
                Wait::NotYetFor(time) => Reply::NotYet(Some(time)),
            })
        })
    }

    pub fn find<T: Send + Sync + 'static, S: State, N: Next, E: Classify>(
        self,
        transitions: Arc<T>,
        method: impl for<'a> Method<'a, (&'a T, S, &'a Attempt<R>), Answer = Result<Lookup<N>, E>>,
    ) -> Boxed<Result<Lookup<Reply>, Failure>> {
        Box::pin(async move {
            let found = classified(method.call((&*transitions, self.state()?, &self.attempt)).await)?;
            Ok(found.try_map(|next| next.made().map(Reply::Made))?)
        })
    }

    pub fn find_member<T: Send + Sync + 'static, S: State + Sync, U: Subject, M: Recorded, E: Classify>(
        self,
        transitions: Arc<T>,
        method: impl for<'a> Method<'a, (&'a T, &'a S, &'a U, &'a Attempt<R>), Answer = Result<Lookup<M>, E>>,
    ) -> Boxed<Result<Lookup<Reply>, Failure>> {
        Box::pin(async move {
            let (at, subject) = (self.state()?, self.subject()?);
            let found = classified(method.call((&*transitions, &at, &subject, &self.attempt)).await)?;
            Ok(found.try_map(|made| record("member", &made).map(Reply::Member))?)
        })
    }

    /// The undo or abort of a transition that is no set, or what says whether what it made is there.
    pub fn undo<T: Send + Sync + 'static, S: State + Sync, A: Send + 'static, E: Classify>(
        self,
        transitions: Arc<T>,
        method: impl for<'a> Method<'a, (&'a T, &'a S, &'a Attempt<R>), Answer = Result<A, E>>,
    ) -> Boxed<Result<A, Failure>> {
        Box::pin(async move {
            let state = self.state()?;
            classified(method.call((&*transitions, &state, &self.attempt)).await)
        })
    }

    /// As `undo`, for one arm of a branch.
    pub fn undo_arm<T: Send + Sync + 'static, S: State + Sync, A: Send + 'static, E: Classify>(
        self,
        transitions: Arc<T>,
        method: OfArm<T, S, R, A, E>,
    ) -> Boxed<Result<A, Failure>> {
        Box::pin(async move {
            let state = self.state()?;
            classified(method(&transitions, &state, &self.attempt).await)
        })
    }

    pub fn undo_member<T, S, U: Subject, M: Member, A, E: Classify>(
        self,
        transitions: Arc<T>,
        method: impl for<'a> Method<'a, (&'a T, &'a S, &'a U, &'a M, &'a Attempt<R>), Answer = Result<A, E>>,
    ) -> Boxed<Result<A, Failure>>
    where
        T: Send + Sync + 'static,
        S: State + Sync,
        A: Send + 'static,
    {
        Box::pin(async move {
            let (at, subject, made) = (self.state()?, self.subject()?, self.made()?);
            classified(method.call((&*transitions, &at, &subject, &made, &self.attempt)).await)
        })
    }

    pub fn abort_member<T: Send + Sync + 'static, S: State + Sync, U: Subject, E: Classify>(
        self,
        transitions: Arc<T>,
        method: impl for<'a> Method<'a, (&'a T, &'a S, &'a U, &'a Attempt<R>), Answer = Result<Undone, E>>,
    ) -> Boxed<Result<Undone, Failure>> {
        Box::pin(async move {
            let (at, subject) = (self.state()?, self.subject()?);
            classified(method.call((&*transitions, &at, &subject, &self.attempt)).await)
        })
    }

    fn state<S: State>(&self) -> Result<S, FactError> {
        S::decode(&self.facts)
    }

    fn subject<U: DeserializeOwned>(&self) -> Result<U, FactError> {
        subject_value(self.subject.as_deref().unwrap_or_default())
    }

    /// What was made for the subject that is to be undone.
    fn made<M: DeserializeOwned>(&self) -> Result<M, FactError> {
        let name = self.subject.as_deref().unwrap_or_default();
        let value = self.member.as_ref().ok_or_else(|| FactError::Missing(name.to_owned()))?;
        M::deserialize(value).map_err(|error| FactError::Decode { name: name.to_owned(), why: error.to_string() })
    }
}

/// What a subject of a set must be.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a subject of a set: it is not read back from a record",
    label = "not deserializable",
    note = "a type of your own derives `serde::Serialize` and `serde::Deserialize`"
)]
pub trait Subject: DeserializeOwned + Send + Sync + 'static {}
#[diagnostic::do_not_recommend]
impl<U: DeserializeOwned + Send + Sync + 'static> Subject for U {}

/// What a member of a set must be, to be undone.
#[doc(hidden)]
pub trait Member: DeserializeOwned + Send + Sync + 'static {}
impl<M: DeserializeOwned + Send + Sync + 'static> Member for M {}

/// What a member of a set must be, to be recorded.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a member of a set: it is not written to a record and read back",
    label = "not serializable",
    note = "a type of your own derives `serde::Serialize` and `serde::Deserialize`"
)]
pub trait Recorded: Serialize + DeserializeOwned + Send + 'static {}
#[diagnostic::do_not_recommend]
impl<M: Serialize + DeserializeOwned + Send + 'static> Recorded for M {}

/// The answer of a dispatch that was asked for something the machine does not have.
#[doc(hidden)]
pub fn absent<T: Send + 'static>(what: &'static str) -> Boxed<Result<T, Failure>> {
    Box::pin(std::future::ready(Err(Failure::Fact(FactError::Foreign(what.to_owned())))))
}

/// The answer to a state that the machine does not have.
#[doc(hidden)]
pub fn foreign<S>() -> Read<S> {
    Err(FactError::Foreign("the state".to_owned()))
}

#[doc(hidden)]
pub fn decode<S: State>(facts: &Facts) -> Result<S, FactError> {
    S::decode(facts)
}

#[doc(hidden)]
pub fn value<S: Serialize>(wanted: S) -> Result<BTreeSet<String>, FactError> {
    subject_text(&wanted).map(|text| BTreeSet::from([text]))
}

/// Those members of the set in this fact that are wanted and there.
#[doc(hidden)]
pub fn standing(mut wanted: BTreeSet<String>, facts: &Facts, on: &str) -> Result<BTreeSet<String>, FactError> {
    wanted.retain(|subject| facts.member(on, subject).is_some());
    Ok(wanted)
}

#[doc(hidden)]
pub fn subjects<S: Serialize>(wanted: BTreeSet<S>) -> Result<BTreeSet<String>, FactError> {
    wanted.iter().map(subject_text).collect()
}

pub(crate) fn classified<N, E: Classify>(result: Result<N, E>) -> Result<N, Failure> {
    result.map_err(|error| Failure::Provider { class: error.classify(), message: redacted(&chain(&error)) })
}

/// An error's text with those of its sources, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
