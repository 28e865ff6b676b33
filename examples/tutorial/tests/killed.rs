//! The controller as a process: killed while it waits, resumed, edited, and emptied.

#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

struct Controller {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Controller {
    fn start(place: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_example-tutorial"));
        let mut child = command.current_dir(place).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads what it prints, up to a line that contains this.
    fn until(&mut self, text: &str) {
        loop {
            let line = self.lines.next().expect("the controller goes on").unwrap();
            assert!(!line.contains("held") && !line.contains("blocked"), "{line}");
            if line.contains(text) {
                return;
            }
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The files at the provider.
fn cloud(place: &Path) -> BTreeSet<String> {
    fs::read_dir(place.join("cloud")).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_killed_controller_resumes_replaces_the_certificate_and_leaves_nothing() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    let document = place.join("tenants/acme.yaml");
    fs::create_dir(place.join("tenants")).unwrap();
    fs::write(&document, "name: acme\nspec:\n  host: acme.example\n").unwrap();

    let mut controller = Controller::start(place);
    controller.until("acme: CertificateOrdered");
    controller.kill();
    let made = cloud(place);
    assert_eq!(made.len(), 2, "{made:?}");

    let mut controller = Controller::start(place);
    controller.until("acme: Ready");
    assert_eq!(cloud(place), made, "nothing was created twice");

    fs::write(&document, "name: acme\nspec:\n  host: acme.test\n").unwrap();
    controller.until("acme: CertificateOrdered");
    controller.until("acme: Ready");
    let replaced = cloud(place);
    assert_eq!((replaced.len(), replaced.intersection(&made).count()), (2, 1), "{replaced:?}");

    fs::remove_file(&document).unwrap();
    controller.until("acme: gone");
    assert!(cloud(place).is_empty());
    controller.kill();
}
