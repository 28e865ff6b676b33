//! The example `tenants` as a process, with 100 tenants, six SIGKILLs and a SIGTERM: no effect happens twice, and nothing is left behind.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

#[path = "../examples/tenants.rs"]
mod tenants;

const TENANTS: usize = 100;

/// The example's `main`. The test below runs it in a process and a directory of its own.
#[test]
fn the_program() {
    if std::env::var_os("RUN_TENANTS").is_some() {
        // The harness may have begun a line.
        println!();
        tenants::main().unwrap();
    }
}

struct Program {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(place: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["the_program", "--exact", "--nocapture"])
            .env("RUN_TENANTS", "1")
            .current_dir(place)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads the output of the program until this many tenants have a line that ends like this.
    fn until(&mut self, end: &str, count: usize) {
        let mut seen = BTreeSet::new();
        while seen.len() < count {
            let line = self.lines.next().expect("the program goes on").unwrap();
            assert!(!line.contains(" is blocked") && !line.contains(" is held"), "{line}");
            if let Some(tenant) = line.strip_prefix("tenant ").and_then(|line| line.strip_suffix(end)) {
                seen.insert(tenant.to_owned());
            }
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        assert!(!self.child.wait().unwrap().success());
    }

    /// Sends SIGTERM, and waits until the program has drained.
    fn terminate(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let said: Vec<String> = self.lines.map_while(Result::ok).collect();
        assert!(said.iter().any(|line| line == "drained"), "{said:?}");
        assert!(self.child.wait().unwrap().success());
    }
}

/// What exists in the cloud: for each tenant, how many accounts and databases.
fn cloud(place: &Path) -> BTreeMap<String, (usize, usize)> {
    let mut found = BTreeMap::<String, (usize, usize)>::new();
    for entry in fs::read_dir(place.join("cloud")).unwrap() {
        let path = entry.unwrap().path();
        let counts = found.entry(fs::read_to_string(&path).unwrap()).or_default();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        *(if name.starts_with("account-") { &mut counts.0 } else { &mut counts.1 }) += 1;
    }
    found
}

/// The files of the record directory.
fn records(place: &Path) -> Vec<String> {
    fn under(place: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                under(&path, found);
            } else {
                found.push(path.display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    under(&place.join("records"), &mut found);
    found
}

#[test]
fn a_hundred_tenants_survive_six_kills() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let document = |number: usize| place.join(format!("tenants/t{number}.yaml"));
    fs::create_dir(place.join("tenants")).unwrap();
    for number in 0..TENANTS {
        fs::write(document(number), format!("name: t{number}\nregion: north\n")).unwrap();
    }
    for ready in [3, 30, 70] {
        let mut program = Program::start(place);
        program.until(" is Ready", ready);
        program.kill();
    }
    let mut program = Program::start(place);
    program.until(" is Ready", TENANTS);
    let made = cloud(place);
    assert_eq!(made.len(), TENANTS);
    assert!(made.values().all(|counts| *counts == (1, 1)), "{made:?}");
    // Half are removed while it runs, the others while it does not.
    (0..TENANTS / 2).for_each(|number| fs::remove_file(document(number)).unwrap());
    program.until(" is gone", 3);
    program.kill();
    (TENANTS / 2..TENANTS).for_each(|number| fs::remove_file(document(number)).unwrap());
    for gone in [1, 20] {
        let mut program = Program::start(place);
        program.until(" is gone", gone);
        program.kill();
    }
    // Each of those that are left is told of once.
    let left = records(place).iter().filter(|path| path.contains("resources")).count();
    let mut program = Program::start(place);
    program.until(" is gone", left);
    program.terminate();
    assert!(cloud(place).is_empty());
    let left = records(place);
    assert!(left.iter().all(|path| path.contains("graphs") || path.ends_with(".lock")), "{left:?}");
}
