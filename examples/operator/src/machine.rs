//! The machine. Invariant: whatever the cloud makes for a project has a transition here, and an undo.

use durable_fsm::{Fsm, Kept};

use crate::project::Project;

/// Gives a project its place in the cloud, an access key and a quota.
#[derive(Fsm)]
#[fsm(name = "example.io/project", version = 1, resource = Project, timeout = "5s", settle = "1s")]
pub enum ProjectFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(create_project -> Created, in_doubt = lookup, undo = delete_project)]
    Requested,

    /// The cloud has accepted the project. It takes some time to prepare it.
    #[transition(await_project -> Prepared, waits, every = "1s", within = "10m")]
    Created {
        /// The project's id. The cloud chooses it.
        id: String,
    },

    /// The project can be used. The Secret comes before the access key: if its name is taken, no key is issued.
    #[transition(create_secret -> Reserved, in_doubt = lookup, undo = delete_secret)]
    Prepared,

    /// There is an empty Secret, and no access key yet.
    #[transition(issue_access -> Ready, in_doubt = repeat, undo = revoke_access, abort = revoke_any_access)]
    Reserved {
        /// The uid of the Secret.
        secret: String,
    },

    /// The Secret has the access key. The machine rests here, and keeps the quota as the spec says.
    #[fsm(resting)]
    #[transition(set_quota, keep = quota, in_doubt = repeat, undo = none)]
    Ready {
        /// The id of the access key.
        access: String,
        /// The quota that the cloud has confirmed, in gigabytes.
        quota: Kept<u32>,
    },
}
