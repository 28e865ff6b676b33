//! A simulation that goes on where another one was. Invariant: both do the same from there on, if the same strikes; so everything that decides how a run
//! goes on is named here, and a field of which nothing is said does not compile.

use super::journal::Journal;
use super::{Core, Followed, Planned};

impl Core {
    /// Whether nothing is under way, so that a copy has all.
    pub(crate) fn may_fork(&self) -> bool {
        let struck = self.plan.iter().all(|planned| planned.fired);
        struck && self.flights.is_empty() && self.stopped == 0 && !self.quiet && !self.is_over()
    }

    /// This simulation as it is now, but for what belongs to one world, one plan, or one reader.
    pub(crate) fn fork(&self) -> Core {
        Core {
            graph: self.graph,
            now: self.now,
            skew: self.skew,
            chance: self.chance,
            wake: self.wake,
            yielded: self.yielded,
            stop: self.stop,
            seen: self.seen.clone(),
            plan: Vec::new(),
            current: self.current,
            actor: self.actor,
            incarnations: self.incarnations.clone(),
            flights: Vec::new(),
            stored: self.stored.clone(),
            books: self.books.clone(),
            things: self.things.clone(),
            deleting: self.deleting,
            edit: self.edit,
            edits: self.edits,
            first_uid: self.first_uid.clone(),
            made_again: self.made_again,
            uid_again: self.uid_again.clone(),
            first_request: self.first_request,
            quiet: self.quiet,
            violation: None,
            log: None,
            digest: self.digest,
            lag: self.lag,
            shelves: Vec::new(),
            stopped: self.stopped,
            suspended: self.suspended,
            told: self.told,
            paused: self.paused,
            draining: self.draining,
            fired_at: self.fired_at,
            joins: Vec::new(),
            followed: Followed::default(),
            joined: false,
            replying: self.replying,
            intent_since: self.intent_since,
            made: self.made.clone(),
            unacceptable: self.unacceptable.clone(),
            events: self.events,
            by_itself: self.by_itself.clone(),
            touched: self.touched,
            elsewhere: self.elsewhere,
            journal: None,
        }
    }

    /// Goes on from there, under this simulation's own plan, of which so many faults have struck by then.
    pub(crate) fn go_on_from(&mut self, fork: &Core, struck: usize, journal: Option<Journal>) {
        let mut plan = std::mem::take(&mut self.plan);
        plan.iter_mut().take(struck).for_each(|planned: &mut Planned| planned.fired = true);
        let followed = std::mem::take(&mut self.followed);
        let shelves = std::mem::take(&mut self.shelves);
        let digest = fork.digest.filter(|_| self.digest.is_some());
        *self = Core { plan, followed, shelves, digest, journal, ..fork.fork() };
    }
}
