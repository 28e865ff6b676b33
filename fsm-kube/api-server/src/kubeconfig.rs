//! What a client needs to know to reach the server.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

use crate::error::StartError;
use crate::pki::Pki;

/// Writes the kubeconfig of a user of our own server, whose certificate is `USER.crt`.
pub(crate) fn write_own(path: &Path, port: u16, pki: &Pki, user: &str) -> Result<(), StartError> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {
            "server": format!("https://127.0.0.1:{port}"), "certificate-authority": pki.path("ca.crt"),
        }}],
        "users": [{"name": "test", "user": {
            "client-certificate": pki.path(&format!("{user}.crt")), "client-key": pki.path(&format!("{user}.key")),
        }}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "default"}}],
    });
    write(path, &config.to_string())
}

/// Writes what `KUBECONFIG` says, which may be several files, as one file.
pub(crate) fn write_given(path: &Path) -> Result<(), StartError> {
    let given = Kubeconfig::from_env().map_err(|error| StartError::Kubeconfig(error.into()))?.unwrap_or_default();
    let text = serde_json::to_string(&given).map_err(|error| StartError::Kubeconfig(error.into()))?;
    write(path, &text)
}

/// The client configuration of a kubeconfig.
pub(crate) async fn load(path: &Path, own: bool) -> Result<kube::Config, StartError> {
    let failed = |error: kube::config::KubeconfigError| StartError::Kubeconfig(error.into());
    let kubeconfig = Kubeconfig::read_from(path).map_err(failed)?;
    let mut config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(failed)?;
    if own {
        // A proxy from the environment does not lead to 127.0.0.1.
        config.proxy_url = None;
    }
    Ok(config)
}

fn write(path: &Path, text: &str) -> Result<(), StartError> {
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
        .map_err(StartError::io(format!("write {}", path.display())))
}
