//! The import of a machine under test. Invariant: it is a look, and what strikes looks strikes it.

use std::time::{Duration, SystemTime};

use super::SimClock;
use super::calls::{Inside, LOOK, SimSteps, error};
use super::journal::Method;
use crate::attempt::Details;
use crate::found::Importing;
use crate::machine::{Boxed, Failure};
use crate::record::HeldReason;
use crate::steps::Ask;
use crate::testing::plan::Fault;
use crate::{Class, Clock as _, Facts, Site};

/// How much of its time a slow import takes.
const SLOW: Duration = Duration::from_secs(30);

impl SimSteps {
    pub(super) fn asked_for_import(&self) -> Boxed<Result<Importing, Failure>> {
        let fault = {
            let mut core = self.sim.core();
            core.books.calls += 1;
            core.note(|| "the import".to_owned());
            core.offer(LOOK)
        };
        let slow = (fault == Some(Fault::Slow)).then(|| SimClock(self.sim.clone()).sleep(SLOW));
        let call: Boxed<Result<Importing, Failure>> = match fault {
            Some(Fault::RequestLost) => error(Class::Unknown, "no answer"),
            Some(Fault::Throttled) => {
                error(Class::NotApplied { retry_after: Some(Duration::from_secs(7)) }, "too many requests")
            }
            Some(Fault::Rejected) => error(Class::Rejected, "not acceptable"),
            Some(Fault::Hang) => return Box::pin(std::future::pending()),
            _ => {
                let call = self.call(Method::Import, nothing(), |inner, _| inner.import());
                let (sim, transition) = (self.sim.clone(), usize::MAX);
                Box::pin(Inside { sim, site: Site::Lookup, transition, subject: None, awaits: 0, call: Some(call) })
            }
        };
        let sim = self.sim.clone();
        Box::pin(async move {
            if let Some(slow) = slow {
                slow.await;
            }
            let answer = call.await;
            let mut core = sim.core();
            core.trace(|| format!("{answer:?}"));
            match &answer {
                Ok(Importing::Refuse(_)) | Err(Failure::Provider { class: Class::Rejected | Class::NotOurs, .. }) => {
                    core.books.may_hold(HeldReason::NotOurs);
                }
                Err(Failure::Fact(_) | Failure::Unrecorded(_)) => core.books.may_hold(HeldReason::Unreadable),
                Ok(_) | Err(Failure::Provider { .. }) => {}
            }
            drop(core);
            answer
        })
    }
}

/// The call of a method that is given nothing but the resource.
fn nothing() -> Ask {
    Ask {
        transition: usize::MAX,
        state: usize::MAX,
        facts: Facts::default(),
        subject: None,
        member: None,
        spec: None,
        details: Details {
            key: String::new(),
            owner_tag: String::new(),
            number: 1,
            since: SystemTime::UNIX_EPOCH,
            deadline: SystemTime::UNIX_EPOCH,
            resumed: false,
        },
    }
}
