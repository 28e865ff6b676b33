//! Files that are written in place, on the simulated disk.

use std::io;
use std::path::{Path, PathBuf};

use durable_fsm::store::{FileOps as _, Pages};

use crate::disk::{Content, Pending, SimulatedDisk};

/// An open file. It stays the same file when its name changes.
pub struct SimulatedPages {
    disk: SimulatedDisk,
    path: PathBuf,
    index: usize,
}

impl std::fmt::Debug for SimulatedPages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedPages").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Pages for SimulatedDisk {
    type Pages = SimulatedPages;

    fn open_pages(&self, path: &Path) -> io::Result<SimulatedPages> {
        let index =
            self.step("open-pages", path, |image| image.live.get(path).copied().ok_or_else(crate::disk::missing))?;
        Ok(SimulatedPages { disk: self.clone(), path: path.to_owned(), index })
    }

    fn create_pages(&self, path: &Path) -> io::Result<SimulatedPages> {
        self.create(path)?;
        let pages = self.open_pages(path)?;
        self.step("made", path, |image| {
            image.files[pages.index].durable = Some(Vec::new());
            Ok(())
        })?;
        Ok(pages)
    }
}

impl SimulatedPages {
    fn change(&self, name: &str, pending: Pending) -> io::Result<()> {
        self.disk.step(name, &self.path, |image| {
            let content = &mut image.files[self.index];
            pending.apply(&mut content.live);
            content.pending.push(pending);
            Ok(())
        })
    }
}

impl redb::StorageBackend for SimulatedPages {
    fn len(&self) -> io::Result<u64> {
        self.disk.step("length", &self.path, |image| Ok(image.files[self.index].live.len().try_into().unwrap()))
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.step("read-pages", &self.path, |image| {
            let offset = usize::try_from(offset).unwrap();
            let found = image.files[self.index].live.get(offset..offset + out.len());
            out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change("set-length", Pending::Length(length.try_into().unwrap()))
    }
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.change("write-pages", Pending::Write(offset.try_into().unwrap(), bytes.to_vec()))
    }
    fn sync_data(&self) -> io::Result<()> {
        self.disk.wait_while_held();
        self.disk.step("sync-pages", &self.path, |image| {
            let syncs_nothing = image.syncs_nothing;
            let Content { durable, pending, .. } = &mut image.files[self.index];
            if !syncs_nothing {
                let durable = durable.get_or_insert_default();
                pending.drain(..).for_each(|done| done.apply(durable));
            }
            Ok(())
        })
    }
}
