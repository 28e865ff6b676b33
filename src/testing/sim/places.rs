//! The places that a run passes, and the faults that strike there. Invariant: a fault strikes only if the plan has it for this very place.

use std::sync::Arc;

use durable_fsm_graph::Graph;

use super::Core;
use crate::testing::plan::{Fault, Label, Place};

/// A place, as the simulation compares it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Point {
    /// Index of the transition; `u16::MAX` for none.
    pub(crate) transition: u16,
    pub(crate) subject: Option<Arc<str>>,
    pub(crate) place: Place,
    pub(crate) nth: u32,
}

impl Point {
    pub(crate) fn label(&self, graph: &Graph<'_>) -> Label {
        let step = graph.transitions.get(usize::from(self.transition));
        Label {
            transition: step.map_or("", |step| step.name).to_owned(),
            subject: self.subject.as_deref().map(str::to_owned),
            place: self.place,
            nth: self.nth,
        }
    }

    pub(crate) fn of(label: &Label, graph: &Graph<'_>) -> Option<Self> {
        let transition = if label.transition.is_empty() {
            u16::MAX
        } else {
            u16::try_from(graph.transition(&label.transition)?.0).ok()?
        };
        Some(Self { transition, subject: label.subject.as_deref().map(Arc::from), place: label.place, nth: label.nth })
    }
}

/// A place that a run has passed, and the faults that could have struck there.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) point: Point,
    pub(crate) menu: u64,
    /// The last await of a method comes after everything else in it, so most of what could strike there strikes after the method too.
    pub(crate) last_await: bool,
}

/// A fault that a run is to meet.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) point: Point,
    pub(crate) fault: Fault,
    pub(crate) fired: bool,
}

impl Core {
    /// Takes note that a place was passed, with what could have struck; what the plan has for it strikes.
    pub(crate) fn pass_point(&mut self, point: Point, menu: u64) -> Option<Fault> {
        if self.quiet {
            return None;
        }
        let now = self.now;
        self.trace(|| (&point, now));
        self.books.passed(&point);
        self.seen.push(Seen { point, menu: 0, last_await: false });
        self.current[self.actor] = Some(self.seen.len() - 1);
        self.offer(menu)
    }

    /// More that could strike at the place that was passed last.
    pub(crate) fn offer(&mut self, menu: u64) -> Option<Fault> {
        if self.quiet {
            return None;
        }
        let index = self.current[self.actor]?;
        let seen = &mut self.seen[index];
        seen.menu |= menu;
        self.books.offered.add(&seen.point, menu);
        let planned =
            self.plan.iter_mut().find(|it| !it.fired && menu & it.fault.bit() != 0 && it.point == seen.point)?;
        planned.fired = true;
        self.fired_at = self.seen.len();
        let (fault, point) = (planned.fault, planned.point.clone());
        let graph = self.graph;
        self.note(|| format!("{} {fault}   ← injected", point.label(graph)));
        Some(fault)
    }

    /// The place that the running controller has passed last.
    pub(crate) fn at(&self) -> Option<usize> {
        self.current[self.actor]
    }

    /// Inside a method is over: what strikes next, strikes at the method again.
    pub(crate) fn back_to(&mut self, outer: Option<usize>) {
        self.current[self.actor] = outer;
    }

    /// A method has answered, after so many awaits.
    pub(crate) fn last_await(&mut self, transition: usize, awaits: u32) {
        let is_it = |seen: &&mut Seen| {
            usize::from(seen.point.transition) == transition
                && matches!(seen.point.place, Place::Await(_, nth) if nth == awaits)
        };
        if let Some(seen) = self.seen.iter_mut().rev().find(is_it) {
            seen.last_await = true;
        }
    }

    /// The number of the coming visit of a place.
    pub(crate) fn nth(&self, transition: u16, subject: Option<&str>, place: Place) -> u32 {
        let same = |seen: &&Seen| {
            seen.point.transition == transition && seen.point.place == place && seen.point.subject.as_deref() == subject
        };
        self.seen.iter().rev().find(same).map_or(1, |seen| seen.point.nth + 1)
    }
}
