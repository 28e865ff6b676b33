//! What a decision passes before it is carried out. Invariant: whatever takes something away, or begins to, goes by here, and where the runner's limits do
//! not let it through it becomes a wait or a stop.

use std::time::Duration;

use super::decision::{Decision, Ending};
use super::pass::Pass;
use crate::record::{Action, Record};
use crate::undos::{Permit, Refused};

/// After how long a resource looks again whether undos are allowed.
pub(crate) const STOPPED_FOR: Duration = Duration::from_secs(30);

/// What a decision takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// Something will be undone.
    Begins,
    /// It calls an undo or an abort, or a step that is on the way back.
    Now,
}

fn takes(decision: &Decision, record: &Record) -> Takes {
    let back = !record.direction.is_forward();
    let is_of_undo = |action: Action| back || action != Action::Run;
    match decision {
        Decision::Turn(..) => Takes::Begins,
        Decision::Begin { action, .. } if is_of_undo(*action) => Takes::Now,
        Decision::TakeOver if record.intent.as_ref().is_none_or(|intent| is_of_undo(intent.action)) => Takes::Now,
        _ => Takes::Nothing,
    }
}

impl Pass<'_> {
    /// The decision, and what lets it be carried out; or what is done instead.
    pub(super) async fn gate(&self, decision: Decision) -> (Decision, Option<Permit>) {
        let undos = &self.driver.undos;
        let stopped = |why| (Decision::Stop(Ending::UndosStopped(why)), None);
        match takes(&decision, &self.record) {
            Takes::Nothing => (decision, None),
            Takes::Begins => match undos.why_stopped().await {
                Some(why) => stopped(why),
                None => (decision, None),
            },
            Takes::Now => {
                let clock = &self.driver.clock;
                match undos.permit(clock.monotonic(), clock.chance()).await {
                    Ok(permit) => (decision, Some(permit)),
                    Err(Refused::Stopped(why)) => stopped(why),
                    Err(Refused::Full { after, why }) => (Decision::Wait(after, why), None),
                }
            }
        }
    }
}
