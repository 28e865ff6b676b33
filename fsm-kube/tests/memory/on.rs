//! Any world, with its records on an API server in memory. Invariant: the world's resources are the objects of that server, uid and all.

use std::marker::PhantomData;
use std::sync::Arc;

use durable_fsm::testing::{At, Backend, Sim, Thing, World};
use durable_fsm::{Machine, Resource};
use serde_json::Value;

use crate::cluster::Cluster;

/// How an API server and the way to it are.
#[derive(Debug, Clone, Copy, Default)]
pub struct Setting {
    /// Requests fail by an answer that says so; otherwise by a connection that is lost.
    pub answers: bool,
    /// Another controller has a finalizer of its own on the object.
    pub shared: bool,
    /// What is wrong with the store.
    pub bug: Option<Bug>,
}

/// Something that is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// It does not tell whose record it is.
    Nameless,
    /// It patches whatever is there.
    NoPrecondition,
    /// It adds no finalizer.
    NoFinalizer,
}

/// A setting, as a type.
pub trait In: Clone + Send + Sync + 'static {
    const SETTING: Setting;
}

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident = { $($field:ident: $value:expr),* };)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone)]
            pub struct $name;

            impl In for $name {
                const SETTING: Setting = Setting { $($field: $value,)* ..Setting { answers: false, shared: false, bug: None } };
            }
        )*
    };
}

settings! {
    /// Connections are lost.
    Lost = {};
    /// The server answers with errors, and the object has a finalizer of somebody else.
    Refused = { answers: true, shared: true };
    Nameless = { bug: Some(Bug::Nameless) };
    NoPrecondition = { bug: Some(Bug::NoPrecondition) };
    NoFinalizer = { bug: Some(Bug::NoFinalizer) };
}

/// A world, and the API server with its records.
#[derive(Clone)]
pub struct On<W, S = Lost> {
    world: W,
    cluster: Arc<Cluster>,
    setting: PhantomData<fn() -> S>,
}

impl<W: World, S: In> World for On<W, S> {
    type Machine = W::Machine;
    type Transitions = W::Transitions;

    fn new(sim: &Sim) -> Self {
        let spec =
            |resource: <W::Machine as Machine>::Resource| -> Value { serde_json::to_value(resource.spec()).unwrap() };
        let specs = std::iter::once(W::resource()).chain(W::edits()).map(spec).collect();
        let cluster = Cluster::new(sim, <W::Machine as Machine>::GRAPH.name, &W::resource(), specs, S::SETTING);
        Self { world: W::new(sim), cluster, setting: PhantomData }
    }
    fn transitions(&self) -> W::Transitions {
        self.world.transitions()
    }
    fn resource() -> <W::Machine as Machine>::Resource {
        W::resource()
    }
    fn edits() -> Vec<<W::Machine as Machine>::Resource> {
        W::edits()
    }
    fn idle_edits() -> Vec<usize> {
        W::idle_edits()
    }
    fn backend(&self) -> Option<Arc<dyn Backend>> {
        Some(self.cluster.clone())
    }
    fn inventory(&self) -> Vec<Thing> {
        self.world.inventory()
    }
    fn check(&self, at: &At<'_, <W::Machine as Machine>::Resource>) -> Result<(), String> {
        self.world.check(at)
    }
    fn check_final(&self, at: &At<'_, <W::Machine as Machine>::Resource>) -> Result<(), String> {
        self.world.check_final(at)?;
        self.cluster.check_final(at)
    }
}
