//! Panics of an author's code. Invariant: no panic of a method of the transitions, of an error's `classify`, or of the resource leaves a pass.
//! If something may have been sent, its outcome is unknown. Otherwise the pass ends, and its outcome says so.
//!
//! The panic hook runs as usual. A program that is built with `panic = "abort"` ends, as in a crash.

use std::any::Any;
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use durable_fsm_graph::Graph;

use crate::found::Importing;
use crate::machine::{Boxed, Failure, Reply};
use crate::record::{Record, Spec, Unreadable};
use crate::steps::{Ask, Steps};
use crate::{Class, FactError, Facts, Lookup, Undone};

/// Runs this; if it panics, with what text.
pub(crate) fn caught<A>(call: impl FnOnce() -> A) -> Result<A, String> {
    // Nothing of ours is behind the call but clones and shared facts, which it cannot change.
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| text(&*payload))
}

/// What a panic said.
pub(crate) fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied().map(str::to_owned);
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// An author's methods, whose panics are answers.
pub(crate) struct Contained<S>(pub(crate) S);

impl<S: Steps> Contained<S> {
    fn name(&self, transition: usize) -> &'static str {
        self.0.graph().transitions.get(transition).map_or("", |step| step.name)
    }

    /// A call of a method. What it has sent is not known.
    fn contained<A: Send + 'static>(
        &self,
        what: &'static str,
        transition: usize,
        call: impl FnOnce() -> Boxed<Result<A, Failure>>,
    ) -> Boxed<Result<A, Failure>> {
        let name = self.name(transition);
        let panicked = move |why: String| -> Result<A, Failure> {
            Err(Failure::Provider {
                class: Class::Unknown,
                message: crate::text::redacted(&format!("{what}`{name}` panicked: {why}")),
            })
        };
        let mut call = match caught(call) {
            Ok(call) => Some(call),
            Err(why) => return Box::pin(std::future::ready(panicked(why))),
        };
        Box::pin(poll_fn(move |context| {
            let Some(running) = &mut call else { return Poll::Pending };
            match caught(|| running.as_mut().poll(context)) {
                Ok(answer) => answer,
                Err(why) => {
                    // What it leaves is dropped here, where that may panic too.
                    drop(caught(|| call = None));
                    Poll::Ready(panicked(why))
                }
            }
        }))
    }

    fn asked<A>(
        &self,
        what: impl FnOnce() -> String,
        ask: impl FnOnce() -> Result<A, FactError>,
    ) -> Result<A, FactError> {
        caught(ask).unwrap_or_else(|why| Err(FactError::Panicked { what: what(), why }))
    }
}

impl<S: Steps> Steps for Contained<S> {
    fn graph(&self) -> &'static Graph<'static> {
        self.0.graph()
    }

    fn uid(&self) -> &str {
        self.0.uid()
    }

    fn generation(&self) -> u64 {
        self.0.generation()
    }

    fn deleting(&self) -> bool {
        self.0.deleting()
    }

    fn keeps(&self) -> Option<&str> {
        self.0.keeps()
    }

    fn decode(&self, bytes: &[u8]) -> Result<Arc<Record>, Unreadable> {
        self.0.decode(bytes)
    }

    fn spec(&self) -> Result<Spec, FactError> {
        self.asked(|| "the resource's spec".to_owned(), || self.0.spec())
    }

    fn check(&self, state: usize, facts: &Facts) -> Result<(), FactError> {
        self.asked(|| "reading the facts".to_owned(), || self.0.check(state, facts))
    }

    fn may_call(&self, ask: &Ask) -> Result<(), FactError> {
        self.asked(|| "reading the facts".to_owned(), || self.0.may_call(ask))
    }

    fn guard(&self, state: usize, transition: usize, facts: &Facts) -> Result<bool, FactError> {
        self.asked(|| format!("the guard of `{}`", self.name(transition)), || self.0.guard(state, transition, facts))
    }

    fn retains(&self, transition: usize) -> Result<bool, FactError> {
        let what = || format!("`retain_when` of `{}`", self.name(transition));
        self.asked(what, || self.0.retains(transition))
    }

    fn wanted(&self, transition: usize, facts: &Facts) -> Result<BTreeSet<String>, FactError> {
        self.asked(|| format!("the wanted set of `{}`", self.name(transition)), || self.0.wanted(transition, facts))
    }

    fn imports(&self) -> bool {
        self.0.imports()
    }

    fn import(&self) -> Boxed<Result<Importing, Failure>> {
        self.contained("the import of ", usize::MAX, || self.0.import())
    }

    fn run(&self, ask: Ask) -> Boxed<Result<Reply, Failure>> {
        self.contained("", ask.transition, || self.0.run(ask))
    }

    fn lookup(&self, ask: Ask) -> Boxed<Result<Lookup<Reply>, Failure>> {
        self.contained("the look-up of ", ask.transition, || self.0.lookup(ask))
    }

    fn undo(&self, ask: Ask) -> Boxed<Result<Undone, Failure>> {
        self.contained("the undo of ", ask.transition, || self.0.undo(ask))
    }

    fn abort(&self, ask: Ask) -> Boxed<Result<Undone, Failure>> {
        self.contained("the abort of ", ask.transition, || self.0.abort(ask))
    }

    fn verify(&self, ask: Ask) -> Boxed<Result<bool, Failure>> {
        self.contained("what says whether it is there, of ", ask.transition, || self.0.verify(ask))
    }
}
