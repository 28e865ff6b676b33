//! What a controller undoes next. Invariant: the way back takes live and unconfirmed entries by one order, the highest first.

use crate::controller::{Around, Decision};
use crate::machine::Contract;
use crate::record::{Act, Live, Record, Target, Unconfirmed};
use crate::rules::Rule;

/// An entry that the way back has to end.
#[derive(Debug, Clone, Copy)]
enum Entry {
    Live(Live),
    Unconfirmed(Unconfirmed),
}

impl Around<'_> {
    /// Ends the highest entry that the target does not keep, or arrives.
    pub fn backward(&self, record: &Record, target: Target) -> Decision {
        if let Target::Mark(_) = target
            && !self.is_on(Rule::DurableRewind)
            && !self.machine.edges_of(record.at).any(|edge| self.applies(edge, record))
        {
            let next = Record { back: None, ..record.clone() };
            return match self.forward(&next) {
                Decision::Rest | Decision::Wait => Decision::Note(next, Vec::new()),
                decision => decision,
            };
        }
        let mut next = record.clone();
        self.drop_refused(&mut next);
        let above = match target {
            Target::Nothing => None,
            Target::Mark(state) => Some(record.mark(state).unwrap_or(0)),
        };
        match self.highest(&next, above) {
            Some(entry) => self.end(&next, entry),
            None => self.arrive(&next, target),
        }
    }

    fn highest(&self, record: &Record, above: Option<u8>) -> Option<Entry> {
        let is_above = |order: u8, life: u8| {
            let number = if self.is_on(Rule::OrderAboveMark) { order } else { life };
            above.is_none_or(|above| number > above)
        };
        let by = |order: u8, life: u8| if self.is_on(Rule::OrderOfSending) { order } else { life };
        let ends = |step: u8| match record.back {
            Some(Target::Mark(state)) => !self.step(step).kept || !self.machine.knows(state, step),
            Some(Target::Nothing) | None => true,
        };
        let live = record.live.iter().filter(|it| is_above(it.order, it.life) && ends(it.step));
        let live = live.map(|it| (0, by(it.order, it.life), Entry::Live(*it)));
        let unconfirmed = record.unconfirmed.iter().filter(|it| is_above(it.order, it.life) && ends(it.step));
        let unconfirmed = unconfirmed.map(|it| {
            let first = u8::from(!self.is_on(Rule::OneOrder));
            (first, by(it.order, it.life), Entry::Unconfirmed(*it))
        });
        let mut entries: Vec<_> = live.chain(unconfirmed).collect();
        entries.sort_by_key(|(first, order, _)| (*first, *order));
        let is_ready = |entry: &Entry| self.is_on(Rule::NeverSkip) || self.is_quiet(&self.waits_for(*entry));
        let ready = entries.iter().rev().map(|it| it.2).find(is_ready);
        ready.or(entries.last().map(|it| it.2))
    }

    /// Whether nothing of this entry can be under way.
    pub fn is_clean(&self, live: &Live) -> bool {
        let clean = live.clean || !self.is_on(Rule::CleanOnly);
        clean && self.step(live.step).once && self.is_on(Rule::CleanSkips)
    }

    fn waits_for(&self, entry: Entry) -> Vec<(u8, u8)> {
        match entry {
            _ if !self.is_on(Rule::QuietUndo) => Vec::new(),
            Entry::Live(it) if self.is_clean(&it) => Vec::new(),
            Entry::Live(it) if self.step(it.step).kept && !self.is_on(Rule::LastRound) => vec![(it.step, it.order)],
            Entry::Live(it) => vec![(it.step, it.life)],
            Entry::Unconfirmed(it) if self.settles(it) && !self.is_on(Rule::QuietBeforeLook) => Vec::new(),
            Entry::Unconfirmed(it) => vec![(it.step, it.life)],
        }
    }

    fn end(&self, record: &Record, entry: Entry) -> Decision {
        let holder = self.holder(record);
        self.attempt(record, self.waits_for(entry), |next| match entry {
            Entry::Live(it) => next.undo(it, holder),
            Entry::Unconfirmed(it) if self.settles(it) => next.again(Act::Settle, it, record.at, holder),
            Entry::Unconfirmed(it) if self.step(it.step).aborts && self.is_on(Rule::AbortFirst) => {
                next.again(Act::Abort, it, record.at, holder);
            }
            Entry::Unconfirmed(it) => next.again(Act::Run, it, record.at, holder),
        })
    }

    /// Whether a look-up ends this life.
    fn settles(&self, it: Unconfirmed) -> bool {
        let step = self.step(it.step);
        self.is_on(Rule::AbortFirst) && (step.contract == Contract::Lookup || step.verifies)
    }

    /// Everything above the target is undone.
    fn arrive(&self, record: &Record, target: Target) -> Decision {
        let Target::Mark(state) = target else { return Decision::Remove };
        let mut next = record.clone();
        let Some(mark) = record.mark(state) else {
            next.held = true;
            return Decision::Note(next, Vec::new());
        };
        next.back = None;
        next.facts.retain(|it| self.machine.knows(state, it.0));
        if self.is_on(Rule::DropLaterMarks) {
            next.marks.retain(|it| it.seq <= mark);
        }
        next.enter(state, self.machine, self.off);
        self.turn(&mut next);
        let decision = match next.back {
            Some(target) => self.backward(&next, target),
            None => self.forward(&next),
        };
        match decision {
            Decision::Rest | Decision::Wait => Decision::Note(next, Vec::new()),
            decision => decision,
        }
    }

    /// Drops the lives that were refused, were never in doubt, and certainly made nothing.
    pub fn drop_refused(&self, record: &mut Record) {
        let open = record.intent.map(|it| (it.step, it.life));
        let back = record.back.is_some();
        record.unconfirmed.retain(|it| {
            let once = self.step(it.step).once && (!back || self.is_on(Rule::DropGoingBack));
            let quiet = !self.is_on(Rule::LookBeforeDrop) && (self.quiet)(it.step, it.life);
            let certain = once || quiet || !self.is_on(Rule::DropIfOnce);
            it.doubt || open == Some((it.step, it.life)) || !certain
        });
    }
}
