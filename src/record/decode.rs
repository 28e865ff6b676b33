//! Reading a record. Invariant: a record that cannot be honoured is an error with a remedy; it is never taken for "nothing yet".

use std::collections::HashSet;

use durable_fsm_graph::{Graph, Kind, Lost, Transition, Undo};
use serde_json::Value;

use super::{Action, FORMAT, HISTORY, Intent, MOST_RETAINED, MOST_RETRYING, Record, Retained};
use crate::FactError;

/// Why a record cannot be honoured. The resource is held, and the bytes stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// The bytes are not a record.
    #[error(
        "the record is damaged ({0}); restore it from a backup, or release the resource, which drops the record and leaves behind what was made"
    )]
    Damaged(String),
    /// A newer library wrote it.
    #[error(
        "the record has format {found}, and this library reads up to {FORMAT}; run the version of the library that wrote it"
    )]
    Format {
        /// The record's format.
        found: u64,
    },
    /// It belongs to another machine.
    #[error("the record belongs to machine `{found}`, not to `{expected}`; give each machine a record of its own")]
    Machine {
        /// The record's machine.
        found: String,
        /// The machine that was to read it.
        expected: String,
    },
    /// A newer version of the machine wrote it, and says that this one cannot read it.
    #[error(
        "the record needs version {reader} of the machine, and this is version {version}; roll the controller forward again"
    )]
    Reader {
        /// The lowest version that can read the record.
        reader: u32,
        /// This machine's version.
        version: u32,
    },
    /// It was written for another resource: annotations are copied by exports, backups and moves.
    #[error(
        "the record is owned by uid {owner}, and this resource has uid {uid}; if this is the same resource, restored or moved, rebind it, else remove the copied record"
    )]
    Owner {
        /// The uid in the record.
        owner: String,
        /// The resource's uid.
        uid: String,
    },
    /// Another version of the machine wrote it, and this one cannot go on with it.
    #[error("version {found} of the machine wrote the record, and {what}; {remedy}")]
    Upgrade {
        /// The version that wrote it.
        found: u32,
        /// What stands in the way.
        what: String,
        /// What mends it.
        remedy: String,
    },
    /// It is in a state that this machine does not have.
    #[error(
        "the record is in state `{0}`, which this machine does not have; run the version that has it, or resolve the record by hand"
    )]
    State(String),
    /// It names a transition that this machine does not have.
    #[error("the record names transition `{0}`, which this machine does not have; run the version that has it")]
    Transition(String),
    /// A fact is missing or does not decode.
    #[error(transparent)]
    Fact(#[from] FactError),
    /// It contradicts itself.
    #[error("the record contradicts itself ({0}); it was edited by hand or forged: restore it from a backup")]
    Inconsistent(String),
    /// There was a record, and it is gone, or has gone back to an earlier one.
    #[error(
        "the record is lost ({0}); restore the latest record, or release the resource, which begins anew and leaves behind what was made"
    )]
    Lost(String),
}

/// Where counting ends: what a Kubernetes status can hold. A record is read only below it, so that nothing that counts on can run over.
const LAST_SEQ: u64 = i64::MAX as u64;

impl Record {
    /// Reads a record and checks all that can be checked without the machine's types.
    ///
    /// # Errors
    /// [`Unreadable`], with the remedy in its text.
    pub fn decode(graph: &Graph<'_>, bytes: &[u8]) -> Result<Self, Unreadable> {
        match Self::read(bytes) {
            Ok(record) => record.taken_up(graph),
            // What does not decode may still say why: a newer version may have fields that this one cannot read.
            Err(error) => {
                let value: Value = serde_json::from_slice(bytes).map_err(damaged)?;
                let number = |name: &str| value.get(name).and_then(Value::as_u64);
                check_head(graph, number("format"), value.get("machine").and_then(Value::as_str), number("reader"))?;
                Err(damaged(error))
            }
        }
    }

    /// This record as one of this machine, checked, with the names of now.
    pub(crate) fn taken_up(mut self, graph: &Graph<'_>) -> Result<Self, Unreadable> {
        let (format, reader) = (u64::from(self.format), u64::from(self.reader));
        check_head(graph, Some(format), Some(&self.machine), Some(reader))?;
        self.translate(graph);
        self.check_names(graph)?;
        Ok(self)
    }

    /// Whether this machine can go on with the record.
    pub(crate) fn check_names(&self, graph: &Graph<'_>) -> Result<(), Unreadable> {
        self.check(graph).map_err(|error| self.of_another_version(graph, error))
    }

    /// Reads a record of another version of which this machine does not know everything, to undo what it knows. For a deletion, and for what an
    /// operator asks on the way there.
    ///
    /// # Errors
    /// [`Unreadable`], as for [`decode`](Self::decode), if it is not for the names in it.
    pub(crate) fn decode_to_undo(graph: &Graph<'_>, bytes: &[u8]) -> Result<Self, Unreadable> {
        match Self::decode(graph, bytes) {
            Err(Unreadable::Upgrade { found, .. }) => {
                let mut record = Self::parse(graph, bytes).map_err(damaged)?;
                // The names are that version's, also once this one has written the record.
                record.entered_by = Some(found);
                Ok(record)
            }
            decoded => decoded,
        }
    }

    /// The record in these bytes, with the names of now, unchecked.
    pub(crate) fn parse(graph: &Graph<'_>, bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let mut record = Self::read(bytes)?;
        record.translate(graph);
        Ok(record)
    }

    /// The record in these bytes, with the names that it was written with, unchecked.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        match std::str::from_utf8(bytes) {
            // All of it at once is looked at sooner than text by text.
            Ok(text) => serde_json::from_str(text),
            Err(_) => serde_json::from_slice(bytes),
        }
    }

    /// Says of a record that another version wrote what keeps this one from going on with it.
    fn of_another_version(&self, graph: &Graph<'_>, error: Unreadable) -> Unreadable {
        // A deletion that this version has begun leaves what it does not know as it was.
        let found = self.entered_by.filter(|_| self.version == graph.version).unwrap_or(self.version);
        let version = graph.version;
        if found == version && self.entered_by.is_none() && self.graph == super::fingerprint(graph) {
            return error;
        }
        let (what, remedy) = match error {
            Unreadable::State(state) => (
                format!("left it in state `{state}`, which this one does not have"),
                format!("say `was = \"{state}\"` on the state that it is called now, or declare it again as `#[fsm(retired)]`, with a transition that leads on from it"),
            ),
            Unreadable::Transition(step) => (
                format!("it names transition `{step}`, which this one does not have"),
                format!("say `was = \"{step}\"` on the transition that it is called now, or declare it again as `retired`, so that what it made can be undone"),
            ),
            Unreadable::Inconsistent(why) => (
                format!("{why}, as this one declares it"),
                "give what has changed a new name, and declare what was there before as `retired`; for a step that is a branch by now, say which state it has reached: `#[fsm(upgrade(from = …, step => State))]`".to_owned(),
            ),
            other => return other,
        };
        let (what, remedy) = match found.cmp(&version) {
            std::cmp::Ordering::Less => (what, remedy),
            std::cmp::Ordering::Equal => (
                format!("{what}, though it has the same version"),
                format!("raise `version` with every release that changes the machine; then {remedy}"),
            ),
            std::cmp::Ordering::Greater => {
                (what, format!("this is version {version}, which stands by: run version {found}"))
            }
        };
        Unreadable::Upgrade { found, what, remedy }
    }

    /// Checks that this record may be obeyed for the resource with this uid.
    ///
    /// # Errors
    /// [`Unreadable::Owner`].
    pub fn check_owner(&self, uid: &str) -> Result<(), Unreadable> {
        if self.owner == uid {
            Ok(())
        } else {
            Err(Unreadable::Owner { owner: self.owner.clone(), uid: uid.to_owned() })
        }
    }

    fn check(&self, graph: &Graph<'_>) -> Result<(), Unreadable> {
        let inconsistent = |what: String| Err(Unreadable::Inconsistent(what));
        if graph.state(&self.state).is_none() {
            return Err(Unreadable::State(self.state.clone()));
        }
        if self.seq == 0 {
            return inconsistent("its `seq` is 0".to_owned());
        }
        if self.seq >= LAST_SEQ {
            return inconsistent(format!("its `seq` of {} is impossibly high", self.seq));
        }
        if self.origin.is_empty() || self.owner.is_empty() {
            return inconsistent("it has no origin or no owner".to_owned());
        }
        for mark in &self.marks {
            if graph.state(&mark.state).is_none() {
                return Err(Unreadable::State(mark.state.clone()));
            }
            if mark.seq > self.seq {
                return inconsistent(format!("its mark of {} is of a write that was not made yet", mark.state));
            }
        }
        let leaves = graph.state(&self.state).is_some_and(|(_, state)| state.leaving);
        if leaves && !self.direction.is_deletion() {
            return inconsistent(format!("it is in {}, and is not being deleted", self.state));
        }
        if let Some(to) = self.to.as_ref().filter(|to| self.mark(to).is_none()) {
            return inconsistent(format!("it goes back to {to}, of which it has no mark"));
        }
        let mut lives = HashSet::new();
        for (index, effect) in self.undo.iter().enumerate() {
            self.check_step(graph, &effect.transition, effect.subject.as_deref(), effect.life)?;
            self.check_order(graph, &effect.transition, effect.order(), effect.life)?;
            if let Some(below) = self.undo[..index].last().filter(|below| below.order() > effect.order()) {
                let (above, below) = (&effect.transition, &below.transition);
                return inconsistent(format!("`{above}` stands above `{below}`, and is of a lower order"));
            }
            if let Some(state) = &effect.state {
                let reached = graph.state(state).ok_or_else(|| Unreadable::State(state.clone()))?.0;
                let made = graph.transition(&effect.transition).is_some_and(|(_, step)| step.to.contains(&reached));
                if !made {
                    return inconsistent(format!("`{}` cannot have reached {state}", effect.transition));
                }
            }
            // One that is retained may be listed although it is not known where it led.
            let step = graph.transition(&effect.transition).map(|(_, step)| step);
            let is_undone =
                |step: &Transition<'_>| step.contract().is_some_and(|it| matches!(it.undo, Undo::Method(_)));
            if effect.state.is_none() && step.is_some_and(|step| step.to.len() > 1 && is_undone(step)) {
                return inconsistent(format!("it does not say which state `{}` reached", effect.transition));
            }
            if !lives.insert(effect.of()) {
                return inconsistent(format!("`{}` is listed twice among the live effects", effect.transition));
            }
        }
        lives.clear();
        for unconfirmed in &self.unconfirmed {
            self.check_step(graph, &unconfirmed.transition, unconfirmed.subject.as_deref(), unconfirmed.life)?;
            self.check_order(graph, &unconfirmed.transition, unconfirmed.order(), unconfirmed.life)?;
            if unconfirmed.attempt == 0 {
                return inconsistent(format!("`{}` was sent with attempt 0", unconfirmed.transition));
            }
            if !lives.insert(unconfirmed.of()) {
                return inconsistent(format!(
                    "`{}` is listed twice among the unconfirmed steps",
                    unconfirmed.transition
                ));
            }
        }
        lives.clear();
        for undone in &self.undone {
            self.check_step(graph, &undone.transition, undone.subject.as_deref(), undone.life)?;
            if !lives.insert(undone.of()) {
                return inconsistent(format!("`{}` is listed twice among what was undone", undone.transition));
            }
        }
        if let Some(intent) = &self.intent {
            self.check_intent(graph, intent)?;
        }
        for (index, retained) in self.retained.iter().enumerate() {
            let of = |it: &Retained| (it.transition.clone(), it.subject.clone(), it.life);
            if self.retained[..index].iter().any(|other| of(other) == of(retained)) {
                return inconsistent(format!("`{}` is listed twice among what was retained", retained.transition));
            }
        }
        if self.retained.len() > MOST_RETAINED {
            return inconsistent(format!("it retains {} things, and {MOST_RETAINED} are listed", self.retained.len()));
        }
        for (index, it) in self.retrying.iter().enumerate() {
            self.check_step(graph, &it.transition, it.subject.as_deref(), self.seq)?;
            if self.retrying[..index].iter().any(|other| other.is_of(&it.transition, it.subject.as_deref())) {
                return inconsistent(format!("`{}` is listed twice among what is tried again", it.transition));
            }
        }
        if self.retrying.len() > MOST_RETRYING {
            let count = self.retrying.len();
            return inconsistent(format!("it has put {count} steps aside, and {MOST_RETRYING} may be"));
        }
        if self.history.len() > HISTORY {
            return inconsistent(format!("it has {} lines of history, and {HISTORY} are kept", self.history.len()));
        }
        Ok(())
    }

    /// What is undone is live, and what is aborted was sent.
    fn check_intent(&self, graph: &Graph<'_>, intent: &Intent) -> Result<(), Unreadable> {
        let inconsistent = |what: String| Err(Unreadable::Inconsistent(what));
        self.check_step(graph, &intent.transition, intent.subject.as_deref(), intent.life)?;
        self.check_order(graph, &intent.transition, intent.order(), intent.life)?;
        if intent.attempt == 0 {
            return inconsistent("its intent has attempt 0".to_owned());
        }
        match intent.action {
            Action::Undo if self.effect_of(intent).is_none() => {
                inconsistent(format!("it undoes `{}`, which is not live", intent.transition))
            }
            Action::Abort if !self.unconfirmed.iter().any(|unconfirmed| unconfirmed.of() == intent.of()) => {
                inconsistent(format!("it aborts `{}`, which was not sent", intent.transition))
            }
            Action::Run | Action::Undo | Action::Abort => Ok(()),
        }
    }

    fn check_order(&self, graph: &Graph<'_>, transition: &str, order: u64, life: u64) -> Result<(), Unreadable> {
        // What was made again has the place of what was lost.
        let step = graph.transition(transition).map(|(_, step)| step);
        let is_remade = step.and_then(|step| step.verify).is_some_and(|verify| verify.lost == Lost::Remake);
        let lowest = if is_remade { life.min(1) } else { life };
        if (lowest..=self.seq).contains(&order) {
            return Ok(());
        }
        Err(Unreadable::Inconsistent(format!("`{transition}` has order {order}, and its life is {life}")))
    }

    fn check_step(
        &self,
        graph: &Graph<'_>,
        transition: &str,
        subject: Option<&str>,
        life: u64,
    ) -> Result<(), Unreadable> {
        let Some((_, step)) = graph.transition(transition) else {
            return Err(Unreadable::Transition(transition.to_owned()));
        };
        let Some(contract) = step.contract() else {
            return Err(Unreadable::Inconsistent(format!("`{transition}` is recorded as an effect and is none")));
        };
        if contract.for_each.is_some() != subject.is_some() {
            return Err(Unreadable::Inconsistent(format!("`{transition}` stands with the wrong kind of subject")));
        }
        let is_deferred = matches!(step.kind, Kind::Deferred(_));
        if life == 0 && !is_deferred || life > self.seq {
            return Err(Unreadable::Inconsistent(format!(
                "`{transition}` has life {life}, and the record was written {} times",
                self.seq
            )));
        }
        Ok(())
    }
}

/// Whether this library, this machine and this version of it may read the record at all.
fn check_head(
    graph: &Graph<'_>,
    format: Option<u64>,
    machine: Option<&str>,
    reader: Option<u64>,
) -> Result<(), Unreadable> {
    match format {
        Some(found) if found > u64::from(FORMAT) => return Err(Unreadable::Format { found }),
        Some(found) if found == u64::from(FORMAT) => {}
        _ => return Err(Unreadable::Damaged("it has no `format` that this library knows".to_owned())),
    }
    if let Some(found) = machine.filter(|found| *found != graph.name) {
        return Err(Unreadable::Machine { found: found.to_owned(), expected: graph.name.to_owned() });
    }
    match reader.filter(|reader| *reader > u64::from(graph.version)) {
        Some(reader) => {
            let reader = u32::try_from(reader).unwrap_or(u32::MAX);
            Err(Unreadable::Reader { reader, version: graph.version })
        }
        None => Ok(()),
    }
}

fn damaged(error: serde_json::Error) -> Unreadable {
    Unreadable::Damaged(error.to_string())
}
