//! Reads the files of a record directory without its lock.
//!
//! Invariant: nothing is created or changed. A record is always read whole, because the store replaces files and never writes into one.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use durable_fsm::{Loaded, RecordId, ResourceId, Signals, Store, StoreError, Version};

/// Where each record is: `<machine>/<namespace>/<name>.json`, with escapes, as `FileStore` documents it.
#[derive(Debug, Clone)]
pub(crate) struct Files(Arc<BTreeMap<RecordId, PathBuf>>);

/// The directory was opened for reading.
const REFUSED: &str = "the record directory was opened for reading";

impl Files {
    pub(crate) fn find(root: &Path) -> io::Result<Self> {
        let mut found = BTreeMap::new();
        walk(root, &mut Vec::new(), &mut found)?;
        Ok(Self(Arc::new(found)))
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &RecordId> {
        self.0.keys()
    }

    /// The bytes of a record; none if it is gone by now.
    pub(crate) fn read(&self, id: &RecordId) -> io::Result<Option<Vec<u8>>> {
        let Some(path) = self.0.get(id) else { return Ok(None) };
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// No name makes more parts than this.
const DEEPEST: usize = 64;

fn walk(place: &Path, above: &mut Vec<String>, found: &mut BTreeMap<RecordId, PathBuf>) -> io::Result<()> {
    for entry in std::fs::read_dir(place)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        // What is no text, or begins with a dot, is no record.
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() && above.len() < DEEPEST {
            above.push(name);
            match walk(&entry.path(), above, found) {
                // It was removed while the others were read.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                done => done?,
            }
            above.pop();
        } else if let (true, Some(last)) = (kind.is_file(), name.strip_suffix(".json")) {
            let mut parts = above.clone();
            parts.push(last.to_owned());
            if let Some(id) = id(&parts) {
                found.insert(id, entry.path());
            }
        }
    }
    Ok(())
}

/// The record that has this path. A part that goes on in the next one ends in `+`.
fn id(parts: &[String]) -> Option<RecordId> {
    let mut parts = parts.iter();
    let mut name = || {
        let mut escaped = String::new();
        loop {
            let part = parts.next()?;
            match part.strip_suffix('+') {
                Some(part) => escaped.push_str(part),
                None => return unescape(&(escaped + part)),
            }
        }
    };
    let (machine, namespace, resource) = (name()?, name()?, name()?);
    let resource = ResourceId { namespace, name: resource };
    parts.next().is_none().then_some(RecordId { machine, resource })
}

/// `%` and two hex digits stand for a byte, and `%` alone for nothing.
fn unescape(escaped: &str) -> Option<String> {
    if escaped == "%" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[async_trait]
impl Store for Files {
    async fn load(&self, id: &RecordId) -> Result<Loaded, StoreError> {
        let bytes = self.read(id).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let marked = bytes.is_some();
        Ok(Loaded { bytes, version: Version::new("read"), marked, witness: None, signals: Signals::default() })
    }

    async fn compare_and_swap(&self, _: &RecordId, _: &Version, _: &[u8]) -> Result<Loaded, StoreError> {
        Err(StoreError::Unavailable(REFUSED.to_owned()))
    }

    async fn remove(&self, _: &RecordId, _: &Version) -> Result<(), StoreError> {
        Err(StoreError::Unavailable(REFUSED.to_owned()))
    }

    async fn list(&self, machine: &str) -> Result<Vec<ResourceId>, StoreError> {
        Ok(self.ids().filter(|id| id.machine == machine).map(|id| id.resource.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use durable_fsm::store::FileStore;

    use super::*;

    #[tokio::test]
    async fn every_record_of_a_store_is_found_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::open(folder.path()).unwrap();
        let long = "n".repeat(500);
        let names = [("", "a"), ("ns", "B/c"), ("..", "."), ("%", ""), ("ü", &long), (&long, "x+y"), ("a+", "b")];
        let mut wanted = Vec::new();
        for machine in ["example.io/order", "example.io/order#graphs", &long] {
            for (namespace, name) in names {
                let id = RecordId { machine: machine.to_owned(), resource: ResourceId::new(namespace, name) };
                let absent = store.load(&id).await.unwrap().version;
                store.compare_and_swap(&id, &absent, b"{\"a\":1}").await.unwrap();
                wanted.push(id);
            }
        }
        wanted.sort();
        let files = Files::find(folder.path()).unwrap();
        assert_eq!(files.ids().cloned().collect::<Vec<_>>(), wanted);
        for id in &wanted {
            let bytes = files.load(id).await.unwrap().bytes.unwrap();
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap(), serde_json::json!({"a": 1}));
        }
        assert_eq!(files.list("example.io/order").await.unwrap().len(), names.len());
        let version = Version::new("read");
        assert!(files.compare_and_swap(&wanted[0], &version, b"{}").await.is_err());
        assert!(files.remove(&wanted[0], &version).await.is_err());
        assert!(store.load(&wanted[0]).await.unwrap().bytes.is_some());
    }

    #[test]
    fn what_no_name_has_is_no_record() {
        let parts = |parts: &[&str]| id(&parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>());
        assert!(parts(&["m", "ns", "a"]).is_some());
        for other in
            [&["m", "a"][..], &["m", "ns", "a", "b"], &["m", "ns", "a+"], &["m", "ns", "%zz"], &["m", "ns", "%f"]]
        {
            assert_eq!(parts(other), None, "{other:?}");
        }
    }
}
