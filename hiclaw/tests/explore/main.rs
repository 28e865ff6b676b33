//! The worker's machine as it is declared, explored: every single fault at every place, every pair of them, and any number of them. Accounts are
//! retained, rooms and containers are cleared when they are in doubt or half-made, containers are replaced, and the specification is edited.

mod cloud;

use crate::cloud::Cloud;

/// A fifth of exploring is allocating; this allocator is faster at it than the one of glibc.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

durable_fsm::survive! {
    mod worker for Cloud {
        register_account, create_room, admit_members, create_consumer, authorize_route, push_config, push_skill, run_container, apply_spec
    }
}
