//! What may be asked of a resource, as the page offers it and asks for it. Invariant: words and checks are those of `fsm`.

use std::collections::BTreeMap;

use durable_fsm::controller::{Seen, Window};
use durable_fsm::explain::{Offer, Offered, WILL_VERIFY, Wish, offers, will, will_release};
use durable_fsm::record::Expected;
use durable_fsm::{OperateError, ResourceId, StoreError};
use serde::{Deserialize, Serialize};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Verb {
    Retry,
    RollBack,
    Waive,
    Pause,
    Resume,
    NotApplied {
        transition: String,
    },
    Applied {
        transition: String,
        #[serde(default)]
        facts: BTreeMap<String, String>,
        #[serde(default)]
        to: Option<String>,
        #[serde(default)]
        value: Option<String>,
    },
    Rebind {
        uid: String,
    },
    Verify,
    Release,
}

/// Something that may be asked for, as a button.
#[derive(Debug, Serialize)]
pub(crate) struct Button {
    what: String,
    asks: Verb,
    /// The facts that are to be filled in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    facts: Vec<String>,
    /// What else is to be filled in: `value` or `uid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
    /// Whether it is seldom right.
    rare: bool,
}

/// Why something is not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// The record does not allow it, or there is none.
    #[error("{0}")]
    Record(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<OperateError> for Refused {
    fn from(error: OperateError) -> Self {
        match error {
            OperateError::Store(StoreError::Conflict) => {
                Refused::Record("the record has changed meanwhile; look at it again".to_owned())
            }
            OperateError::Store(error) => Refused::Store(error),
            error => Refused::Record(error.to_string()),
        }
    }
}

/// What may be asked of a resource.
pub(crate) fn buttons(window: &Window, seen: &Seen) -> Vec<Button> {
    let plain = |what: &str, asks, rare| Button { what: what.to_owned(), asks, facts: Vec::new(), field: None, rare };
    let release = || plain("drop the record, and leave what it made as it is", Verb::Release, true);
    let record = match &seen.record {
        None => return Vec::new(),
        Some(Err(_)) => return vec![release()],
        Some(Ok(record)) => record,
    };
    let mut buttons: Vec<Button> = offers(record, Some(window.graph())).into_iter().filter_map(Button::of).collect();
    if !record.paused && window.graph().states.iter().any(|state| state.verify.is_some()) {
        buttons.push(plain("ask the provider whether everything is still there", Verb::Verify, false));
    }
    let rebind = Verb::Rebind { uid: String::new() };
    let what = "give the record to the resource with another uid, after a restore or a move";
    buttons.push(Button { field: Some("uid"), ..plain(what, rebind, true) });
    buttons.push(release());
    buttons
}

impl Button {
    fn of(Offer { what, offered }: Offer) -> Option<Self> {
        let (asks, facts, field) = match offered {
            Offered::Wish(wish) => (Verb::of(wish)?, Vec::new(), None),
            Offered::Applied { transition, to, facts, value } => {
                let asks = Verb::Applied { transition, facts: BTreeMap::new(), to, value: None };
                (asks, facts, value.then_some("value"))
            }
            // What a later version of the library offers.
            _ => return None,
        };
        Some(Self { what, asks, facts, field, rare: false })
    }
}

impl Verb {
    fn of(wish: Wish) -> Option<Self> {
        Some(match wish {
            Wish::Retry => Verb::Retry,
            Wish::RollBack => Verb::RollBack,
            Wish::Waive => Verb::Waive,
            Wish::Pause => Verb::Pause,
            Wish::Resume => Verb::Resume,
            Wish::NotApplied { transition } => Verb::NotApplied { transition },
            Wish::Rebind { uid } => Verb::Rebind { uid },
            Wish::Applied { .. } => return None,
        })
    }

    fn wish(&self) -> Option<Wish> {
        Some(match self.clone() {
            Verb::Retry => Wish::Retry,
            Verb::RollBack => Wish::RollBack,
            Verb::Waive => Wish::Waive,
            Verb::Pause => Wish::Pause,
            Verb::Resume => Wish::Resume,
            Verb::NotApplied { transition } => Wish::NotApplied { transition },
            Verb::Applied { transition, facts, to, value } => {
                Wish::Applied { transition, facts: facts.into_iter().collect(), to, value }
            }
            Verb::Rebind { uid } => Wish::Rebind { uid },
            Verb::Verify | Verb::Release => return None,
        })
    }

    /// Says what it will do to the record with this sequence number, and does it if `now`.
    pub(crate) async fn ask(
        &self,
        window: &Window,
        id: &ResourceId,
        seq: Option<u64>,
        now: bool,
    ) -> Result<String, Refused> {
        let gone = || Refused::Record(format!("{id} is gone; look at the list"));
        let seen = window.look(id).await?.ok_or_else(gone)?;
        let record = match (&seen.record, self) {
            (None, _) => return Err(Refused::Record(format!("{id} has no record yet"))),
            (Some(record), Verb::Release) => record.as_ref().ok(),
            (Some(Ok(record)), _) => Some(record),
            (Some(Err(error)), _) => return Err(Refused::Record(error.to_string())),
        };
        if record.map(|record| record.seq) != seq {
            return Err(Refused::Record("the record has changed meanwhile; look at it again".to_owned()));
        }
        let Some(wish) = self.wish() else {
            if *self == Verb::Verify {
                if now {
                    window.verify(id);
                }
                return Ok(WILL_VERIFY.to_owned());
            }
            let released = if now { window.release(id).await? } else { window.preview_release(id).await? };
            let deleting = record.is_some_and(|record| record.direction.is_deletion());
            let then = if deleting { "" } else { "; if the resource is still wanted, the next pass begins anew" };
            return Ok(format!("{}{then}", will_release(&released)));
        };
        let record = record.ok_or_else(gone)?;
        if matches!(&wish, Wish::Rebind { uid } if uid.is_empty()) {
            return Err(Refused::Record("the record needs a new owner; give the uid of the resource".to_owned()));
        }
        let asked = wish.request(window.graph());
        let (request, transition) = asked.map_err(|error| Refused::Record(error.to_string()))?;
        let expected = Expected { transition, seq };
        let after = match now {
            true => window.carry_out(id, &request, &expected).await?,
            false => window.preview(id, &request, &expected).await?,
        };
        Ok(will(&request, record, &after, window.graph()))
    }
}
