//! The Worker: its resource and its machine. Invariant: nothing here knows a server; what the steps do stands in
//! [`provision`](crate::provision).

use std::collections::BTreeSet;

use durable_fsm::{Each, Fsm, Resource, ResourceId};
use serde::{Deserialize, Serialize};

use crate::document::{Checked, Document, DocumentError};

/// A worker that somebody wants.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Document<WorkerSpec>")]
pub struct Worker {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// What is wanted.
    pub spec: WorkerSpec,
    /// Whether it is to be deleted.
    pub deleting: bool,
}

/// What is wanted of a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerSpec {
    /// The image of its container.
    pub image: String,
    /// The model that it talks to.
    pub model: String,
    /// Its skills.
    pub skills: BTreeSet<String>,
}

impl TryFrom<Document<WorkerSpec>> for Worker {
    type Error = DocumentError;

    fn try_from(document: Document<WorkerSpec>) -> Result<Self, DocumentError> {
        let Checked { namespace, name, uid, spec, deleting } = document.named()?;
        Ok(Self { namespace, name, uid, spec, deleting })
    }
}

impl Resource for Worker {
    type Spec = WorkerSpec;

    fn id(&self) -> ResourceId {
        ResourceId::new(&self.namespace, &self.name)
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    fn spec(&self) -> &WorkerSpec {
        &self.spec
    }

    fn deleting(&self) -> bool {
        self.deleting
    }
}

/// Provisions one worker: account, room, gateway access, configuration, skills, container.
#[derive(Fsm)]
#[fsm(name = "hiclaw.io/worker", version = 1, resource = Worker, timeout = "30s", settle = "10s", retry = "1s..5m")]
pub enum WorkerFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(register_account -> AccountRegistered, in_doubt = repeat, undo = sign_out)]
    Requested,

    /// The worker has a Matrix account. Its id stays taken forever, so the account stays, and is signed out.
    #[transition(create_room -> RoomCreated, in_doubt = lookup, undo = close_room, abort = clear_rooms)]
    AccountRegistered {
        /// The full Matrix id.
        user_id: String,
    },

    /// The worker has its room, and nobody but the administrator is in it. Admitting somebody who is a member already changes nothing, so this may be repeated.
    #[transition(admit_members -> MembersAdmitted, in_doubt = repeat, undo = none)]
    RoomCreated {
        /// The room's id, which the server chose.
        room_id: String,
    },

    /// The worker is in its room, and the manager is invited.
    #[transition(create_consumer -> ConsumerCreated, in_doubt = repeat, undo = delete_consumer)]
    MembersAdmitted,

    /// The gateway knows the worker's key.
    #[transition(authorize_route -> RouteAuthorized, in_doubt = repeat, undo = deauthorize_route)]
    ConsumerCreated {
        /// The consumer's name.
        consumer: String,
    },

    /// The worker may use the AI route.
    #[transition(generate_config -> ConfigGenerated, no_effect)]
    RouteAuthorized {
        /// The route that allows it.
        route: String,
    },

    /// The configuration is made; its secrets are added when it is pushed.
    #[transition(push_config -> ConfigPushed, in_doubt = repeat, undo = remove_config)]
    ConfigGenerated {
        /// A digest of what the configuration depends on.
        config: String,
    },

    /// The configuration is in the store; skills are pushed one by one.
    #[transition(push_skill, for_each = skills, in_doubt = repeat, undo = remove_skill)]
    #[transition(enter_service -> Ready, no_effect)]
    ConfigPushed {
        /// Where the worker's objects lie.
        prefix: String,
        /// The object of each skill.
        skills: Each<String, String>,
    },

    /// The container runs. Rests here until the spec changes.
    #[fsm(resting)]
    #[transition(push_skill)]
    #[transition(run_container, for_each = containers, in_doubt = lookup, undo = stop_container, abort = clear_containers, surge = 0)]
    #[transition(apply_spec -> Ready, when = spec_changed, in_doubt = repeat, undo = none)]
    Ready {
        /// The digest of the configuration that was pushed last.
        applied: String,
        /// The container's id, by the digest of its configuration.
        containers: Each<String, String>,
    },
}
