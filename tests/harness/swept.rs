//! A world of every contract whose provider lists what carries an owner tag: after each restore, a sweep finds what no record knows, and the undos remove it.

use std::collections::BTreeSet;

use durable_fsm::testing::{AssertOk, Fault, Plan, Shelf, ShelfError, Shelved, Sim, Sweeper, Thing, World, explore};
use durable_fsm::{Each, Fsm, Lookup, Sweep, Tagged, Undone};

use crate::worlds::resource::App;

/// A host with its users.
#[derive(Fsm)]
#[fsm(name = "test.io/swept", version = 1, resource = App)]
pub enum SweptFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(join -> Joined, in_doubt = repeat, undo = leave)]
    Requested,
    /// It has a network, which has its name once.
    #[transition(make_disk -> Stored, in_doubt = lookup, undo = drop_disk)]
    Joined,
    /// It has a disk, which is found by its owner.
    #[transition(buy -> Licensed, in_doubt = hold, undo = give_back, abort = refund)]
    Stored { disk: String },
    /// It has a licence, of which it is not known how many there are.
    #[transition(start -> Running | Idle, in_doubt = repeat, undo = stop)]
    Licensed { licence: String },
    /// It runs. The provider knows keys.
    #[fsm(resting)]
    #[transition(add_user, for_each = users, in_doubt = repeat, undo = drop_user)]
    Running { host: String, users: Each<String, String> },
    /// It has nothing to do.
    #[fsm(resting)]
    Idle { sleeper: String },
}

#[derive(Clone)]
pub struct Cloud {
    nets: Shelf,
    disks: Shelf,
    licences: Shelf,
    hosts: Shelf,
    users: Shelf,
}

impl SweptTransitions for Cloud {
    type Error = ShelfError;
    async fn join(&self, from: Requested, attempt: &SweptAttempt) -> Result<Joined, ShelfError> {
        self.nets.claim("net", attempt.key(), attempt.owner_tag()).await.map(|_| from.joined())
    }
    async fn leave(&self, _: &Joined, attempt: &SweptAttempt) -> Result<Undone, ShelfError> {
        self.nets.remove_name("net", attempt.owner_tag()).await.map(Undone::from)
    }
    async fn make_disk(&self, from: Joined, attempt: &SweptAttempt) -> Result<Stored, ShelfError> {
        Ok(from.stored(self.disks.add(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn lookup_make_disk(&self, from: Joined, attempt: &SweptAttempt) -> Result<Lookup<Stored>, ShelfError> {
        Ok(match self.disks.find_owned(attempt.owner_tag()).await {
            Lookup::Ours(disk) => Lookup::Ours(from.stored(disk.id)),
            _ => Lookup::Absent,
        })
    }
    async fn drop_disk(&self, made: &Stored, _: &SweptAttempt) -> Result<Undone, ShelfError> {
        self.disks.remove(&made.disk).await.map(Undone::from)
    }
    async fn buy(&self, from: Stored, attempt: &SweptAttempt) -> Result<Licensed, ShelfError> {
        Ok(from.licensed(self.licences.add(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn give_back(&self, made: &Licensed, _: &SweptAttempt) -> Result<Undone, ShelfError> {
        self.licences.remove(&made.licence).await.map(Undone::from)
    }
    async fn refund(&self, _: &Stored, attempt: &SweptAttempt) -> Result<Undone, ShelfError> {
        self.licences.remove_key(attempt.key()).await.map(Undone::from)
    }
    async fn start(&self, from: Licensed, attempt: &SweptAttempt) -> Result<StartNext, ShelfError> {
        let hosts = self.hosts.made_of(&attempt.spec().image);
        let id = hosts.put(attempt.key(), attempt.owner_tag()).await?;
        Ok(if attempt.spec().image == "idle" { from.idle(id).into() } else { from.running(id).into() })
    }
    async fn stop(&self, made: StartMade<'_>, _: &SweptAttempt) -> Result<Undone, ShelfError> {
        match made {
            StartMade::Running(made) => self.hosts.remove(&made.host).await,
            StartMade::Idle(made) => self.hosts.remove(&made.sleeper).await,
        }
        .map(Undone::from)
    }
    fn users(&self, _: &Running, app: &App) -> BTreeSet<String> {
        app.0.members.clone()
    }
    async fn add_user(&self, _: &Running, user: &String, attempt: &SweptAttempt) -> Result<String, ShelfError> {
        self.users.made_of(user).put(attempt.key(), attempt.owner_tag()).await
    }
    async fn drop_user(&self, _: &Running, _: &String, made: &String, _: &SweptAttempt) -> Result<Undone, ShelfError> {
        self.users.remove(made).await.map(Undone::from)
    }
}

impl Sweep for Cloud {
    type Error = ShelfError;
    fn covers(&self) -> Vec<String> {
        ["join", "make_disk", "buy", "start", "add_user"].map(str::to_owned).to_vec()
    }
    async fn list(&self) -> Result<Vec<Tagged>, ShelfError> {
        let of = |name: &str, shelf: &Shelf, say: &dyn Fn(Tagged, &Shelved) -> Tagged| -> Vec<Tagged> {
            let tagged = |it: &Shelved| Tagged::new(name, &it.owner, &it.id);
            shelf.shelved().iter().map(|it| say(tagged(it), it)).collect()
        };
        Ok([
            // The network has its name once, so it is this one whichever request has made it.
            of("join", &self.nets, &|thing, _| thing),
            of("make_disk", &self.disks, &|thing, it| thing.keyed(&it.key).fact("disk", &it.id)),
            of("buy", &self.licences, &|thing, it| thing.keyed(&it.key).fact("licence", &it.id)),
            of("start", &self.hosts, &|thing, it| match &*it.made_of {
                "idle" => thing.keyed(&it.key).reached("Idle").fact("sleeper", &it.id),
                _ => thing.keyed(&it.key).reached("Running").fact("host", &it.id),
            }),
            of("add_user", &self.users, &|thing, it| thing.keyed(&it.key).of(&*it.made_of).member(&it.id)),
        ]
        .concat())
    }
}

impl World for Cloud {
    type Machine = SweptFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        let shelf = |kind| Shelf::new(sim, kind);
        Self {
            nets: shelf("net"),
            disks: shelf("disk"),
            licences: shelf("licence"),
            hosts: shelf("host"),
            users: shelf("user"),
        }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("web", &["ann"])
    }
    fn edits() -> Vec<App> {
        vec![App::new("web", &["bob", "cat"])]
    }
    fn sweep(&self) -> Option<Sweeper> {
        Some(Sweeper::of(self.clone()))
    }
    fn inventory(&self) -> Vec<Thing> {
        let all = [&self.nets, &self.disks, &self.licences, &self.hosts, &self.users];
        all.iter().flat_map(|shelf| shelf.inventory()).collect()
    }
}

#[test]
fn survives_every_fault() {
    println!("{}", explore::<Cloud>().unreached("start -> Idle").run().assert_ok());
}

#[test]
fn each_arm_of_a_branch_is_removed_by_its_own_undo() {
    for fault in [Fault::Forgotten, Fault::Rewound, Fault::Emptied, Fault::RestoredAnew] {
        let idle = explore::<Cloud>().resources(vec![App::new("idle", &[])]);
        println!("{}", idle.fault(fault).run().assert_ok());
    }
}

/// What the sweeps have removed in a run.
fn removed(plan: &str) -> (Vec<String>, String) {
    let plan: Plan = plan.parse().unwrap();
    explore::<Cloud>().replay(&plan).assert_ok();
    let timeline = explore::<Cloud>().timeline(&plan);
    let lines = timeline.lines().filter_map(|line| line.split_once("a person removes "));
    (lines.map(|(_, what)| what.to_owned()).collect(), timeline)
}

#[test]
fn what_only_the_lost_record_knew_is_found_and_removed() {
    // Nothing tells of a record: a licence is bought again, and a member that is no longer wanted stays behind. What is found again is no orphan.
    let (orphans, timeline) = removed("pass#2=emptied");
    assert_eq!(orphans, ["licence-1, which `buy` has made", "user-1, which `add_user` has made"], "{timeline}");
    // The record before the edit is back: the member that it knows is gone, and those that it does not know are orphans until they are made again.
    let (orphans, timeline) = removed("pass#3=rewound");
    assert_eq!(orphans, ["user-2, which `add_user` has made", "user-3, which `add_user` has made"], "{timeline}");
    // The provider knows their keys, to which the record would have come again.
    assert!(timeline.contains("the record passes over the numbers to 7"), "{timeline}");
    // Where nothing is lost, nothing is removed.
    for plan in ["pass#2=restored-anew", "pass#2=second-cluster", "pass#3=rebound"] {
        let (orphans, timeline) = removed(plan);
        assert_eq!(orphans.len(), 0, "{timeline}");
    }
}

#[test]
fn a_copy_in_a_second_cluster_is_held_and_does_nothing() {
    let report = explore::<Cloud>().fault(Fault::SecondCluster).run().assert_ok();
    assert!(report.schedules > 3, "{report}");
}
