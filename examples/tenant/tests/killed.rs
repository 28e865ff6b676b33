//! The program of the README, as a process: killed, resumed and deleted. Its picture is current.

use std::path::Path;
use std::process::{Command, Output};

#[path = "../src/main.rs"]
#[expect(dead_code, reason = "only the machine's graph is used here")]
mod program;

fn run(place: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_example-tenant")).args(arguments).current_dir(place).output().unwrap()
}

/// The names of the files that the provider keeps.
fn provided(place: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.filter(|name| name != "records").collect();
    names.sort();
    names
}

#[test]
fn a_killed_program_resumes_without_a_second_certificate_and_a_deletion_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let crashed = run(place.path(), &["crash"]);
    assert!(!crashed.status.success());
    let after_crash = provided(place.path());
    assert_eq!(after_crash.len(), 2, "{after_crash:?}");

    let resumed = run(place.path(), &[]);
    assert!(resumed.status.success(), "{resumed:?}");
    let said = String::from_utf8(resumed.stdout).unwrap();
    assert!(said.contains("created certificate-") && !said.contains("created database-"), "{said}");
    assert!(said.ends_with("ready\n"), "{said}");
    assert_eq!(provided(place.path()), after_crash);

    let deleted = run(place.path(), &["delete"]);
    let said = String::from_utf8(deleted.stdout).unwrap();
    let at = |what: &str| said.find(what).unwrap_or_else(|| panic!("{what} is missing: {said}"));
    assert!(at("removed certificate-") < at("removed database-") && said.ends_with("gone\n"), "{said}");
    assert_eq!(provided(place.path()), Vec::<String>::new());
}

#[test]
fn the_picture_in_the_readme_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/tenant.svg");
    durable_fsm::diagram::assert_current(path, &program::TenantFlow::GRAPH);
}
