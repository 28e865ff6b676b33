#![doc = include_str!("../README.md")]

mod admin;
mod api;
mod desk;
mod events;
mod guard;
mod listen;
mod page;
mod row;
mod token;
mod verb;

pub use admin::Admin;
pub use listen::{BindError, Bound};
pub use token::{Token, TokenError};
