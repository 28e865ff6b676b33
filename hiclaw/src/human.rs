//! The Human: its resource and its machine. Invariant: nothing here knows a server; what the steps do stands in [`provision`].

pub mod passwords;
pub mod provision;
pub mod sessions;

use std::collections::BTreeSet;

use durable_fsm::{Each, Fsm, Resource, ResourceId};
use serde::{Deserialize, Serialize};

use crate::document::{Checked, Document, DocumentError};

/// A person who is to work with workers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Document<HumanSpec>")]
pub struct Human {
    /// Their namespace.
    pub namespace: String,
    /// Their name, of which their Matrix id is made.
    pub name: String,
    /// Their uid.
    pub uid: String,
    /// What is wanted.
    pub spec: HumanSpec,
    /// Whether they are to be deleted.
    pub deleting: bool,
}

/// What is wanted of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HumanSpec {
    /// The name that others see.
    pub display_name: String,
    /// Where the initial password is sent; nowhere if there is no address.
    #[serde(default)]
    pub email: Option<String>,
    /// What they may reach.
    #[serde(rename = "permissionLevel")]
    pub level: Level,
    /// Teams; of no consequence but for [`Level::Team`].
    #[serde(default)]
    pub accessible_teams: BTreeSet<String>,
    /// Workers beside those of the teams; of no consequence for [`Level::Admin`].
    #[serde(default)]
    pub accessible_workers: BTreeSet<String>,
}

/// What a person may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Level {
    /// All teams and all workers.
    Admin,
    /// The listed teams with their workers, and the listed workers.
    Team,
    /// The listed workers.
    Worker,
}

/// A permission level that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no permission level {0}; give 1 (all), 2 (teams) or 3 (workers)")]
pub struct NoLevel(u8);

impl TryFrom<u8> for Level {
    type Error = NoLevel;

    fn try_from(number: u8) -> Result<Self, NoLevel> {
        match number {
            1 => Ok(Level::Admin),
            2 => Ok(Level::Team),
            3 => Ok(Level::Worker),
            other => Err(NoLevel(other)),
        }
    }
}

impl From<Level> for u8 {
    fn from(level: Level) -> Self {
        match level {
            Level::Admin => 1,
            Level::Team => 2,
            Level::Worker => 3,
        }
    }
}

impl TryFrom<Document<HumanSpec>> for Human {
    type Error = DocumentError;

    fn try_from(document: Document<HumanSpec>) -> Result<Self, DocumentError> {
        let Checked { namespace, name, uid, spec, deleting } = document.named()?;
        Ok(Self { namespace, name, uid, spec, deleting })
    }
}

impl Resource for Human {
    type Spec = HumanSpec;

    fn id(&self) -> ResourceId {
        ResourceId::new(&self.namespace, &self.name)
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    fn spec(&self) -> &HumanSpec {
        &self.spec
    }

    fn deleting(&self) -> bool {
        self.deleting
    }
}

/// Provisions one person: account, display name, access to teams and workers, the mail with the initial password.
///
/// What needs our password comes before the mail that gives it away: from then on the person may change it.
#[derive(Fsm)]
#[fsm(name = "hiclaw.io/human", version = 1, resource = Human, timeout = "30s", settle = "10s", retry = "1s..5m")]
pub enum HumanFlow {
    /// Nothing exists yet. The account is looked up rather than made again, because the look-up tells three cases apart: our own
    /// password opens it; that of a deleted namesake does; or it is somebody else's. Whether a namesake is the same person is for a
    /// person to say, so such an account is held until its password is [handed over](passwords::Passwords::hand_over). A Matrix id is taken forever, so the account stays, and is listed.
    #[fsm(initial)]
    #[transition(register_account -> AccountRegistered, in_doubt = lookup, undo = retain, predecessor = hold)]
    Requested,

    /// The person has a Matrix account. The name that others see goes with it, and an account that was deactivated with a namesake is opened again. A
    /// deletion deactivates the account: no password opens it, and its sessions end.
    #[transition(set_display_name -> Ready, in_doubt = repeat, undo = close_account)]
    AccountRegistered {
        /// The full Matrix id.
        user_id: String,
    },

    /// The person can work. Rests here, and follows the spec: what they may reach, and how they are called.
    ///
    /// Each access is a state of the world that may be made again, and has an abort, because a team or worker that is gone or never
    /// ready again must not keep the person from being deleted. The mail comes after them, so its reader finds the rooms. A mail can be neither
    /// repeated nor withdrawn nor looked up. A second mail would alarm its reader, so a doubt about it waits for
    /// somebody who looks into the mail server's log.
    #[fsm(resting)]
    #[transition(grant_team, for_each = teams, in_doubt = repeat, undo = revoke_team, abort = withdraw_team)]
    #[transition(grant_worker, for_each = workers, in_doubt = repeat, undo = revoke_worker, abort = withdraw_worker)]
    #[transition(send_invitation, for_each = invitations, in_doubt = hold, undo = none)]
    #[transition(rename -> Ready, when = display_name_changed, in_doubt = repeat, undo = none)]
    Ready {
        /// The display name that was set last.
        display_name: String,
        /// The room of each team; none if the team went away before the access was given.
        teams: Each<String, Option<String>>,
        /// The room of each worker; none if the worker went away before the access was given.
        workers: Each<String, Option<String>>,
        /// The message id of the mail with the initial password, by the address that it was sent to.
        invitations: Each<String, String>,
    },
}
