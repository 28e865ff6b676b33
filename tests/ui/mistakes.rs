//! Mistakes and what the compiler says of them: one mistake, one message, on the right token, with the fix in it.
//!
//! The texts belong to one version of rustc, [`TEXTS_OF`]: every release words some of its own differently. Another compiler is told so, and compiles
//! only what has to pass. `TRYBUILD=overwrite cargo test -p ui` writes the texts anew.

use std::io::Write as _;

/// The compiler whose texts are checked in.
const TEXTS_OF: &str = "1.95.";

/// The version of the compiler that runs the cases, such as `1.95.0 (59807616e 2026-04-14)`.
fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = std::process::Command::new(rustc).arg("--version").output().expect("rustc runs");
    let text = String::from_utf8(output.stdout).expect("rustc writes UTF-8");
    text.trim().trim_start_matches("rustc ").to_owned()
}

#[test]
fn mistakes_are_explained() {
    let cases = trybuild::TestCases::new();
    cases.pass("pass/*.rs");
    let compiler = compiler();
    if compiler.starts_with(TEXTS_OF) {
        cases.compile_fail("fail/*.rs");
    } else {
        // Not through the test harness, which would keep it to itself.
        let note = format!("fail is skipped: its texts are those of rustc {TEXTS_OF}x, and this is rustc {compiler}\n");
        std::io::stderr().write_all(note.as_bytes()).expect("a note on stderr");
    }
}

/// More messages than one, and why.
const SEVERAL: [(&str, usize); 12] = [
    ("three_mistakes", 3),
    ("impl_three_mistakes", 3),
    ("rewind_with_a_contract", 2),
    ("transport_with_lookup", 2),
    ("two_unknown_state_keys", 2),
    ("two_unknown_enum_keys", 3),
    // It can be neither read nor written: one message for each, both on its type.
    ("fact_that_is_secret", 2),
    // The second one is rustc's, about the author's own item.
    ("generic_machine_that_uses_nothing_of_it", 2),
    // The derive cannot know the name of an undo that is not declared.
    ("impl_missing_undo_and_its_method", 2),
    // It cannot see what else is in the module, so rustc says it of every item.
    ("two_machines_in_one_module", 4),
    ("state_named_like_an_import", 4),
    // rustc's, and ours that says what to call it.
    ("enum_named_like_its_resource", 2),
];

#[test]
fn each_mistake_gives_one_message() {
    let mut counted = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fail")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "stderr") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let errors = text.lines().filter(|line| line.starts_with("error")).count();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let expected = SEVERAL.iter().find(|(case, _)| *case == name).map_or(1, |(_, errors)| *errors);
        assert_eq!(errors, expected, "{name}:\n{text}");
        counted += 1;
    }
    assert!(counted >= 160, "{counted}");
}
