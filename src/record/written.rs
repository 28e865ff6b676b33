//! The JSON of a list that is written again and again. Invariant: what is kept is the JSON of the list's first entries, as they are now. A change of an
//! entry is announced before it is made.

use serde::Serialize;

use super::json;

/// The JSON of the first entries of a list, one after the other, with commas in between.
#[derive(Debug, Clone, Default)]
pub(super) struct Written {
    bytes: Vec<u8>,
    /// For each entry, where it ends.
    ends: Vec<usize>,
}

impl Written {
    /// The entries from this one on change, move or go.
    pub(super) fn forget_from(&mut self, index: usize) {
        self.ends.truncate(index);
        self.bytes.truncate(self.ends.last().copied().unwrap_or_default());
    }

    /// Writes the entries that are not written yet.
    ///
    /// # Errors
    /// `serde_json`'s, for what JSON cannot hold.
    pub(super) fn go_on<T: Serialize>(&mut self, list: &[T]) -> Result<(), serde_json::Error> {
        for entry in list.iter().skip(self.ends.len()) {
            if !self.ends.is_empty() {
                self.bytes.push(b',');
            }
            json::write(&mut self.bytes, entry)?;
            self.ends.push(self.bytes.len());
        }
        Ok(())
    }

    /// All of a list of so many entries, if all are written.
    pub(super) fn whole(&self, entries: usize) -> Option<&[u8]> {
        (self.ends.len() == entries).then_some(&*self.bytes)
    }
}
