//! Machines that bugs are planted in, and machines that are bugs.

use crate::ResourceId;

/// The resource of all of them.
#[derive(Clone)]
pub(crate) struct App(u32);

impl crate::Resource for App {
    type Spec = u32;
    fn id(&self) -> ResourceId {
        ResourceId::new("", "app")
    }
    fn uid(&self) -> &str {
        "uid-1"
    }
    fn spec(&self) -> &u32 {
        &self.0
    }
}

mod adopting;
mod careless;
mod early;
mod keeping;
mod keyed;
mod leaving;
mod looked;
mod looping;
mod mixed;
mod opaque;
mod queueing;
mod timed;
mod trusting;

pub(super) use adopting::Adopting;
pub(super) use careless::Careless;
pub(super) use early::Early;
pub(super) use keeping::Keeping;
pub(super) use keyed::{Keyed, Unseen};
pub(super) use leaving::Leaving;
pub(super) use looked::Looked;
pub(super) use looping::Looping;
pub(super) use mixed::Mixed;
pub(super) use opaque::Opaque;
pub(super) use queueing::Queueing;
pub(super) use timed::Timed;
pub(super) use trusting::Trusting;
