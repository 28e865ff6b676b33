//! What restores from a backup do to a resource, and copies of it. Invariant: what only the lost record knew belongs to no record from then on, until a
//! sweep finds it.

use std::time::Duration;

use super::{Backup, Core, Decoded, Tampered};
use crate::Signals;
use crate::record::{Event, HeldReason, Record, next};

impl Core {
    /// The resource rests: this is what a backup has of it.
    pub(crate) fn back_up(&mut self) {
        let edit = self.edit;
        self.stored.backup = self.stored.bytes.clone().map(|bytes| Backup { bytes, edit });
    }

    /// Whether there is a backup.
    pub(crate) fn has_backup(&self) -> bool {
        self.stored.backup.is_some()
    }

    /// The record before the last is there again, and nothing tells that there was a later one.
    pub(crate) fn put_old_back(&mut self) {
        let Some(old) = self.old_record().and_then(|loaded| loaded.bytes) else { return };
        self.restore(Some(old), true);
    }

    /// The resource is as it was when it last rested.
    pub(crate) fn rewind(&mut self) {
        let Some(Backup { bytes, edit }) = self.stored.backup.clone() else { return };
        self.note(|| "the resource is restored, with its spec".to_owned());
        self.restore(Some(bytes), true);
        (self.edit, self.deleting, self.stored.gone) = (edit, false, false);
    }

    /// Nothing tells that there ever was a record.
    pub(crate) fn empty(&mut self) {
        self.restore(None, true);
    }

    /// The resource is restored under another uid, with the record before the last.
    pub(crate) fn restore_anew(&mut self) {
        let Some(old) = self.old_record().and_then(|loaded| loaded.bytes) else { return };
        self.note(|| "the resource is restored under another uid".to_owned());
        self.restore(Some(old), false);
        (self.deleting, self.stored.gone, self.stored.unbound) = (false, false, true);
        self.made_again = Some(self.stored.version);
        self.books.may_hold(HeldReason::Unreadable);
    }

    /// After a pass that has found a record which belongs to another uid: an operator binds it.
    pub(crate) fn bind(&mut self) {
        if !std::mem::take(&mut self.stored.unbound) {
            return;
        }
        let Some(record) = self.stored.record().cloned() else { return };
        self.note(|| "an operator binds the record to it".to_owned());
        self.decide(&record, Event::Rebound { owner: self.uid(true) });
    }

    /// A person lets the record pass over numbers that a later one has used.
    pub(crate) fn renumber(&mut self, past: u64) {
        let Some(record) = self.stored.record().cloned() else { return };
        self.note(|| format!("the record passes over the numbers to {past}"));
        self.decide(&record, Event::Renumbered { past });
    }

    fn decide(&mut self, record: &Record, event: Event) {
        let changed = next(self.graph, record, event).ok();
        let Some((_, bytes)) = changed.and_then(|record| record.encode_next(self.graph).ok()) else { return };
        self.books.decided = true;
        self.put(&bytes);
    }

    /// A controller of a second cluster acts for a copy of the resource, until the copy is [taken away](Self::leave_the_copy). Whether the copy is to be deleted.
    pub(crate) fn copy_elsewhere(&mut self, deleting: bool) {
        self.note(|| {
            let what =
                if deleting { "the copy in the second cluster is deleted" } else { "a second cluster gets a copy" };
            what.to_owned()
        });
        let mut loaded = self.loaded();
        loaded.signals = Signals { deleting, ..Signals::default() };
        // The status of a copy is empty.
        loaded.witness = None;
        self.elsewhere = Some(deleting);
        self.stored.tampered = Some(Tampered::new(loaded, HeldReason::Unreadable));
    }

    /// The second cluster is not seen any more.
    pub(crate) fn leave_the_copy(&mut self) {
        (self.elsewhere, self.stored.tampered, self.stored.poisoned) = (None, None, [false; 2]);
    }

    /// Another record is there, or none. What only the record before knew belongs to no record.
    fn restore(&mut self, bytes: Option<Vec<u8>>, mirrored: bool) {
        let decoded = bytes.as_deref().and_then(|bytes| Decoded::of(bytes, None).ok());
        if bytes.is_some() && decoded.is_none() {
            return;
        }
        let known = self.stored.decoded.as_ref().map(|it| it.known.to_vec()).unwrap_or_default();
        let is_known = |key: &String| decoded.as_ref().is_some_and(|it| it.known.has(key));
        self.books.forget_keys(known.into_iter().filter(|key| !is_known(key)));
        self.note(|| match &decoded {
            Some(decoded) => format!("seq {} is put back, and nothing tells of a later one", decoded.record.seq),
            None => "the record is gone, and nothing tells that there was one".to_owned(),
        });
        self.stored.version += 1;
        self.stored.witness = decoded.as_ref().filter(|_| mirrored).map(|it| it.record.seq);
        self.stored.marked = bytes.is_some();
        self.stored.bytes = bytes;
        self.stored.decoded = decoded;
        // A controller that finds the open intent has seen it before.
        self.intent_since = Duration::ZERO;
    }
}
