//! A machine with everything that a diagram shows, for a look at its page.

use durable_fsm::{Each, Fsm, Resource, ResourceId};

/// A team.
#[derive(Clone)]
pub struct Team;

impl Resource for Team {
    type Spec = ();
    fn id(&self) -> ResourceId {
        ResourceId::new("default", "team")
    }
    fn uid(&self) -> &str {
        "uid-1"
    }
    fn spec(&self) -> &() {
        &()
    }
}

/// Provisions one team.
#[derive(Fsm)]
#[fsm(name = "example.io/team", version = 1, resource = Team)]
pub enum TeamFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(create_room -> RoomCreated | Failed, in_doubt = lookup, undo = close_room)]
    Requested,
    /// The room exists: "quoted", <script>alert(1)</script> --> and
    ///
    /// a second paragraph.
    #[transition(join_space -> SpaceJoined | Failed, in_doubt = repeat, undo = leave_space)]
    RoomCreated {
        /// The room.
        room: String,
    },
    /// All members are invited, one by one.
    #[transition(invite, for_each = members, in_doubt = repeat, undo = uninvite)]
    #[transition(announce -> Ready, in_doubt = hold, undo = none)]
    SpaceJoined {
        /// Who was invited.
        members: Each<String, String>,
    },
    /// The team is there.
    #[fsm(resting)]
    #[transition(invite)]
    #[transition(disband -> Disbanded, when = archived, in_doubt = repeat, undo = none)]
    Ready,
    /// The team said goodbye.
    #[fsm(terminal)]
    Disbanded,
    /// Something was refused.
    #[fsm(resting, failed)]
    #[transition(retry -> Requested, when = spec_changed, no_effect)]
    Failed,
}
