//! The alerts fire when they should, and at no other time: `alerts.test.yaml`, run by Prometheus's own `promtool`.
//!
//! The tool is the one of the `PATH`. Without one it is taken out of Debian's package `prometheus`, which is not installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{documents, path};

/// Where the tool is. None, loudly, if it cannot be had.
fn promtool(folder: &Path) -> Option<PathBuf> {
    if Command::new("promtool").arg("--version").output().is_ok_and(|it| it.status.success()) {
        return Some("promtool".into());
    }
    let fetch = "apt-get -qq download prometheus || { apt-get -qq update && apt-get -qq download prometheus; }\n\
                 dpkg-deb -x prometheus_*.deb .";
    let fetched = Command::new("sh").args(["-ec", fetch]).current_dir(folder).output();
    let program = folder.join("usr/bin/promtool");
    if program.is_file() {
        return Some(program);
    }
    eprintln!("SKIPPED: there is no promtool, and Debian's package prometheus could not be fetched: {fetched:?}");
    None
}

#[test]
fn each_alert_fires_when_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let Some(promtool) = promtool(folder.path()) else { return };
    let [alerts] = documents("alerts.yaml").try_into().unwrap();
    let rules = serde_saphyr::to_string(&alerts["spec"]).unwrap();
    std::fs::write(folder.path().join("alerts.rules.yaml"), rules).unwrap();
    std::fs::copy(path("alerts.test.yaml"), folder.path().join("alerts.test.yaml")).unwrap();
    let mut tests = Command::new(promtool);
    let output = tests.args(["test", "rules", "alerts.test.yaml"]).current_dir(folder.path()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));

    // Every alert has a case.
    let cases = std::fs::read_to_string(path("alerts.test.yaml")).unwrap();
    for rule in alerts["spec"]["groups"][0]["rules"].as_array().unwrap() {
        let name = rule["alert"].as_str().unwrap();
        assert!(cases.contains(&format!("alertname: {name}\n        exp_alerts:")), "no case lets {name} fire");
    }
}
