//! Nothing outlives the process that started it, and a start that fails says why.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_kube-api-server"));
    program.env_remove("KUBECONFIG").stdin(Stdio::null());
    program
}

/// Waits until a condition holds of which no event tells. False after a generous while.
fn eventually(condition: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

#[test]
fn a_killed_process_leaves_no_server_and_no_data() {
    if std::env::var_os("DURABLE_FSM_SKIP_KUBE").is_some() {
        return;
    }
    let mut starter = program().stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(starter.stdout.take().unwrap()).lines().map(Result::unwrap);
    let printed: HashMap<_, _> = lines
        .by_ref()
        .take(3)
        .map(|line| line.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())).unwrap())
        .collect();
    let folder = Path::new(&printed["KUBECONFIG"]).parent().unwrap();
    let processes = ["API_SERVER_PID", "ETCD_PID"].map(|name| Path::new("/proc").join(&printed[name]));
    assert!(folder.join("etcd").is_dir() && processes.iter().all(|process| process.exists()));

    starter.kill().unwrap(); // SIGKILL
    starter.wait().unwrap();
    for process in &processes {
        assert!(eventually(|| !process.exists()), "{} is still there", process.display());
    }
    assert!(eventually(|| !folder.exists()), "{} is still there", folder.display());
}

/// A folder with an `etcd` and a `kube-apiserver` that are shell scripts.
fn assets(etcd: &str, api_server: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, script) in [("etcd", etcd), ("kube-apiserver", api_server)] {
        let path = folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

fn refusal(program: &mut Command) -> String {
    let output = program.output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_program_that_dies_at_start_is_an_error_with_the_end_of_its_log() {
    let assets = assets("echo the disk is on fire; exit 7", "exec sleep 1000");
    let error = refusal(program().env("KUBEBUILDER_ASSETS", assets.path()));
    assert!(
        error.contains("etcd ended at start with exit status 7") && error.contains("the disk is on fire"),
        "{error}"
    );
}

#[test]
fn a_taken_port_is_not_the_end() {
    let tries = tempfile::tempdir().unwrap();
    let log = tries.path().join("tries");
    let etcd =
        format!("echo \"$@\" >> {}; echo listen tcp 127.0.0.1:1: bind: address already in use; exit 1", log.display());
    let error = refusal(program().env("KUBEBUILDER_ASSETS", assets(&etcd, "exit 1").path()));
    assert!(error.contains("address already in use"), "{error}");
    let tries = fs::read_to_string(log).unwrap();
    let ports: std::collections::HashSet<_> = tries
        .lines()
        .map(|line| line.split_once("--listen-client-urls=").unwrap().1.split_whitespace().next())
        .collect();
    assert_eq!((tries.lines().count(), ports.len()), (5, 5), "{tries}");
}

#[test]
fn without_a_server_the_error_says_what_to_do() {
    let error = refusal(program().env("KUBEBUILDER_ASSETS", "/nonexistent"));
    for word in ["/nonexistent", "KUBECONFIG", "KUBEBUILDER_ASSETS", "Debian 12", "DURABLE_FSM_SKIP_KUBE=1"] {
        assert!(error.contains(word), "{word} is missing in: {error}");
    }
}

#[test]
fn a_build_that_is_not_possible_says_why() {
    // A PATH with the shell and little else: a machine that is not Debian.
    let (cache, path) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for tool in ["bash", "dirname", "basename", "mkdir", "flock", "rm", "mktemp"] {
        let found = ["/bin", "/usr/bin"].map(|folder| Path::new(folder).join(tool)).into_iter().find(|it| it.exists());
        std::os::unix::fs::symlink(found.unwrap(), path.path().join(tool)).unwrap();
    }
    let mut program = program();
    program.env_remove("KUBEBUILDER_ASSETS").env("DURABLE_FSM_KUBE_CACHE", cache.path()).env("PATH", path.path());
    let error = refusal(&mut program);
    assert!(error.contains("building kube-apiserver, once") && error.contains("not a Debian machine"), "{error}");
    let left: Vec<_> = fs::read_dir(cache.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["kube-1.20.2.lock"]);
}
