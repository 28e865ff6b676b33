//! The record: all that is stored about one resource's machine, as JSON. Invariant: every change of a record is one or more
//! [`Event`]s that [`next()`] found legal, and every write of it raises `seq` by one.
//!
//! # Format 1
//!
//! ```json
#![doc = include_str!("../tests/golden/record/in-doubt.json")]
//! ```
//!
//! A field that has its default value is not written. Times are for people; nothing compares them to decide what is safe.

mod decode;
mod event;
mod failure;
mod json;
mod key;
mod life;
mod lives;
mod names;
mod next;
mod retained;
mod retry;
mod spec;
mod stamp;
mod stop;
mod translate;
mod weight;
mod written;

use serde::{Deserialize, Serialize};

use crate::Facts;

pub use decode::Unreadable;
pub use event::{Event, Expected, Illegal, Resolution};
pub use failure::Failure;
pub(crate) use key::fingerprint_of;
pub use key::{fingerprint, idempotency_key, owner_tag};
pub(crate) use lives::{Change, Life};
pub use lives::{Entry, Lives};
pub use names::Renamed;
pub(crate) use next::advance;
pub use next::next;
pub(crate) use next::{
    MOST_UNSETTLED, begins_leaving, is_certainly_absent, is_on_the_way, is_retained, may_remove, unsettled,
};
pub use retained::{MOST_RETAINED, Retained, RetainedBy};
pub use retry::{MOST_RETRYING, Retry, Retrying};
pub use spec::Spec;
pub use stamp::Stamp;
pub use stop::{Blocked, BlockedReason, Held, HeldReason, Refused};
pub use weight::{Part, PartKind, RESERVE};

/// The format that this version of the library writes.
pub const FORMAT: u32 = 1;

/// The suffix of a machine's name under which its graphs are stored beside its records, each by its fingerprint, as a
/// [lock file](crate::graph::json).
pub const GRAPHS: &str = "#graphs";

/// The suffix of a machine's name under which a controller stores copies of its resources.
pub const RESOURCES: &str = "#resources";

/// How many lines of history a record keeps.
pub const HISTORY: usize = 8;

/// All that is stored about one resource's machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Record {
    /// The format of the record itself: 1.
    pub format: u32,
    /// The machine's name.
    pub machine: String,
    /// The machine's version at the last write.
    pub version: u32,
    /// The lowest machine version that can read this record.
    pub reader: u32,
    /// The fingerprint of the graph at the last write: 16 hex digits. It is information; a difference alone holds no resource.
    pub graph: String,
    /// The resource's uid when the record was born. Keys and owner tags always derive from it.
    pub origin: String,
    /// The uid of the resource that obeys this record now.
    pub owner: String,
    /// How often the record was written. It numbers lives and orders records. It is not a clock.
    pub seq: u64,
    /// The state's name.
    pub state: String,
    /// When that state was entered.
    pub since: Stamp,
    /// The machine's version that entered the state, if it differs from the version of the last write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_by: Option<u32>,
    /// The facts. The typed states are read from them.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub facts: Facts,
    /// The live effects. The last one is undone first.
    #[serde(default, skip_serializing_if = "Lives::is_empty")]
    pub undo: Lives<Effect>,
    /// The effects that were carried out and have no undo, which the list of live effects does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub took: Vec<String>,
    /// Transitions that had another name when some of the lives here began, which keep their keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renamed: Vec<Renamed>,
    /// Where the machine is going.
    #[serde(default, skip_serializing_if = "Direction::is_default")]
    pub direction: Direction,
    /// The state to whose mark the machine goes back. If it rolls back and this is not set, the target is the initial state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The marks of the states to which a rewind may go back, one for each state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
    /// The effect that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// Steps that were sent and are neither committed nor known to be without effect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unconfirmed: Vec<Unconfirmed>,
    /// What was undone or aborted going forward, as long as a late duplicate of that undo or abort may arrive. Meanwhile nothing is made in its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undone: Vec<Ended>,
    /// The last [`MOST_RETAINED`] things that were left behind because the machine, the provider or an operator said so. Things under `undo = retain` are listed among
    /// the live effects instead.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retained: Vec<Retained>,
    /// How many things were left behind before those that are listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retained_before: u32,
    /// The failures of the current step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// The failures of steps that were set aside so that others can go on: at most [`MOST_RETRYING`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retrying: Vec<Retrying>,
    /// An operator has paused the resource.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Set if the resource waits for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// Set if the resource waits for a change, and then goes on by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Blocked>,
    /// The last refusal. It says which version of the machine may end the block before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
    /// The last events, oldest first, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<String>,
}

/// Where the machine is going.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Along its transitions.
    #[default]
    Forward,
    /// Along the first steps of a deletion: those that say `on_delete`, and those of leaving states. What they make is undone with
    /// everything else.
    Leaving,
    /// Back to nothing, because the resource is to be deleted.
    Deleting,
    /// Back to the mark of a state, by a rewind; or to the initial state, because an effect was rejected or an operator asked for it.
    RollingBack,
}

impl Direction {
    /// Whether the machine goes along transitions, also those of a deletion.
    #[must_use]
    pub fn is_forward(&self) -> bool {
        matches!(self, Direction::Forward | Direction::Leaving)
    }

    /// Whether the resource is to be deleted, and the machine acts on it.
    #[must_use]
    pub fn is_deletion(&self) -> bool {
        matches!(self, Direction::Leaving | Direction::Deleting)
    }

    fn is_default(&self) -> bool {
        *self == Direction::default()
    }
}

/// What a rewind to a state needs: the place in the order at which the state was entered, and the facts of that time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mark {
    /// The state.
    pub state: String,
    /// The record's `seq` before the write that entered it. Whatever has a higher order was made since.
    pub seq: u64,
    /// The machine's version that entered it, where that is not the one of the last write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_by: Option<u32>,
    /// The old values of facts that were overwritten since.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub saved: Facts,
    /// Facts that were first recorded since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
}

/// A live effect: something that this machine made and has not undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Effect {
    /// The transition that made it.
    pub transition: String,
    /// The subject, for a member of a set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The `seq` of its first intent.
    pub life: u64,
    /// The state that was reached, where the transition is a branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Its place on the way back, where that is not its life: see [`Effect::order`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<u64>,
    /// The reply to the attempt that committed it reached its sender, and no earlier attempt was in doubt then: nothing of it is still
    /// under way where the transport delivers once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clean: bool,
    /// Its undo has begun and is not done yet: it is asked again until it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unmaking: bool,
    /// It was there before the record: it was not made under a key of ours.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
    /// Somebody else than the machine has removed it: the step that made it runs again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost: bool,
    /// A digest of the spec and the facts that it was sent with, where it stays behind: by that it is known again after a roll-back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
    /// Facts that its undo reads and that were overwritten since, with their old values.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub saved: Facts,
}

/// A value that is there: `null` is one, and no value is none.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Spec>, D::Error> {
    Spec::deserialize(deserializer).map(Some)
}

/// What an intent wants to call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The transition's method.
    #[default]
    Run,
    /// The transition's undo.
    Undo,
    /// The transition's abort.
    Abort,
}

impl Action {
    fn is_run(&self) -> bool {
        *self == Action::Run
    }
}

/// An effect under way: written before the effect, and removed with its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Intent {
    /// The transition.
    pub transition: String,
    /// The subject, for a member of a set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The `seq` of the first intent of this life of the effect.
    pub life: u64,
    /// The place of what it makes on the way back, where that is not its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<u64>,
    /// Which of its methods is called.
    #[serde(default, skip_serializing_if = "Action::is_run")]
    pub action: Action,
    /// The number of the attempt; the first is 1.
    pub attempt: u32,
    /// Whether an earlier attempt may have taken effect.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_doubt: bool,
    /// The incarnation and the call that made this attempt.
    pub holder: String,
    /// When the holder gives the attempt up. For people.
    pub deadline: Stamp,
    /// The spec that this life was started with; none for an undo.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub spec: Option<Spec>,
}

/// A step that was sent once and is not committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Unconfirmed {
    /// The transition.
    pub transition: String,
    /// The subject, for a member of a set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The life under which it was sent.
    pub life: u64,
    /// Its place on the way back, where that is not its life: see [`Effect::order`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<u64>,
    /// How many attempts were made.
    pub attempt: u32,
    /// Whether one of them may have taken effect.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_doubt: bool,
    /// An abort is to remove it before anything else happens.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub aborting: bool,
    /// Its abort has begun and is not done yet: it is asked again until it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unmaking: bool,
    /// The spec that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub spec: Option<Spec>,
    /// Facts that it was sent with and that were overwritten since, with their old values.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub saved: Facts,
}

/// What was undone or aborted, and may be made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ended {
    /// The transition that had made it.
    pub transition: String,
    /// The subject, for a member of a set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The life that has ended.
    pub life: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Record {
    /// The record of a resource for which nothing was done yet, as it is before its first write.
    #[must_use]
    pub fn initial(graph: &'static durable_fsm_graph::Graph<'static>, uid: &str, at: Stamp) -> Self {
        Self {
            format: FORMAT,
            machine: graph.name.to_owned(),
            version: graph.version,
            reader: graph.reader,
            graph: key::fingerprint_of(graph).to_owned(),
            origin: uid.to_owned(),
            owner: uid.to_owned(),
            seq: 0,
            state: graph.states.get(graph.initial()).map(|state| state.name.to_owned()).unwrap_or_default(),
            since: at,
            entered_by: None,
            facts: Facts::default(),
            undo: Lives::default(),
            took: Vec::new(),
            renamed: Vec::new(),
            direction: Direction::Forward,
            to: None,
            marks: Vec::new(),
            intent: None,
            unconfirmed: Vec::new(),
            undone: Vec::new(),
            retained: Vec::new(),
            retained_before: 0,
            retry: None,
            retrying: Vec::new(),
            paused: false,
            held: None,
            blocked: None,
            refused: None,
            history: Vec::new(),
        }
    }

    /// The bytes of the next write of this record: `seq` raised by one, and this machine's version.
    ///
    /// # Errors
    /// serde_json's, which for a record means that memory ran out.
    pub(crate) fn encode_next(
        &self,
        graph: &'static durable_fsm_graph::Graph<'static>,
    ) -> Result<(Self, Vec<u8>), serde_json::Error> {
        let mut written = self.clone();
        written.number(graph);
        let mut bytes = Vec::with_capacity(1024);
        written.encode(&mut bytes)?;
        Ok((written, bytes))
    }

    /// Makes this the next write of the record.
    pub(crate) fn number(&mut self, graph: &'static durable_fsm_graph::Graph<'static>) {
        self.seq += 1;
        self.version = graph.version;
        self.reader = graph.reader;
        let fingerprint = key::fingerprint_of(graph);
        if self.graph != fingerprint {
            fingerprint.clone_into(&mut self.graph);
        }
    }

    /// Adds the bytes of this record as it is.
    ///
    /// # Errors
    /// serde_json's, which for a record means that memory ran out.
    pub(crate) fn encode(&mut self, bytes: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        // It is the longest list, and hardly any of its entries changes from one write to the next.
        self.undo.write()?;
        match self.undo.written() {
            Some(undo) => json::write_with(bytes, self, ("undo", undo)),
            None => json::write(bytes, self),
        }
    }

    /// The idempotency key of one life of an effect. A life that began under another name of the transition keeps its key.
    #[must_use]
    pub fn key(&self, transition: &str, subject: Option<&str>, life: u64) -> String {
        let named = self.renamed.iter().filter(|it| it.transition == transition && life <= it.until);
        let name = named.min_by_key(|it| it.until).map_or(transition, |it| &it.was);
        idempotency_key(&self.origin, &self.machine, name, subject, life)
    }

    /// The failures of this step, if it was put aside.
    #[must_use]
    pub fn retrying(&self, transition: &str, subject: Option<&str>) -> Option<&Retrying> {
        self.retrying.iter().find(|it| it.is_of(transition, subject))
    }

    /// The failure that is tried again first, of the current step or of one that was put aside.
    #[must_use]
    pub fn next_retry(&self) -> Option<&Retry> {
        self.retry.iter().chain(self.retrying.iter().map(|it| &it.retry)).min_by_key(|it| it.at)
    }

    /// The mark of the state with this name.
    #[must_use]
    pub fn mark(&self, state: &str) -> Option<&Mark> {
        self.marks.iter().find(|mark| mark.state == state)
    }

    /// Whether something of this transition and order is to be undone on the way back that the record is on. What is below the mark stays,
    /// and so do the members of sets that the machine keeps at the mark too.
    pub(crate) fn is_above_mark(&self, graph: &durable_fsm_graph::Graph<'_>, transition: &str, order: u64) -> bool {
        let Some(to) = self.to.as_deref().filter(|_| self.direction == Direction::RollingBack) else { return true };
        let is_kept_there = || {
            let there = graph.state(to).map(|(_, state)| state.transitions).unwrap_or_default();
            let listed = there.iter().filter_map(|index| graph.transitions.get(*index));
            listed.into_iter().any(|step| step.name == transition && step.for_each().is_some())
        };
        self.mark(to).is_none_or(|mark| order > mark.seq) && !is_kept_there()
    }

    /// The live effect of this transition and subject; the latest, should there be one of an earlier life too.
    #[must_use]
    pub fn effect(&self, transition: &str, subject: Option<&str>) -> Option<&Effect> {
        self.undo.last_of(transition, subject)
    }

    /// The effect of this transition that is lost and is to be made again.
    pub(crate) fn lost(&self, transition: &str) -> Option<&Effect> {
        let mut lost = self.undo.has_lost().then(|| self.undo.iter().filter(|it| it.lost)).into_iter().flatten();
        lost.find(|it| it.transition == transition)
    }

    /// The live effect of this life.
    pub(crate) fn effect_of(&self, intent: &Intent) -> Option<&Effect> {
        self.undo.position(intent.of()).map(|index| &self.undo[index])
    }

    /// The spec with which the life of this intent was started; none for an undo.
    #[must_use]
    pub fn spec_of<'r>(&'r self, intent: &'r Intent) -> Option<&'r Spec> {
        let unconfirmed = || self.unconfirmed.iter().find(|step| step.of() == intent.of());
        intent.spec.as_ref().or_else(|| unconfirmed()?.spec.as_ref())
    }

    /// The facts as they were for this life: what was overwritten since has its old value, and a member that another life has made
    /// for the same subject gives way to this life's own.
    pub(crate) fn facts_of(&self, intent: &Intent, each: Option<&str>) -> Facts {
        let Some(live) = self.effect_of(intent) else {
            // What is made again begins with what the lost one was made with.
            let lost = self.lost(&intent.transition).filter(|_| intent.action != Action::Undo);
            let facts = lost.map_or_else(|| self.facts.clone(), |lost| self.facts.overlaid(&lost.saved));
            // What was sent once is sent again with what it was sent with.
            let unconfirmed = self.unconfirmed.iter().find(|unconfirmed| unconfirmed.of() == intent.of());
            return unconfirmed.map_or(facts.clone(), |unconfirmed| facts.overlaid(&unconfirmed.saved));
        };
        self.facts_of_live(live, each)
    }

    /// The facts as they were for this live effect.
    pub(crate) fn facts_of_live(&self, live: &Effect, each: Option<&str>) -> Facts {
        let mut saved = live.saved.clone();
        let mut facts = self.facts.clone();
        if let (Some(fact), Some(subject)) = (each, &live.subject)
            && let Some(value) = saved.member(fact, subject).cloned()
        {
            saved.remove(fact);
            facts.set_member(fact, subject, value);
        }
        facts.overlaid(&saved)
    }
}
