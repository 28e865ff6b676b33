//! Writing the record. Invariant: after a write whose outcome is unknown, the record is read; it was ours only
//! if it is, byte for byte, what was sent.

use std::sync::Arc;

use super::base::Base;
use super::decision::Ending;
use super::pass::{Halt, Pass, stop};
use super::sightings::OpenEnd;
use crate::probe::{Side, Site};
use crate::record::{Ended, Event, HeldReason, next};
use crate::{Loaded, StoreError};

/// How many writes in a row may be overtaken by others.
const MOST_OVERTAKEN: u32 = 10;

/// How often a write is tried when the store is not there, or a read when it is out of date, and something learnt would be lost.
pub(super) const TRIES: u32 = 6;

impl Pass<'_> {
    /// Writes the record. True if it is durable; false if somebody else has written, and the record was read again.
    pub(super) async fn write(&mut self, site: Site) -> Result<bool, Halt> {
        self.write_leaving(site, 0).await
    }

    /// As [`write`](Self::write), if that leaves so many bytes of the store's limit free. If not, the effect that was about to begin does not, and
    /// the resource is held.
    pub(super) async fn write_leaving(&mut self, site: Site, reserve: usize) -> Result<bool, Halt> {
        self.forget_quiet()?;
        Arc::make_mut(&mut self.record).number(self.steps.graph());
        let mut bytes = self.encoded()?;
        if let Some(room) = self.driver.store.room(self.id, &self.version) {
            let room = room - reserve.min(room / 2);
            if bytes.len() > room && Arc::make_mut(&mut self.record).thin() {
                bytes = self.encoded()?;
            }
            if bytes.len() > room && reserve > 0 {
                return self.leave_room(bytes.len(), room).map(|()| false);
            }
        }
        for attempt in 1.. {
            self.cross(site, Side::Before).await;
            let result = self.driver.store.compare_and_swap(self.id, &self.version, &bytes).await;
            self.cross(site, Side::After).await;
            match result {
                Ok(loaded) => return self.keep(bytes, loaded).map(|()| true),
                Err(StoreError::Unknown(why)) => match self.driver.store.load(self.id).await {
                    Ok(loaded) if loaded.bytes.as_deref() == Some(&bytes) => {
                        return self.keep(bytes, loaded).map(|()| true);
                    }
                    // Nothing is written yet. If the first request is still under way, writing again makes it a conflict.
                    Ok(loaded) if loaded.version == self.version && attempt < TRIES => {}
                    Ok(loaded) if loaded.version == self.version => return Err(StoreError::Unknown(why).into()),
                    Ok(_) | Err(StoreError::Conflict) => return self.give_way().await.map(|()| false),
                    Err(_) if attempt < TRIES => {}
                    Err(error) => return Err(error.into()),
                },
                Err(StoreError::Conflict) => {
                    // It may be our own write: its reply was lost, and the second request conflicts with the first.
                    let loaded = self.driver.store.load(self.id).await?;
                    if loaded.bytes.as_deref() == Some(&bytes) {
                        return self.keep(bytes, loaded).map(|()| true);
                    }
                    return self.give_way().await.map(|()| false);
                }
                Err(StoreError::Unavailable(_)) if attempt < TRIES && !self.learnt.is_empty() => {}
                Err(StoreError::TooLarge { size, limit }) => {
                    // A store that names no excess has a limit that a smaller record does not help with.
                    if size <= limit || !Arc::make_mut(&mut self.record).thin() {
                        return self.too_large(size, limit, bytes.len()).await.map(|()| false);
                    }
                    bytes = self.encoded()?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            self.driver.pause(attempt).await;
        }
        Ok(false)
    }

    /// What was undone and is quiet by now is forgotten with whatever is written next.
    fn forget_quiet(&mut self) -> Result<(), Halt> {
        let (graph, now) = (self.steps.graph(), self.driver.clock.monotonic());
        if self.record.undone.is_empty() || now < self.quiet_at {
            return Ok(());
        }
        // What is undone from here on is quiet no sooner than this.
        let contracts = graph.transitions.iter().filter_map(|step| step.contract());
        let mut soonest = contracts.map(|contract| contract.timeout + contract.settle).min().unwrap_or_default();
        let mut quiet = Vec::new();
        for undone in &self.record.undone {
            let contract = graph.transition(&undone.transition).and_then(|(_, step)| step.contract());
            let (whose, end) = (self.whose, OpenEnd::Undone(undone));
            let until_quiet = |contract| self.driver.sightings().until_quiet(whose, end, contract, now);
            match contract.map(until_quiet) {
                Some(None) => quiet.push(undone.clone()),
                Some(Some(left)) => soonest = soonest.min(left),
                None => {}
            }
        }
        self.quiet_at = now + soonest;
        for Ended { transition, subject, life } in quiet {
            self.apply(Event::Quiet { transition, subject, life })?;
        }
        Ok(())
    }

    /// Somebody else has written: reads the record again. If there is none any more, this pass does not begin anew.
    async fn give_way(&mut self) -> Result<(), Halt> {
        let known = self.base.as_ref().map(|base| base.seq);
        self.overtaken().await?;
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
            "the record with sequence number {seq} was removed during a pass, and the resource still exists; find what removes it (a replace, an admission webhook), then restore the record, or release the resource"
        );
        Err(self.unwritten(HeldReason::RecordLost, message))
    }

    /// A write was overtaken by another one. If that happens again and again, the pass waits in between, and gives up in the end.
    pub(super) async fn overtaken(&mut self) -> Result<(), Halt> {
        self.overtaken += 1;
        match self.overtaken {
            1 => {}
            MOST_OVERTAKEN => return Err(StoreError::Conflict.into()),
            times => self.driver.pause(times - 1).await,
        }
        Ok(())
    }

    /// Takes over what the store says it now holds: the record as it was sent.
    fn keep(&mut self, bytes: Vec<u8>, loaded: Loaded) -> Result<(), Halt> {
        if loaded.bytes.as_deref() != Some(&bytes) {
            let message = "the store accepted the record and did not keep it; find what removes or changes it (an admission webhook, a conversion); it is tried again at the next pass";
            return Err(self.unwritten(HeldReason::NotKept, message.to_owned()));
        }
        self.untold.tell(self.id, self.driver.incarnation(), &self.record);
        tracing::debug!(
            machine = %self.id.machine, resource = %self.id.resource, seq = self.record.seq, state = %self.record.state,
            event = self.record.history.last().map(String::as_str).unwrap_or_default(), "recorded"
        );
        self.version = loaded.version;
        self.signals = loaded.signals;
        self.stored = true;
        self.dirty = false;
        self.overtaken = 0;
        self.learnt.clear();
        self.observe(Some(bytes));
        Ok(())
    }

    fn encoded(&mut self) -> Result<Vec<u8>, Halt> {
        // It grows by little at a time.
        let size = self.base.as_ref().map_or(512, Base::size);
        let mut bytes = std::mem::take(&mut self.spare);
        if bytes.capacity() < size + 256 {
            bytes = Vec::with_capacity(size + size / 8 + 512);
        }
        bytes.clear();
        let encoded = Arc::make_mut(&mut self.record).encode(&mut bytes);
        encoded.map(|()| bytes).map_err(|error| self.unwritten(HeldReason::Unreadable, error.to_string()))
    }

    /// What takes the room, and what to do about it. `beside` stands beside the record in the store, and counts.
    fn crowded(&self, beside: usize) -> String {
        let parts = self.record.weight(self.steps.graph());
        let mut shown: Vec<String> = parts.iter().take(4).map(ToString::to_string).collect();
        if beside > 0 {
            shown.push(format!("{beside} bytes that are not the record's"));
        }
        let remedy = parts.first().map_or("make room in the store", |largest| largest.kind.remedy());
        format!("{}; {remedy}", shown.join(", "))
    }

    /// The effect that was about to begin would leave too little for the way back: nothing is sent, and what is known is recorded.
    fn leave_room(&mut self, size: usize, room: usize) -> Result<(), Halt> {
        // The record was given the next `seq`, and is not written.
        Arc::make_mut(&mut self.record).seq -= 1;
        let message = format!(
            "the record would need {size} bytes, and effects may use only {room}, so that a deletion has room: {}; then resolve with `retry`",
            self.crowded(0)
        );
        let in_doubt = self.record.intent.as_ref().is_some_and(|intent| intent.in_doubt);
        self.apply(if in_doubt { Event::SetAside { aborting: false } } else { Event::Withdrawn })?;
        self.learn(Event::Held { reason: HeldReason::TooLarge, message, at: self.now() })
    }

    /// The record does not fit: hold the resource on the record as it was, which fitted. On the way back nothing is held: it goes on as soon as
    /// there is room.
    async fn too_large(&mut self, size: usize, limit: usize, own: usize) -> Result<(), Halt> {
        let crowded = self.crowded(size.saturating_sub(own));
        let cause = format!("the record needs {size} bytes and the store takes {limit}: {crowded}");
        let unrecorded = format!("{cause}; it is tried again at the next pass");
        let base = self.base.as_ref().filter(|_| self.record.direction.is_forward());
        let Some(base) = base.and_then(Base::record) else {
            return Err(self.unwritten(HeldReason::TooLarge, unrecorded));
        };
        let message = format!("{cause}, then resolve with `retry`");
        let event = Event::Held { reason: HeldReason::TooLarge, message, at: self.now() };
        let Ok(mut held) = next(self.steps.graph(), &base, event) else {
            return Err(self.unwritten(HeldReason::TooLarge, unrecorded));
        };
        // There may be no room for the message, either.
        held.history.clear();
        let (held, bytes) = match held.encode_next(self.steps.graph()) {
            Ok(encoded) => encoded,
            Err(error) => return Err(self.unwritten(HeldReason::TooLarge, error.to_string())),
        };
        match self.driver.store.compare_and_swap(self.id, &self.version, &bytes).await {
            Ok(loaded) => {
                self.record = Arc::new(held);
                self.keep(bytes, loaded)
            }
            // It may be stored by now: the next pass reads it.
            Err(error @ (StoreError::Unknown(_) | StoreError::Conflict)) => Err(error.into()),
            Err(_) => Err(self.unwritten(HeldReason::TooLarge, unrecorded)),
        }
    }
}
