//! Random machines, and random positions in them.

use std::time::Duration;

use proptest::prelude::*;

use super::machines::{HOSTILE, Machine, Move, Sort, Spot, Terms};
use crate::model::{Cause, End, InDoubt, Rest};
use crate::overlay::{Overlay, Step, Stopped};

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[A-Za-z_]{1,24}",
        1 => proptest::sample::select(HOSTILE.to_vec()).prop_map(str::to_owned),
        1 => "\\PC{0,30}",
        1 => any::<String>(),
    ]
}

fn spot() -> impl Strategy<Value = Spot> {
    let rest = prop_oneof![6 => Just(Rest::Passing), 2 => Just(Rest::Resting), 1 => Just(Rest::Terminal)];
    let flags = (proptest::bool::weighted(0.1), proptest::bool::weighted(0.1));
    (word(), word(), rest, flags).prop_map(|(name, doc, rest, (failed, leaving))| Spot {
        name,
        doc,
        rest,
        failed,
        leaving,
    })
}

fn terms() -> impl Strategy<Value = Terms> {
    let in_doubt = prop_oneof![Just(None), Just(Some(InDoubt::Lookup)), Just(Some(InDoubt::Hold))];
    let retain_when = proptest::option::weighted(0.1, word());
    (in_doubt, any::<[bool; 6]>(), retain_when).prop_map(
        |(in_doubt, [abort, once, kept, undo_first, on_delete, preempts], retain_when)| Terms {
            in_doubt,
            abort,
            once,
            kept,
            retain_when,
            undo_first,
            on_delete,
            preempts,
        },
    )
}

/// Graphs of every kind: mostly forward, with branches, loops, sets, and also indices that do not exist.
pub(super) fn machine() -> impl Strategy<Value = Machine> {
    (0_usize..=60).prop_flat_map(|count| {
        let top = count.max(1);
        let chain = (proptest::bool::weighted(0.7), 1_usize..4);
        let free = proptest::collection::vec(0..=top, 0..3);
        let also = proptest::collection::vec(0..top, 0..3);
        let undo = proptest::option::weighted(0.3, word());
        let step = (word(), 0..top, chain, (free, also), undo, 0_u8..10, terms());
        let step = step.prop_map(move |(name, from, (forward, far), (mut to, mut also), undo, kind, terms)| {
            if forward {
                to.insert(0, (from + far).min(top - 1));
            }
            // The derive refuses a target that is named twice.
            to.sort_unstable();
            to.dedup();
            also.sort_unstable();
            also.dedup();
            also.retain(|at| kind > 6 && *at != from);
            let each = (kind == 0).then(|| (name.clone(), vec![from, (from + far) % top]));
            let cause = |of| match of % 3 {
                0 => Cause::Rejected,
                1 => Cause::Exhausted { attempts: None, give_up_after: Some(Duration::from_secs(600)) },
                _ => Cause::Overdue,
            };
            let sort = match kind {
                3 => Sort::NoEffect,
                4 => Sort::Waits { every: Some(30), within: undo.is_some().then_some(600) },
                5 if terms.once => Sort::Rewind,
                5 if terms.abort => Sort::Deferred,
                6 => Sort::End(End { of: 0, cause: cause(from), back: terms.once }),
                _ => Sort::Effect,
            };
            let guard = (kind == 1).then(|| "guard".to_owned());
            Move { name, from, also, to, guard, undo, retain: kind == 2, sort, terms, each }
        });
        let states = proptest::collection::vec(spot(), count);
        let moves = proptest::collection::vec(step, 0..=count * 3 / 2);
        let initial = prop_oneof![3 => Just(0), 1 => 0..top];
        (word(), states, moves, initial).prop_map(|(name, states, moves, initial)| Machine {
            name,
            states,
            moves,
            initial,
        })
    })
}

/// The parts of an overlay, owned.
#[derive(Debug, Clone)]
pub(super) struct Position {
    here: usize,
    done: Vec<usize>,
    walked: Vec<Step>,
    undone: Vec<usize>,
    pending: Vec<usize>,
    under_way: Option<usize>,
    undoing: bool,
    doubt: bool,
    paused: bool,
    stop: u8,
    text: String,
    seconds: u64,
}

impl Position {
    /// At the initial state of most machines.
    pub(super) fn start() -> Self {
        let none = (vec![], vec![], vec![], vec![]);
        let (done, walked, undone, pending) = none;
        let (undoing, doubt, paused, stop, text) = (false, false, false, 0, String::new());
        Self { here: 0, done, walked, undone, pending, under_way: None, undoing, doubt, paused, stop, text, seconds: 0 }
    }

    /// At the last state, half of everything undone.
    pub(super) fn end(machine: &Machine) -> Self {
        let count = machine.moves.len();
        let walked = machine.moves.iter().enumerate();
        Self {
            here: machine.states.len().saturating_sub(1),
            done: (0..machine.states.len()).collect(),
            walked: walked
                .flat_map(|(index, it)| it.to.iter().map(move |&to| Step { transition: index, to }))
                .collect(),
            undone: (count / 2..count).collect(),
            pending: (0..count / 2).rev().collect(),
            under_way: Some(count / 2),
            undoing: true,
            stop: 1,
            text: HOSTILE.join(" "),
            seconds: 100_000,
            ..Self::start()
        }
    }

    pub(super) fn overlay(&self) -> Overlay<'_> {
        Overlay {
            resource: &self.text,
            here: self.here,
            done: &self.done,
            walked: &self.walked,
            since: Some(Duration::from_secs(self.seconds)),
            attempt: u32::try_from(self.seconds % 5).unwrap_or(0),
            last_error: self.seconds.is_multiple_of(2).then_some(&*self.text),
            next_retry: self.seconds.is_multiple_of(3).then_some(Duration::from_secs(self.seconds)),
            under_way: self.under_way,
            in_doubt: self.doubt,
            paused: self.paused,
            undoing: self.undoing,
            stopped: match self.stop {
                0 => None,
                1 => Some(Stopped::Held(&self.text)),
                _ => Some(Stopped::Blocked(&self.text)),
            },
            undone: &self.undone,
            pending_undo: &self.pending,
            imported: &self.done,
            lost: &self.pending,
        }
    }
}

/// A machine with a position in it, which may also be off the machine.
pub(super) fn live() -> impl Strategy<Value = (Machine, Position)> {
    machine().prop_flat_map(|machine| {
        let (states, moves) = (machine.states.len() + 1, machine.moves.len() + 1);
        let some = |top: usize| proptest::collection::vec(0..top, 0..=top.min(20));
        let steps = proptest::collection::vec((0..moves, 0..states), 0..30);
        let flags = (any::<bool>(), any::<bool>(), any::<bool>(), 0_u8..3);
        let lists = (some(states), steps, some(moves), some(moves), proptest::option::of(0..moves));
        let position = (0..states, lists, flags, word(), 0_u64..200_000).prop_map(
            |(here, (done, steps, undone, pending, under_way), (undoing, doubt, paused, stop), text, seconds)| {
                let walked = steps.into_iter().map(|(transition, to)| Step { transition, to }).collect();
                Position { here, done, walked, undone, pending, under_way, undoing, doubt, paused, stop, text, seconds }
            },
        );
        (Just(machine), position)
    })
}
