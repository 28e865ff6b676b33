//! A database on a volume: filled from a backup or empty, with users and their grants, moved to its standby and back by the provider, upgraded when
//! somebody approves, and backed up before it goes.
//!
//! The machine is the enum [`DatabaseFlow`]. What the provider has to do for it is the trait [`DatabaseTransitions`]; `tests/database.rs` implements it
//! on a provider in memory and lets every fault strike everywhere.

use std::collections::BTreeSet;
use std::path::Path;

use durable_fsm::{Each, Fsm, Resource, ResourceId, Runner, Store, Undos};
use serde::{Deserialize, Serialize};

/// What an author asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatabaseSpec {
    /// The release that is wanted.
    pub release: String,
    /// The release that may be installed in place of the one that runs. An upgrade waits until it is the wanted one.
    pub approved: String,
    /// Who has an account.
    pub users: BTreeSet<String>,
    /// The backup to begin with; nothing for an empty database.
    pub restore_from: Option<String>,
    /// Whether the last backup stays when the database goes.
    pub keep_last_backup: bool,
    /// Whether the database must not be deleted.
    pub deletion_protection: bool,
}

/// A database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// What is wanted.
    pub spec: DatabaseSpec,
}

impl Resource for Database {
    type Spec = DatabaseSpec;

    fn id(&self) -> ResourceId {
        ResourceId::new("default", &self.name)
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    fn spec(&self) -> &DatabaseSpec {
        &self.spec
    }

    // ANCHOR: keeps
    fn keeps(&self) -> Option<String> {
        self.spec.deletion_protection.then(|| "`deletion_protection` is set; unset it first".to_owned())
    }
    // ANCHOR_END: keeps
}

/// A database, from its volume to its last backup.
#[derive(Fsm)]
#[fsm(name = "example.io/database", version = 1, resource = Database, settle = "2s", retry = "1s..1m")]
pub enum DatabaseFlow {
    /// Nothing is there yet.
    #[fsm(initial)]
    #[transition(create_volume -> Empty, in_doubt = repeat, undo = delete_volume)]
    Requested,

    /// There is a volume, and nothing is on it.
    #[transition(fill -> Restored | Initialised, in_doubt = repeat, undo = none)]
    Empty {
        /// The volume's id.
        volume: String,
    },

    /// The volume has what was in a backup.
    #[transition(start -> Serving, in_doubt = repeat, undo = stop)]
    Restored {
        /// The backup that it was.
        backup: String,
    },

    /// The volume has an empty database.
    #[transition(start)]
    Initialised,

    // ANCHOR: leaving
    /// A server runs on the volume, and everybody who should has an account.
    ///
    /// Another release is another server on the same volume: the server goes, with its accounts, and a new one is started.
    /// A statement is not sent twice on one connection, so a request to create a user cannot come late.
    #[fsm(resting)]
    #[transition(see_fail_over -> OnStandby, waits, every = "30s")]
    #[transition(upgrade -> Restored | Initialised, when = is_upgrade_approved, rewind)]
    #[transition(create_user, for_each = users, transport = once, in_doubt = repeat, undo = drop_user)]
    #[transition(grant, for_each = grants, on = users, transport = once, in_doubt = repeat, undo = revoke)]
    #[transition(start_last_backup -> BackingUp, on_delete, in_doubt = repeat, undo = delete_backup, retain_when = keeps_last_backup)]
    Serving {
        /// The server's id.
        server: String,
        /// The release that it runs.
        release: String,
        /// The accounts, by user.
        users: Each<String, String>,
        /// What may be read by whom: the ids of the grants, by user.
        grants: Each<String, String>,
    },

    /// The provider has moved the database to its standby. No user is created and nothing is upgraded until it has moved back.
    #[fsm(resting)]
    #[transition(see_fail_back -> Serving, waits, every = "30s")]
    #[transition(start_last_backup)]
    OnStandby {
        /// The host that serves.
        standby: String,
    },

    /// The last backup is being written.
    #[fsm(leaving)]
    #[transition(await_backup -> BackedUp, waits, every = "10s", within = "2h")]
    BackingUp {
        /// The backup's id.
        last_backup: String,
    },

    /// The last backup is complete. The users, the server and the volume go.
    #[fsm(leaving)]
    BackedUp,
    // ANCHOR_END: leaving
}

// ANCHOR: undos
/// A runner that removes at most five things at once and sixty in a minute, and nothing while `stop_file` exists.
pub fn careful_runner<T: DatabaseTransitions>(
    provider: T,
    store: impl Store,
    stop_file: &Path,
) -> Runner<DatabaseFlow, T> {
    let undos = Undos::new().at_once(5).per_minute(60).stopped_while(stop_file);
    Runner::builder(provider, store).undos(undos).build()
}
// ANCHOR_END: undos
