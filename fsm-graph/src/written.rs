//! Short constructors for graphs, as the derive writes them. The compiler reads each word again at every change.
//!
//! Invariant: everything that can be written here is a valid value of the graph's types.

use std::time::Duration;

pub use std::option::Option::{self, None, Some};

pub use crate::model::Graph;
use crate::model::{
    Cause, Contract, End, Fact, ForEach, InDoubt, Kind, Lost, Predecessor, Rest, Retry, State, Transition, Transport,
    Undo, Upgrade, Upgraded, Verify,
};

/// Marks of a state, to be added up.
pub const PASSING: u8 = 0;
pub const RESTING: u8 = 1;
pub const TERMINAL: u8 = 2;
pub const INITIAL: u8 = 4;
pub const FAILED: u8 = 8;
pub const LEAVING: u8 = 16;

pub const REPEAT: InDoubt = InDoubt::Repeat;
pub const LOOKUP: InDoubt = InDoubt::Lookup;
pub const HOLD: InDoubt = InDoubt::Hold;

pub const REMAKE: Lost = Lost::Remake;
pub const MISSING: Lost = Lost::Missing;
pub const END: Lost = Lost::End;
pub const HELD: Lost = Lost::Hold;
pub const IGNORE: Lost = Lost::Ignore;

pub const RETAIN: Undo<'static> = Undo::Retain;
pub const NOTHING: Undo<'static> = Undo::None;

/// Undone by this method.
pub const fn by(method: &str) -> Undo<'_> {
    Undo::Method(method)
}

pub const fn state<'a>(
    name: &'a str,
    doc: &'a str,
    marks: u8,
    facts: &'a [Fact<'a>],
    known: &'a [&'a str],
    transitions: &'a [usize],
) -> State<'a> {
    let rest = match marks & (RESTING | TERMINAL) {
        PASSING => Rest::Passing,
        RESTING => Rest::Resting,
        _ => Rest::Terminal,
    };
    let (initial, failed, leaving) = (marks & INITIAL != 0, marks & FAILED != 0, marks & LEAVING != 0);
    State {
        name,
        doc,
        initial,
        rest,
        failed,
        leaving,
        retired: false,
        was: &[],
        facts,
        known,
        transitions,
        guards: &[],
        verify: None,
    }
}

pub const fn fact<'a>(name: &'a str, ty: &'a str, doc: &'a str) -> Fact<'a> {
    Fact { name, ty, doc, each: false, default: false, was: &[] }
}

pub const fn set<'a>(name: &'a str, ty: &'a str, doc: &'a str) -> Fact<'a> {
    Fact { name, ty, doc, each: true, default: false, was: &[] }
}

pub const fn no_effect<'a>(name: &'a str, from: usize, to: &'a [usize], guard: Option<&'a str>) -> Transition<'a> {
    step(name, from, to, guard, Kind::NoEffect)
}

const fn step<'a>(
    name: &'a str,
    from: usize,
    to: &'a [usize],
    guard: Option<&'a str>,
    kind: Kind<'a>,
) -> Transition<'a> {
    Transition {
        name,
        from,
        to,
        guard,
        on_delete: false,
        preempts: false,
        retired: false,
        was: &[],
        verify: None,
        kind,
    }
}

pub const fn rewind<'a>(name: &'a str, from: usize, to: &'a [usize], guard: Option<&'a str>) -> Transition<'a> {
    step(name, from, to, guard, Kind::Rewind)
}

/// Where the transition `of` ends when it is rejected.
pub const fn rejected<'a>(name: &'a str, from: usize, to: &'a [usize], of: usize, back: bool) -> Transition<'a> {
    step(name, from, to, None, Kind::End(End { of, cause: Cause::Rejected, back }))
}

/// Where it ends when it has failed so often, or for so many milliseconds.
pub const fn exhausted<'a>(
    name: &'a str,
    from: usize,
    to: &'a [usize],
    of: usize,
    back: bool,
    attempts: Option<u32>,
    give_up_after: Option<u64>,
) -> Transition<'a> {
    let cause = Cause::Exhausted { attempts, give_up_after: millis(give_up_after) };
    step(name, from, to, None, Kind::End(End { of, cause, back }))
}

/// Where it ends when it has waited for too long.
pub const fn overdue<'a>(name: &'a str, from: usize, to: &'a [usize], of: usize, back: bool) -> Transition<'a> {
    step(name, from, to, None, Kind::End(End { of, cause: Cause::Overdue, back }))
}

/// Where the machine goes when what the transition `of` made is gone.
pub const fn lost<'a>(name: &'a str, from: usize, to: &'a [usize], of: usize, back: bool) -> Transition<'a> {
    step(name, from, to, None, Kind::End(End { of, cause: Cause::Lost, back }))
}

/// `no_effect` with an undo.
pub const fn deferred<'a>(
    name: &'a str,
    from: usize,
    to: &'a [usize],
    guard: Option<&'a str>,
    contract: Contract<'a>,
) -> Transition<'a> {
    step(name, from, to, guard, Kind::Deferred(contract))
}

/// `within` and `every` are in milliseconds.
pub const fn waits<'a>(
    name: &'a str,
    from: usize,
    to: &'a [usize],
    guard: Option<&'a str>,
    within: Option<u64>,
    every: Option<u64>,
) -> Transition<'a> {
    step(name, from, to, guard, Kind::Waits { every: millis(every), within: millis(within), for_each: None })
}

const fn millis(time: Option<u64>) -> Option<Duration> {
    match time {
        Some(time) => Some(Duration::from_millis(time)),
        None => None,
    }
}

pub const fn effect<'a>(
    name: &'a str,
    from: usize,
    to: &'a [usize],
    guard: Option<&'a str>,
    contract: Contract<'a>,
) -> Transition<'a> {
    step(name, from, to, guard, Kind::Effect(contract))
}

/// The times are in milliseconds.
pub const fn contract<'a>(
    in_doubt: InDoubt,
    undo: Undo<'a>,
    abort: Option<&'a str>,
    [timeout, settle, base, max]: [u64; 4],
) -> Contract<'a> {
    Contract {
        in_doubt,
        undo,
        retain_when: None,
        abort,
        transport: Transport::AtLeastOnce,
        timeout: Duration::from_millis(timeout),
        settle: Duration::from_millis(settle),
        retry: Retry { base: Duration::from_millis(base), max: Duration::from_millis(max) },
        look_first: true,
        predecessor: Predecessor::Hold,
        for_each: None,
    }
}

/// The state with what few states say.
impl<'a> State<'a> {
    #[doc(hidden)]
    #[must_use]
    pub const fn guarded(self, guards: &'a [(usize, &'a str)]) -> Self {
        Self { guards, ..self }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn retired(self) -> Self {
        Self { retired: true, ..self }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn was(self, was: &'a [&'a str]) -> Self {
        Self { was, ..self }
    }

    /// In milliseconds.
    #[doc(hidden)]
    #[must_use]
    pub const fn verified(self, every: u64) -> Self {
        Self { verify: Some(Duration::from_millis(every)), ..self }
    }
}

/// Records in a state that this version wrote, or an older one, go on in another.
pub const fn moved(from: u32, state: usize, to: usize) -> Upgrade {
    Upgrade { from, of: Upgraded::State(state), to }
}

/// What a transition made for this version, or an older one, has reached this state.
pub const fn branched(from: u32, transition: usize, to: usize) -> Upgrade {
    Upgrade { from, of: Upgraded::Branch(transition), to }
}

/// The fact with what few facts say.
impl<'a> Fact<'a> {
    #[doc(hidden)]
    #[must_use]
    pub const fn or_default(self) -> Self {
        Self { default: true, ..self }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn was(self, was: &'a [&'a str]) -> Self {
        Self { was, ..self }
    }
}

/// The transition with what few transitions say.
impl<'a> Transition<'a> {
    #[doc(hidden)]
    #[must_use]
    pub const fn retired(self) -> Self {
        Self { retired: true, ..self }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn was(self, was: &'a [&'a str]) -> Self {
        Self { was, ..self }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn on_delete(self) -> Self {
        Self { on_delete: true, ..self }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn preempts(self) -> Self {
        Self { preempts: true, ..self }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn asked(self, by: Option<&'a str>, lost: Lost) -> Self {
        Self { verify: Some(Verify { by, lost }), ..self }
    }

    /// For a transition that waits.
    #[doc(hidden)]
    #[must_use]
    pub const fn each(self, for_each: ForEach<'a>) -> Self {
        match self.kind {
            Kind::Waits { every, within, .. } => {
                Self { kind: Kind::Waits { every, within, for_each: Some(for_each) }, ..self }
            }
            _ => self,
        }
    }
}

/// The set that is kept in this fact.
pub const fn members(fact: &str) -> ForEach<'_> {
    ForEach { fact, kept: false, on: None, surge: None }
}

/// The value that is kept in this fact.
pub const fn value(fact: &str) -> ForEach<'_> {
    ForEach { fact, kept: true, on: None, surge: None }
}

/// The set with what few sets say.
impl<'a> ForEach<'a> {
    #[doc(hidden)]
    #[must_use]
    pub const fn on(self, fact: &'a str) -> Self {
        Self { on: Some(fact), ..self }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn surge(self, surge: u32) -> Self {
        Self { surge: Some(surge), ..self }
    }
}

/// The contract with what few contracts say.
impl<'a> Contract<'a> {
    #[doc(hidden)]
    #[must_use]
    pub const fn once(self) -> Self {
        Self { transport: Transport::Once, ..self }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn retained_when(self, method: &'a str) -> Self {
        Self { retain_when: Some(method), ..self }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn look_later(self) -> Self {
        Self { look_first: false, ..self }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn adopt(self) -> Self {
        Self { predecessor: Predecessor::Adopt, ..self }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn each(self, for_each: ForEach<'a>) -> Self {
        Self { for_each: Some(for_each), ..self }
    }
}
