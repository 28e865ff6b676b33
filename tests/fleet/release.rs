//! A release as the fleet knows it: a graph, and processes that run it.

use std::time::Duration;

use durable_fsm::graph::Graph;
use durable_fsm::record::{HeldReason, Resolution};
use durable_fsm::{Machine, Outcome, Resource, Runner};

use crate::cloud::Cloud;
use crate::driven::{Death, drive};
use crate::site::Site;
use crate::storage::Storage;
use crate::{newer, older, shorter};

/// How a pass has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Rests,
    Waits(Duration),
    Blocked(Duration),
    Held(HeldReason, String),
    Gone,
}

/// A process that runs a release.
pub trait Process {
    /// One pass. None if the process has died.
    fn pass(&self, site: &Site) -> Option<Ended>;
    /// What an operator has found out. Whether it was accepted.
    fn resolve(&self, site: &Site, resolution: Resolution) -> Result<(), String>;
}

pub trait Release {
    fn graph(&self) -> &'static Graph<'static>;
    fn start(&self, cloud: &Cloud, storage: &Storage, death: Death) -> Box<dyn Process>;
}

macro_rules! release {
    ($name:ident, $flow:ty) => {
        pub struct $name;

        impl Release for $name {
            fn graph(&self) -> &'static Graph<'static> {
                <$flow as Machine>::GRAPH
            }
            fn start(&self, cloud: &Cloud, storage: &Storage, death: Death) -> Box<dyn Process> {
                let runner = Runner::<$flow, Cloud>::builder(cloud.clone(), storage.clone());
                let runner = runner.clock(cloud.time.of_a_process()).probe(death.clone()).build();
                Box::new(Running { runner, death })
            }
        }

        impl Process for Running<$flow> {
            fn pass(&self, site: &Site) -> Option<Ended> {
                let outcome = drive(self.runner.reconcile(site), Some(&self.death))?;
                Some(match outcome.expect("the store answers") {
                    Outcome::Resting(_) | Outcome::Watching { .. } | Outcome::Paused => Ended::Rests,
                    Outcome::Progressing { after, .. } | Outcome::Undoing { after, .. } => Ended::Waits(after),
                    Outcome::Blocked { after, .. } => Ended::Blocked(after),
                    Outcome::Held { reason, message } => Ended::Held(reason, message),
                    Outcome::Gone => Ended::Gone,
                })
            }
            fn resolve(&self, site: &Site, resolution: Resolution) -> Result<(), String> {
                let resolved = drive(self.runner.resolve(&site.id(), resolution), None).expect("it does not die");
                resolved.map(drop).map_err(|error| error.to_string())
            }
        }
    };
}

struct Running<M: Machine> {
    runner: Runner<M, Cloud>,
    death: Death,
}

release!(First, older::first::SiteFlow);
release!(Stranger, older::stranger::SiteFlow);
release!(Second, newer::second::PageFlow);
release!(Unled, newer::unled::PageFlow);
release!(Silent, newer::silent::PageFlow);
release!(Shorter, shorter::SiteFlow);
