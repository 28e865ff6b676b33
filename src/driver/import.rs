//! Imports a resource that has no record and may have been provisioned by somebody else. Invariant: the import is durable before anything else is
//! done for the resource.

use super::pass::{Halt, Pass, WAIT_TIMEOUT};
use crate::Class;
use crate::found::Importing;
use crate::machine::Failure;
use crate::probe::{Probe, Site};
use crate::record::{Event, HeldReason};
use crate::text::redacted;

impl<P: Probe> Pass<'_, P> {
    /// Asks what there is, where there is no sign of a record.
    pub(super) async fn import(&mut self) -> Result<(), Halt> {
        if self.stored || !self.steps.imports() || self.is_interrupted() {
            return Ok(());
        }
        let until = self.driver.clock.monotonic() + WAIT_TIMEOUT;
        match self.limited(self.steps.import(), until).await {
            Ok(Importing::Fresh) => Ok(()),
            Ok(Importing::At(found)) => {
                self.apply(Event::Imported { found, at: self.now() })?;
                self.write(Site::Note).await.map(drop)
            }
            Ok(Importing::Refuse(why)) => {
                let why = redacted(&why);
                Err(self
                    .unwritten(HeldReason::NotOurs, format!("the import is refused: {why}; the next pass asks again")))
            }
            Err(Failure::Fact(error) | Failure::Unrecorded(error)) => {
                Err(self.unwritten(HeldReason::Unreadable, error.to_string()))
            }
            Err(Failure::Provider { class: Class::Rejected | Class::NotOurs, message }) => Err(self
                .unwritten(HeldReason::NotOurs, format!("the import is refused: {message}; the next pass asks again"))),
            Err(Failure::Provider { class, message }) => {
                let after = self.backoff(class, &super::pass::DEFAULT_BACKOFF);
                self.wait(after, format!("the import failed: {message}")).await
            }
        }
    }
}
