//! `fsm` as a process, on the directories of real controllers.

mod fleet;
mod incident;
mod place;
mod reading;
mod refusals;
