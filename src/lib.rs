//! durable-fsm
