//! Calls of an author's methods, and what can go wrong with them. Invariant: a request is carried out by the author's own method, once,
//! twice, late or never; the harness makes up errors, and nothing else.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use durable_fsm_graph::{Contract, Graph, InDoubt, Kind, Transport};

use super::decoded::Read;
use super::journal::{Method, Noted};
use super::{Decoded, Point, Sim, SimClock, Stop, Unacceptable};
use crate::found::Importing;
use crate::machine::{Boxed, Failure, Reply};
use crate::record::{HeldReason, Record, Spec, Unreadable};
use crate::steps::{Ask, Steps};
use crate::testing::oracle::{Oracle, Violation};
use crate::testing::plan::{Fault, Place};
use crate::{Class, Clock, FactError, Facts, Lookup, Site, Undone};

/// An author's methods, with faults in between.
pub(crate) struct SimSteps {
    pub(crate) inner: Arc<dyn Steps>,
    pub(crate) sim: Sim,
    /// The uid of the resource that the pass is for.
    pub(crate) uid: String,
    /// Which of its specs the pass is for.
    pub(crate) generation: u64,
    /// The record that the pass has read last.
    kept: Mutex<Option<Arc<Decoded>>>,
}

/// What one request does when it is carried out.
type Request<A> = Boxed<Result<A, Failure>>;

impl SimSteps {
    pub(crate) fn new(inner: Arc<dyn Steps>, sim: Sim, uid: String, generation: u64) -> Self {
        Self { inner, sim, uid, generation, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Option<Arc<Decoded>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn contract(&self, ask: &Ask) -> Option<&'static Contract<'static>> {
        self.inner.graph().transitions.get(ask.transition).and_then(|step| step.contract())
    }

    /// A call of the author's own method.
    pub(super) fn call<A: Send + 'static>(
        &self,
        method: Method,
        ask: Ask,
        call: impl FnOnce(&dyn Steps, Ask) -> Request<A>,
    ) -> Request<A> {
        let edit = usize::try_from(self.generation.saturating_sub(1)).unwrap_or(usize::MAX);
        let number = self.sim.core().journal.as_mut().map(|journal| journal.called(method, edit, &ask));
        let call = call(&*self.inner, ask);
        match number {
            Some(number) => Box::pin(Noted { sim: self.sim.clone(), number, call: Some(call) }),
            None => call,
        }
    }

    /// A request that may change the world.
    fn send<A: Debug + Send + 'static>(
        &self,
        site: Site,
        ask: Ask,
        method: fn(&Self, Ask) -> Request<A>,
        tell: fn(&Sim, &Ask, &A),
    ) -> Request<A> {
        let Some(contract) = self.contract(&ask) else { return method(self, ask) };
        let sim = self.sim.clone();
        let out_of_turn = self.out_of_turn(site, &ask, contract);
        let fault = {
            let mut core = sim.core();
            core.called(site, &ask);
            if let Some(message) = out_of_turn {
                core.violate(Violation::new(Oracle::Edge, message));
            }
            let is_refused = |it: &&Unacceptable| it.transition == ask.transition && it.spec == ask.spec;
            let refused = core.unacceptable.as_ref().filter(is_refused).map(|it| it.recorded);
            // The provider knows what was made under the key. The one who deletes it makes sure that it can be deleted.
            let is_made = core.things.iter().any(|thing| thing.key.as_ref() == Some(&ask.details.key));
            if let Some(recorded) = refused.filter(|_| site == Site::Effect && !core.deleting && !is_made) {
                if recorded && contract.abort.is_some() && self.inner.spec().ok() != ask.spec {
                    let message = "what was refused is sent again, though its abort could make way for another spec";
                    core.violate(Violation::new(Oracle::Quiescent, message.to_owned()));
                }
                Some(Fault::Rejected)
            } else {
                let mut offered = menu(site, contract);
                let record = core.stored.record();
                let doubted = record.and_then(|it| it.intent.as_ref()).is_none_or(|intent| intent.in_doubt);
                if site == Site::Effect && is_made && !doubted && record.is_some_and(|it| !it.direction.is_forward()) {
                    // It was refused, and is sent again to be undone: what its twin has made is known by the key, and is not refused.
                    offered &= !(Fault::Rejected.bit() | Fault::Unacceptable.bit() | Fault::NotOurs.bit());
                }
                if site == Site::Effect && core.edit < core.edits && !core.deleting {
                    offered |= Fault::Overtaken.bit();
                }
                core.offer(offered)
            }
        };
        let request = |ask: Ask| -> Request<A> {
            let call = method(self, ask.clone());
            let sim = sim.clone();
            Box::pin(Inside {
                sim,
                site,
                transition: ask.transition,
                subject: ask.subject.clone(),
                awaits: 0,
                call: Some(call),
            })
        };
        // As `request`, and no place of its own: another fault has struck already.
        let carried = |ask: Ask| -> Request<A> { Box::pin(Carried { sim: sim.clone(), call: method(self, ask) }) };
        let answered = |ask: Ask, call: Request<A>| -> Request<A> {
            let sim = sim.clone();
            Box::pin(async move {
                let answer = call.await;
                sim.check_world();
                sim.core().trace(|| format!("{answer:?}"));
                sim.core().answered(site, &ask, answer.as_ref().err());
                if let Ok(made) = &answer {
                    tell(&sim, &ask, made);
                }
                answer
            })
        };
        match fault {
            Some(Fault::RequestLost) => answered(ask, error(Class::Unknown, "the request was lost")),
            Some(Fault::NotApplied) => answered(ask, error(Class::NOT_APPLIED, "connection refused")),
            Some(Fault::Throttled) => {
                let class = Class::NotApplied { retry_after: Some(Duration::from_secs(7)) };
                answered(ask, error(class, "too many requests"))
            }
            Some(Fault::Twin) => {
                self.fly(site, &ask, method(self, ask.clone()));
                answered(ask, error(Class::NOT_APPLIED, "bad gateway"))
            }
            Some(Fault::Unacceptable) => {
                let (transition, spec) = (ask.transition, ask.spec.clone());
                sim.core().unacceptable = Some(Unacceptable { transition, spec, recorded: false });
                answered(ask, error(Class::Rejected, "not acceptable"))
            }
            Some(Fault::Rejected) => answered(ask, error(Class::Rejected, "not acceptable")),
            Some(Fault::NotOurs) => answered(ask, error(Class::NotOurs, "it belongs to somebody else")),
            Some(Fault::ReplyLost) => {
                let call = carried(ask.clone());
                answered(
                    ask,
                    Box::pin(async move {
                        drop(call.await);
                        Err(failure(Class::Unknown, "the reply was lost"))
                    }),
                )
            }
            Some(Fault::Overtaken) => {
                let call = carried(ask.clone());
                let world = sim.clone();
                answered(
                    ask,
                    Box::pin(async move {
                        drop(call.await);
                        world.edit();
                        Err(failure(Class::Unknown, "the reply was lost"))
                    }),
                )
            }
            Some(Fault::Hang) => {
                let call = carried(ask);
                Box::pin(async move {
                    drop(call.await);
                    sim.check_world();
                    std::future::pending().await
                })
            }
            Some(fault @ (Fault::Late | Fault::CrashLate)) => {
                self.fly(site, &ask, method(self, ask.clone()));
                if fault == Fault::CrashLate {
                    sim.core().stop = Some(Stop::Crash);
                }
                Box::pin(std::future::pending())
            }
            Some(fault @ (Fault::Duplicate | Fault::Echo)) if site == Site::Effect || fault == Fault::Echo => {
                self.fly(site, &ask, method(self, ask.clone()));
                let call = request(ask.clone());
                answered(ask, call)
            }
            Some(Fault::Duplicate) => {
                let first = carried(ask.clone());
                let second = request(ask.clone());
                answered(
                    ask,
                    Box::pin(async move {
                        drop(first.await);
                        second.await
                    }),
                )
            }
            Some(Fault::Slow) => {
                let call = request(ask.clone());
                let slow = SimClock(sim.clone()).sleep(contract.timeout / 2);
                answered(
                    ask,
                    Box::pin(async move {
                        slow.await;
                        call.await
                    }),
                )
            }
            _ => {
                let call = request(ask.clone());
                answered(ask, call)
            }
        }
    }

    /// The author's method of an effect. Of what only a person can vouch for it keeps what came of it, for the person to find.
    fn carry_out(&self, ask: Ask) -> Request<Reply> {
        if self.contract(&ask).is_none_or(|contract| contract.in_doubt != InDoubt::Hold) {
            return self.call(Method::Run, ask, |inner, ask| inner.run(ask));
        }
        let (sim, key) = (self.sim.clone(), ask.details.key.clone());
        let call = self.call(Method::Run, ask, |inner, ask| inner.run(ask));
        Box::pin(async move {
            let answer = call.await;
            if let Ok(reply) = &answer {
                sim.core().made = Some((key, reply.clone()));
            }
            answer
        })
    }

    /// Puts a request under way that lands just before everybody may take it for lost.
    fn fly<A: Send + 'static>(&self, site: Site, ask: &Ask, call: Request<A>) {
        let Some(contract) = self.contract(ask) else { return };
        let wall = SimClock(self.sim.clone()).wall();
        let left = ask.details.deadline.duration_since(wall).unwrap_or_default();
        let graph = self.inner.graph();
        let what = format!("{} of {}", site.name(), graph.transitions[ask.transition].name);
        let mut core = self.sim.core();
        // What is declared has to cover both: that the request lands, and that a look-up sees it.
        let lands =
            (core.now + left + contract.settle.saturating_sub(core.lag)).saturating_sub(Duration::from_millis(1));
        let call = Box::pin(async move { drop(call.await) });
        core.fly(lands, what, call);
    }

    /// A request that only looks.
    fn look<A: Debug + Send + 'static>(&self, site: Site, ask: Ask, call: Request<A>) -> Request<A> {
        let fault = {
            let mut core = self.sim.core();
            core.books.calls += 1;
            core.books.asked += 1;
            if site == Site::Lookup {
                core.called(site, &ask);
            } else {
                core.waits(&ask);
            }
            core.offer(LOOK)
        };
        let told = |ask: Ask, call: Request<A>| -> Request<A> {
            let sim = self.sim.clone();
            Box::pin(async move {
                let answer = call.await;
                sim.core().trace(|| format!("{answer:?}"));
                if let Err(failure) = &answer {
                    sim.core().failed(site, &ask, failure);
                }
                answer
            })
        };
        match fault {
            Some(Fault::RequestLost) => told(ask, error(Class::Unknown, "no answer")),
            Some(Fault::Throttled) => {
                let class = Class::NotApplied { retry_after: Some(Duration::from_secs(7)) };
                told(ask, error(class, "too many requests"))
            }
            Some(Fault::Rejected) => told(ask, error(Class::Rejected, "not acceptable")),
            Some(Fault::Hang) => Box::pin(std::future::pending()),
            Some(Fault::Slow) => {
                let timeout = self.contract(&ask).map_or(Duration::from_secs(60), |contract| contract.timeout);
                let slow = SimClock(self.sim.clone()).sleep(timeout / 2);
                told(
                    ask,
                    Box::pin(async move {
                        slow.await;
                        call.await
                    }),
                )
            }
            _ => {
                let (transition, subject) = (ask.transition, ask.subject.clone());
                let sim = self.sim.clone();
                told(ask, Box::pin(Inside { sim, site, transition, subject, awaits: 0, call: Some(call) }))
            }
        }
    }

    /// What cannot be decoded is a reason to hold.
    fn readable<A>(&self, answer: Result<A, FactError>) -> Result<A, FactError> {
        if answer.is_err() {
            self.sim.core().books.may_hold(HeldReason::Unreadable);
        }
        answer
    }
}

impl Steps for SimSteps {
    fn graph(&self) -> &'static Graph<'static> {
        self.inner.graph()
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn generation(&self) -> u64 {
        self.generation
    }
    fn deleting(&self) -> bool {
        self.inner.deleting()
    }
    fn keeps(&self) -> Option<&str> {
        self.inner.keeps()
    }
    fn decode(&self, bytes: &[u8]) -> Result<Arc<Record>, Unreadable> {
        Ok(match Decoded::read(self.inner.graph(), bytes)? {
            Read::Afresh(record) => record,
            Read::Kept(decoded) => {
                let record = Arc::clone(&decoded.record);
                *self.kept() = Some(decoded);
                record
            }
        })
    }
    fn spec(&self) -> Result<Spec, FactError> {
        self.inner.spec()
    }
    fn check(&self, state: usize, facts: &Facts) -> Result<(), FactError> {
        let kept = self.kept().clone();
        if kept.as_ref().is_some_and(|kept| kept.is_known_to_make(state, facts)) {
            return Ok(());
        }
        self.readable(self.inner.check(state, facts))
            .inspect(|()| kept.iter().for_each(|kept| kept.makes(state, facts)))
    }
    fn may_call(&self, ask: &Ask) -> Result<(), FactError> {
        self.readable(self.inner.may_call(ask))
    }
    fn guard(&self, state: usize, transition: usize, facts: &Facts) -> Result<bool, FactError> {
        self.readable(self.inner.guard(state, transition, facts))
    }
    fn retains(&self, transition: usize) -> Result<bool, FactError> {
        self.inner.retains(transition)
    }
    fn wanted(&self, transition: usize, facts: &Facts) -> Result<BTreeSet<String>, FactError> {
        self.readable(self.inner.wanted(transition, facts))
    }

    fn imports(&self) -> bool {
        self.inner.imports()
    }
    fn import(&self) -> Request<Importing> {
        self.asked_for_import()
    }
    fn run(&self, ask: Ask) -> Request<Reply> {
        match self.inner.graph().transitions.get(ask.transition).map(|step| step.kind) {
            Some(Kind::Effect(_)) => self.send(Site::Effect, ask, Self::carry_out, |sim, ask, reply| {
                sim.core().books.replied(ask, reply);
            }),
            kind => {
                let call = self.call(Method::Run, ask.clone(), |inner, ask| inner.run(ask));
                let sim = self.sim.clone();
                let asked = ask.clone();
                let waits = matches!(kind, Some(Kind::Waits { .. }));
                let call: Request<Reply> = Box::pin(async move {
                    let answer = call.await;
                    match &answer {
                        Ok(reply) => sim.core().books.replied(&asked, reply),
                        Err(failure) if !waits => sim.core().failed(Site::Effect, &asked, failure),
                        Err(_) => {}
                    }
                    answer
                });
                if waits { self.look(Site::Wait, ask, call) } else { call }
            }
        }
    }

    fn lookup(&self, ask: Ask) -> Request<Lookup<Reply>> {
        let call = self.call(Method::Lookup, ask.clone(), |inner, ask| inner.lookup(ask));
        let (sim, asked) = (self.sim.clone(), ask.clone());
        let has_abort = self.contract(&ask).is_some_and(|contract| contract.abort.is_some());
        let call: Request<Lookup<Reply>> = Box::pin(async move {
            let answer = call.await;
            let mut core = sim.core();
            match &answer {
                Ok(Lookup::Ours(reply)) => core.books.replied(&asked, reply),
                Ok(Lookup::Predecessor(reply)) => {
                    core.books.replied(&asked, reply);
                    core.books.may_hold(HeldReason::NotOurs);
                }
                Ok(Lookup::NotOurs) => core.books.may_hold(HeldReason::NotOurs),
                Ok(Lookup::Incomplete) if !has_abort => core.books.may_hold(HeldReason::Incomplete),
                Ok(Lookup::Absent) => core.books.may_hold(HeldReason::Vanished),
                Ok(Lookup::Incomplete) | Err(_) => {}
            }
            drop(core);
            answer
        });
        self.look(Site::Lookup, ask, call)
    }

    fn verify(&self, ask: Ask) -> Request<bool> {
        let call = self.call(Method::Verify, ask.clone(), |inner, ask| inner.verify(ask));
        let sim = self.sim.clone();
        let call: Request<bool> = Box::pin(async move {
            let answer = call.await;
            if answer == Ok(false) {
                sim.core().books.may_hold(HeldReason::Vanished);
            }
            answer
        });
        self.look(Site::Lookup, ask, call)
    }

    fn undo(&self, ask: Ask) -> Request<Undone> {
        self.send(
            Site::Undo,
            ask,
            |steps, ask| steps.call(Method::Undo, ask, |inner, ask| inner.undo(ask)),
            |sim, ask, told| {
                if *told == Undone::Done {
                    sim.core().books.undone.insert(ask.transition);
                }
            },
        )
    }

    fn abort(&self, ask: Ask) -> Request<Undone> {
        self.send(
            Site::Abort,
            ask,
            |steps, ask| steps.call(Method::Abort, ask, |inner, ask| inner.abort(ask)),
            |sim, ask, _| {
                sim.core().books.aborted.insert(ask.transition);
            },
        )
    }
}

/// What can strike a request that only looks. That something is not ours is for the provider to say: only it knows.
pub(super) const LOOK: u64 =
    Fault::RequestLost.bit() | Fault::Throttled.bit() | Fault::Rejected.bit() | Fault::Hang.bit() | Fault::Slow.bit();

/// What can strike a request that may change the world. Nothing that the contract says cannot be: a duplicate only where a repeat is
/// the same thing, and where the transport does not deliver once.
fn menu(site: Site, contract: &Contract<'_>) -> u64 {
    let always = Fault::CrashLate.bit()
        | Fault::ReplyLost.bit()
        | Fault::RequestLost.bit()
        | Fault::Late.bit()
        | Fault::Hang.bit()
        | Fault::Slow.bit()
        | Fault::NotApplied.bit()
        | Fault::Throttled.bit()
        | Fault::Rejected.bit()
        | Fault::NotOurs.bit();
    let is_once = contract.transport == Transport::Once;
    match (site, contract.in_doubt) {
        (Site::Effect, InDoubt::Repeat) if !is_once => {
            always | Fault::Unacceptable.bit() | Fault::Duplicate.bit() | Fault::Twin.bit()
        }
        (Site::Effect, _) => always | Fault::Unacceptable.bit(),
        _ if is_once && contract.in_doubt == InDoubt::Repeat => always,
        _ => always | Fault::Duplicate.bit() | Fault::Echo.bit(),
    }
}

fn failure(class: Class, text: &str) -> Failure {
    Failure::Provider { class, message: text.to_owned() }
}

pub(super) fn error<A: Send + 'static>(class: Class, text: &str) -> Request<A> {
    Box::pin(std::future::ready(Err(failure(class, text))))
}

/// A request that is carried out to its end. Invariant: it takes no time, so that what is made of its answer comes before the deadline.
struct Carried<A> {
    sim: Sim,
    call: Request<A>,
}

impl<A> Future for Carried<A> {
    type Output = Result<A, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = self.call.as_mut().poll(context);
        if answer.is_pending() {
            self.sim.check_world();
            self.sim.core().yielded = true;
        }
        answer
    }
}

/// A method that runs: each of its awaits is a place of its own.
pub(super) struct Inside<A> {
    pub(super) sim: Sim,
    pub(super) site: Site,
    pub(super) transition: usize,
    pub(super) subject: Option<String>,
    pub(super) awaits: u32,
    pub(super) call: Option<Request<A>>,
}

impl<A> Future for Inside<A> {
    type Output = Result<A, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(call) = &mut this.call else { return Poll::Pending };
        if let Poll::Ready(answer) = call.as_mut().poll(context) {
            if this.awaits > 0 {
                this.sim.core().last_await(this.transition, this.awaits);
            }
            return Poll::Ready(answer);
        }
        this.sim.check_world();
        let sim = this.sim.clone();
        let mut core = sim.core();
        this.awaits += 1;
        let transition = u16::try_from(this.transition).unwrap_or(u16::MAX);
        let place = Place::Await(this.site, this.awaits);
        let nth = core.nth(transition, this.subject.as_deref(), place);
        let subject = this.subject.as_deref().map(Arc::from);
        let outer = core.at();
        let fault = core.pass_point(Point { transition, subject, place, nth }, Fault::Crash.bit() | Fault::Hang.bit());
        core.back_to(outer);
        match fault {
            Some(Fault::Crash) => core.stop = Some(Stop::Crash),
            // No answer ever comes, and nothing after this await happens.
            Some(_) => {
                drop(core);
                this.call = None;
            }
            None => core.yielded = true,
        }
        Poll::Pending
    }
}
