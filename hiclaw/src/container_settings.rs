//! What every worker's container is given. Invariant: no secret of a worker is among it; those stand in the worker's configuration.

use std::str::FromStr;

use crate::names;
use crate::worker::Worker;

/// What every worker's container is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct ContainerSettings {
    /// The Docker network that the workers' containers join, instead of the engine's default.
    #[arg(long, env = "HICLAW_DOCKER_NETWORK")]
    pub docker_network: Option<String>,
    /// A directory or volume for every worker's container, as Docker wants it: SOURCE:TARGET or SOURCE:TARGET:ro. Not for pods.
    #[arg(long, env = "HICLAW_DOCKER_VOLUMES", value_name = "SOURCE:TARGET", value_delimiter = ',')]
    pub docker_volume: Vec<Volume>,
    /// A variable for every worker's container or pod. It is no place for secrets: everybody who may look at a container sees it.
    #[arg(long, env = "HICLAW_WORKER_ENV", value_name = "NAME=VALUE", value_delimiter = ',')]
    pub worker_env: Vec<Variable>,
}

/// A variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A volume, as Docker wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume(String);

/// Why a setting is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// There is no name, or no `=`.
    #[error("a variable is NAME=VALUE, and its name has letters, digits and _ only")]
    Variable,
    /// The controller sets it.
    #[error("names that begin with HICLAW_ are set by the controller; choose another one")]
    Reserved,
    /// There is no target, or it is no absolute path.
    #[error("a volume is SOURCE:TARGET or SOURCE:TARGET:ro, and its target is an absolute path")]
    Volume,
}

impl FromStr for Variable {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        let (name, value) = text.split_once('=').ok_or(SettingError::Variable)?;
        if name.is_empty() || !name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_') {
            return Err(SettingError::Variable);
        }
        if name.starts_with("HICLAW_") {
            return Err(SettingError::Reserved);
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

impl FromStr for Volume {
    type Err = SettingError;

    fn from_str(text: &str) -> Result<Self, SettingError> {
        let mut parts = text.split(':');
        let (source, target, mode) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next());
        let is_volume = !source.is_empty() && target.starts_with('/') && matches!(mode, None | Some("ro" | "rw"));
        if is_volume && parts.next().is_none() { Ok(Self(text.to_owned())) } else { Err(SettingError::Volume) }
    }
}

impl Volume {
    /// As Docker wants it.
    #[must_use]
    pub fn bind(&self) -> &str {
        &self.0
    }
}

impl ContainerSettings {
    /// The variables of a worker's container: who the worker is, where the worker's configuration stands in the object store, and what every one is given.
    #[must_use]
    pub fn variables(&self, worker: &Worker) -> Vec<Variable> {
        let own = [
            ("HICLAW_WORKER", worker.name.clone()),
            ("HICLAW_NAMESPACE", worker.namespace.clone()),
            ("HICLAW_CONFIG_OBJECT", format!("{}openclaw.json", names::prefix(worker))),
        ];
        let own = own.into_iter().map(|(name, value)| Variable { name: name.to_owned(), value });
        own.chain(self.worker_env.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{SettingError, Variable, Volume};

    #[test]
    fn a_setting_that_is_none_is_refused() {
        let variable = |text: &str| text.parse::<Variable>();
        assert_eq!(variable("A_1=b=c").unwrap(), Variable { name: "A_1".to_owned(), value: "b=c".to_owned() });
        for text in ["A", "=b", "a b=c"] {
            assert_eq!(variable(text).unwrap_err(), SettingError::Variable, "{text}");
        }
        assert_eq!(variable("HICLAW_WORKER=eve").unwrap_err(), SettingError::Reserved);
        for text in ["data:/data", "/srv/data:/data:ro"] {
            assert_eq!(text.parse::<Volume>().unwrap().bind(), text);
        }
        for text in ["data", "data:target", ":/data", "data:/data:x", "data:/data:ro:"] {
            assert_eq!(text.parse::<Volume>().unwrap_err(), SettingError::Volume, "{text}");
        }
    }
}
