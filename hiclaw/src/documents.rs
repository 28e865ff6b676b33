//! Workers that teams make, as documents in the directory of the workers. Invariant: a file that no team has written is neither changed nor removed.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use durable_fsm::ResourceId;
use serde_json::{Value, json};

use crate::names;
use crate::roster::Roster;
use crate::team::provision::{Employment, TeamError, Workforce};
use crate::worker::WorkerSpec;

/// A directory of workers' documents.
#[derive(Debug, Clone)]
pub struct Documents {
    directory: PathBuf,
    roster: Roster,
}

impl Documents {
    /// The documents in a directory, beside those of the workers on this roster.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>, roster: Roster) -> Self {
        Self { directory: directory.into(), roster }
    }

    fn path(&self, employment: &Employment<'_>) -> PathBuf {
        self.directory.join(format!("{}.json", names::external(employment.namespace, employment.worker)))
    }
}

/// Whose document it is: none if there is none, and no team's if no team has written it.
fn employer(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => {
            let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            Ok(Some(document.get("employer").and_then(Value::as_str).unwrap_or_default().to_owned()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, document: &Value) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A name that begins with a dot is no document.
    let temporary = path.with_file_name(format!(".{name}.tmp"));
    let mut file = fs::File::create(&temporary)?;
    file.write_all(document.to_string().as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[async_trait]
impl Workforce for Documents {
    async fn employ(&self, employment: &Employment<'_>, spec: &WorkerSpec) -> Result<String, TeamError> {
        let Employment { namespace, worker, employer: team } = *employment;
        let (path, failed) = (self.path(employment), |error| TeamError::Unwritten(worker.to_owned(), error));
        let is_known = || self.roster.knows_worker(&ResourceId::new(namespace, worker));
        match employer(&path).map_err(failed)? {
            Some(its) if its == team => {}
            None if !is_known() => {}
            _ => return Err(TeamError::Foreign(worker.to_owned())),
        }
        let document = json!({ "namespace": namespace, "name": worker, "employer": team, "spec": spec });
        write(&path, &document).map_err(failed)?;
        Ok(path.file_name().unwrap_or_default().to_string_lossy().into_owned())
    }

    async fn let_go(&self, employment: &Employment<'_>) -> Result<(), TeamError> {
        let (path, failed) = (self.path(employment), |error| TeamError::Unwritten(employment.worker.to_owned(), error));
        if employer(&path).map_err(failed)?.as_deref() == Some(employment.employer) {
            fs::remove_file(&path).map_err(failed)?;
        }
        Ok(())
    }
}
