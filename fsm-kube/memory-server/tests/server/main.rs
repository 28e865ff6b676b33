//! The memory server: what it does, that a real server does the same, and what its faults do.

mod behaviour;
mod conformance;
mod faults;
mod script;
mod widgets;
