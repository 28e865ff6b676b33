//! The Team's machine against a world in memory, under every fault and every pair of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use durable_fsm::testing::{AssertOk, At, Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Lookup, Undone, Wait};
use hiclaw::team::{
    MembersReady, Ready, Requested, RoomCreated, Staffing, StorageLaidOut, StorageLaidOutFacts, Team, TeamAttempt,
    TeamFlow, TeamSpec, TeamTransitions,
};
use hiclaw::worker::WorkerSpec;

/// Rooms have no name that a repeat would find again, and the leader's is made in two calls; members and objects have names.
#[derive(Clone)]
struct Cloud {
    sim: Sim,
    rooms: Shelf,
    leader_rooms: Shelf,
    members: Shelf,
    objects: Shelf,
    /// Workers that the team makes.
    workers: Shelf,
}

/// When the last worker is ready.
const READY_AT: Duration = Duration::from_secs(4);

impl TeamTransitions for Cloud {
    type Error = ShelfError;

    fn begin(&self, from: Requested, _: &TeamAttempt) -> Result<Staffing, ShelfError> {
        Ok(from.staffing())
    }
    fn employees(&self, _: &Staffing, team: &Team) -> BTreeSet<String> {
        team.spec.employees.keys().cloned().collect()
    }
    async fn employ(&self, _: &Staffing, subject: &String, attempt: &TeamAttempt) -> Result<String, ShelfError> {
        self.workers.claim(subject, attempt.key(), attempt.owner_tag()).await
    }
    async fn let_go(
        &self,
        _: &Staffing,
        subject: &String,
        _: &String,
        attempt: &TeamAttempt,
    ) -> Result<Undone, ShelfError> {
        self.workers.remove_name(subject, attempt.owner_tag()).await.map(Undone::from)
    }
    async fn await_members(&self, from: Staffing, _: &TeamAttempt) -> Result<Wait<MembersReady>, ShelfError> {
        Ok(if self.sim.now() >= READY_AT { Wait::Done(from.members_ready()) } else { Wait::NotYet })
    }
    async fn create_room(&self, from: MembersReady, attempt: &TeamAttempt) -> Result<RoomCreated, ShelfError> {
        let room = self.rooms.begin(attempt.key(), attempt.owner_tag()).await?;
        self.rooms.finish(&room).await?;
        Ok(from.room_created(room))
    }
    async fn lookup_create_room(
        &self,
        from: MembersReady,
        attempt: &TeamAttempt,
    ) -> Result<Lookup<RoomCreated>, ShelfError> {
        Ok(match self.rooms.find(attempt.key(), attempt.owner_tag()).await {
            Lookup::Ours(room) => Lookup::Ours(from.room_created(room.id)),
            Lookup::Incomplete => Lookup::Incomplete,
            _ => Lookup::Absent,
        })
    }
    async fn close_room(&self, made: &RoomCreated, _: &TeamAttempt) -> Result<Undone, ShelfError> {
        self.rooms.remove(&made.room_id).await.map(Undone::from)
    }
    async fn clear_rooms(&self, _: &MembersReady, attempt: &TeamAttempt) -> Result<Undone, ShelfError> {
        self.rooms.remove_key(attempt.key()).await.map(Undone::from)
    }
    async fn lay_out_storage(&self, from: RoomCreated, attempt: &TeamAttempt) -> Result<StorageLaidOut, ShelfError> {
        let prefix = self.objects.claim("teams/alpha/", attempt.key(), attempt.owner_tag()).await?;
        Ok(from.storage_laid_out(StorageLaidOutFacts { prefix, described: attempt.spec().description.clone() }))
    }
    async fn clear_storage(&self, _: &StorageLaidOut, attempt: &TeamAttempt) -> Result<Undone, ShelfError> {
        self.objects.remove_name("teams/alpha/", attempt.owner_tag()).await.map(Undone::from)
    }
    fn enter_service(&self, from: StorageLaidOut, _: &TeamAttempt) -> Result<Ready, ShelfError> {
        let applied = from.described.clone();
        Ok(from.ready(applied))
    }
    fn members(&self, _: &Ready, team: &Team) -> BTreeSet<String> {
        team.spec.members()
    }
    async fn admit_member(&self, _: &Ready, subject: &String, attempt: &TeamAttempt) -> Result<String, ShelfError> {
        self.members.claim(subject, attempt.key(), attempt.owner_tag()).await
    }
    async fn dismiss_member(
        &self,
        _: &Ready,
        subject: &String,
        _: &String,
        attempt: &TeamAttempt,
    ) -> Result<Undone, ShelfError> {
        self.members.remove_name(subject, attempt.owner_tag()).await.map(Undone::from)
    }
    fn briefs(&self, _: &Ready, team: &Team) -> BTreeSet<String> {
        team.spec.members()
    }
    async fn brief_member(&self, _: &Ready, subject: &String, attempt: &TeamAttempt) -> Result<String, ShelfError> {
        let object = format!("teams/alpha/members/{subject}.json");
        self.objects.claim(&object, attempt.key(), attempt.owner_tag()).await?;
        Ok(object)
    }
    async fn withdraw_brief(
        &self,
        _: &Ready,
        _: &String,
        made: &String,
        attempt: &TeamAttempt,
    ) -> Result<Undone, ShelfError> {
        self.objects.remove_name(made, attempt.owner_tag()).await.map(Undone::from)
    }
    fn leader_rooms(&self, _: &Ready, team: &Team) -> BTreeSet<String> {
        BTreeSet::from([team.spec.leader.clone()])
    }
    async fn open_leader_room(&self, _: &Ready, _: &String, attempt: &TeamAttempt) -> Result<String, ShelfError> {
        let room = self.leader_rooms.begin(attempt.key(), attempt.owner_tag()).await?;
        self.leader_rooms.finish(&room).await?;
        Ok(room)
    }
    async fn lookup_open_leader_room(
        &self,
        _: &Ready,
        _: &String,
        attempt: &TeamAttempt,
    ) -> Result<Lookup<String>, ShelfError> {
        Ok(match self.leader_rooms.find(attempt.key(), attempt.owner_tag()).await {
            Lookup::Ours(room) => Lookup::Ours(room.id),
            Lookup::Incomplete => Lookup::Incomplete,
            _ => Lookup::Absent,
        })
    }
    async fn close_leader_room(
        &self,
        _: &Ready,
        _: &String,
        made: &String,
        _: &TeamAttempt,
    ) -> Result<Undone, ShelfError> {
        self.leader_rooms.remove(made).await.map(Undone::from)
    }
    async fn clear_leader_rooms(&self, _: &Ready, _: &String, attempt: &TeamAttempt) -> Result<Undone, ShelfError> {
        self.leader_rooms.remove_key(attempt.key()).await.map(Undone::from)
    }
    fn spec_changed(&self, at: &Ready, team: &Team) -> bool {
        at.applied != team.spec.description
    }
    async fn apply_spec(&self, from: Ready, attempt: &TeamAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(attempt.spec().description.clone()))
    }
}

fn employee() -> WorkerSpec {
    WorkerSpec { image: "img:1".to_owned(), model: "m".to_owned(), skills: BTreeSet::new() }
}

/// A team that makes its leader.
fn team(leader: &str, workers: &[&str]) -> Team {
    let spec = TeamSpec {
        description: format!("led by {leader}"),
        leader: leader.to_owned(),
        workers: workers.iter().map(ToString::to_string).collect(),
        employees: BTreeMap::from([(leader.to_owned(), employee())]),
    };
    Team { namespace: "default".to_owned(), name: "alpha".to_owned(), uid: "uid-1".to_owned(), spec, deleting: false }
}

impl World for Cloud {
    type Machine = TeamFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self {
            sim: sim.clone(),
            rooms: Shelf::new(sim, "room"),
            leader_rooms: Shelf::new(sim, "leader room"),
            members: Shelf::new(sim, "member"),
            objects: Shelf::new(sim, "object"),
            workers: Shelf::new(sim, "worker"),
        }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> Team {
        team("ann", &[])
    }
    /// Another leads.
    fn edits() -> Vec<Team> {
        vec![team("bob", &[])]
    }
    fn inventory(&self) -> Vec<Thing> {
        let shelves = [&self.rooms, &self.leader_rooms, &self.members, &self.objects, &self.workers];
        shelves.into_iter().flat_map(Shelf::inventory).collect()
    }
    fn check_final(&self, _: &At<'_, Team>) -> Result<(), String> {
        let shelved = [self.rooms.shelved(), self.leader_rooms.shelved()].concat();
        let half_built = shelved.into_iter().find(|room| !room.complete);
        half_built.map_or(Ok(()), |room| Err(format!("{} is half-built", room.id)))
    }
}

durable_fsm::survive! {
    mod survives for Cloud {
        employ, create_room, lay_out_storage, admit_member, brief_member, open_leader_room, apply_spec
    }
    waits { await_members }
}

/// The leader goes, a worker leads, and another one comes.
#[test]
fn survives_every_fault_while_members_come_and_go() {
    let teams = vec![team("ann", &["bob", "cid"]), team("bob", &["cid", "dan"])];
    println!("{}", explore::<Cloud>().resources(teams).run().assert_ok());
}
