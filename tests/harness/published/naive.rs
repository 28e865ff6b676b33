//! Reconcilers as they are written, each with its published fault, and a provider to run them against.

use std::collections::VecDeque;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Strike {
    /// It is not carried out, and an error says so.
    NotApplied,
    /// It is carried out, and an error comes back.
    ReplyLost,
    /// The controller dies before it.
    CrashBefore,
    /// It is carried out, and the controller dies.
    CrashAfter,
}

/// Why a pass ended early.
#[derive(Debug, PartialEq)]
pub enum Broken {
    Error,
    Crash,
    /// A person has to look.
    Held,
}

/// A resource, its status, its finalizer, and a provider that makes another thing with every call.
pub struct Lab {
    things: Vec<(u32, &'static str, u32)>,
    made: u32,
    now: u32,
    strikes: VecDeque<(&'static str, Strike)>,
    /// The id in the status.
    pub id: Option<u32>,
    pub pending: u32,
    pub failed: u32,
    pub succeeded: u32,
    pub finalizer: bool,
    pub deleting: bool,
    /// For how many passes look-ups do not see what is new.
    pub lag: u32,
    /// How many reads of the status see nothing of what was written.
    pub stale: u32,
    /// What the clock says, each time it is asked.
    pub clock: VecDeque<u32>,
}

pub type Reconciler = fn(&mut Lab) -> Result<(), Broken>;

impl Lab {
    pub fn new(strikes: &[(&'static str, Strike)]) -> Self {
        Self {
            things: Vec::new(),
            made: 0,
            now: 0,
            strikes: strikes.iter().copied().collect(),
            id: None,
            pending: 0,
            failed: 0,
            succeeded: 0,
            finalizer: false,
            deleting: false,
            lag: 0,
            stale: 0,
            clock: VecDeque::new(),
        }
    }

    /// One pass.
    pub fn pass(&mut self, reconciler: Reconciler) {
        self.now += 1;
        if !self.deleting {
            self.finalizer = true;
        }
        drop(reconciler(self));
    }

    /// Passes until long after everything has struck.
    pub fn reconcile(&mut self, reconciler: Reconciler) {
        for _ in 0..8 {
            if self.finalizer || !self.deleting {
                self.pass(reconciler);
            }
        }
        assert!(self.strikes.is_empty(), "{:?} did not strike", self.strikes);
    }

    pub fn live(&self, kind: &str) -> usize {
        self.things.iter().filter(|(_, it, _)| *it == kind).count()
    }

    fn call<A>(&mut self, name: &'static str, apply: impl FnOnce(&mut Self) -> A) -> Result<A, Broken> {
        if self.strikes.front().is_none_or(|(at, _)| *at != name) {
            return Ok(apply(self));
        }
        match self.strikes.pop_front() {
            Some((_, Strike::NotApplied)) => Err(Broken::Error),
            Some((_, Strike::CrashBefore)) => Err(Broken::Crash),
            Some((_, Strike::ReplyLost)) => {
                apply(self);
                Err(Broken::Error)
            }
            Some((_, Strike::CrashAfter)) => {
                apply(self);
                Err(Broken::Crash)
            }
            None => Ok(apply(self)),
        }
    }

    fn create(&mut self, name: &'static str, kind: &'static str) -> Result<u32, Broken> {
        self.call(name, |lab| {
            lab.made += 1;
            lab.things.push((lab.made, kind, lab.now));
            lab.made
        })
    }

    fn delete(&mut self, id: u32) -> Result<bool, Broken> {
        self.call("delete", |lab| {
            let before = lab.things.len();
            lab.things.retain(|(it, _, _)| *it != id);
            lab.things.len() < before
        })
    }

    fn find(&mut self, kind: &'static str) -> Result<Option<u32>, Broken> {
        self.call("find", |lab| {
            let visible = |(_, it, made): &&(u32, &str, u32)| *it == kind && made + lab.lag <= lab.now;
            lab.things.iter().find(visible).map(|(id, _, _)| *id)
        })
    }

    fn patch(&mut self, id: u32) -> Result<(), Broken> {
        self.call("patch", |lab| lab.id = Some(id))
    }

    /// The id, as the cache has it.
    fn cached(&mut self) -> Option<u32> {
        if self.id.is_some() && self.stale > 0 {
            self.stale -= 1;
            return None;
        }
        self.id
    }

    fn time(&mut self) -> u32 {
        self.clock.pop_front().unwrap_or(100 + self.now)
    }
}

pub fn any_error_is_failure(lab: &mut Lab) -> Result<(), Broken> {
    if lab.id.is_none() {
        let id = lab.create("create", "room")?;
        lab.patch(id)?;
    }
    Ok(())
}

pub fn incomplete_is_held(lab: &mut Lab) -> Result<(), Broken> {
    if lab.pending > lab.succeeded.max(lab.failed) {
        return Err(Broken::Held);
    }
    if lab.deleting {
        if let Some(id) = lab.id {
            lab.delete(id)?;
        }
        lab.finalizer = false;
    } else if lab.id.is_none() {
        lab.pending += 1;
        let id = lab.create("create", "room")?;
        lab.succeeded = lab.pending;
        lab.patch(id)?;
    }
    Ok(())
}

pub fn stamps_decide(lab: &mut Lab) -> Result<(), Broken> {
    if lab.id.is_some() {
        return Ok(());
    }
    if lab.pending > lab.succeeded.max(lab.failed) {
        return Err(Broken::Held);
    }
    lab.pending = lab.time();
    match lab.create("create", "room") {
        Ok(id) => lab.patch(id),
        Err(Broken::Error) => {
            lab.failed = lab.time();
            Err(Broken::Error)
        }
        Err(other) => Err(other),
    }
}

pub fn id_after_create(lab: &mut Lab) -> Result<(), Broken> {
    if lab.cached().is_none() {
        let id = lab.create("create", "room")?;
        lab.patch(id)?;
    }
    Ok(())
}

pub fn error_means_unmanaged(lab: &mut Lab) -> Result<(), Broken> {
    if lab.deleting {
        if let Some(id) = lab.id {
            lab.delete(id)?;
        }
        lab.finalizer = false;
        return Ok(());
    }
    match lab.create("create", "room") {
        Ok(id) => lab.patch(id),
        Err(error) => {
            lab.finalizer = false;
            Err(error)
        }
    }
}

pub fn look_up_then_create(lab: &mut Lab) -> Result<(), Broken> {
    if lab.id.is_none() {
        let id = match lab.find("room")? {
            Some(id) => id,
            None => lab.create("create", "room")?,
        };
        lab.patch(id)?;
    }
    Ok(())
}

pub fn unwind_what_came_before(lab: &mut Lab) -> Result<(), Broken> {
    let first = lab.create("first", "first")?;
    if lab.create("second", "second").is_err() {
        lab.delete(first)?;
    }
    Ok(())
}

pub fn all_steps_every_time(lab: &mut Lab) -> Result<(), Broken> {
    if lab.deleting {
        // The ids were to be written at the end, and the end was never reached.
        if let Some(id) = lab.id {
            lab.delete(id)?;
        }
        lab.finalizer = false;
        return Ok(());
    }
    if lab.id.is_none() {
        lab.create("first", "first")?;
        let second = lab.create("second", "second")?;
        lab.patch(second)?;
    }
    Ok(())
}

pub fn delete_and_forget(lab: &mut Lab) -> Result<(), Broken> {
    if let Some(id) = lab.id {
        drop(lab.delete(id));
    }
    lab.finalizer = false;
    Ok(())
}

pub fn wipe_what_is_shared(lab: &mut Lab) -> Result<(), Broken> {
    let there = lab.find("credentials")?;
    match (lab.deleting, there) {
        (false, None) => drop(lab.create("create", "credentials")?),
        (false, Some(_)) => {}
        (true, there) => {
            if let Some(id) = there {
                lab.delete(id)?;
            }
            lab.finalizer = false;
        }
    }
    Ok(())
}

pub fn unreachable_is_absent(lab: &mut Lab) -> Result<(), Broken> {
    if !lab.deleting {
        return id_after_create(lab);
    }
    if let Ok(Some(id)) = lab.find("room") {
        lab.delete(id)?;
    }
    lab.finalizer = false;
    Ok(())
}

pub fn delete_must_find(lab: &mut Lab) -> Result<(), Broken> {
    if let Some(id) = lab.id
        && !lab.delete(id)?
    {
        return Err(Broken::Error);
    }
    lab.finalizer = false;
    Ok(())
}
