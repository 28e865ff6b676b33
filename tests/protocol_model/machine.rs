//! The machine that the controllers drive: its steps, and the edges between its states. Invariant: every state but the first is reached by
//! one edge, rewinds and kept values aside, so a state says which steps are live in it.

/// What a step promises when its outcome is in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Contract {
    /// A repeat is the same thing, because the provider takes a name.
    Named,
    /// A repeat is the same thing, because the provider remembers the key, also after the thing is gone.
    Keyed,
    /// The provider makes another thing with every call, and can be asked for one of ours.
    Lookup,
    /// The provider makes another thing with every call, and cannot be asked. An abort removes what was made.
    Hold,
}

#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub contract: Contract,
    /// The transport delivers a request once. Look-up and hold assume it.
    pub once: bool,
    /// What may have been made can be removed by name.
    pub aborts: bool,
    /// A repeat can be asked for on the way back.
    pub verifies: bool,
    /// The name has no life in it: a later request changes the thing that is there.
    pub lifeless: bool,
    /// A value that is sent whenever another one is wanted.
    pub kept: bool,
}

impl Step {
    pub fn new(contract: Contract) -> Self {
        let once = matches!(contract, Contract::Lookup | Contract::Hold);
        let aborts = contract == Contract::Hold;
        Self { contract, once, aborts, verifies: false, lifeless: false, kept: false }
    }

    pub fn once(self) -> Self {
        Self { once: true, ..self }
    }

    pub fn aborts(self) -> Self {
        Self { aborts: true, ..self }
    }

    pub fn verifies(self) -> Self {
        Self { verifies: true, ..self }
    }

    pub fn lifeless(self) -> Self {
        Self { lifeless: true, ..self }
    }

    pub fn kept(self) -> Self {
        Self { kept: true, lifeless: true, ..self }
    }

    pub fn repeats(&self) -> bool {
        matches!(self.contract, Contract::Named | Contract::Keyed)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    Step(u8),
    Rewind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Always,
    /// This spec is wanted.
    Spec(u8),
    /// The state knows this step with another spec than is wanted.
    Changed(u8),
    /// This kept value is not known to be what is wanted.
    Differs(u8),
}

#[derive(Debug, Clone, Copy)]
pub struct Edge {
    pub from: u8,
    pub to: u8,
    pub does: Does,
    pub when: When,
    /// The edge is taken although a step that is listed below it is in doubt.
    pub preempts: bool,
    /// The edge is part of the way out, which a deletion takes before anything is undone.
    pub on_delete: bool,
}

impl Edge {
    pub fn step(from: u8, step: u8, to: u8) -> Self {
        Self { from, to, does: Does::Step(step), when: When::Always, preempts: false, on_delete: false }
    }

    pub fn rewind(from: u8, to: u8, when: When) -> Self {
        Self { does: Does::Rewind, ..Self::step(from, 0, to) }.when(when)
    }

    pub fn when(self, when: When) -> Self {
        Self { when, ..self }
    }

    pub fn preempts(self) -> Self {
        Self { preempts: true, ..self }
    }

    pub fn on_delete(self) -> Self {
        Self { on_delete: true, ..self }
    }
}

#[derive(Debug, Clone)]
pub struct Machine {
    pub steps: Vec<Step>,
    /// In the order in which they are tried.
    pub edges: Vec<Edge>,
}

impl Machine {
    /// One step after the other.
    pub fn chain(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps: Vec<Step> = steps.into_iter().collect();
        let edges = (0..).zip(&steps).map(|(step, _)| Edge::step(step, step, step + 1)).collect();
        Self { steps, edges }
    }

    pub fn step(&self, step: u8) -> &Step {
        &self.steps[usize::from(step)]
    }

    pub fn edges_of(&self, state: u8) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.from == state)
    }

    /// Whether a rewind leads to this state.
    pub fn is_marked(&self, state: u8) -> bool {
        self.edges.iter().any(|edge| edge.does == Does::Rewind && edge.to == state)
    }

    /// Whether this step is live in this state.
    pub fn claims(&self, state: u8, step: u8) -> bool {
        let into = |edge: &&Edge| edge.to == state && edge.from != state && edge.does != Does::Rewind;
        self.edges.iter().find(into).is_some_and(|edge| edge.does == Does::Step(step) || self.claims(edge.from, step))
    }

    /// Whether a rewind to this state leaves what this step has made: it is live there, or it is a value that is kept there.
    pub fn knows(&self, state: u8, step: u8) -> bool {
        let keeps = |edge: &Edge| edge.does == Does::Step(step) && self.step(step).kept;
        self.claims(state, step) || self.edges_of(state).any(keeps)
    }

    /// Whether this life and that one are the same thing at the provider.
    pub fn is_same(&self, step: u8, life: u8, other: u8) -> bool {
        life == other || self.step(step).lifeless
    }
}
