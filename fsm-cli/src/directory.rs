//! A record directory.
//!
//! Invariant: reading changes nothing. Writing holds the lock of the directory, so no controller runs meanwhile.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use durable_fsm::explain::left_behind;
use durable_fsm::store::{FileStore, OpenError};
use durable_fsm::{Operator, Store};

use crate::backend::Backend;
use crate::change::{Asked, Change};
use crate::error::Error;
use crate::files::Files;
use crate::kept::Kept;
use crate::shell;

/// A record directory.
pub(crate) struct Directory {
    path: PathBuf,
    files: Files,
}

impl Directory {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        match Files::find(path) {
            Ok(files) => Ok(Self { path: path.to_owned(), files }),
            Err(source) => Err(Error::Directory { path: path.to_owned(), source }),
        }
    }
}

#[async_trait]
impl Backend for Directory {
    fn command(&self) -> String {
        format!("fsm --dir {}", shell::quoted(&self.path.display().to_string()))
    }

    fn name(&self) -> &'static str {
        "the record directory"
    }

    async fn all(&self) -> Result<Vec<Kept>, Error> {
        let mut all = Vec::new();
        for id in self.files.ids() {
            let unread = |source| Error::Directory { path: self.path.clone(), source };
            // One that is gone by now was removed while the others were read.
            if let Some(bytes) = self.files.read(id).map_err(unread)? {
                all.push(Kept::new(id.clone(), bytes));
            }
        }
        Ok(all)
    }

    fn reader(&self) -> Box<dyn Store> {
        Box::new(self.files.clone())
    }

    async fn carry_out(&self, changes: &[Change<'_>]) -> Result<Vec<Result<String, String>>, Error> {
        let store: Arc<dyn Store> = writer(&self.path)?.into();
        let mut all = Vec::new();
        for Change { id, graph, asked } in changes {
            let operator = Operator::new(graph, Arc::clone(&store));
            let carried = match asked {
                Asked::Change(request, expected) => {
                    operator.carry_out(&id.resource, request, expected).await.map(|_| "done".to_owned())
                }
                Asked::Release => operator.release(&id.resource).await.map(|released| left_behind(&released.left)),
                Asked::Verify => return Err(Error::NoProvider),
            };
            all.push(carried.map_err(|error| error.to_string()));
        }
        Ok(all)
    }
}

/// Opens a record directory for writing.
pub(crate) fn writer(path: &Path) -> Result<Box<dyn Store>, Error> {
    match FileStore::open(path) {
        Ok(store) => Ok(Box::new(store)),
        Err(OpenError::Locked(_)) => Err(Error::Running { path: path.to_owned(), command: shell::this_command() }),
        Err(error) => Err(Error::Open(error)),
    }
}
