//! Imports a resource that has no record and may have been provisioned by somebody else. Invariant: the import is durable before anything else is
//! done for the resource.

use super::pass::{Halt, Pass, WAIT_TIMEOUT};
use crate::Class;
use crate::found::Importing;
use crate::machine::Failure;
use crate::probe::{Side, Site};
use crate::record::{Event, HeldReason};
use crate::text::redacted;

impl Pass<'_> {
    /// Takes over what there is, where there is no sign of a record. If somebody else has written in between, it asks again: until the import is durable, the machine
    /// would begin with what is there already.
    pub(super) async fn import(&mut self) -> Result<(), Halt> {
        while self.would_import().await? {
            if self.write(Site::Note).await? {
                break;
            }
        }
        Ok(())
    }

    /// Asks what there is, where there is no sign of a record. Whether the record is now one of what was found; it is not written.
    pub(super) async fn would_import(&mut self) -> Result<bool, Halt> {
        if self.stored || !self.steps.imports() || self.is_interrupted() {
            return Ok(false);
        }
        let until = self.driver.clock.monotonic() + WAIT_TIMEOUT;
        self.about = ("", None);
        self.cross(Site::Lookup, Side::Before).await;
        let answer = self.limited(self.steps.import(), until).await;
        self.cross(Site::Lookup, Side::After).await;
        match answer {
            Ok(Importing::Fresh) => Ok(false),
            Ok(Importing::At(found)) => self.apply(Event::Imported { found, at: self.now() }).map(|()| true),
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
                self.wait(after, format!("the import failed: {message}")).await.map(|()| false)
            }
        }
    }
}
