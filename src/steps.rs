//! A machine's methods without its types, so that the driver is compiled once. Invariant: nothing here decides anything; it
//! decodes, calls and encodes.

use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use durable_fsm_graph::Graph;
use serde_json::Value;

use crate::attempt::{Attempt, Details};
use crate::found::Importing;
use crate::machine::{Boxed, Call, Dispatch, Failure, Reply, absent};
use crate::record::{Record, Spec, Unreadable};
use crate::text::redacted;
use crate::{FactError, Facts, Lookup, Machine, Resource, Undone, older_spec};

/// The methods of one machine for one resource.
pub(crate) trait Steps: Send + Sync {
    fn graph(&self) -> &'static Graph<'static>;
    fn uid(&self) -> &str;
    fn generation(&self) -> u64;
    fn deleting(&self) -> bool;
    /// Why the resource must not be deleted.
    fn keeps(&self) -> Option<&str>;
    /// The record in these bytes.
    fn decode(&self, bytes: &[u8]) -> Result<Arc<Record>, Unreadable> {
        Record::decode(self.graph(), bytes).map(Arc::new)
    }
    /// The resource's spec, as an intent records it: what is read from there is this one again.
    fn spec(&self) -> Result<Spec, FactError>;
    /// Whether a state can be decoded from these facts.
    fn check(&self, state: usize, facts: &Facts) -> Result<(), FactError>;
    /// Whether a call can read its state and its spec.
    fn may_call(&self, ask: &Ask) -> Result<(), FactError> {
        self.check(ask.state, &ask.facts)
    }
    /// Asks the guard that a transition has on this state.
    fn guard(&self, state: usize, transition: usize, facts: &Facts) -> Result<bool, FactError>;
    /// Whether what this transition has made is left behind. An error is a panic of the author's.
    fn retains(&self, transition: usize) -> Result<bool, FactError>;
    fn wanted(&self, transition: usize, facts: &Facts) -> Result<BTreeSet<String>, FactError>;
    /// Whether the machine asks what there is of a resource without a record.
    fn imports(&self) -> bool {
        false
    }
    fn import(&self) -> Boxed<Result<Importing, Failure>> {
        absent("the import")
    }
    fn run(&self, ask: Ask) -> Boxed<Result<Reply, Failure>>;
    fn lookup(&self, ask: Ask) -> Boxed<Result<Lookup<Reply>, Failure>>;
    fn undo(&self, ask: Ask) -> Boxed<Result<Undone, Failure>>;
    fn abort(&self, ask: Ask) -> Boxed<Result<Undone, Failure>>;
    /// Whether what a transition made is there.
    fn verify(&self, ask: Ask) -> Boxed<Result<bool, Failure>> {
        let _ = ask;
        absent("what says whether it is there")
    }
}

/// One call of a method.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) transition: usize,
    /// The state that the method is given.
    pub(crate) state: usize,
    pub(crate) facts: Facts,
    pub(crate) subject: Option<String>,
    pub(crate) member: Option<Value>,
    /// The spec that the life was started with; none for the resource's own.
    pub(crate) spec: Option<Spec>,
    pub(crate) details: Details,
}

type SpecOf<M> = <<M as Machine>::Resource as Resource>::Spec;

/// A recorded spec, and what it decodes to.
type Read<M> = (Spec, Arc<SpecOf<M>>);

/// One of the generated methods, which call the author's by index.
type Method<T, R, A> = fn(Arc<T>, usize, Call<R>) -> Boxed<Result<A, Failure>>;

/// The methods of `T` for a resource of machine `M`. What the resource says of itself is asked once.
pub(crate) struct Typed<M: Machine, T> {
    transitions: Arc<T>,
    resource: Arc<M::Resource>,
    /// The resource does not change during a pass.
    spec: OnceLock<Result<Spec, FactError>>,
    /// The spec that was decoded last, which the next life most often has too.
    read: Mutex<Option<Read<M>>>,
    generation: u64,
    deleting: bool,
    keeps: Option<String>,
    machine: PhantomData<fn() -> M>,
}

impl<M: Dispatch<T>, T: Send + Sync + 'static> Typed<M, T> {
    pub(crate) fn new(transitions: Arc<T>, resource: Arc<M::Resource>) -> Self {
        let (generation, deleting) = (resource.generation(), resource.deleting());
        let keeps = resource.keeps().map(|why| redacted(&why));
        Self {
            transitions,
            resource,
            spec: OnceLock::new(),
            read: Mutex::default(),
            generation,
            deleting,
            keeps,
            machine: PhantomData,
        }
    }

    fn call(&self, ask: Ask) -> Result<(usize, Call<M::Resource>), FactError> {
        let Ask { transition, state, facts, subject, member, spec, details } = ask;
        let spec = spec.map(|spec| self.read(spec)).transpose()?;
        let attempt = Attempt { resource: Arc::clone(&self.resource), spec, details };
        Ok((transition, Call { facts, state, subject, member, attempt }))
    }

    /// The spec with which a life was started. What an older version of its type did not have is as the resource has it now.
    fn read(&self, spec: Spec) -> Result<Arc<SpecOf<M>>, FactError> {
        let last = || self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, read)) = last().as_ref().filter(|(of, _)| of.is_shared_with(&spec)) {
            return Ok(Arc::clone(read));
        }
        let read = older_spec::read(&spec, &*self.resource)
            .map_err(|error| FactError::Decode { name: "spec".to_owned(), why: error.to_string() })?;
        let read = Arc::new(read);
        *last() = Some((spec, Arc::clone(&read)));
        Ok(read)
    }

    fn with<A: Send + 'static>(&self, ask: Ask, method: Method<T, M::Resource, A>) -> Boxed<Result<A, Failure>> {
        match self.call(ask) {
            Ok((transition, call)) => method(Arc::clone(&self.transitions), transition, call),
            Err(error) => Box::pin(std::future::ready(Err(Failure::Fact(error)))),
        }
    }
}

impl<M: Dispatch<T>, T: Send + Sync + 'static> Steps for Typed<M, T> {
    fn graph(&self) -> &'static Graph<'static> {
        M::GRAPH
    }

    fn uid(&self) -> &str {
        self.resource.uid()
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    fn deleting(&self) -> bool {
        self.deleting
    }

    fn keeps(&self) -> Option<&str> {
        self.keeps.as_deref()
    }

    fn spec(&self) -> Result<Spec, FactError> {
        self.spec.get_or_init(|| crate::fact::record("spec", self.resource.spec()).map(Spec::from)).clone()
    }

    fn check(&self, state: usize, facts: &Facts) -> Result<(), FactError> {
        M::state(state, facts).map(drop)
    }

    fn may_call(&self, ask: &Ask) -> Result<(), FactError> {
        if let Some(spec) = &ask.spec {
            self.read(spec.clone())?;
        }
        // A step that is listed on several states is given what all of them know.
        let is_source = M::GRAPH.transitions.get(ask.transition).is_some_and(|step| step.from == ask.state);
        let mut places = M::GRAPH.places(ask.transition).filter(|_| is_source);
        if places.any(|place| self.check(place, &ask.facts).is_ok()) {
            return Ok(());
        }
        self.check(ask.state, &ask.facts)
    }

    fn guard(&self, state: usize, transition: usize, facts: &Facts) -> Result<bool, FactError> {
        M::guard(&self.transitions, state, transition, facts, &self.resource)
    }

    fn retains(&self, transition: usize) -> Result<bool, FactError> {
        Ok(M::retains(&self.transitions, transition, &self.resource))
    }

    fn wanted(&self, transition: usize, facts: &Facts) -> Result<BTreeSet<String>, FactError> {
        M::wanted(&self.transitions, transition, facts, &self.resource)
    }

    fn imports(&self) -> bool {
        M::IMPORTS
    }

    fn import(&self) -> Boxed<Result<Importing, Failure>> {
        M::import(Arc::clone(&self.transitions), Arc::clone(&self.resource))
    }

    fn run(&self, ask: Ask) -> Boxed<Result<Reply, Failure>> {
        self.with(ask, M::run)
    }

    fn lookup(&self, ask: Ask) -> Boxed<Result<Lookup<Reply>, Failure>> {
        self.with(ask, M::lookup)
    }

    fn undo(&self, ask: Ask) -> Boxed<Result<Undone, Failure>> {
        self.with(ask, M::undo)
    }

    fn abort(&self, ask: Ask) -> Boxed<Result<Undone, Failure>> {
        self.with(ask, M::abort)
    }

    fn verify(&self, ask: Ask) -> Boxed<Result<bool, Failure>> {
        self.with(ask, M::verify)
    }
}
