//! The files of each crate import from each other in one direction, and from where things live.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use source::{Needs, Source};

/// Where each crate's first file is.
const CRATES: [&str; 10] = [
    "src/lib.rs",
    "examples/operator/src/lib.rs",
    "fsm-admin/src/lib.rs",
    "fsm-cli/src/main.rs",
    "fsm-graph/src/lib.rs",
    "fsm-kube/api-server/src/lib.rs",
    "fsm-kube/memory-server/src/lib.rs",
    "fsm-kube/src/lib.rs",
    "fsm-macros/src/lib.rs",
    "hiclaw/src/lib.rs",
];

/// Rings that stand, each with what holds it together. A part of one may go; nothing may join.
const LEFT: [(&str, &[&str], &str); 6] = [
    (
        "src/lib.rs",
        &["driver.rs", "driver/pass.rs"],
        "the driver plans by running a pass, and a pass works on the driver's parts",
    ),
    (
        "src/lib.rs",
        &["each.rs", "fact.rs", "kept.rs"],
        "sets and kept values are facts, and facts are read one by one, as sets or as kept values",
    ),
    (
        "src/lib.rs",
        &["record.rs", "record/decode.rs"],
        "a record is made by decoding, and an unreadable one is an answer of its own",
    ),
    ("src/lib.rs", &["runner.rs", "runner/build.rs"], "a runner gives its builder, and a builder gives its runner"),
    (
        "src/lib.rs",
        &["testing/explore.rs", "testing/explore/coverage.rs", "testing/explore/search.rs"],
        "an exploration asks its settings, which are the explorer's",
    ),
    (
        "src/lib.rs",
        &[
            "testing/oracle.rs",
            "testing/sim.rs",
            "testing/sim/clock.rs",
            "testing/sim/events.rs",
            "testing/sim/joins.rs",
            "testing/sim/journal.rs",
            "testing/sim/menus.rs",
            "testing/sim/places.rs",
            "testing/sim/record.rs",
            "testing/sim/signals.rs",
            "testing/world.rs",
            "testing/world/shelf.rs",
        ],
        "the simulation's parts share its core, and the oracle reads it",
    ),
];

/// The crate's first files whose modules import from where things live. The core's own modules still name its front.
const DIRECT: [&str; 6] = [
    "fsm-admin/src/lib.rs",
    "fsm-graph/src/lib.rs",
    "fsm-kube/api-server/src/lib.rs",
    "fsm-kube/memory-server/src/lib.rs",
    "fsm-kube/src/lib.rs",
    "fsm-macros/src/lib.rs",
];

fn on_crate<T>(first: &str, look: impl FnOnce(&Source<'_>) -> T) -> T {
    let first = Path::new(env!("CARGO_MANIFEST_DIR")).join(first);
    let folder = first.parent().unwrap();
    let read = |path: &str| std::fs::read_to_string(folder.join(path)).ok();
    look(&Source::read(first.file_name().unwrap().to_str().unwrap(), &read))
}

/// The rings: sets of files each of which needs all others of its set, over however many.
fn rings(needs: &Needs) -> Vec<BTreeSet<&str>> {
    let mut reach: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in needs.keys() {
        let mut found = BTreeSet::new();
        let mut open = vec![&**file];
        while let Some(next) = open.pop() {
            for needed in needs.get(next).into_iter().flatten() {
                if found.insert(&**needed.0) {
                    open.push(needed.0);
                }
            }
        }
        reach.insert(file, found);
    }
    let mut rings: Vec<BTreeSet<&str>> = vec![];
    for (file, found) in &reach {
        if found.contains(file) && !rings.iter().any(|ring| ring.contains(file)) {
            let back = |other: &&&str| reach.get(**other).is_some_and(|found| found.contains(file));
            rings.push(found.iter().filter(back).copied().collect());
        }
    }
    rings
}

/// A ring with the imports that close it.
fn described(first: &str, ring: &BTreeSet<&str>, needs: &Needs) -> String {
    let mut text = format!("{first}: a ring of {} files\n", ring.len());
    for file in ring {
        for (needed, path) in needs[*file].iter().filter(|(needed, _)| ring.contains(&***needed)) {
            text.push_str(&format!("  {file} needs {needed} ({path})\n"));
        }
    }
    text
}

#[test]
fn no_files_import_each_other_in_a_ring() {
    let mut found = String::new();
    for first in CRATES {
        on_crate(first, |source| {
            let (needs, _) = source.needs();
            assert!(needs.len() > 3, "{first}: the files are read");
            let left = |ring: &BTreeSet<&str>| {
                LEFT.iter()
                    .any(|(of, files, why)| *of == first && !why.is_empty() && ring.iter().all(|it| files.contains(it)))
            };
            for ring in rings(&needs).into_iter().filter(|ring| !left(ring)) {
                found.push_str(&described(first, &ring, &needs));
            }
        });
    }
    assert!(found.is_empty(), "{found}");
}

#[test]
fn every_ring_that_is_left_is_explained() {
    let design = include_str!("../../DESIGN.md");
    for (_, files, why) in LEFT {
        let named = format!("`{}`", files[0]);
        assert!(design.contains(&named) && design.contains(why), "DESIGN.md does not say that {why}");
    }
}

#[test]
fn nothing_is_imported_through_the_first_file() {
    let through: Vec<String> = DIRECT.iter().flat_map(|first| on_crate(first, |source| source.needs().1)).collect();
    assert!(through.is_empty(), "import these from where they live:\n{}", through.join("\n"));
}

/// The needs of a crate that is written here.
fn of(files: &[(&str, &str)]) -> (Needs, Vec<String>) {
    let read = |path: &str| files.iter().find(|file| file.0 == path).map(|file| file.1.to_owned());
    Source::read("lib.rs", &read).needs()
}

#[test]
fn a_ring_is_noticed_over_groups_aliases_and_exports() {
    let (needs, through) = of(&[
        ("lib.rs", "mod a; mod b; mod c; pub use c::Third; #[cfg(test)] mod tests;"),
        ("a.rs", "use crate::{b::{First as Other, self}}; pub struct Mine;"),
        ("b.rs", "mod deep; pub use deep::First;"),
        ("b/deep.rs", "pub struct First; fn f() -> crate::Third { loop {} }"),
        (
            "c.rs",
            "pub struct Third; fn f() { let _ = super::a::Mine; } #[cfg(test)] mod tests { use crate::b::First; }",
        ),
    ]);
    assert_eq!(rings(&needs), [BTreeSet::from(["a.rs", "b/deep.rs", "c.rs"])], "{needs:?}");
    assert_eq!(through, ["b/deep.rs: crate::Third lives in c.rs"]);
}

#[test]
fn what_leads_one_way_is_no_ring() {
    let (needs, through) = of(&[
        ("lib.rs", "mod a; mod b; pub use a::run;"),
        ("a.rs", "mod part; mod names; pub use names::Name; pub fn run() -> Name { part::make() }"),
        ("a/part.rs", "use super::Name; use crate::b; pub fn make() -> Name { b::help(); Name }"),
        ("a/names.rs", "pub struct Name;"),
        ("b.rs", "pub fn help() {}"),
    ]);
    assert_eq!(rings(&needs), Vec::<BTreeSet<&str>>::new(), "{needs:?}");
    assert_eq!(through, Vec::<String>::new());
    assert_eq!(needs["a.rs"].keys().collect::<Vec<_>>(), ["a/names.rs", "a/part.rs"]);
}
