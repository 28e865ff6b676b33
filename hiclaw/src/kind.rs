//! The three kinds, by name.

use durable_fsm::graph::Graph;
use serde::{Deserialize, Serialize};

use crate::human::HumanFlow;
use crate::team::TeamFlow;
use crate::worker::WorkerFlow;

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An agent.
    #[value(alias = "workers")]
    Worker,
    /// A leader and workers.
    #[value(alias = "teams")]
    Team,
    /// A person.
    #[value(alias = "humans")]
    Human,
}

impl Kind {
    /// All of them, in the order in which one needs the other.
    pub const ALL: [Kind; 3] = [Kind::Worker, Kind::Team, Kind::Human];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Worker => "worker",
            Kind::Team => "team",
            Kind::Human => "human",
        }
    }

    /// The directory of its documents.
    #[must_use]
    pub const fn directory(self) -> &'static str {
        match self {
            Kind::Worker => "workers",
            Kind::Team => "teams",
            Kind::Human => "humans",
        }
    }

    /// Its machine.
    #[must_use]
    pub const fn graph(self) -> &'static Graph<'static> {
        match self {
            Kind::Worker => &WorkerFlow::GRAPH,
            Kind::Team => &TeamFlow::GRAPH,
            Kind::Human => &HumanFlow::GRAPH,
        }
    }
}
