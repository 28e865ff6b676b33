//! Writing the record. Invariant: after a write of which nobody knows whether it happened, the record itself is asked; it was ours only
//! if it is, byte for byte, what was sent.

use std::sync::Arc;
use std::time::Duration;

use super::decide::Ending;
use super::pass::{Halt, Pass, stop};
use super::sightings::OpenEnd;
use crate::probe::{Probe, Side, Site};
use crate::record::{Event, HeldReason, Undone, next};
use crate::{Loaded, StoreError};

/// How often a write is tried when the store is not there, or a read when it is out of date, and something learnt would be lost.
pub(super) const TRIES: u32 = 6;

/// How many writes in a row a pass may lose to others.
const LOSSES: u32 = 12;

impl<P: Probe> Pass<'_, P> {
    /// Writes the record. True if it is durable; false if somebody else has written, and the record was read again.
    pub(super) async fn write(&mut self, site: Site) -> Result<bool, Halt> {
        self.forget_quiet()?;
        let bytes = match Arc::make_mut(&mut self.record).number_and_encode(self.steps.graph()) {
            Ok(bytes) => bytes,
            Err(error) => return Err(self.unwritten(HeldReason::Unreadable, error.to_string())),
        };
        let mut delay = Duration::from_millis(100);
        for attempt in 1.. {
            self.cross(site, Side::Before).await;
            let result = self.driver.store.compare_and_swap(self.id, &self.version, &bytes).await;
            self.cross(site, Side::After).await;
            match result {
                Ok(loaded) => return self.keep(&bytes, loaded).map(|()| true),
                Err(StoreError::Unknown(why)) => match self.driver.store.load(self.id).await {
                    Ok(loaded) if loaded.bytes.as_deref() == Some(&bytes) => {
                        return self.keep(&bytes, loaded).map(|()| true);
                    }
                    // Nothing was written so far. Writing again makes the late one, if it is under way, a conflict.
                    Ok(loaded) if loaded.version == self.version && attempt < TRIES => {}
                    Ok(loaded) if loaded.version == self.version => return Err(StoreError::Unknown(why).into()),
                    Ok(_) | Err(StoreError::Conflict) => return self.give_way().await.map(|()| false),
                    Err(_) if attempt < TRIES => {}
                    Err(error) => return Err(error.into()),
                },
                Err(StoreError::Conflict) => {
                    // Our own write, of which an earlier reply was lost, conflicts with itself.
                    let loaded = self.driver.store.load(self.id).await?;
                    if loaded.bytes.as_deref() == Some(&bytes) {
                        return self.keep(&bytes, loaded).map(|()| true);
                    }
                    return self.give_way().await.map(|()| false);
                }
                Err(StoreError::Unavailable(_)) if attempt < TRIES && !self.learnt.is_empty() => {}
                Err(StoreError::TooLarge { size, limit }) => return self.too_large(size, limit).await.map(|()| false),
                Err(error) => return Err(error.into()),
            }
            self.driver.clock.sleep(delay).await;
            delay *= 2;
        }
        Ok(false)
    }

    /// What was undone and is quiet by now is forgotten with whatever is written next.
    fn forget_quiet(&mut self) -> Result<(), Halt> {
        let (graph, now) = (self.steps.graph(), self.driver.clock.monotonic());
        let is_quiet = |undone: &Undone| {
            let contract = graph.transition(&undone.transition).and_then(|(_, step)| step.contract());
            let until_quiet =
                |contract| self.driver.sightings.until_quiet(self.id, OpenEnd::Undone(undone), contract, now);
            contract.is_some_and(|contract| until_quiet(contract).is_none())
        };
        let quiet = self.record.undone.iter().filter(|undone| is_quiet(undone));
        for Undone { transition, subject, life } in quiet.cloned().collect::<Vec<_>>() {
            self.apply(Event::Quiet { transition, subject, life })?;
        }
        Ok(())
    }

    /// Somebody else has written: reads the record again. If there is none any more, this pass does not begin anew.
    async fn give_way(&mut self) -> Result<(), Halt> {
        let known = self.base.as_ref().map(|base| base.seq);
        self.lose().await?;
        self.reload().await?;
        if self.stored {
            return Ok(());
        }
        if self.signals.paused {
            return Err(stop(Ending::Paused, None));
        }
        let is_on_resource = self.driver.store.uid_of(&self.version).is_some();
        let Some(seq) = known else {
            // Where the record is not kept on the resource, only a deletion moves the version of a record that is not there.
            return if is_on_resource || self.is_deleting() { Ok(()) } else { Err(stop(Ending::Gone, None)) };
        };
        if self.is_deleting() || !is_on_resource {
            // It was undone and removed by another call, or an operator has released it.
            return Err(stop(Ending::Gone, None));
        }
        let message = format!(
            "the record with sequence number {seq} was taken off while it was worked on, and the resource is still there; find what drops it (a replace, an admission webhook), then restore the record, or release the resource"
        );
        Err(self.unwritten(HeldReason::RecordLost, message))
    }

    /// A write was lost to somebody else. Nothing is lost by going on, and a pass that loses every time ends nevertheless.
    pub(super) async fn lose(&mut self) -> Result<(), Halt> {
        self.lost += 1;
        if self.lost > LOSSES {
            return Err(StoreError::Conflict.into());
        }
        if let Some(again) = self.lost.checked_sub(2) {
            self.driver.clock.sleep(Duration::from_millis(100) * 2_u32.pow(again.min(5))).await;
        }
        Ok(())
    }

    /// Takes over what the store says it now holds: the record as it was sent.
    fn keep(&mut self, bytes: &[u8], loaded: Loaded) -> Result<(), Halt> {
        if loaded.bytes.as_deref() != Some(bytes) {
            let message = "the store accepted the record and does not hold it; find what removes or changes it (an admission webhook, a conversion); it is tried again at the next pass";
            return Err(self.unwritten(HeldReason::NotKept, message.to_owned()));
        }
        for event in &self.learnt {
            if let Event::Failed { class, error, .. } = event {
                tracing::info!(
                    machine = %self.id.machine, resource = %self.id.resource, transition = self.about.0,
                    class = class.name(), %error, "attempt failed"
                );
            }
        }
        tracing::debug!(
            machine = %self.id.machine, resource = %self.id.resource, seq = self.record.seq, state = %self.record.state,
            event = self.record.history.last().map(String::as_str).unwrap_or_default(), "recorded"
        );
        self.version = loaded.version;
        self.signals = loaded.signals;
        self.stored = true;
        self.dirty = false;
        self.lost = 0;
        self.learnt.clear();
        self.observe();
        Ok(())
    }

    /// The record does not fit: hold the resource on the record as it was, which fitted.
    async fn too_large(&mut self, size: usize, limit: usize) -> Result<(), Halt> {
        let largest = self
            .record
            .largest_fact()
            .map(|(name, bytes)| format!("; the largest fact is `{name}` with {bytes} bytes"));
        let cause = format!(
            "the record needs {size} bytes and the store takes {limit}{}; record a reference to large values, not the values",
            largest.unwrap_or_default()
        );
        let unrecorded = format!("{cause}; it is tried again at the next pass");
        let Some(base) = self.base.clone() else {
            return Err(self.unwritten(HeldReason::TooLarge, unrecorded));
        };
        let message = format!("{cause}, then resolve with `retry`");
        let event = Event::Held { reason: HeldReason::TooLarge, message, at: self.now() };
        let Ok(held) = next(self.steps.graph(), &base, event) else {
            return Err(self.unwritten(HeldReason::TooLarge, unrecorded));
        };
        let (held, bytes) = match held.encode_next(self.steps.graph()) {
            Ok(encoded) => encoded,
            Err(error) => return Err(self.unwritten(HeldReason::TooLarge, error.to_string())),
        };
        match self.driver.store.compare_and_swap(self.id, &self.version, &bytes).await {
            Ok(loaded) => {
                self.record = Arc::new(held);
                self.keep(&bytes, loaded)
            }
            // It may stand there by now: the next pass reads it.
            Err(error @ (StoreError::Unknown(_) | StoreError::Conflict)) => Err(error.into()),
            Err(_) => Err(self.unwritten(HeldReason::TooLarge, unrecorded)),
        }
    }
}
