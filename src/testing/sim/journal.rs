//! What a world was asked, in order, so that another world of its kind comes to the same state. Invariant: a method is polled as often as it was then, at
//! the same times, and dropped where it was dropped; what only looks at a world is left out.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Sim;
use crate::machine::{Boxed, Failure};
use crate::steps::{Ask, Steps};

/// Which of a machine's methods was called.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Method {
    Import,
    Run,
    Lookup,
    Undo,
    Abort,
    Verify,
}

/// Something that may have changed a world.
enum Entry {
    /// A method was called for the resource with this spec. Calls are numbered in this order.
    Called {
        method: Method,
        edit: usize,
        ask: Ask,
    },
    Polled {
        call: usize,
        at: Duration,
    },
    Dropped {
        call: usize,
    },
    Happened {
        event: &'static str,
        at: Duration,
    },
}

/// What a world was asked until now.
#[derive(Default)]
pub(crate) struct Journal {
    earlier: Option<Arc<Asked>>,
    entries: Vec<Entry>,
    calls: usize,
    open: usize,
}

/// What a world was asked up to some moment at which no method was under way.
pub(crate) struct Asked {
    earlier: Option<Arc<Asked>>,
    entries: Vec<Entry>,
}

impl Journal {
    /// One that goes on from there.
    pub(crate) fn after(earlier: Option<Arc<Asked>>) -> Self {
        Self { earlier, ..Self::default() }
    }

    pub(super) fn called(&mut self, method: Method, edit: usize, ask: &Ask) -> usize {
        self.entries.push(Entry::Called { method, edit, ask: ask.clone() });
        self.calls += 1;
        self.open += 1;
        self.calls - 1
    }

    pub(super) fn happened(&mut self, event: &'static str, at: Duration) {
        self.entries.push(Entry::Happened { event, at });
    }

    /// All of it, if no method is under way.
    pub(crate) fn asked(&mut self) -> Option<Arc<Asked>> {
        if self.open > 0 {
            return None;
        }
        let entries = std::mem::take(&mut self.entries);
        self.calls = 0;
        let asked = Arc::new(Asked { earlier: self.earlier.take(), entries });
        self.earlier = Some(Arc::clone(&asked));
        Some(asked)
    }
}

impl Asked {
    /// Asks a new world all of it. `steps` are the methods of that world, for the resource with this spec.
    pub(crate) fn ask(&self, sim: &Sim, mut steps: impl FnMut(usize) -> Arc<dyn Steps>, happen: impl Fn(&'static str)) {
        let (mut all, mut asked) = (Vec::new(), Some(self));
        while let Some(Asked { earlier, entries }) = asked {
            all.push(entries);
            asked = earlier.as_deref();
        }
        for entries in all.into_iter().rev() {
            let mut calls: Vec<Option<Boxed<()>>> = Vec::new();
            for entry in entries {
                match entry {
                    Entry::Called { method, edit, ask } => {
                        calls.push(Some(called(*method, &*steps(*edit), ask.clone())));
                    }
                    Entry::Polled { call, at } => {
                        sim.core().now = *at;
                        let Some(future) = &mut calls[*call] else { continue };
                        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                            calls[*call] = None;
                        }
                    }
                    Entry::Dropped { call } => calls[*call] = None,
                    Entry::Happened { event, at } => {
                        sim.core().now = *at;
                        happen(event);
                    }
                }
            }
        }
    }
}

fn called(method: Method, steps: &dyn Steps, ask: Ask) -> Boxed<()> {
    match method {
        Method::Import => unheard(steps.import()),
        Method::Run => unheard(steps.run(ask)),
        Method::Lookup => unheard(steps.lookup(ask)),
        Method::Undo => unheard(steps.undo(ask)),
        Method::Abort => unheard(steps.abort(ask)),
        Method::Verify => unheard(steps.verify(ask)),
    }
}

/// A call whose answer is known.
fn unheard<A: Send + 'static>(call: Boxed<Result<A, Failure>>) -> Boxed<()> {
    Box::pin(async move { drop(call.await) })
}

/// A call of which the journal takes note.
pub(super) struct Noted<A> {
    pub(super) sim: Sim,
    pub(super) number: usize,
    pub(super) call: Option<Boxed<Result<A, Failure>>>,
}

impl<A> Future for Noted<A> {
    type Output = Result<A, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(call) = &mut this.call else { return Poll::Pending };
        {
            let mut core = this.sim.core();
            let at = core.now;
            if let Some(journal) = &mut core.journal {
                journal.entries.push(Entry::Polled { call: this.number, at });
            }
        }
        let answer = call.as_mut().poll(context);
        if answer.is_ready() {
            this.call = None;
            this.end(false);
        }
        answer
    }
}

impl<A> Noted<A> {
    fn end(&self, dropped: bool) {
        if let Some(journal) = &mut self.sim.core().journal {
            journal.open -= 1;
            if dropped {
                journal.entries.push(Entry::Dropped { call: self.number });
            }
        }
    }
}

impl<A> Drop for Noted<A> {
    fn drop(&mut self) {
        if self.call.take().is_some() {
            self.end(true);
        }
    }
}
