//! The API over a real socket: what is told, what may be asked, and who may reach it.

mod caller;
mod reach;
#[path = "../shop/mod.rs"]
mod shop;
mod telling;
mod verbs;
