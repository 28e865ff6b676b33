//! Subjects, keys and digests do not depend on the features that others switch on in `serde_json`.

mod report;

use std::path::Path;
use std::process::Command;

/// A program with the report alone, which switches on what changes `serde_json` most.
const MANIFEST: &str = r#"
[package]
name = "canonical-report"
version = "0.0.0"
edition = "2024"
publish = false

[workspace]

[dependencies]
durable-fsm = { path = "@root@" }
serde = { version = "1", features = ["derive"] }
serde_json = { version = "1", features = ["arbitrary_precision", "preserve_order"] }
thiserror = "2"
tokio = { version = "1", features = ["rt"] }

[profile.dev]
debug = false
"#;

const MAIN: &str = r###"
#[path = "@root@/tests/canonical/report.rs"]
mod report;

fn main() {
    let probe: serde_json::Value = serde_json::from_str(r##"{"b":1.10,"a":1}"##).unwrap();
    assert_eq!(probe.to_string(), r##"{"b":1.10,"a":1}"##, "the features are not on");
    print!("{}", report::report());
}
"###;

#[test]
fn the_golden_report_holds_here() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/canonical.txt");
    let report = report::report();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &report).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), report, "subjects, keys or digests have changed");
}

/// Another crate of a program may switch on any feature of `serde_json`: then every subject would be another one, and live members would
/// be removed and made again.
#[test]
fn the_golden_report_holds_with_every_feature_of_serde_json() {
    let root = env!("CARGO_MANIFEST_DIR");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("canonical");
    std::fs::create_dir_all(directory.join("src")).unwrap();
    // Written only when it differs, so that nothing is built again for nothing.
    let write = |name: &str, text: String| {
        let path = directory.join(name);
        if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            std::fs::write(path, text).unwrap();
        }
    };
    write("Cargo.toml", MANIFEST.replace("@root@", root));
    write("src/main.rs", MAIN.replace("@root@", root));
    // The versions of this workspace, of which a fresh machine may not have all.
    std::fs::copy(format!("{root}/Cargo.lock"), directory.join("Cargo.lock")).unwrap();
    let run = |network: &[&str]| {
        Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--manifest-path"])
            .arg(directory.join("Cargo.toml"))
            .args(network)
            .env("CARGO_TARGET_DIR", directory.join("target"))
            .output()
            .unwrap()
    };
    let mut output = run(&["--offline"]);
    if !output.status.success() {
        output = run(&[]);
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let golden = std::fs::read_to_string(format!("{root}/tests/golden/canonical.txt")).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), golden);
}
