//! The eight steps of a worker.

pub use crate::worlds::worker::Cloud;

durable_fsm::survive! {
    mod survives for Cloud {
        register_account, create_room, create_consumer, add_route, write_config, push_files, push_skill, start_container
    }
}
