//! The Team: its resource and its machine. Invariant: nothing here knows a server; what the steps do stands in [`provision`].

pub mod provision;

use std::collections::{BTreeMap, BTreeSet};

use durable_fsm::{Each, Fsm, Resource, ResourceId};
use serde::{Deserialize, Serialize};

use crate::document::{Checked, Document, DocumentError};
use crate::worker::WorkerSpec;

/// A team that somebody wants.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Document<TeamSpec>")]
pub struct Team {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// What is wanted.
    pub spec: TeamSpec,
    /// Whether it is to be deleted.
    pub deleting: bool,
}

/// What is wanted of a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct TeamSpec {
    /// What it is for.
    pub description: String,
    /// The worker that leads it.
    pub leader: String,
    /// The workers that it leads. A worker may be in several teams.
    pub workers: BTreeSet<String>,
    /// Those of the members whom the team makes, and removes when it goes. The others are there without it.
    pub employees: BTreeMap<String, WorkerSpec>,
}

/// A specification as it is written: a member is named or, where the team is to make it, defined.
#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    description: String,
    leader: Member,
    #[serde(default)]
    workers: Vec<Member>,
    #[serde(default)]
    employees: BTreeMap<String, WorkerSpec>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Member {
    Named(String),
    Defined {
        name: String,
        #[serde(flatten)]
        spec: WorkerSpec,
    },
}

impl From<Written> for TeamSpec {
    fn from(written: Written) -> Self {
        let Written { description, leader, workers, mut employees } = written;
        let mut name = |member| match member {
            Member::Named(name) => name,
            Member::Defined { name, spec } => {
                employees.insert(name.clone(), spec);
                name
            }
        };
        let (leader, workers) = (name(leader), workers.into_iter().map(&mut name).collect());
        Self { description, leader, workers, employees }
    }
}

impl TeamSpec {
    /// The leader and those whom it leads.
    #[must_use]
    pub fn members(&self) -> BTreeSet<String> {
        self.workers.iter().chain([&self.leader]).cloned().collect()
    }
}

impl TryFrom<Document<TeamSpec>> for Team {
    type Error = DocumentError;

    fn try_from(document: Document<TeamSpec>) -> Result<Self, DocumentError> {
        let Checked { namespace, name, uid, spec, deleting } = document.named()?;
        Ok(Self { namespace, name, uid, spec, deleting })
    }
}

impl Resource for Team {
    type Spec = TeamSpec;

    fn id(&self) -> ResourceId {
        ResourceId::new(&self.namespace, &self.name)
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    fn spec(&self) -> &TeamSpec {
        &self.spec
    }

    fn deleting(&self) -> bool {
        self.deleting
    }
}

/// Provisions one team: room, storage, members, briefs, the leader's own room.
///
/// Its members are Workers of their own. Their accounts, gateway consumers and files are theirs. A team makes those whom its specification defines, and
/// removes them when it goes. A member that is only named is never made or removed, so that another team with the same worker loses nothing.
#[derive(Fsm)]
#[fsm(name = "hiclaw.io/team", version = 1, resource = Team, timeout = "30s", settle = "10s", retry = "1s..5m")]
pub enum TeamFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(begin -> Staffing, no_effect)]
    Requested,

    // ANCHOR: staffing
    /// The workers whom the team defines are made, each as a resource of its own. Nothing else is made before all members are ready.
    #[transition(employ, for_each = employees, in_doubt = repeat, undo = let_go)]
    #[transition(await_members -> MembersReady, waits, within = "10m")]
    Staffing {
        /// Each worker's document.
        employees: Each<String, String>,
    },

    // ANCHOR_END: staffing
    /// The leader and all workers run. A room has no name that the server would know again, so one whose making is in doubt is looked
    /// up by the mark that was made with it; and a crash leaves half of one, which is cleared.
    #[transition(create_room -> RoomCreated, in_doubt = lookup, undo = close_room, abort = clear_rooms)]
    MembersReady,

    /// The team has its room; so far, nobody but the administrator is in it.
    #[transition(lay_out_storage -> StorageLaidOut, in_doubt = repeat, undo = clear_storage)]
    RoomCreated {
        /// The room's id, which the server chose.
        room_id: String,
    },

    /// The team has its place in the store.
    #[transition(enter_service -> Ready, no_effect)]
    StorageLaidOut {
        /// Where the team's objects lie.
        prefix: String,
        /// The digest of the description that lies there.
        described: String,
    },

    /// The team works. Rests here, and follows its spec: who is in it, who leads it, what it is for.
    ///
    /// Inviting a member again and writing the same brief again change nothing, so both may be repeated. The leader's room is made
    /// like the team's, and another leader has another one.
    #[fsm(resting)]
    #[transition(employ)]
    #[transition(admit_member, for_each = members, in_doubt = repeat, undo = dismiss_member)]
    #[transition(brief_member, for_each = briefs, in_doubt = repeat, undo = withdraw_brief)]
    #[transition(open_leader_room, for_each = leader_rooms, in_doubt = lookup, undo = close_leader_room, abort = clear_leader_rooms)]
    #[transition(apply_spec -> Ready, when = spec_changed, in_doubt = repeat, undo = none)]
    Ready {
        /// The digest of the description that was written last.
        applied: String,
        /// The Matrix id of each member.
        members: Each<String, String>,
        /// The object of each member's brief.
        briefs: Each<String, String>,
        /// The room in which the leader is told what to do.
        leader_rooms: Each<String, String>,
    },
}
