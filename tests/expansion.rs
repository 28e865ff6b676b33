//! The code that the derive writes for the reference controller's Worker, compiled as it is checked in and put through its paces.

#[expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::unneeded_struct_pattern,
    reason = "lints look at generated code only here, where it is checked in"
)]
mod written {
    use durable_fsm::{Each, Resource, ResourceId};

    #[derive(Clone)]
    pub struct Worker;

    impl Resource for Worker {
        type Spec = ();
        fn id(&self) -> ResourceId {
            ResourceId::new("", "w")
        }
        fn uid(&self) -> &str {
            "u"
        }
        fn spec(&self) -> &() {
            &()
        }
    }

    pub enum WorkerFlow {
        Requested,
        AccountRegistered { user_id: String },
        RoomCreated { room_id: String },
        MembersAdmitted,
        ConsumerCreated { consumer: String },
        RouteAuthorized { route: String },
        ConfigGenerated { config: String },
        ConfigPushed { prefix: String, skills: Each<String, String> },
        Ready { applied: String, containers: Each<String, String> },
    }

    include!("../fsm-macros/expand/worker.rs");
}

use durable_fsm::{Facts, Machine};
use serde_json::json;
use written::{Requested, WorkerFlow, WorkerState};

#[test]
fn a_chain_of_constructors_carries_the_facts() {
    let ready = Requested::start()
        .account_registered("@a".to_owned())
        .room_created("!r".to_owned())
        .members_admitted()
        .consumer_created("c".to_owned())
        .route_authorized("default".to_owned())
        .config_generated("d".to_owned())
        .config_pushed("agents/a/".to_owned())
        .ready("d".to_owned());
    assert_eq!((ready.user_id.as_str(), ready.prefix.as_str(), ready.skills.len()), ("@a", "agents/a/", 0));
}

#[test]
fn a_state_is_a_projection_of_the_facts() {
    let facts: Facts = [("user_id", json!("@a")), ("room_id", json!("!r")), ("other", json!(1))]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let state = WorkerFlow::state(2, &facts).unwrap();
    assert_eq!(state.name(), "RoomCreated");
    let WorkerState::RoomCreated(room) = state else { panic!("it is another state") };
    assert_eq!(room.room_id, "!r");
    let missing = WorkerFlow::state(4, &facts).map(|state| state.name()).unwrap_err();
    assert_eq!(missing, durable_fsm::FactError::Missing("consumer".to_owned()));
    assert!(WorkerFlow::state(9, &facts).is_err());
}
