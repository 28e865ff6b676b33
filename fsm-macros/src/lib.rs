//! The derive of durable-fsm. Its documentation stands on the re-export in `durable-fsm`.
