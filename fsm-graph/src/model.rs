//! The graph of a machine: states, transitions, facts.
//!
//! Invariant: every index stored in a [`Graph`] is in range. The derive checks this before it emits a graph.
//!
//! Everything borrows, so the derive can build a graph while it expands and emit the same graph as a `const`.

use std::time::Duration;

use crate::text;

/// One machine: its states, in declared order, and its transitions, in declared order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Graph<'a> {
    /// The machine's name in records, such as `hiclaw.io/worker`.
    pub name: &'a str,
    /// The name of the declaring enum, such as `WorkerFlow`.
    pub title: &'a str,
    /// The machine's version, counted by its author.
    pub version: u32,
    /// The lowest version that can read a record written by this one.
    pub reader: u32,
    /// The doc comment of the enum.
    pub doc: &'a str,
    /// Whether an effect that is rejected makes the machine undo everything it has made.
    pub undo_on_rejected: bool,
    /// Where records of older versions go on (`upgrade(…)`).
    pub upgrades: &'a [Upgrade],
    /// The states, in declared order.
    pub states: &'a [State<'a>],
    /// The transitions, each once, in declared order.
    pub transitions: &'a [Transition<'a>],
}

/// One state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State<'a> {
    /// The name of the variant, and the name in records.
    pub name: &'a str,
    /// The variant's doc comment.
    pub doc: &'a str,
    /// Whether a resource without a record is here.
    pub initial: bool,
    /// Whether a resource may stay here.
    pub rest: Rest,
    /// Whether being here means that provisioning has failed.
    pub failed: bool,
    /// Whether this state is a part of the way out: it is reached only by `on_delete` steps and from other leaving states.
    pub leaving: bool,
    /// Whether only records of older versions are here.
    pub retired: bool,
    /// The names that it had before, the first one first.
    pub was: &'a [&'a str],
    /// The facts that this state adds.
    pub facts: &'a [Fact<'a>],
    /// The names of all facts that can be read here: its own, and those that every path to it has recorded.
    pub known: &'a [&'a str],
    /// Indices into [`Graph::transitions`], in the order in which they are tried. A transition may be listed on several states.
    pub transitions: &'a [usize],
    /// The guards that transitions have here in place of their own, in the order of [`State::transitions`]. Ask [`Graph::guard`].
    pub guards: &'a [(usize, &'a str)],
    /// How often the things of a resource that rests here are asked about (`verify = …`).
    pub verify: Option<Duration>,
}

/// Whether a resource may stay in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// The machine goes on from here as soon as it can.
    Passing,
    /// The machine rests here until a guard holds or a wanted set changes.
    Resting,
    /// Nothing leads away from here but deletion.
    Terminal,
}

/// One fact of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fact<'a> {
    /// The name of the field, and the name in records.
    pub name: &'a str,
    /// The type, as written.
    pub ty: &'a str,
    /// The field's doc comment.
    pub doc: &'a str,
    /// Whether this is an `Each` or `Kept` fact, which begins empty and is filled by its `for_each` or `keep` transition.
    pub each: bool,
    /// Whether the fact has the default of its type where it was never recorded.
    pub default: bool,
    /// The names that it had before, the first one first.
    pub was: &'a [&'a str],
}

/// Where records of older versions go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgrade {
    /// It is for records that this version wrote, or an older one.
    pub from: u32,
    /// What it is for.
    pub of: Upgraded,
    /// A state, an index into [`Graph::states`].
    pub to: usize,
}

/// What an upgrade is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgraded {
    /// Records in this state, an index into [`Graph::states`], go on in another one.
    State(usize),
    /// What this transition, an index into [`Graph::transitions`], made before it was a branch has reached that state.
    Branch(usize),
}

/// One transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition<'a> {
    /// The name of the method, and the name in records.
    pub name: &'a str,
    /// The state on which it is declared, an index into [`Graph::states`].
    pub from: usize,
    /// The states it may lead to, indices into [`Graph::states`]. Empty for `for_each`, which stays where it is.
    pub to: &'a [usize],
    /// The guard's name (`when = …`) on every state that gives it no other one. Ask [`Graph::guard`].
    pub guard: Option<&'a str>,
    /// Whether it is considered only once deletion is wanted.
    pub on_delete: bool,
    /// Whether it runs although a step listed below it is in doubt, or waits to be tried again: that step is put aside.
    pub preempts: bool,
    /// Whether it is never begun any more: what it made for older versions can be undone.
    pub retired: bool,
    /// The names that it had before, the first one first.
    pub was: &'a [&'a str],
    /// Set when what it made is asked about at rest.
    pub verify: Option<Verify<'a>>,
    /// What it does to the world.
    pub kind: Kind<'a>,
}

/// How a thing is asked about at rest, and what happens if it is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verify<'a> {
    /// The method that says whether it is there (`verify = …`). If none is given, the look-up is asked.
    pub by: Option<&'a str>,
    /// What happens if it is gone.
    pub lost: Lost,
}

/// What happens when somebody else than the machine has removed a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The step that made it runs again, and the state stays.
    Remake,
    /// A member leaves its set. If it is still wanted, it is made again.
    Missing,
    /// The machine goes to a state, or back to the mark of one. Ask [`Graph::end`] for [`Cause::Lost`].
    End,
    /// The resource is held for a person.
    Hold,
    /// It is not asked about.
    Ignore,
}

/// What a transition does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// It changes the world under a contract.
    Effect(Contract<'a>),
    /// It touches nothing outside the record (`no_effect`).
    NoEffect,
    /// It looks and never changes anything (`waits`).
    Waits {
        /// How often it looks, where it answers "not yet" without a time.
        every: Option<Duration>,
        /// How long it may take in all before the resource is reported as blocked.
        within: Option<Duration>,
        /// Set when it waits for each member of a set by itself.
        for_each: Option<ForEach<'a>>,
    },
    /// It has no method: everything that was made since the mark of its target is undone, and the machine is there again.
    Rewind,
    /// It has no method: it is where another transition ends that cannot go on.
    End(End),
    /// It touches nothing outside the record when it runs (`no_effect`), and has an undo that runs at its place on the way back.
    Deferred(Contract<'a>),
}

/// The bad end of a transition: `rejected`, `exhausted`, `overdue` or `lost`. One that leads nowhere holds the resource until a person has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The transition that ends, an index into [`Graph::transitions`].
    pub of: usize,
    /// Why.
    pub cause: Cause,
    /// Whether the machine goes back to the mark of the target, as by a rewind.
    pub back: bool,
}

/// Why a transition cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The provider has rejected it.
    Rejected,
    /// It has failed so often, or for so long.
    Exhausted {
        /// After this many failures in a row.
        attempts: Option<u32>,
        /// When it fails this long after its first failure.
        give_up_after: Option<Duration>,
    },
    /// It has waited for longer than its `within`.
    Overdue,
    /// Somebody else than the machine has removed what it made. Such an end starts in the states that ask about the thing.
    Lost,
}

/// What is declared about an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract<'a> {
    /// What happens when its outcome is in doubt.
    pub in_doubt: InDoubt,
    /// How it is undone.
    pub undo: Undo<'a>,
    /// The method that is asked before every undo whether the thing is left behind (`retain_when = …`).
    pub retain_when: Option<&'a str>,
    /// The method that removes whatever an attempt may have made.
    pub abort: Option<&'a str>,
    /// Whether the transport may deliver a request twice.
    pub transport: Transport,
    /// The deadline of one attempt.
    pub timeout: Duration,
    /// How long after the deadline a request may still land or a look-up may still lag.
    pub settle: Duration,
    /// How retries are spaced.
    pub retry: Retry,
    /// Whether `lookup` is asked before the first attempt too.
    pub look_first: bool,
    /// What to do with a thing that a deleted namesake left behind.
    pub predecessor: Predecessor,
    /// Set when the transition runs once for each member of a wanted set, or keeps a value.
    pub for_each: Option<ForEach<'a>>,
}

/// The set that a `for_each` transition keeps true, or the value that a `keep` transition does: a set of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForEach<'a> {
    /// The `Each` or `Kept` fact, and the name of the method that gives the wanted set or value.
    pub fact: &'a str,
    /// Whether it is one value (`keep = …`): it is sent whenever it is to be another, under a fresh key each time.
    pub kept: bool,
    /// The set that this one depends on (`on = …`), by its fact: it has a member for each member of that set which is there and wanted.
    pub on: Option<&'a str>,
    /// How many members more than are wanted there may be while some are replaced by others (`surge = …`). Without it, all new ones are made before
    /// an old one is undone.
    pub surge: Option<u32>,
}

/// What the network and the client between the controller and the provider do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// A request may be delivered twice.
    AtLeastOnce,
    /// A request is delivered at most once: nothing on the way duplicates it, and the client never sends it again by itself.
    Once,
}

/// What happens when the outcome of an effect is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InDoubt {
    /// It is called again with the same idempotency key.
    Repeat,
    /// The provider is asked, and it is called again only when the thing is absent.
    Lookup,
    /// The resource is held until an operator says what happened.
    Hold,
}

/// How an effect is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo<'a> {
    /// By this method.
    Method(&'a str),
    /// The thing is left behind on purpose, and listed.
    Retain,
    /// It made nothing of its own.
    None,
}

/// How retries are spaced: the first after `base`, each later one twice as far, never further than `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The wait after the first failure.
    pub base: Duration,
    /// The longest wait.
    pub max: Duration,
}

/// What to do with a thing that a deleted namesake left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Predecessor {
    /// Hold the resource.
    Hold,
    /// Take it over.
    Adopt,
}

impl<'a> Graph<'a> {
    /// The state with this name.
    #[must_use]
    pub fn state(&self, name: &str) -> Option<(usize, &'a State<'a>)> {
        self.states.iter().enumerate().find(|(_, state)| state.name == name)
    }

    /// The name of a state as pictures show it, with a mark if only records of older versions are there; nothing for an index out of range.
    pub(crate) fn state_name(&self, state: usize) -> String {
        let retired = |state: &State<'_>| if state.retired { " (retired)" } else { "" };
        self.states.get(state).map_or_else(String::new, |state| text::line(state.name, 48) + retired(state))
    }

    /// The transition with this name.
    #[must_use]
    pub fn transition(&self, name: &str) -> Option<(usize, &'a Transition<'a>)> {
        self.transitions.iter().enumerate().find(|(_, transition)| transition.name == name)
    }

    /// The guard of a transition on a state that lists it.
    #[must_use]
    pub fn guard(&self, state: usize, transition: usize) -> Option<&'a str> {
        let guards = self.states.get(state).map_or(&[][..], |state| state.guards);
        let here = guards.iter().find(|(index, _)| *index == transition).map(|(_, guard)| *guard);
        here.or(self.transitions.get(transition)?.guard)
    }

    /// The states that list a transition, in declared order.
    pub fn places(&self, transition: usize) -> impl Iterator<Item = usize> + use<'a> {
        let states = self.states.iter().enumerate();
        states.filter(move |(_, state)| state.transitions.contains(&transition)).map(|(index, _)| index)
    }

    /// The transition that keeps a set or a value true, by its fact.
    #[must_use]
    pub fn keeper(&self, fact: &str) -> Option<(usize, &'a Transition<'a>)> {
        let mut steps = self.transitions.iter().enumerate();
        steps.find(|(_, step)| step.for_each().is_some_and(|set| set.fact == fact))
    }

    /// The bad end of a transition for a cause, on a state that lists the transition.
    #[must_use]
    pub fn end(&self, state: usize, of: usize, is_it: impl Fn(Cause) -> bool) -> Option<(&'a Transition<'a>, End)> {
        let listed = self.states.get(state).map_or(&[][..], |state| state.transitions);
        let steps = listed.iter().filter_map(|index| self.transitions.get(*index));
        steps.into_iter().find_map(|step| match step.kind {
            Kind::End(end) if end.of == of && is_it(end.cause) => Some((step, end)),
            _ => None,
        })
    }

    /// Whether a transition only looks, again and again, while the machine rests in this state: it waits, nothing asks for it, and it may take forever.
    #[must_use]
    pub fn looks_at_rest(&self, state: usize, index: usize) -> bool {
        let rests = self.states.get(state).is_some_and(|state| state.rest == Rest::Resting);
        let kind = self.transitions.get(index).map(|step| step.kind);
        let waits = matches!(kind, Some(Kind::Waits { every: Some(_), within: None, for_each: None }));
        rests && waits && self.guard(state, index).is_none()
    }

    /// The initial state's index.
    ///
    /// A graph that the derive emitted has exactly one; for one built by hand without any, this is the first state.
    #[must_use]
    pub fn initial(&self) -> usize {
        self.states.iter().position(|state| state.initial).unwrap_or(0)
    }
}

impl Contract<'_> {
    /// Whether a request is delivered at most once: what `lookup` and `hold` assume, and `repeat` says with `transport = once`.
    #[must_use]
    pub const fn is_delivered_once(&self) -> bool {
        matches!(self.transport, Transport::Once) || !matches!(self.in_doubt, InDoubt::Repeat)
    }
}

impl<'a> Transition<'a> {
    /// Whether it goes back to the mark of its target.
    #[must_use]
    pub fn goes_back(&self) -> bool {
        matches!(self.kind, Kind::Rewind | Kind::End(End { back: true, .. }))
    }

    /// The contract, if this transition makes something that can be undone.
    #[must_use]
    pub fn contract(&self) -> Option<&Contract<'a>> {
        match &self.kind {
            Kind::Effect(contract) | Kind::Deferred(contract) => Some(contract),
            Kind::NoEffect | Kind::Waits { .. } | Kind::Rewind | Kind::End(_) => None,
        }
    }

    /// The set or value it keeps true, if it is a `for_each` or `keep` transition.
    #[must_use]
    pub fn for_each(&self) -> Option<&ForEach<'a>> {
        match &self.kind {
            Kind::Waits { for_each, .. } => for_each.as_ref(),
            _ => self.contract().and_then(|contract| contract.for_each.as_ref()),
        }
    }

    /// Whether what it made is asked about where the machine rests.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        !self.retired && self.verify.is_some_and(|verify| verify.lost != Lost::Ignore)
    }

    /// Whether it keeps one value (`keep = …`).
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.for_each().is_some_and(|set| set.kept)
    }
}
