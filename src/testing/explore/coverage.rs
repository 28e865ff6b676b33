//! What runs have covered. Invariant: whatever the graph makes possible was reached, or is declared to be out of this world's reach; both
//! at once is an error, and so is a declaration that names nothing.

use std::collections::{BTreeMap, BTreeSet};

use durable_fsm_graph::{Contract, Graph, InDoubt, Kind, Transition, Transport, Undo};

use super::Explorer;
use crate::Site;
use crate::testing::oracle::{Oracle, Violation};
use crate::testing::plan::{Fault, Place};
use crate::testing::report::{Row, Totals};
use crate::testing::run::Run;
use crate::testing::sim::{Menus, Point};
use crate::testing::world::World;

/// What a run, or many, have covered.
#[derive(Debug, Default)]
pub(crate) struct Covered {
    pub(super) edges: BTreeSet<(usize, Option<usize>)>,
    pub(super) undone: BTreeSet<usize>,
    pub(super) aborted: BTreeSet<usize>,
    /// At which sites each transition was, one bit for each.
    crossed: Vec<u16>,
    pub(super) faults: BTreeMap<(Place, Fault), u64>,
    /// Which faults could strike each transition at each kind of place, and which did.
    offered: Menus,
    struck: Menus,
    pub(super) schedules: u64,
    pub(super) twice: u64,
    pub(super) ended_held: u64,
}

/// How many edges, undos and aborts a graph has.
pub(super) fn totals(graph: &Graph<'_>) -> Totals {
    let contracts = || graph.transitions.iter().filter_map(|step| step.contract());
    Totals {
        edges: graph.transitions.iter().map(|step| step.to.len() + usize::from(step.for_each().is_some())).sum(),
        undos: contracts().filter(|contract| matches!(contract.undo, Undo::Method(_))).count(),
        aborts: contracts().filter(|contract| contract.abort.is_some()).count(),
    }
}

/// Something that a graph makes possible.
struct Wanted {
    what: String,
    reached: bool,
    /// Whether it has to be reached. What comes only with a transition that is out of reach need not be.
    needed: bool,
}

impl Covered {
    pub(super) fn add(&mut self, run: &Run, plan: &[(Point, Fault)]) {
        self.edges.extend(&run.edges);
        self.undone.extend(&run.undone);
        self.aborted.extend(&run.aborted);
        self.cross(&run.crossed);
        self.offered.merge(&run.offered);
        self.struck.widen(&run.offered);
        for (point, fault) in plan {
            self.struck.add(point, fault.bit());
            let place = match point.place {
                Place::Await(site, _) => Place::Await(site, 0),
                place => place,
            };
            *self.faults.entry((place, *fault)).or_default() += 1;
        }
        self.schedules += 1;
        self.ended_held += u64::from(run.ended_held);
    }

    pub(crate) fn merge(&mut self, other: Covered) {
        self.edges.extend(other.edges);
        self.undone.extend(other.undone);
        self.aborted.extend(other.aborted);
        self.cross(&other.crossed);
        self.offered.merge(&other.offered);
        self.struck.merge(&other.struck);
        for (key, count) in other.faults {
            *self.faults.entry(key).or_default() += count;
        }
        self.schedules += other.schedules;
        self.twice += other.twice;
        self.ended_held += other.ended_held;
    }

    fn cross(&mut self, crossed: &[u16]) {
        self.crossed.resize(self.crossed.len().max(crossed.len()), 0);
        for (here, more) in self.crossed.iter_mut().zip(crossed) {
            *here |= more;
        }
    }

    /// For each transition how many faults have struck at its kinds of place, of how many that could.
    pub(super) fn rows(&self, graph: &Graph<'_>) -> Vec<Row> {
        let row = |index: usize, name: &str| Row {
            transition: name.to_owned(),
            struck: self.struck.count(index),
            offered: self.offered.count(index),
        };
        let steps = graph.transitions.iter().enumerate().map(|(index, step)| row(index, step.name));
        steps.chain([row(graph.transitions.len(), "")]).collect()
    }

    /// Whether all was reached that the graph makes possible with so many faults, and nothing else.
    pub(super) fn check<W: World>(&self, explorer: &Explorer<W>, depth: usize) -> Option<Violation> {
        let wanted = self.wanted(explorer, depth);
        let missing = wanted.iter().filter(|it| it.needed && !it.reached && !explorer.unreached.contains(&it.what));
        let missing = missing.map(|it| it.what.clone()).collect();
        wrong(explorer, missing, &wanted)
    }

    /// After a run without faults: whether what is listed as unreached exists, and was not reached.
    pub(super) fn check_listed<W: World>(&self, explorer: &Explorer<W>) -> Option<Violation> {
        wrong(explorer, Vec::new(), &self.wanted(explorer, 0))
    }

    fn wanted<W: World>(&self, explorer: &Explorer<W>, depth: usize) -> Vec<Wanted> {
        let graph = explorer.graph();
        let mut wanted = Vec::new();
        for (index, step) in graph.transitions.iter().enumerate() {
            self.want_step(index, step, depth, &mut wanted, |state| graph.states[state].name);
        }
        let struck = self.faults.keys().fold(0, |all, (_, fault)| all | fault.bit());
        let possible = explorer.possible();
        wanted.extend(Explorer::<W>::every_event(&self.faults, depth));
        wanted.extend(Fault::ALL.iter().map(|fault| Wanted {
            what: format!("fault {fault}"),
            reached: struck & fault.bit() != 0,
            needed: depth > 0 && possible & fault.bit() != 0,
        }));
        wanted
    }

    fn want_step(
        &self,
        index: usize,
        step: &Transition<'_>,
        depth: usize,
        wanted: &mut Vec<Wanted>,
        name: impl Fn(usize) -> &'static str,
    ) {
        let mut want = |what: String, reached: bool, needed: bool| wanted.push(Wanted { what, reached, needed });
        if step.for_each().is_some() {
            want(step.name.to_owned(), self.edges.contains(&(index, None)), true);
        }
        for to in step.to {
            let edge = format!("{} -> {}", step.name, name(*to));
            // Which faults lead to a bad end depends on its limits.
            want(edge, self.edges.contains(&(index, Some(*to))), !matches!(step.kind, Kind::End(_)));
        }
        let taken = self.edges.iter().any(|(transition, _)| *transition == index);
        let crossed = |site: Site| self.crossed.get(index).is_some_and(|sites| sites & (1 << site as u16) != 0);
        if matches!(step.kind, Kind::Waits { .. }) {
            want(format!("wait {}", step.name), crossed(Site::Wait), taken);
        }
        let Some(contract) = step.contract() else { return };
        if matches!(contract.undo, Undo::Method(_)) {
            want(format!("undo {}", step.name), self.undone.contains(&index), true);
        }
        if contract.abort.is_some() {
            want(format!("abort {}", step.name), self.aborted.contains(&index), depth > 0);
        }
        if contract.in_doubt == InDoubt::Lookup {
            want(format!("lookup {}", step.name), crossed(Site::Lookup), taken && depth > 0);
        }
        if contract.in_doubt != InDoubt::Hold {
            want(format!("take-over {}", step.name), crossed(Site::TakeOver), taken && depth > 0);
        }
    }
}

/// What is missing, or listed and should not be; with the list as it should be.
fn wrong<W: World>(explorer: &Explorer<W>, missing: Vec<String>, wanted: &[Wanted]) -> Option<Violation> {
    let mut listed: BTreeSet<&str> = missing.iter().map(String::as_str).collect();
    let mut wrong = missing.clone();
    for name in &explorer.unreached {
        match wanted.iter().find(|it| it.what == *name) {
            Some(it) if it.reached => wrong.push(format!("{name} (it has)")),
            Some(_) => drop(listed.insert(name)),
            None => wrong.push(format!("{name} (there is no such thing)")),
        }
    }
    if wrong.is_empty() {
        return None;
    }
    let listed: Vec<String> = listed.into_iter().map(|name| format!("\"{name}\"")).collect();
    let (wrong, listed) = (wrong.join(", "), listed.join(", "));
    let message = format!(
        "the world has no occasion for: {wrong}; give it one, or write in `survive!`: unreached {{ {listed} }}"
    );
    Some(Violation::new(Oracle::NotFired, message))
}

impl<W: World> Explorer<W> {
    /// The events of the world, each of which has to strike.
    fn every_event(struck: &BTreeMap<(Place, Fault), u64>, depth: usize) -> impl Iterator<Item = Wanted> {
        W::events().iter().map(move |name| Wanted {
            what: format!("event {name}"),
            reached: struck.keys().any(|(_, fault)| *fault == Fault::Event(name)),
            needed: depth > 0,
        })
    }

    /// The faults for which every machine of this shape gives occasion, one in a run.
    fn possible(&self) -> u64 {
        let contracts: Vec<_> = self.graph().transitions.iter().filter_map(|step| step.contract()).collect();
        if contracts.is_empty() {
            // Nothing is ever written.
            return 0;
        }
        let mut never = 0;
        let mut unless = |there: bool, faults: &[Fault]| {
            if !there {
                faults.iter().for_each(|fault| never |= fault.bit());
            }
        };
        let once =
            |contract: &&&Contract<'_>| contract.transport == Transport::Once && contract.in_doubt == InDoubt::Repeat;
        let undone = contracts.iter().filter(|it| !once(it)).any(|contract| matches!(contract.undo, Undo::Method(_)));
        let repeated = contracts.iter().filter(|it| !once(it)).any(|contract| contract.in_doubt == InDoubt::Repeat);
        unless(undone, &[Fault::Echo]);
        unless(undone || repeated, &[Fault::Duplicate]);
        unless(repeated, &[Fault::Twin]);
        // Without an edit there is no pass for a resource that has a record and is not to be deleted.
        unless(self.rig.resources.len() > 1, &[Fault::Edit, Fault::Unmarked, Fault::Overtaken]);
        unless(!self.rig.exclusive, &[Fault::Switch, Fault::Pause, Fault::Other, Fault::MadeAgain, Fault::Touched]);
        // These are not required: a store of the author's own has no outages, restores or copies; a resource is held in doubt only after another fault; a
        // cache is stale only after an edit, and only if generations are known.
        unless(
            false,
            &[Fault::RollBack, Fault::Resolved, Fault::Behind, Fault::Rebound, Fault::Outage, Fault::SecondCluster],
        );
        never |= Fault::BACKUPS;
        !never
    }
}
