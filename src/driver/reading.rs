//! What a call reads from the record. Invariant: no intent is written for a call that cannot read what it is given, and a hold for that is never recorded, so
//! that a version which can read it goes on by itself.

use durable_fsm_graph::InDoubt;

use super::pass::{Halt, Pass};
use super::upgrade;
use crate::FactError;
use crate::record::{Action, Direction, HeldReason, Intent};
use crate::steps::Ask;

impl Pass<'_> {
    /// Whether the call of a step that is about to begin can read what it is given.
    ///
    /// A new step going forward reads the state of the record, and that was read when the pass began.
    pub(super) fn may_begin(&self, transition: usize, subject: Option<&str>, action: Action) -> Result<(), FactError> {
        let name = self.name(transition);
        let live = self.record.effect(name, subject).filter(|_| action == Action::Undo).map(|live| live.life);
        let sent =
            self.record.unconfirmed.iter().filter(|it| it.transition == name && it.subject.as_deref() == subject);
        let sent = sent.max_by_key(|it| it.order()).filter(|_| action != Action::Undo).map(|sent| sent.life);
        let open = self.record.intent.as_ref().filter(|_| action == Action::Abort).map(|open| open.life);
        let known = live.or(sent).or(open);
        if known.is_none() && self.record.direction == Direction::Forward {
            return Ok(());
        }
        // A set of a state that this version has entered was read when its wanted members were asked for.
        let is_own = self.record.version == self.steps.graph().version && self.record.entered_by.is_none();
        if subject.is_some() && is_own {
            return Ok(());
        }
        self.may_call(&Intent {
            transition: name.to_owned(),
            subject: subject.map(str::to_owned),
            life: known.unwrap_or_default(),
            order: None,
            action,
            attempt: 1,
            in_doubt: false,
            holder: String::new(),
            deadline: self.now(),
            spec: None,
        })
    }

    /// Whether the call of this intent can read what it is given.
    pub(super) fn may_call(&self, intent: &Intent) -> Result<(), FactError> {
        let ask = self.ask(intent);
        self.steps.may_call(&ask)?;
        let Some(step) = self.steps.graph().transitions.get(ask.transition) else { return Ok(()) };
        let asks_first = step.contract().is_some_and(|contract| contract.in_doubt == InDoubt::Lookup);
        if asks_first && ask.state != step.from && intent.action != Action::Abort {
            return self.steps.may_call(&Ask { state: step.from, ..ask });
        }
        Ok(())
    }

    /// Something that is recorded cannot be read. The hold is not recorded.
    pub(super) async fn cannot_read(&mut self, error: FactError) -> Result<(), Halt> {
        let graph = self.steps.graph();
        let other = Some(self.record.version).filter(|version| *version != graph.version).or(self.record.entered_by);
        match other {
            Some(found) => {
                let message = upgrade::unreadable(graph, found, None, &error).to_string();
                self.strand(HeldReason::Upgrade, message).await
            }
            None => self.strand(HeldReason::Unreadable, error.to_string()).await,
        }
    }
}
