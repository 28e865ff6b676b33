//! What a pass does again and again. Invariant: a guard that stays true after its own transition ends a pass after a few effects, or after so many
//! steps that no machine needs them, and the message names the transition.
//!
//! Guards are pure: with the same state, the same facts and the same resource they say the same. So an effect that is committed three times in one
//! pass, and leaves state and facts as they were, is made again forever. An effect that changes a fact each time makes progress, and may be made
//! as often as a transition without effect. Members of sets are not counted: a wanted set has an end.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::record::Record;

/// How many transitions without effect may follow each other in one pass, and how often one effect may be committed in it.
const LONGEST_WALK: u32 = 1000;

/// How often an effect may be committed in one pass with the same facts.
const MOST_ALIKE: u32 = 3;

/// Counts what a pass does again.
#[derive(Debug, Default)]
pub(super) struct Brake {
    /// How many transitions without effect have followed each other.
    walked: u32,
    commits: Vec<Commits>,
}

/// How often one effect was committed in this pass.
#[derive(Debug)]
struct Commits {
    transition: usize,
    times: u32,
    /// How often in a row it has left the same.
    alike: u32,
    left: u64,
}

impl Brake {
    /// A transition without effect is about to be recorded; why not, if it is one too many.
    pub(super) fn walk(&mut self, state: &str) -> Option<String> {
        self.walked += 1;
        (self.walked > LONGEST_WALK).then(|| {
            format!(
                "the machine went through {LONGEST_WALK} transitions without effect and does not come to rest, now at {state}; a guard that stays true after its own transition makes such a loop: mend it, then resolve with `retry`"
            )
        })
    }

    /// An effect begins: what is counted in a row begins anew.
    pub(super) fn act(&mut self) {
        self.walked = 0;
    }

    /// An effect was committed, and has left this record; why the pass is to end, if it was one too many.
    pub(super) fn commit(&mut self, transition: usize, name: &str, record: &Record) -> Option<String> {
        let Some(commits) = self.commits.iter_mut().find(|commits| commits.transition == transition) else {
            self.commits.push(Commits { transition, times: 1, alike: 0, left: 0 });
            return None;
        };
        let left = {
            let mut hasher = DefaultHasher::new();
            record.state.hash(&mut hasher);
            record.facts.iter().for_each(|fact| fact.hash(&mut hasher));
            hasher.finish()
        };
        commits.times += 1;
        // What the first one has left is not kept: nearly no effect is committed twice.
        commits.alike = if commits.times > 2 && commits.left == left { commits.alike + 1 } else { 2 };
        commits.left = left;
        let what = if commits.alike >= MOST_ALIKE {
            format!("{} times in one pass without changing state or facts", commits.times)
        } else if commits.times >= LONGEST_WALK {
            format!("{LONGEST_WALK} times in one pass")
        } else {
            return None;
        };
        Some(format!(
            "`{name}` was made {what}, now at {}; a guard that stays true after its own transition makes such a loop: record what it compares, then resolve with `retry`",
            record.state
        ))
    }
}
