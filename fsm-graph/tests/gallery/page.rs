//! The gallery page, and what other pages show of it. `UPDATE_DIAGRAMS=1` writes them.

use std::path::PathBuf;

use crate::machines;

/// The machines on the page, each with its heading.
const SECTIONS: [(&str, &str); 14] = [
    ("worker", "A worker: eight steps, a set kept true"),
    ("team", "A team: failure, retry, an ordered end"),
    ("human", "A human: a branch that skips a step"),
    ("database", "A database: a deletion with steps of its own, a rewind, contracts"),
    ("host", "A host: bad ends, limits, and ways back from them"),
    ("branch", "A branch of three that joins"),
    ("diamonds", "Long diamonds"),
    ("failures", "Several failure targets"),
    ("parallel", "Parallel edges"),
    ("loops", "Loops back, and loops on one state"),
    ("forty", "Forty states"),
    ("no-spine", "No clear spine"),
    ("names", "Long names, and Chinese, Japanese and Korean ones"),
    ("hostile", "Names and comments that mean something to the formats"),
];

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}")).replace("\r\n", "\n")
}

fn check(name: &str, text: &str) {
    if crate::updates() {
        std::fs::write(file(name), text).expect("the page can be written");
    }
    assert!(read(name) == text, "{name} is not current; run this test with UPDATE_DIAGRAMS=1");
}

#[test]
fn the_gallery_page_shows_every_machine_beside_the_others_pictures() {
    let mut page = String::from(
        "# Diagram gallery

Each machine is shown three times: drawn by `durable-fsm-graph`, by Graphviz without hints, and by Mermaid. `durable-fsm-graph` keeps the
forward path straight. It gives each failed state one rail with one arrow head. It draws the way back dashed. It shows only once what a
deletion does: from any state, every `⟲` method that applies runs, in reverse order. [How to read a picture](../fsm-graph/README.md#how-to-read-a-picture) explains every sign.

`fsm-graph/consumers/gallery.mjs` makes the pictures of the other programs. `fsm-graph/consumers/check.sh` reads every checked-in picture with
the program that it is written for:

",
    );
    let consumers = read("docs/gallery/consumers.md");
    for (what, ends) in [("DOT", &[".dot"][..]), ("Mermaid", &[".mmd"]), ("SVG", &[".svg", ".inline.html"])] {
        let files = std::fs::read_dir(file("fsm-graph/tests/golden")).expect("the golden folder");
        let names = files.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let count = names.filter(|name| ends.iter().any(|end| name.ends_with(end))).count();
        assert!(
            consumers.contains(&format!("| {count} {what} ")),
            "not all {count} {what} files: run consumers/check.sh"
        );
    }
    page.push_str(&consumers);
    for (name, heading) in SECTIONS {
        for other in ["graphviz", "mermaid"] {
            let picture = read(&format!("docs/gallery/{name}.{other}.svg"));
            assert!(picture.contains("<svg"), "{name}.{other}.svg is no picture");
        }
        page.push_str(&format!(
            "
## {heading}

| durable-fsm | Graphviz | Mermaid |
|---|---|---|
| ![{name}, ours](../fsm-graph/tests/golden/{name}.svg) | ![{name}, Graphviz](gallery/{name}.graphviz.svg) | ![{name}, Mermaid](gallery/{name}.mermaid.svg) |
"
        ));
    }
    page.push_str(&format!(
        "
## Live resources

From left to right: waiting for the next attempt, undoing with a step in doubt, and held:

| | | |
|---|---|---|
| ![waiting](../fsm-graph/tests/golden/live-worker.svg) | ![undoing](../fsm-graph/tests/golden/live-undoing.svg) | ![held](../fsm-graph/tests/golden/live-held.svg) |

In a terminal:

```text
{}```
",
        read("fsm-graph/tests/golden/live-team.txt")
    ));
    check("docs/gallery.md", &page);
}

#[test]
fn no_machine_is_missing_on_the_page() {
    let shown: Vec<&str> = SECTIONS.iter().map(|section| section.0).collect();
    let hidden: Vec<&str> =
        machines::all().iter().map(|machine| machine.0).filter(|name| !shown.contains(name)).collect();
    assert_eq!(hidden, ["empty", "single"], "those two have nothing to compare");
}

#[test]
fn the_readme_shows_a_live_resource_as_it_is_drawn() {
    let readme = read("README.md");
    let (before, rest) = readme.split_once("```text\ntenant/").expect("a picture in the README");
    let after = rest.split_once("\n```").expect("the end of the picture").1;
    check("README.md", &format!("{before}```text\n{}```{after}", read("fsm-graph/tests/golden/live-team.txt")));
}
