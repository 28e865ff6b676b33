//! A thousand resources, and two releases that take turns. Invariant: after each pass, what the pass says is compared with what exists.

use std::collections::BTreeMap;
use std::time::Duration;

use durable_fsm::Resource as _;
use durable_fsm::record::{HeldReason, Resolution};

use crate::census::Census;
use crate::cloud::{Cloud, FAULTS, Fault, Wrong};
use crate::driven::Death;
use crate::release::{Ended, Process, Release};
use crate::site::Site;
use crate::stop::Stop;
use crate::storage::Storage;

/// Which of the two releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Older,
    Newer,
}

const NEVER: Duration = Duration::MAX;
const HOUR: Duration = Duration::from_secs(3600);
const SIZE: usize = 1000;

/// The calls that may meet a fault later.
const CALLS: [&str; 14] = [
    "host",
    "entry",
    "volume",
    "cable",
    "app",
    "start",
    "apply",
    "port",
    "farewell",
    "no host",
    "no volume",
    "no cable",
    "no app",
    "no port",
];

struct Member {
    site: Site,
    /// When each release comes to it.
    due: [Duration; 2],
    is_gone: bool,
    /// It has been at rest, so that a farewell is due before anything is undone.
    has_rested: bool,
}

/// What was found.
#[derive(Default)]
pub struct Found {
    pub census: Census,
    pub passes: u64,
    /// How often a pass ended at rest, for each release.
    pub rests: [u64; 2],
    pub rests_without: Vec<String>,
    /// How often the older release stood by before a record of the newer one.
    pub stood_by: u64,
    /// What was held otherwise, and not for an effect that only a person can vouch for: what each record was held for last.
    pub held: BTreeMap<usize, String>,
    pub resolved: u64,
    /// Deletions that have said no farewell.
    pub skipped: Vec<String>,
    /// What a deletion left behind.
    pub left: Vec<String>,
    /// What has not come to rest, or not gone.
    pub stuck: Vec<String>,
}

pub struct Fleet<'r> {
    pub cloud: Cloud,
    pub storage: Storage,
    releases: [&'r dyn Release; 2],
    /// What a resource has that a release alone has brought to rest.
    alone: [BTreeMap<&'static str, usize>; 2],
    members: Vec<Member>,
    chance: fastrand::Rng,
    pub found: Found,
}

/// The whole story: version 1, version 2, back, forward, and both for an hour; then everything is deleted.
pub fn run<'r>(older: &'r dyn Release, newer: &'r dyn Release, seed: u64) -> Fleet<'r> {
    let mut fleet = Fleet::left_by(older, newer, seed);
    for who in [Who::Newer, Who::Older, Who::Newer] {
        fleet.change(8);
        fleet.take_turns(&[who], 6);
        fleet.resolve(who);
    }
    fleet.run_both();
    fleet.come_to_rest();
    fleet.delete_all();
    fleet
}

impl<'r> Fleet<'r> {
    /// A fleet in every state in which the older release can leave it.
    pub fn left_by(older: &'r dyn Release, newer: &'r dyn Release, seed: u64) -> Self {
        let cloud = Cloud::default();
        let storage = Storage::of(&cloud);
        let mut fleet = Self {
            cloud,
            storage,
            releases: [older, newer],
            alone: [alone(older), alone(newer)],
            members: Vec::with_capacity(SIZE),
            chance: fastrand::Rng::with_seed(seed),
            found: Found::default(),
        };
        let stops = Stop::all(older);
        assert!(stops.len() < SIZE, "{} stops", stops.len());
        let mut stops: Vec<Stop> = stops.iter().copied().cycle().take(SIZE).collect();
        stops.sort_by_key(|stop| !stop.takes_time());
        for (number, stop) in stops.into_iter().enumerate() {
            let mut site = Site::new(number);
            stop.bring(older, &fleet.cloud, &fleet.storage, &mut site);
            fleet.cloud.heal(&site.name);
            let is_gone = site.deleting && fleet.record(&site).is_none();
            fleet.members.push(Member { site, due: [Duration::ZERO; 2], is_gone, has_rested: stop.has_rested() });
        }
        for member in fleet.members.iter().filter(|member| !member.is_gone) {
            let record = fleet.storage.record(older.graph().name, member.site.id());
            fleet.found.census.add(older.graph(), record.as_ref());
        }
        fleet
    }

    fn record(&self, site: &Site) -> Option<durable_fsm::record::Record> {
        self.storage.record(self.releases[0].graph().name, site.id())
    }

    /// Somebody edits some of them, and deletes some: one in so many.
    fn change(&mut self, one_in: usize) {
        for member in self.members.iter_mut().filter(|member| !member.is_gone) {
            match self.chance.usize(0..one_in * 2) {
                0 => member.site.deleting = true,
                1 => member.site.spec.image += 1,
                _ => continue,
            }
            member.due = [Duration::ZERO; 2];
        }
    }

    /// These releases run, each in a process that starts now: as many passes as that for each resource.
    fn take_turns(&mut self, who: &[Who], passes: u32) {
        self.wake();
        let left: Vec<u32> = self.members.iter().map(|_| self.chance.u32(0..=passes)).collect();
        self.run(who, left, NEVER, true);
    }

    fn wake(&mut self) {
        self.members.iter_mut().for_each(|member| member.due = [Duration::ZERO; 2]);
    }

    fn start(&self, who: Who, death: Death) -> Box<dyn Process> {
        self.releases[who as usize].start(&self.cloud, &self.storage, death)
    }

    /// Passes for what is due, until nothing is, or until that time.
    fn run(&mut self, who: &[Who], mut left: Vec<u32>, until: Duration, is_rough: bool) {
        let processes: Vec<(Who, Box<dyn Process>)> =
            who.iter().map(|who| (*who, self.start(*who, Death::default()))).collect();
        loop {
            for (who, process) in &processes {
                for (index, left) in left.iter_mut().enumerate() {
                    let now = self.cloud.time.now();
                    let member = &self.members[index];
                    if *left > 0 && !member.is_gone && member.due[*who as usize] <= now {
                        *left -= 1;
                        self.pass(*who, process.as_ref(), index, is_rough);
                    }
                }
            }
            let open = self.members.iter().zip(&left).filter(|(member, left)| **left > 0 && !member.is_gone);
            let next = open.flat_map(|(member, _)| who.iter().map(|who| member.due[*who as usize])).min();
            match next.filter(|next| *next < until) {
                Some(next) => self.cloud.time.advance_to(next),
                None => return,
            }
        }
    }

    /// One pass. In rough times some requests fail, and some processes die.
    fn pass(&mut self, who: Who, process: &dyn Process, index: usize, is_rough: bool) {
        let site = self.members[index].site.clone();
        let writes = self.storage.writes();
        if is_rough && self.chance.u32(0..5) == 0 {
            let call = CALLS[self.chance.usize(0..CALLS.len())];
            let not_yet = call.starts_with("no ") && self.chance.bool();
            let fault = if not_yet { Fault::NotYet } else { FAULTS[self.chance.usize(0..FAULTS.len())] };
            self.cloud.will(&site.name, call, fault);
        }
        let death = (is_rough && self.chance.u32(0..3) == 0).then(|| Death::at(self.chance.u32(1..16)));
        let ended = match death {
            Some(death) => self.start(who, death).pass(&site),
            None => process.pass(&site),
        };
        self.found.passes += 1;
        let now = self.cloud.time.now();
        let due = match &ended {
            None => now,
            Some(Ended::Waits(after) | Ended::Blocked(after)) => now + *after + Duration::from_millis(1),
            Some(Ended::Rests | Ended::Held(..) | Ended::Gone) => NEVER,
        };
        let member = &mut self.members[index];
        if self.storage.writes() > writes {
            // A watch of the record is told.
            member.due = [now; 2];
        }
        member.due[who as usize] = due;
        member.is_gone = ended == Some(Ended::Gone);
        match ended {
            Some(Ended::Rests) => {
                self.members[index].has_rested = true;
                self.check_rest(who, &site);
            }
            Some(Ended::Held(reason, message)) => self.note_hold(who, index, reason, message),
            Some(Ended::Gone) => self.check_gone(index),
            Some(Ended::Waits(_) | Ended::Blocked(_)) | None => {}
        }
    }

    fn check_rest(&mut self, who: Who, site: &Site) {
        self.found.rests[who as usize] += 1;
        let has = self.cloud.has(&site.name);
        let wanted = &self.alone[who as usize];
        // What a step has made that is gone by now stays until the deletion.
        let may_be = |kind: &str| who == Who::Newer && self.alone[0].contains_key(kind);
        let is_all = wanted.iter().all(|(kind, count)| has.get(kind) == Some(count));
        let is_known = has.keys().all(|kind| wanted.contains_key(kind) || may_be(kind));
        let (image, starts) = (self.cloud.image(&site.name), self.cloud.was_done(&site.name, "start"));
        if !is_all || !is_known || image != Some(site.spec.image) || starts != 1 || site.deleting {
            let seen = format!("{has:?}, image {image:?} of {}, {starts} starts", site.spec.image);
            self.found.rests_without.push(format!("{who:?} rests with {} at {seen}", site.name));
        }
    }

    fn check_gone(&mut self, index: usize) {
        let Member { site, has_rested, .. } = &self.members[index];
        if !self.cloud.has(&site.name).is_empty() {
            self.found.left.push(format!("{}: {:?}", site.name, self.cloud.has(&site.name)));
        }
        if *has_rested && self.cloud.was_done(&site.name, "farewell") != 1 {
            self.found.skipped.push(site.name.clone());
        }
    }

    fn note_hold(&mut self, who: Who, index: usize, reason: HeldReason, message: String) {
        match (who, reason) {
            (_, HeldReason::InDoubt) => {}
            (Who::Older, HeldReason::Upgrade) if message.contains("stands by") => self.found.stood_by += 1,
            _ => drop(self.found.held.insert(index, format!("{who:?}, {reason:?}: {message}"))),
        }
    }

    /// Somebody looks at the provider for everything that only a person can vouch for.
    fn resolve(&mut self, who: Who) {
        let process = self.start(who, Death::default());
        let graph = self.releases[who as usize].graph();
        self.cloud.time.advance_to(self.cloud.time.now() + Duration::from_secs(60));
        for index in 0..self.members.len() {
            let site = self.members[index].site.clone();
            let Some(record) = self.record(&site) else { continue };
            let Some(intent) = record.intent.filter(|_| record.held.is_some()) else { continue };
            self.cloud.land();
            let step = graph.transition_once(&intent.transition).map(|(_, step)| step);
            let resolution = match (self.cloud.look(&site.name, "volume"), step) {
                (Some(volume), Some(step)) => {
                    let facts = serde_json::from_value(serde_json::json!({ "volume": volume })).expect("facts");
                    Resolution::Applied { state: graph.states[step.to[0]].name.to_owned(), facts }
                }
                _ => Resolution::NotApplied,
            };
            // The older release cannot speak for a record that it cannot read.
            if process.resolve(&site, resolution).is_ok() {
                self.found.resolved += 1;
                self.members[index].due = [Duration::ZERO; 2];
            }
        }
    }

    /// Both at once, for an hour of their time, while people edit and delete.
    fn run_both(&mut self) {
        let ends = self.cloud.time.now() + HOUR;
        let mut minute = 0;
        while self.cloud.time.now() < ends {
            self.change(60);
            if minute % 10 == 0 {
                self.wake();
                self.resolve(if minute % 20 == 0 { Who::Newer } else { Who::Older });
            }
            minute += 1;
            let until = self.cloud.time.now() + Duration::from_secs(60);
            self.run(&[Who::Older, Who::Newer], vec![u32::MAX; self.members.len()], until, true);
            self.cloud.time.advance_to(until);
        }
    }

    /// The newer release alone, without faults, until nothing is left to do.
    pub fn come_to_rest(&mut self) {
        for member in &self.members {
            self.cloud.heal(&member.site.name);
            self.cloud.answer_farewells(&member.site.name, true);
        }
        for _ in 0..3 {
            self.wake();
            let until = self.cloud.time.now() + HOUR;
            self.run(&[Who::Newer], vec![300; self.members.len()], until, false);
            self.resolve(Who::Newer);
        }
        self.cloud.land();
        for member in self.members.iter().filter(|member| !member.is_gone) {
            if member.due[Who::Newer as usize] != NEVER {
                self.found.stuck.push(member.site.name.clone());
            }
        }
    }

    fn delete_all(&mut self) {
        self.members.iter_mut().for_each(|member| member.site.deleting = true);
        self.come_to_rest();
        for member in &self.members {
            if !member.is_gone || !self.cloud.has(&member.site.name).is_empty() || self.record(&member.site).is_some() {
                self.found.left.push(format!("{}: {:?}", member.site.name, self.cloud.has(&member.site.name)));
            }
        }
    }

    pub fn wrong(&self) -> Vec<Wrong> {
        self.cloud.wrong()
    }
}

/// What a resource has that this release alone has brought to rest.
fn alone(release: &dyn Release) -> BTreeMap<&'static str, usize> {
    let cloud = Cloud::default();
    let storage = Storage::of(&cloud);
    let site = Site::new(1);
    assert_eq!(release.start(&cloud, &storage, Death::default()).pass(&site), Some(Ended::Rests));
    cloud.has(&site.name)
}
