//! Compares a machine with its last release.
//!
//! Invariant: what is reported is a record that the last release can have written, and that this one cannot go on with or undo.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::path::Path;

use crate::model::{ForEach, Graph, Kind, State, Transition, Undo};

/// Records that a new release would strand, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranded {
    /// Which records, and why.
    pub records: String,
    /// What to write in the declaration.
    pub line: String,
}

impl fmt::Display for Stranded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.records, self.line)
    }
}

/// How many ways through the old machine are followed. A machine with more of them is compared by those.
const WAYS: usize = 20_000;

/// The records of `last` that `now` would strand. None if `now` can be released over it.
#[must_use]
pub fn stranded(last: &Graph<'_>, now: &Graph<'_>) -> Vec<Stranded> {
    let mut comparison = Comparison { last, now, found: Vec::new() };
    comparison.machine();
    for (index, state) in last.states.iter().enumerate() {
        comparison.state(index, state);
    }
    for step in last.transitions {
        comparison.step(step);
    }
    comparison.ways();
    comparison.found
}

/// Records that are held at a rewind, because the release that wrote them left no mark for it. Nothing in the declaration mends that: an operator rolls
/// back, or deletes.
#[must_use]
pub fn unmarked(last: &Graph<'_>, now: &Graph<'_>) -> Vec<String> {
    let is_marked = |name: &str| {
        let rewinds = last.transitions.iter().filter(|step| step.goes_back());
        let mut targets = rewinds.flat_map(|step| step.to).filter_map(|to| last.states.get(*to));
        targets.any(|state| now.state_once(state.name).is_some_and(|(_, state)| state.name == name))
    };
    let was_there = |name: &str| {
        last.states.iter().any(|state| now.state_once(state.name).is_some_and(|(_, state)| state.name == name))
    };
    let mut found = Vec::new();
    for (index, step) in now.transitions.iter().enumerate().filter(|(_, step)| step.goes_back()) {
        let targets: Vec<_> = step.to.iter().filter_map(|to| now.states.get(*to)).collect();
        if targets.iter().any(|state| state.initial || is_marked(state.name)) {
            continue;
        }
        for place in now.places(index).filter_map(|place| now.states.get(place)).filter(|it| was_there(it.name)) {
            let names: Vec<&str> = targets.iter().map(|state| state.name).collect();
            found.push(format!(
                "records in {} have no mark of {}, because `{}` is new: they are held when its guard holds (NoMark)",
                place.name,
                names.join(" or "),
                step.name
            ));
        }
    }
    found
}

/// Asserts that the machine can be released over its last release, of which `path` is the lock file.
///
/// If there is no such file, or the environment has `UPDATE_LOCK=1`, the file is written from `graph`. Do that once for each release, and check it in. A relative path
/// starts in the folder of the package.
///
/// What is not compared is the spec: a graph does not know its fields. The library's `assert_spec_compatible` compares specs.
///
/// ```no_run
/// # const GRAPH: durable_fsm_graph::Graph<'static> = durable_fsm_graph::Graph {
/// #     name: "m", title: "M", version: 1, reader: 1, doc: "", undo_on_rejected: false, upgrades: &[], states: &[], transitions: &[],
/// # };
/// // In a test:
/// durable_fsm_graph::json::assert_compatible("worker.lock.json", &GRAPH);
/// ```
///
/// # Panics
///
/// If a record of the last release would be stranded; the text has the line that mends each. If the file cannot be read or written.
#[track_caller]
pub fn assert_compatible(path: impl AsRef<Path>, graph: &Graph<'_>) {
    let path = path.as_ref();
    let found = std::fs::read_to_string(path);
    let is_missing = found.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    if is_missing || std::env::var_os("UPDATE_LOCK").is_some_and(|value| value == "1") {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let made = folder.map_or(Ok(()), std::fs::create_dir_all);
        if let Err(error) = made.and_then(|()| std::fs::write(path, super::write(graph))) {
            panic!("{}: {error}", path.display());
        }
        return;
    }
    let text = found.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let last = super::read(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    unmarked(last, graph).iter().for_each(|it| println!("{it}"));
    let stranded = stranded(last, graph);
    if !stranded.is_empty() {
        let list: Vec<String> = stranded.iter().map(|it| format!("- {}\n      {}", it.records, it.line)).collect();
        panic!(
            "{} would strand records of version {} ({}):\n{}\nIf none of these can exist, write the lock file anew with UPDATE_LOCK=1.",
            graph.title,
            last.version,
            path.display(),
            list.join("\n")
        );
    }
}

struct Comparison<'g, 'l, 'n> {
    last: &'g Graph<'l>,
    now: &'g Graph<'n>,
    found: Vec<Stranded>,
}

impl Comparison<'_, '_, '_> {
    fn add(&mut self, records: String, line: String) {
        self.found.push(Stranded { records, line });
    }

    fn machine(&mut self) {
        let (last, now) = (self.last, self.now);
        if last.name != now.name {
            let records =
                format!("all records: they are kept under the machine's name `{}`, and would not be found", last.name);
            self.add(records, format!("was = \"{}\" beside the new name, before other names of before", last.name));
        }
        let is_changed = || {
            let bare = |graph: &Graph<'_>| super::without_prose(graph);
            bare(last) != bare(now)
        };
        if now.version < last.version || now.version == last.version && is_changed() {
            let records = format!(
                "all records: they say version {}, and what has changed since would be called damage",
                last.version
            );
            self.add(records, format!("version = {}", last.version + 1));
        }
    }

    fn state(&mut self, index: usize, state: &State<'_>) {
        let (now, version) = (self.now, self.last.version);
        let Some((here, found)) = now.state_once(state.name) else {
            let name = state.name;
            self.add(
                format!("records in {name}: there is no such state"),
                format!("#[fsm(was = \"{name}\")] on the state that it is called now, or {name} again as #[fsm(retired)], with a transition that leads on"),
            );
            return;
        };
        let to = now.moved(here, version).unwrap_or(here);
        for fact in self.lacking(index, to) {
            let target = now.states[to].name;
            self.add(
                format!("records in {}: they have no `{fact}`, which {target} knows", state.name),
                format!("#[fsm(default)] or #[fsm(was = \"…\")] on `{fact}`, or upgrade(from = {version}, {} => Earlier) where nothing knows it", found.name),
            );
        }
        for fact in state.facts {
            let same =
                now.states.iter().flat_map(|state| state.facts).find(|it| now.fact_once(fact.name) == Some(it.name));
            let bare = |ty: &str| ty.split_whitespace().collect::<String>();
            if let Some(same) = same.filter(|same| bare(same.ty) != bare(fact.ty)) {
                self.add(
                    format!("records with `{}`: it was a `{}`, and is a `{}`", fact.name, fact.ty, same.ty),
                    format!("a new name for the fact of the new type; if the new type reads what the old one wrote, write the lock file anew with UPDATE_LOCK=1 (`{}`)", same.name),
                );
            }
        }
    }

    /// The facts that a state of now knows, and that a record of before in that state does not have.
    fn lacking(&self, before: usize, to: usize) -> Vec<String> {
        let now = self.now;
        let had: BTreeSet<&str> =
            self.last.states[before].known.iter().filter_map(|name| now.fact_once(name)).collect();
        let is_given = |name: &str| {
            let facts = now.states.iter().flat_map(|state| state.facts);
            facts.into_iter().any(|fact| fact.name == name && (fact.default || fact.each))
        };
        let known = now.states[to].known.iter().filter(|name| !had.contains(**name) && !is_given(name));
        known.map(|name| (*name).to_owned()).collect()
    }

    fn step(&mut self, step: &Transition<'_>) {
        let (last, now, name) = (self.last, self.now, step.name);
        let Some(before) = step.contract() else { return };
        let Some((index, found)) = now.transition_once(name) else {
            let what =
                if before.undo == Undo::None { "in which it is in doubt" } else { "that have made something with it" };
            self.add(
                format!("records of `{name}` {what}: there is no such transition"),
                format!("was = \"{name}\" on the transition that it is called now, or `{name}` again as `retired`"),
            );
            return;
        };
        let anew = || format!("a new name for what `{}` does now, and `{name}` as it was, `retired`", found.name);
        let Some(contract) = found.contract() else {
            self.add(format!("records of `{name}`: it had an effect, and has none"), anew());
            return;
        };
        let kind = |set: Option<&ForEach<'_>>| set.map(|set| set.kept);
        if kind(step.for_each()) != kind(found.for_each()) {
            self.add(
                format!("records of `{name}`: it kept a set or value, and does not any more, or the other way round"),
                anew(),
            );
            return;
        }
        if matches!(before.undo, Undo::Method(_)) && contract.undo == Undo::None {
            self.add(format!("records of `{name}`: what it made had an undo, and would have none"), anew());
        }
        let is_undone = matches!(contract.undo, Undo::Method(_)) && matches!(before.undo, Undo::Method(_));
        let targets = |graph: &Graph<'_>, to: &[usize]| -> Vec<String> {
            to.iter().filter_map(|to| graph.states.get(*to)).map(|state| state.name.to_owned()).collect()
        };
        if is_undone && step.to.len() == 1 && found.to.len() > 1 && now.branched(index, last.version).is_none() {
            let reached = targets(last, step.to).concat();
            let reached = now.state_once(&reached).map_or(reached, |(_, state)| state.name.to_owned());
            self.add(
                format!("records of `{name}`: they do not say which state it has reached, because it was no branch"),
                format!("upgrade(from = {}, {} => {reached})", last.version, found.name),
            );
        }
        for to in step.to.iter().filter(|_| is_undone) {
            let old = now.state_once(self.last.states[*to].name).map(|(index, _)| index);
            if step.to.len() > 1 && old.is_none_or(|old| !found.to.contains(&old)) {
                self.add(
                    format!("records of `{name}` that have reached {}: it does not lead there", last.states[*to].name),
                    anew(),
                );
                continue;
            }
            let reads = if found.to.len() == 1 { found.to.first().copied() } else { old };
            for fact in reads.map(|reads| self.lacking(*to, reads)).unwrap_or_default() {
                self.found.push(Stranded {
                    records: format!("records of `{name}`: its undo reads `{fact}`, which they do not have"),
                    line: format!("#[fsm(default)] or #[fsm(was = \"…\")] on `{fact}`"),
                });
            }
        }
    }

    /// Each way through the last release has taken what this one wants to have been taken.
    fn ways(&mut self) {
        let last = self.last;
        let mut seen: BTreeSet<(usize, BTreeSet<usize>)> = BTreeSet::from([(last.initial(), BTreeSet::new())]);
        let mut open: VecDeque<_> = seen.iter().cloned().collect();
        let mut told = BTreeSet::new();
        while let Some((here, took)) = open.pop_front() {
            let Some(state) = last.states.get(here) else { continue };
            self.way(state, &took, &mut told);
            let steps = state.transitions.iter().filter_map(|index| Some((*index, last.transitions.get(*index)?)));
            for (index, step) in steps.filter(|(_, step)| !step.goes_back()) {
                for to in step.to {
                    let mut took = took.clone();
                    let is_effect = matches!(step.kind, Kind::Effect(_)) && step.for_each().is_none();
                    took.extend(is_effect.then_some(index));
                    if seen.len() < WAYS && seen.insert((*to, took.clone())) {
                        open.push_back((*to, took));
                    }
                }
            }
        }
    }

    fn way(&mut self, state: &State<'_>, took: &BTreeSet<usize>, told: &mut BTreeSet<(String, Vec<usize>)>) {
        let (last, now) = (self.last, self.now);
        let Some((here, found)) = now.state_once(state.name) else { return };
        // A deletion that is under way needs no step that it was never given; it undoes what there is.
        if found.leaving || now.moved(here, last.version).is_some() {
            return;
        }
        let names: BTreeSet<&str> = took
            .iter()
            .filter_map(|index| Some(now.transition_once(last.transitions.get(*index)?.name)?.1.name))
            .collect();
        let missing = now.missing(here, |step| names.contains(step.name));
        let Some(first) = missing.first().and_then(|step| now.transitions.get(*step)) else { return };
        if !told.insert((state.name.to_owned(), missing.clone())) {
            return;
        }
        let lacking: Vec<String> = missing.iter().map(|step| format!("`{}`", now.transitions[*step].name)).collect();
        let from = now.states.get(first.from).map_or("Earlier", |from| from.name);
        self.add(
            format!(
                "records in {}: they have never taken {}, without which nothing comes there now",
                state.name,
                lacking.join(" and ")
            ),
            format!(
                "upgrade(from = {}, {} => {from}), or `was` on a step that had another name",
                last.version, found.name
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Contract, Fact};
    use crate::written::{
        INITIAL, NOTHING, PASSING, REPEAT, RESTING, branched, by, contract, effect, fact, members, moved, rewind, set,
        state,
    };

    const TIMES: [u64; 4] = [1, 1, 1, 1];
    const MADE: Contract<'static> = contract(REPEAT, by("scrap"), None, TIMES);
    const SERVED: Contract<'static> = contract(REPEAT, NOTHING, None, TIMES);
    const OPENED: Contract<'static> = contract(REPEAT, by("close"), None, TIMES);

    const LAST: Graph<'static> = Graph {
        name: "test.io/site",
        title: "SiteFlow",
        version: 1,
        reader: 1,
        doc: "",
        undo_on_rejected: false,
        upgrades: &[],
        states: &[
            state("Wanted", "", PASSING | INITIAL, &[], &[], &[0]),
            state("Made", "", PASSING, &[fact("id", "String", "")], &["id"], &[1]),
            state("Ready", "", RESTING, &[set("pages", "Each", "")], &["id", "pages"], &[]),
        ],
        transitions: &[effect("make", 0, &[1], None, MADE), effect("serve", 1, &[2], None, SERVED)],
    };

    fn lines(now: &Graph<'_>) -> Vec<String> {
        stranded(&LAST, now).into_iter().map(|it| it.to_string()).collect()
    }

    /// The only thing that is reported, which has these words in it.
    #[track_caller]
    fn one(now: &Graph<'_>, words: &[&str]) {
        let lines = lines(now);
        assert_eq!(lines.len(), 1, "{lines:#?}");
        words.iter().for_each(|word| assert!(lines[0].contains(word), "{word}: {}", lines[0]));
    }

    #[test]
    fn the_same_machine_with_other_words_strands_nothing() {
        assert_eq!(lines(&LAST), Vec::<String>::new());
        assert_eq!(lines(&Graph { doc: "Serves.", ..LAST }), Vec::<String>::new());
        assert_eq!(lines(&Graph { version: 2, ..LAST }), Vec::<String>::new());
        one(&Graph { undo_on_rejected: true, ..LAST }, &["version = 2"]);
        one(&Graph { name: "test.io/page", version: 2, ..LAST }, &["was = \"test.io/site\""]);
    }

    #[test]
    fn a_step_before_a_state_needs_an_upgrade() {
        const STATES: [State<'static>; 4] = [
            state("Wanted", "", PASSING | INITIAL, &[], &[], &[0]),
            state("Made", "", PASSING, &[fact("id", "String", "")], &["id"], &[1]),
            state("Served", "", PASSING, &[], &["id"], &[2]),
            state("Ready", "", RESTING, &[set("pages", "Each", "")], &["id", "pages"], &[]),
        ];
        let transitions = [
            effect("make", 0, &[1], None, MADE),
            effect("serve", 1, &[2], None, SERVED),
            effect("open", 2, &[3], None, OPENED),
        ];
        let silent = Graph { version: 2, states: &STATES, transitions: &transitions, ..LAST };
        one(&silent, &["records in Ready", "`open`", "upgrade(from = 1, Ready => Served)"]);
        assert_eq!(lines(&Graph { upgrades: &[moved(1, 3, 2)], ..silent }), Vec::<String>::new());
    }

    #[test]
    fn what_is_gone_or_has_another_name_is_named() {
        const STATES: [State<'static>; 3] = [
            state("Wanted", "", PASSING | INITIAL, &[], &[], &[0]),
            state("Built", "", PASSING, &[fact("house", "String", "")], &["house"], &[1]),
            state("Ready", "", RESTING, &[set("pages", "Each", "")], &["house", "pages"], &[]),
        ];
        let transitions = [effect("build", 0, &[1], None, MADE), effect("serve", 1, &[2], None, SERVED)];
        let careless = Graph { version: 2, states: &STATES, transitions: &transitions, ..LAST };
        let all = lines(&careless);
        let has = |words: &str| assert!(all.iter().any(|line| line.contains(words)), "{words}: {all:#?}");
        has("#[fsm(was = \"Made\")]");
        has("was = \"make\"");
        has("they have no `house`");
        const MENDED: [State<'static>; 3] = [
            STATES[0],
            state("Built", "", PASSING, &[fact("house", "String", "").was(&["id"])], &["house"], &[1]).was(&["Made"]),
            STATES[2],
        ];
        let transitions = [transitions[0].was(&["make"]), transitions[1]];
        assert_eq!(lines(&Graph { states: &MENDED, transitions: &transitions, ..careless }), Vec::<String>::new());
    }

    #[test]
    fn a_fact_of_another_type_and_a_new_one_are_told() {
        let with = |known: &'static str, own: Fact<'static>| {
            let states = vec![
                LAST.states[0],
                LAST.states[1],
                State {
                    facts: vec![LAST.states[2].facts[0], own].leak(),
                    known: vec!["id", "pages", known].leak(),
                    ..LAST.states[2]
                },
            ];
            Graph { version: 2, states: states.leak(), ..LAST }
        };
        one(&with("port", fact("port", "u16", "")), &["records in Ready", "`port`", "#[fsm(default)]"]);
        assert_eq!(lines(&with("port", fact("port", "u16", "").or_default())), Vec::<String>::new());
        const STATES: [State<'static>; 3] =
            [LAST.states[0], State { facts: &[fact("id", "u64", "")], ..LAST.states[1] }, LAST.states[2]];
        one(&Graph { version: 2, states: &STATES, ..LAST }, &["`id`", "`String`", "`u64`", "UPDATE_LOCK=1"]);
    }

    #[test]
    fn another_contract_under_the_same_name_is_another_step() {
        let with = |step: Transition<'static>| Graph {
            version: 2,
            transitions: vec![step, LAST.transitions[1]].leak(),
            ..LAST
        };
        one(&with(effect("make", 0, &[1], None, SERVED)), &["had an undo", "`retired`"]);
        one(&with(effect("make", 0, &[1], None, MADE.each(members("pages")))), &["it kept a set"]);
        let branch = with(effect("make", 0, &[1, 2], None, MADE));
        one(&branch, &["which state it has reached", "upgrade(from = 1, make => Made)"]);
        assert_eq!(lines(&Graph { upgrades: &[branched(1, 0, 1)], ..branch }), Vec::<String>::new());
    }

    #[test]
    fn a_rewind_that_is_new_finds_no_mark() {
        let states = [LAST.states[0], LAST.states[1], State { transitions: &[2], ..LAST.states[2] }];
        let transitions = [LAST.transitions[0], LAST.transitions[1], rewind("again", 2, &[1], Some("is_moved"))];
        let now = Graph { version: 2, states: &states, transitions: &transitions, ..LAST };
        assert!(unmarked(&LAST, &now)[0].contains("records in Ready have no mark of Made"));
        assert_eq!(unmarked(&now, &now), Vec::<String>::new());
        assert_eq!(lines(&now), Vec::<String>::new());
    }

    #[test]
    fn the_lock_file_is_written_once_and_then_compared() {
        let path = std::env::temp_dir().join(format!("durable-fsm-{}.lock.json", std::process::id()));
        drop(std::fs::remove_file(&path));
        assert_compatible(&path, &LAST);
        assert_eq!(super::super::read(&std::fs::read_to_string(&path).unwrap()).unwrap(), &LAST);
        assert_compatible(&path, &Graph { version: 2, ..LAST });
        let refused = std::panic::catch_unwind(|| assert_compatible(&path, &Graph { undo_on_rejected: true, ..LAST }));
        std::fs::remove_file(&path).unwrap();
        let text = *refused.unwrap_err().downcast::<String>().unwrap();
        assert!(text.contains("SiteFlow would strand") && text.contains("version = 2"), "{text}");
    }
}
