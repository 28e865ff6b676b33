//! Where `etcd` and `kube-apiserver` come from.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::StartError;

const BUILD: &str = include_str!("../build.sh");
/// The name of the folder in the cache. Another one for every change of `build.sh` that changes what it builds.
const BUILT: &str = "kube-1.20.2";

/// The two programs.
#[derive(Debug, Clone)]
pub(crate) struct Binaries {
    pub(crate) etcd: PathBuf,
    pub(crate) api_server: PathBuf,
}

impl Binaries {
    /// Finds them, or builds them first. Blocks, for minutes if it builds.
    pub(crate) fn find() -> Result<Self, StartError> {
        if let Some(folder) = variable("KUBEBUILDER_ASSETS") {
            return Self::within(&folder).ok_or_else(|| {
                StartError::NoServer(format!(
                    "KUBEBUILDER_ASSETS is {}, and etcd or kube-apiserver is not there",
                    folder.display()
                ))
            });
        }
        let folder = cache()?.join(BUILT);
        if let Some(found) = Self::within(&folder) {
            return Ok(found);
        }
        let output = Command::new("bash")
            .args(["-c", BUILD, "build.sh"])
            .arg(&folder)
            .stdin(Stdio::null())
            // Not through `print!`, which a test that passes would hide: people wait for this.
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| StartError::NoServer(format!("bash, which builds it, could not be started: {error}")))?;
        Self::within(&folder).ok_or_else(|| {
            StartError::NoServer(format!(
                "it could not be built into {} ({}; the cause stands above)",
                folder.display(),
                output.status
            ))
        })
    }

    fn within(folder: &Path) -> Option<Self> {
        let found = Self { etcd: folder.join("etcd"), api_server: folder.join("kube-apiserver") };
        (found.etcd.is_file() && found.api_server.is_file()).then_some(found)
    }
}

fn cache() -> Result<PathBuf, StartError> {
    variable("DURABLE_FSM_KUBE_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("durable-fsm")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/durable-fsm")))
        .ok_or_else(|| {
            StartError::NoServer("neither DURABLE_FSM_KUBE_CACHE nor XDG_CACHE_HOME nor HOME is set".to_owned())
        })
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
