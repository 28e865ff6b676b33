//! A world in which things are removed by hand, and a machine that asks about them.

use std::collections::BTreeSet;
use std::time::Duration;

use durable_fsm::testing::{AssertOk, At, Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Each, Fsm, Kept, Lookup, Undone};

use crate::worlds::resource::App;

/// A host on a network and a disk, with users and a size.
#[derive(Fsm)]
#[fsm(name = "test.io/vanish", version = 1, resource = App, settle = "5s")]
pub enum VanishFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(make_net -> Netted, in_doubt = repeat, undo = drop_net, verify = is_net, lost = remake)]
    Requested,
    /// It has a network, which is known by its name.
    #[transition(make_disk -> Disked, in_doubt = lookup, undo = drop_disk, lost = remake)]
    Netted,
    /// It has a disk, which is known by its owner.
    #[transition(start -> Ready, in_doubt = repeat, undo = stop, verify = is_running, lost = rewind(Disked))]
    Disked,
    /// It runs.
    #[fsm(resting, verify = "10m")]
    #[transition(resize, keep = size, in_doubt = repeat, undo = none)]
    #[transition(add_user, for_each = users, in_doubt = repeat, undo = drop_user, verify = is_user)]
    Ready { host: String, size: Kept<String>, users: Each<String, String> },
}

#[derive(Clone)]
pub struct Cloud {
    nets: Shelf,
    disks: Shelf,
    hosts: Shelf,
    users: Shelf,
}

impl VanishTransitions for Cloud {
    type Error = ShelfError;
    async fn make_net(&self, from: Requested, attempt: &VanishAttempt) -> Result<Netted, ShelfError> {
        self.nets.claim("net", attempt.key(), attempt.owner_tag()).await.map(|_| from.netted())
    }
    async fn drop_net(&self, _: &Netted, attempt: &VanishAttempt) -> Result<Undone, ShelfError> {
        self.nets.remove_name("net", attempt.owner_tag()).await.map(Undone::from)
    }
    async fn is_net(&self, _: &Netted, attempt: &VanishAttempt) -> Result<bool, ShelfError> {
        Ok(matches!(self.nets.find_name("net", attempt.owner_tag()).await, Lookup::Ours(_)))
    }
    async fn make_disk(&self, from: Netted, attempt: &VanishAttempt) -> Result<Disked, ShelfError> {
        self.disks.add(attempt.key(), attempt.owner_tag()).await.map(|_| from.disked())
    }
    async fn lookup_make_disk(&self, from: Netted, attempt: &VanishAttempt) -> Result<Lookup<Disked>, ShelfError> {
        Ok(match self.disks.find_owned(attempt.owner_tag()).await {
            Lookup::Ours(_) => Lookup::Ours(from.disked()),
            _ => Lookup::Absent,
        })
    }
    async fn drop_disk(&self, _: &Disked, attempt: &VanishAttempt) -> Result<Undone, ShelfError> {
        let own = self.disks.shelved().into_iter().filter(|disk| disk.owner == attempt.owner_tag());
        for disk in own {
            self.disks.remove(&disk.id).await?;
        }
        Ok(Undone::Done)
    }
    async fn start(&self, from: Disked, attempt: &VanishAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(self.hosts.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn stop(&self, made: &Ready, _: &VanishAttempt) -> Result<Undone, ShelfError> {
        self.hosts.remove(&made.host).await.map(Undone::from)
    }
    async fn is_running(&self, made: &Ready, _: &VanishAttempt) -> Result<bool, ShelfError> {
        Ok(self.hosts.get(&made.host).is_some())
    }
    fn size(&self, _: &Ready, app: &App) -> String {
        app.0.image.clone()
    }
    async fn resize(&self, at: &Ready, value: &String, _: &VanishAttempt) -> Result<(), ShelfError> {
        self.hosts.made_of(value).change(&at.host).await
    }
    fn users(&self, _: &Ready, app: &App) -> BTreeSet<String> {
        app.0.members.clone()
    }
    async fn add_user(&self, _: &Ready, user: &String, attempt: &VanishAttempt) -> Result<String, ShelfError> {
        self.users.made_of(user).put(attempt.key(), attempt.owner_tag()).await
    }
    async fn drop_user(&self, _: &Ready, _: &String, made: &String, _: &VanishAttempt) -> Result<Undone, ShelfError> {
        self.users.remove(made).await.map(Undone::from)
    }
    async fn is_user(&self, _: &Ready, _: &String, made: &String, _: &VanishAttempt) -> Result<bool, ShelfError> {
        Ok(self.users.get(made).is_some())
    }
}

impl World for Cloud {
    type Machine = VanishFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        let shelf = |kind| Shelf::new(sim, kind);
        let disks = shelf("disk").lagging(Duration::from_secs(2));
        Self { nets: shelf("net"), disks, hosts: shelf("host"), users: shelf("user") }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("small", &["ann"])
    }
    fn edits() -> Vec<App> {
        vec![App::new("large", &["ann", "bob"])]
    }
    fn events() -> &'static [&'static str] {
        &["net-removed", "disk-removed", "host-removed", "users-removed"]
    }
    fn happen(&self, event: &str) {
        match event {
            "net-removed" => self.nets.lose(),
            "disk-removed" => self.disks.lose(),
            "host-removed" => self.hosts.lose(),
            _ => self.users.lose(),
        }
    }
    fn inventory(&self) -> Vec<Thing> {
        [self.nets.inventory(), self.disks.inventory(), self.hosts.inventory(), self.users.inventory()].concat()
    }
    /// Whatever was removed by hand is there again, and set as is wanted.
    fn check_final(&self, at: &At<'_, App>) -> Result<(), String> {
        let Some(record) = at.record.filter(|it| !at.deleting && it.state == "Ready" && it.held.is_none()) else {
            return Ok(());
        };
        let wanted = &at.resource.0;
        let host = record.facts.get("host").ok().and_then(|host: String| self.hosts.get(&host));
        let size = host.map(|host| host.made_of.to_string());
        let users: BTreeSet<String> = self.users.shelved().iter().map(|user| user.made_of.to_string()).collect();
        // A value that was set after the record that was put back is not known to it.
        let size = if at.restored { Some(wanted.image.clone()) } else { size };
        let there = (self.nets.len(), self.disks.len(), size, users.is_superset(&wanted.members));
        if there == (1, 1, Some(wanted.image.clone()), true) {
            Ok(())
        } else {
            Err(format!("at rest there is {there:?}"))
        }
    }
}

durable_fsm::survive! {
    mod survives for Cloud { make_net, make_disk, start, resize, add_user }
}

/// What was removed is made again, and nothing else is.
#[test]
fn what_is_removed_at_rest_is_found_and_made_again() {
    for (event, made) in [("net-removed", "make_net"), ("disk-removed", "make_disk")] {
        let plan = format!("pass#2=event({event})").parse().unwrap();
        explore::<Cloud>().replay(&plan).assert_ok();
        let timeline = explore::<Cloud>().timeline(&plan);
        let count = |what: &str| timeline.matches(&format!("effect of {what}, ")).count();
        assert_eq!((count(made), count("start")), (2, 1), "{timeline}");
    }
}
