//! What there is where runs without faults rest, and what a run with faults is compared with. Invariant: a run that rests is compared with the
//! spec that it rests on, however it came there.

use std::collections::{BTreeMap, BTreeSet};

use crate::testing::world::Thing;

/// What there is where a run rests.
#[derive(Debug, Clone)]
pub(crate) struct Rested {
    /// Which of the resource's specs it rests on.
    pub(super) edit: usize,
    pub(super) state: String,
    pub(super) things: Vec<Standing>,
    /// What is gone although no call has removed it, and may or may not have been made again.
    pub(super) lost: Vec<Thing>,
    /// The transitions of which something lives that exists, and of which something lives that does not.
    pub(super) backed: BTreeSet<String>,
    pub(super) bare: BTreeSet<String>,
}

/// Something that exists where a run rests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) thing: Thing,
    /// It may be there or not: it need not be undone, or it was made by a request that was refused and that is settled on deletion.
    pub(super) spare: bool,
}

/// What runs without faults leave: one that gets all specs in their order, and one for each later spec alone.
#[derive(Debug, Default)]
pub(crate) struct Clean {
    /// By spec.
    rests: BTreeMap<usize, Vec<Rested>>,
}

impl Clean {
    pub(crate) fn add(&mut self, rests: Vec<Rested>) {
        for rested in rests {
            self.rests.entry(rested.edit).or_default().push(rested);
        }
    }

    /// Why this is not what runs without faults leave for this spec.
    pub(super) fn differs(&self, rested: &Rested) -> Option<String> {
        let all = self.rests.get(&rested.edit)?;
        let mut there = all.iter().filter(|clean| clean.state == rested.state).peekable();
        let Some(first) = there.peek().copied() else {
            // It may be a state to which only faults lead; but not one that belongs to another spec.
            let mut others = self.rests.values().flatten();
            let is_others = others.any(|clean| clean.state == rested.state);
            let expected = all.first().map(|clean| clean.state.as_str()).unwrap_or_default();
            return is_others.then(|| format!("it rests in {}, and without faults in {expected}", rested.state));
        };
        if there.any(|clean| is_same(&clean.things, &rested.things, &rested.lost)) {
            return None;
        }
        let names = |all: &[Standing]| {
            let mut names: Vec<String> = all.iter().map(|it| name(&it.thing)).collect();
            names.sort();
            if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
        };
        Some(format!("there is {}, and without faults {}", names(&rested.things), names(&first.things)))
    }

    /// A transition of which something is recorded that does not exist, though without faults it always does.
    pub(super) fn bare<'b>(&self, bare: &'b BTreeSet<String>) -> Option<&'b String> {
        let all = || self.rests.values().flatten();
        bare.iter()
            .find(|name| all().any(|rest| rest.backed.contains(*name)) && !all().any(|rest| rest.bare.contains(*name)))
    }
}

/// Which edit, counted from 1, leaves everything as it was, of those between rests of one run.
pub(crate) fn idle_edits(rests: &[Rested]) -> BTreeSet<usize> {
    let pairs = rests.windows(2).filter(|pair| pair[0].edit + 1 == pair[1].edit);
    let idle = pairs.filter(|pair| pair[0].things == pair[1].things);
    idle.map(|pair| pair[1].edit).collect()
}

/// Which edits, counted from 1, a run has rested before and after.
pub(crate) fn edits(rests: &[Rested]) -> BTreeSet<usize> {
    let pairs = rests.windows(2).filter(|pair| pair[0].edit + 1 == pair[1].edit);
    pairs.map(|pair| pair[1].edit).collect()
}

fn name(thing: &Thing) -> String {
    if thing.detail.is_empty() { thing.kind.to_owned() } else { format!("{} ({})", thing.kind, thing.detail) }
}

/// Whether all that is expected is there or was lost, and nothing else that would have to be undone.
fn is_same(expected: &[Standing], there: &[Standing], lost: &[Thing]) -> bool {
    let is_it = |one: &Thing, other: &Thing| (one.kind, &one.detail) == (other.kind, &other.detail);
    let mut left: Vec<&Standing> = there.iter().collect();
    let mut lost: Vec<&Thing> = lost.iter().collect();
    // What somebody has to undo is counted first.
    left.sort_by_key(|standing| standing.spare);
    for wanted in expected {
        if let Some(index) = left.iter().position(|standing| is_it(&standing.thing, &wanted.thing)) {
            left.remove(index);
        } else if let Some(index) = lost.iter().position(|thing| is_it(thing, &wanted.thing)) {
            lost.remove(index);
        } else {
            return false;
        }
    }
    left.iter().all(|standing| standing.spare)
}
