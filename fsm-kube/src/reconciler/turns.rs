//! Lets one controller at a time run passes for an object, where several run.
//!
//! Invariant: a turn only makes a controller wait, and each wait is bounded. Safety does not depend on turns: each write is conditional on the version of the object.

use std::time::Duration;

use durable_fsm::{Outcome, RecordId};

use super::{Reconciled, Reconciler, Runs, record_on};
use crate::claim::controller_of;
use crate::object::Object;
use crate::pass_store::PassStore;

/// How long the holder of an intent is expected to publish what comes of it, whatever time its step has.
const LONGEST: Duration = Duration::from_secs(60);

impl<K, M: Runs<T>, T: Send + Sync + 'static> Reconciler<K, M, T> {
    /// Takes note of who is at work on an object. True if that is another controller.
    pub(super) fn is_others(&self, id: &RecordId, object: &Object) -> bool {
        let (own, uid) = (self.runner.incarnation(), &object.metadata.uid);
        let record = object.annotation(self.names.record()).map(String::as_str);
        self.memory.holder(own, &id.resource, uid, record).is_some_and(|holder| controller_of(&holder) != own)
    }

    /// After how long to look again for what this pass leaves to another controller, which is at work on the object: to go on, or to publish. None if it leaves nothing.
    pub(super) async fn leaves(
        &self,
        id: &RecordId,
        store: &PassStore,
        of: &Reconciled,
        outcome: &Outcome<M::State>,
    ) -> Option<Duration> {
        if store.has_written().await {
            return None;
        }
        let (object, _) = store.latest().await?;
        let record = record_on::<M>(&self.names, &object, of)?;
        let publishing = self.memory.publishing();
        let (found, patience) = match &record.intent {
            Some(intent) => {
                let step = M::GRAPH.transition(&intent.transition);
                let timeout = step.and_then(|(_, step)| step.contract()).map(|contract| contract.timeout);
                (intent.holder.as_str(), timeout.unwrap_or_default().min(LONGEST).max(publishing))
            }
            None => (object.metadata.resource_version.as_str(), publishing),
        };
        let own = self.runner.incarnation();
        let left = self.memory.leaves(own, &id.resource, &of.uid, found, patience)?;
        self.count(id, of, &object, outcome);
        Some(left)
    }

    /// How much later than others this controller goes on if the holder of the open intent stays silent.
    pub(super) fn place(&self, of: &Reconciled, object: &Object) -> Duration {
        let own = self.runner.incarnation();
        match record_on::<M>(&self.names, object, of).and_then(|record| record.intent) {
            Some(intent) if controller_of(&intent.holder) != own => self.memory.place(own, &of.uid, &intent.holder),
            _ => Duration::ZERO,
        }
    }
}
