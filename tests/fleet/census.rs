//! What state the records of a fleet are in.

use std::collections::BTreeMap;
use std::fmt;

use durable_fsm::graph::{Graph, Rest};
use durable_fsm::record::{Direction, Record};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// There is no record yet.
    None,
    /// An effect is under way.
    InFlight,
    /// An effect is to be tried again, and may have been carried out.
    InDoubt,
    /// The process has died between two steps.
    Between,
    Held,
    Blocked,
    Leaving,
    Undoing,
    Ready,
}

impl Kind {
    pub const ALL: [Self; 9] = [
        Self::None,
        Self::InFlight,
        Self::InDoubt,
        Self::Between,
        Self::Held,
        Self::Blocked,
        Self::Leaving,
        Self::Undoing,
        Self::Ready,
    ];

    fn of(graph: &Graph<'_>, record: Option<&Record>) -> Self {
        let Some(record) = record else { return Self::None };
        let is_resting = graph.state(&record.state).is_some_and(|(_, state)| state.rest == Rest::Resting);
        let is_doubted = record.intent.as_ref().is_some_and(|it| it.in_doubt);
        match record.direction {
            Direction::Leaving => Self::Leaving,
            Direction::Deleting | Direction::RollingBack => Self::Undoing,
            Direction::Forward if record.held.is_some() => Self::Held,
            Direction::Forward if record.blocked.is_some() => Self::Blocked,
            Direction::Forward if is_doubted || record.unconfirmed.iter().any(|it| it.in_doubt) => Self::InDoubt,
            Direction::Forward if record.intent.is_some() => Self::InFlight,
            Direction::Forward if is_resting => Self::Ready,
            Direction::Forward => Self::Between,
        }
    }
}

/// How many records there are of each kind, and in each state.
#[derive(Default)]
pub struct Census {
    pub kinds: BTreeMap<Kind, usize>,
    pub states: BTreeMap<(String, Kind), usize>,
}

impl Census {
    pub fn add(&mut self, graph: &Graph<'_>, record: Option<&Record>) {
        let kind = Kind::of(graph, record);
        *self.kinds.entry(kind).or_default() += 1;
        let state = record.map_or("", |record| &record.state).to_owned();
        *self.states.entry((state, kind)).or_default() += 1;
    }

    /// The records in this state, whatever else is to be said of them.
    pub fn in_state(&self, name: &str) -> usize {
        self.states.iter().filter(|((state, _), _)| state == name).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list: Vec<String> = self.kinds.iter().map(|(kind, count)| format!("{kind:?} {count}")).collect();
        f.write_str(&list.join(", "))
    }
}
