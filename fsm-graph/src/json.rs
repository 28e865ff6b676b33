//! Reads and writes a graph as JSON. The file is called a lock file. Tools read it without the machine's Rust types.
//!
//! [`write()`] and [`read()`] are exact inverses for every graph that the derive emits.
//!
//! Invariant: every name of a state, a transition or a fact is declared in the same file.
//!
//! # Format 1
//!
//! ```json
#![doc = include_str!("../tests/golden/example.lock.json")]
//! ```
//!
//! | field | meaning |
//! |---|---|
//! | `format` | 1; a reader refuses a format that it does not know |
//! | `machine`, `title` | the machine's name in records, and the name of the declaring enum |
//! | `version`, `reader` | the machine's version, and the lowest version that can read its records |
//! | `undo-on-rejected` | whether a rejected effect makes the machine undo everything |
//! | `states` | in declared order. `rest` is `passing`, `resting` or `terminal`; `transitions` names the transitions in the order in which they are tried, with `when` where one has another guard there than its own; `known` names the facts that every path to the state has recorded, and those with a `default` |
//! | `transitions` | in declared order. `from` and `to` name states; `when` names the guard |
//! | `was`, `retired`, `upgrades` | what the machine says of records of older versions: the names that something had before, the first one first; what is no longer begun; and where records of a version up to `from` go on |
//! | `on-delete` | whether the transition is considered only once deletion is wanted |
//! | `verify` | of a state: how often things are asked about while a resource rests there. Of a transition: `lost` says what happens if what it made is gone, and `by` names the method that is asked in place of the look-up |
//! | `kind` | `"no-effect"`, `"rewind"`, `{"waits": …}`, `{"effect": …}`, or `{"deferred": …}` for `no_effect` with an undo. An effect has the keys and the words of the attribute, with every default filled in |
//!
//! Fields that are empty, false or absent are left out. A field that the reader does not know is an error: to ignore a part of a contract
//! would be to judge records by another machine.

mod compatible;
mod error;
mod file;
mod time;

use std::collections::BTreeSet;

pub use compatible::{Stranded, assert_compatible, stranded, unmarked};
pub use error::{FORMAT, ReadError};

use crate::model::Graph;
use file::File;

/// Writes the graph as JSON that ends with a line end. The same graph always gives the same bytes.
#[must_use]
pub fn write(graph: &Graph<'_>) -> String {
    let file = File::of(graph);
    // A file is made of texts, numbers and lists, which can always be written.
    let mut text = serde_json::to_string_pretty(&file).unwrap_or_default();
    text.push('\n');
    text
}

/// Reads a graph from JSON.
///
/// The graph stays in memory until the program ends, because records are interpreted by `'static` graphs. Read each lock file once.
///
/// # Errors
/// [`ReadError`], with the remedy in its text.
pub fn read(json: &str) -> Result<&'static Graph<'static>, ReadError> {
    let bad = |error: serde_json::Error| ReadError::Json(error.to_string());
    let value: serde_json::Value = serde_json::from_str(json).map_err(bad)?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(found) if found == u64::from(FORMAT) => {}
        Some(found) => return Err(ReadError::Format(found)),
        None => return Err(ReadError::Json("it has no `format`".to_owned())),
    }
    let file: File = serde_json::from_value(value).map_err(bad)?;
    check(&file)?;
    Ok(Box::leak(Box::new(file.graph()?)))
}

/// What a graph declares, without words for people and without its versions.
fn without_prose(graph: &Graph<'_>) -> serde_json::Value {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                fields.retain(|name, _| name != "doc");
                fields.values_mut().for_each(strip);
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(File::of(graph)).unwrap_or_default();
    strip(&mut value);
    if let serde_json::Value::Object(fields) = &mut value {
        fields.retain(|name, _| !matches!(name.as_str(), "title" | "version" | "reader" | "upgrades"));
    }
    value
}

fn check(file: &File) -> Result<(), ReadError> {
    fn once<'f>(what: &'static str, names: impl Iterator<Item = &'f String>) -> Result<(), ReadError> {
        let mut seen = BTreeSet::new();
        names
            .into_iter()
            .find(|name| !seen.insert(*name))
            .map_or(Ok(()), |name| Err(ReadError::Twice { what, name: name.clone() }))
    }
    once("state", file.states.iter().map(|state| &state.name))?;
    once("transition", file.transitions.iter().map(|step| &step.name))?;
    let initial = file.states.iter().filter(|state| state.initial).count();
    if initial == 1 { Ok(()) } else { Err(ReadError::Initial(initial)) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{State, Transition, Undo};
    use crate::properties::each_machine;
    use crate::written::{
        END, HELD, HOLD, IGNORE, INITIAL, LEAVING, LOOKUP, MISSING, NOTHING, PASSING, REMAKE, REPEAT, RESTING, RETAIN,
        TERMINAL, branched, by, contract, deferred, effect, fact, lost, members, moved, no_effect, rewind, set, state,
        waits,
    };

    const TIMES: [u64; 4] = [30_000, 1_500, 200, 3_600_000];

    /// One of everything that a graph can say.
    const EXAMPLE: Graph<'static> = Graph {
        name: "example.io/site",
        title: "SiteFlow",
        version: 3,
        reader: 2,
        doc: "Publishes one site.\n\n\"Quoted\", and with a \\.",
        undo_on_rejected: true,
        upgrades: &[moved(2, 2, 3), branched(1, 1, 2)],
        states: &[
            state("Requested", "Nothing exists yet.", PASSING | INITIAL, &[], &[], &[0]),
            state("Reserved", "It has a name.", PASSING, &[fact("name", "String", "The name.")], &["name"], &[1, 2, 7]),
            state(
                "Online",
                "",
                RESTING,
                &[set("pages", "Each < String , u64 >", "")],
                &["name", "pages"],
                &[3, 4, 5, 6, 8, 9, 10],
            )
            .verified(600_000),
            state(
                "Refused",
                "",
                RESTING | crate::written::FAILED,
                &[fact("times", "u32", "").or_default().was(&["tries"])],
                &["name", "times"],
                &[1, 5],
            )
            .guarded(&[(5, "is_back")])
            .was(&["Rejected", "Declined"]),
            state("BackedUp", "", LEAVING | TERMINAL, &[], &["name", "pages"], &[]).retired(),
        ],
        transitions: &[
            effect("reserve", 0, &[1], None, contract(REPEAT, by("free"), Some("sweep"), TIMES))
                .asked(Some("is_reserved"), END),
            effect("publish", 1, &[2, 3], Some("wanted"), contract(LOOKUP, RETAIN, None, TIMES).look_later().adopt())
                .asked(None, REMAKE),
            no_effect("give_up", 1, &[3], None).was(&["refuse"]),
            effect(
                "upload",
                2,
                &[],
                None,
                contract(HOLD, by("remove"), Some("sweep"), TIMES).each(members("pages").surge(2)),
            )
            .asked(Some("is_there"), MISSING),
            effect("link", 2, &[], None, contract(REPEAT, NOTHING, None, TIMES).each(members("pages").on("pages")))
                .retired(),
            waits("await_dns", 2, &[2], Some("is_stale"), Some(600_000), Some(1_000)),
            rewind("start_over", 2, &[1], Some("is_moved")),
            deferred("reach", 1, &[2], None, contract(REPEAT, by("leave"), None, TIMES).once().retained_when("keeps")),
            effect("back_up", 2, &[4], None, contract(REPEAT, NOTHING, None, TIMES)).on_delete(),
            waits("await_page", 2, &[], None, None, None).each(members("pages")),
            lost("reserve_lost", 2, &[1], 0, true),
        ],
    };

    #[test]
    fn a_graph_comes_back_as_it_was_written() {
        assert_eq!(read(&write(&EXAMPLE)).unwrap(), &EXAMPLE);
        for verify in [HELD, IGNORE] {
            let transitions = [effect("hold", 0, &[0], None, contract(HOLD, NOTHING, None, TIMES)).asked(None, verify)];
            let one = Graph {
                upgrades: &[],
                states: &[state("A", "", PASSING | INITIAL, &[], &[], &[0])],
                transitions: &transitions,
                ..EXAMPLE
            };
            assert_eq!(read(&write(&one)).unwrap(), &one);
        }
        let patient = Graph { upgrades: &[], transitions: &[waits("look", 0, &[0], None, None, None)], ..EXAMPLE };
        let one = Graph { states: &[state("A", "", PASSING | INITIAL, &[], &[], &[0])], ..patient };
        assert_eq!(read(&write(&one)).unwrap(), &one);
        each_machine(|graph| {
            // The derive emits no index that is out of range, and reads `retain` and `none` before it takes a word for a method.
            let in_range =
                |step: &Transition<'_>| step.from.max(step.to.iter().copied().max().unwrap_or(0)) < graph.states.len();
            let is_word = |step: &Transition<'_>| {
                let undo = step.contract().map(|contract| contract.undo);
                matches!(undo, Some(Undo::Method("retain" | "none")))
            };
            let stands = |state: &State<'_>| state.transitions.iter().all(|index| *index < graph.transitions.len());
            if !graph.states.iter().all(stands)
                || !graph.transitions.iter().all(|step| in_range(step) && !is_word(step))
            {
                return;
            }
            let written = write(graph);
            match read(&written) {
                Ok(found) => {
                    assert_eq!(found, graph);
                    assert_eq!(write(found), written);
                }
                // Random machines may use a name twice, or name what is not there; the derive refuses both.
                Err(ReadError::Twice { .. } | ReadError::Unknown { .. } | ReadError::Initial(_)) => {}
                Err(other) => panic!("{other}"),
            }
        });
    }

    #[test]
    fn every_machine_of_the_gallery_comes_back_if_the_derive_would_emit_it() {
        let mut back = 0;
        for (name, machine) in crate::properties::machines::all() {
            // The fixtures have no facts, so a set is of none.
            let has_sets = machine.moves.iter().any(|step| step.each.is_some());
            machine.with(|graph| match read(&write(graph)) {
                Ok(found) => {
                    assert_eq!(found, graph, "{name}");
                    back += 1;
                }
                Err(ReadError::Initial(0)) => assert!(machine.states.is_empty(), "{name}"),
                Err(ReadError::Unknown { what: "fact", .. }) => assert!(has_sets, "{name}"),
                Err(error) => panic!("{name}: {error}"),
            });
        }
        assert!(back > 5, "only {back} machines came back");
    }

    #[test]
    fn the_documented_example_is_what_is_written() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/example.lock.json");
        let written = write(&EXAMPLE);
        if std::env::var_os("UPDATE_DIAGRAMS").is_some_and(|value| value == "1") {
            std::fs::write(path, &written).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap().replace("\r\n", "\n"), written);
    }

    fn refused(change: impl Fn(&mut serde_json::Value)) -> ReadError {
        let mut value: serde_json::Value = serde_json::from_str(&write(&EXAMPLE)).unwrap();
        change(&mut value);
        read(&value.to_string()).unwrap_err()
    }

    #[test]
    fn what_is_not_a_graph_is_refused_with_its_place() {
        let unknown =
            |what, name: &str, place: &str| ReadError::Unknown { what, name: name.to_owned(), place: place.to_owned() };
        assert_eq!(refused(|it| it["format"] = 2.into()), ReadError::Format(2));
        assert!(matches!(read("{"), Err(ReadError::Json(_))));
        assert!(matches!(read("{}"), Err(ReadError::Json(why)) if why.contains("`format`")));
        let later = refused(|it| it["transitions"][0]["kind"]["effect"]["keep"] = "power".into());
        assert!(matches!(later, ReadError::Json(why) if why.contains("`keep`")));
        assert_eq!(
            refused(|it| it["transitions"][0]["to"][0] = "Nowhere".into()),
            unknown("state", "Nowhere", "transition `reserve`")
        );
        assert_eq!(
            refused(|it| it["states"][0]["transitions"][0] = "fly".into()),
            unknown("transition", "fly", "state `Requested`")
        );
        assert_eq!(
            refused(|it| it["states"][3]["transitions"][1]["transition"] = "fly".into()),
            unknown("transition", "fly", "state `Refused`")
        );
        assert_eq!(
            refused(|it| it["transitions"][3]["kind"]["effect"]["for-each"]["fact"] = "names".into()),
            unknown("fact", "names", "transition `upload`")
        );
        assert_eq!(
            refused(|it| it["states"][1]["known"][0] = "names".into()),
            unknown("fact", "names", "state `Reserved`")
        );
        assert_eq!(
            refused(|it| it["states"][1]["name"] = "Requested".into()),
            ReadError::Twice { what: "state", name: "Requested".to_owned() }
        );
        assert_eq!(
            refused(|it| it["transitions"][1]["name"] = "reserve".into()),
            ReadError::Twice { what: "transition", name: "reserve".to_owned() }
        );
        assert_eq!(refused(|it| it["states"][0]["initial"] = false.into()), ReadError::Initial(0));
        let odd = refused(|it| it["transitions"][0]["kind"]["effect"]["timeout"] = "soon".into());
        assert!(matches!(odd, ReadError::Json(why) if why.contains("`soon`")));
    }

    #[test]
    fn a_time_is_written_in_the_largest_unit_that_is_exact() {
        let texts = [(0, "0s"), (250, "250ms"), (1_500, "1500ms"), (60_000, "1m"), (90_000, "90s"), (7_200_000, "2h")];
        for (millis, text) in texts {
            let duration = Duration::from_millis(millis);
            assert_eq!(time::write(duration), text);
            assert_eq!(time::read(text), Some(duration));
        }
        for duration in [Duration::from_nanos(1), Duration::MAX, Duration::from_micros(1_001)] {
            assert_eq!(time::read(&time::write(duration)), Some(duration));
        }
        for text in ["", "s", "5", "-1s", "1 s", "1.5s", "99999999999999999999h"] {
            assert_eq!(time::read(text), None, "{text}");
        }
    }
}
