//! One world of stand-in servers with a controller of each kind, and what is there by asking the servers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use durable_fsm::store::MemoryStore;
use durable_fsm::{Clock as _, Outcome, Resource as _, StoreError};
use hiclaw::clients::{Clients, Mail};
use hiclaw::credentials::Vault;
use hiclaw::documents::Documents;
use hiclaw::human::passwords::Passwords;
use hiclaw::human::provision::HumanProvisioner;
use hiclaw::human::sessions::Sessions;
use hiclaw::human::{Human, HumanRunner, HumanSpec, HumanState, Level};
use hiclaw::inventory::Inventory;
use hiclaw::office::Office;
use hiclaw::pace::Pace;
use hiclaw::provision::Provisioner;
use hiclaw::roster::Roster;
use hiclaw::servers::World;
use hiclaw::team::provision::TeamProvisioner;
use hiclaw::team::{Team, TeamRunner, TeamSpec, TeamState};
use hiclaw::worker::{Worker, WorkerRunner, WorkerSpec};
use serde_json::Value;
use tempfile::TempDir;

pub const ADMIN: &str = "@admin:hiclaw.test";

pub struct Stage {
    pub world: World,
    pub clients: Clients,
    pub roster: Roster,
    pub humans: HumanRunner<HumanProvisioner>,
    pub teams: TeamRunner<TeamProvisioner>,
    pub passwords: Passwords,
    workers: WorkerRunner<Provisioner>,
    _secrets: TempDir,
}

fn mail(world: &World) -> Mail {
    Mail::new(&world.mail.address().to_string(), "HiClaw <hiclaw@example.com>", Pace::HURRIED.patience())
}

impl Stage {
    pub async fn new() -> Self {
        let world = World::start().await.unwrap();
        let clients = Clients::new(&world.urls(), Pace::HURRIED.patience()).unwrap();
        let office = Office::default();
        let administrator = office.administrator(&clients);
        let secrets = tempfile::tempdir().unwrap();
        let vault = Vault::open(secrets.path().join("workers")).unwrap();
        let passwords = Passwords::open(secrets.path().join("humans")).unwrap();
        let store = MemoryStore::new();
        let roster = Roster::new(store.clone());
        let docker = Arc::new(clients.docker.clone());
        let provisioner = Provisioner::new(&clients, docker, vault, administrator.clone(), &office);
        let team = TeamProvisioner {
            administrator: administrator.clone(),
            oss: clients.oss.clone(),
            accounts: provisioner.accounts.clone(),
            roster: roster.clone(),
            workforce: Arc::new(Documents::new(secrets.path(), roster.clone())),
        };
        let human = HumanProvisioner {
            clients: clients.clone(),
            mail: mail(&world),
            administrator,
            passwords: passwords.clone(),
            sessions: Sessions::default(),
            roster: roster.clone(),
            registration_token: office.registration_token,
        };
        Self {
            workers: WorkerRunner::builder(provisioner, store.clone()).clock(Pace::HURRIED.clock()).build(),
            teams: TeamRunner::builder(team, store.clone()).clock(Pace::HURRIED.clock()).build(),
            humans: HumanRunner::builder(human, store).clock(Pace::HURRIED.clock()).build(),
            world,
            clients,
            roster,
            passwords,
            _secrets: secrets,
        }
    }

    /// The client of the mail server.
    pub fn mail(&self) -> Mail {
        mail(&self.world)
    }

    /// Puts these workers on the roster and lets them get ready.
    pub async fn employ(&self, names: &[&str]) -> Vec<Worker> {
        let mut workers = Vec::new();
        for name in names {
            let spec = WorkerSpec { image: "img:1".to_owned(), model: "m".to_owned(), skills: BTreeSet::new() };
            let worker = Worker {
                namespace: "default".to_owned(),
                name: (*name).to_owned(),
                uid: format!("worker-{name}"),
                spec,
                deleting: false,
            };
            self.roster.put_worker(&worker);
            let ready = settle(async || self.workers.reconcile(&worker).await).await;
            assert!(matches!(ready, Outcome::Resting(_)), "{name} is not ready");
            workers.push(worker);
        }
        workers
    }

    /// Says that a worker is to be deleted.
    pub fn announce_dismissal(&self, worker: &Worker) -> Worker {
        let worker = Worker { deleting: true, ..worker.clone() };
        self.roster.put_worker(&worker);
        worker
    }

    /// Lets a worker that is to be deleted go.
    pub async fn dismiss(&self, worker: &Worker) {
        assert!(matches!(settle(async || self.workers.reconcile(worker).await).await, Outcome::Gone));
        self.roster.remove_worker(&worker.id());
    }

    pub async fn settle_team(&self, team: &Team) -> Outcome<TeamState> {
        self.roster.put_team(team);
        let outcome = settle(async || self.teams.reconcile(team).await).await;
        if matches!(outcome, Outcome::Gone) {
            self.roster.remove_team(&team.id());
        }
        outcome
    }

    pub async fn settle_human(&self, human: &Human) -> Outcome<HumanState> {
        settle(async || self.humans.reconcile(human).await).await
    }

    pub async fn inventory(&self, worker: &Worker) -> Inventory {
        Inventory::ask(&self.clients, worker).await.unwrap()
    }

    /// Every room that has members and a name that begins like this, with the members; and every alias that leads nowhere.
    pub async fn rooms(&self, beginning: &str) -> Vec<(String, BTreeSet<String>)> {
        let (rooms, _) = self.clients.matrix.audit().await.unwrap();
        let mut found = Vec::new();
        for room in rooms["rooms"].as_array().unwrap() {
            let name = room["name"].as_str().unwrap();
            if name.starts_with(beginning) {
                found.push((name.to_owned(), self.members(room["room_id"].as_str().unwrap()).await));
            }
        }
        let dangling = rooms["dangling_aliases"].as_array().unwrap().iter();
        found.extend(dangling.map(|alias| (alias.to_string(), BTreeSet::new())));
        found.sort();
        found
    }

    async fn members(&self, room: &str) -> BTreeSet<String> {
        let url = format!("{}/_synapse/admin/v1/rooms/{room}/members", self.world.urls().matrix);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer: Value = http.get(url).send().await.unwrap().json().await.unwrap();
        answer["members"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
    }

    /// The rooms in which somebody is, by name.
    pub async fn rooms_with(&self, user: &str) -> BTreeSet<String> {
        let all = self.rooms("").await;
        let mut found = BTreeSet::new();
        for (name, _) in all.into_iter().filter(|(_, members)| members.contains(user)) {
            assert!(found.insert(name.clone()), "{name} is there twice");
        }
        found
    }

    /// The accounts of this name, with how others see them.
    pub async fn accounts(&self, user: &str) -> Vec<String> {
        let (_, users) = self.clients.matrix.audit().await.unwrap();
        let users = users["users"].as_array().unwrap().iter().filter(|it| it["name"] == user);
        users.map(|it| it["displayname"].as_str().unwrap().to_owned()).collect()
    }

    /// The keys of the objects that begin like this.
    pub async fn objects(&self, prefix: &str) -> BTreeSet<String> {
        self.clients.oss.list(prefix).await.unwrap().into_iter().collect()
    }

    /// How often a call with this method and a path that contains this was made since this was asked last.
    pub fn count_calls(&self, wanted: &[(&'static str, &str)]) -> BTreeMap<String, usize> {
        let calls = self.world.calls.take();
        let count = |(method, part): &(&str, &str)| {
            let same = calls.iter().filter(|call| call.method == *method && call.path.contains(part));
            (format!("{method} {part}"), same.count())
        };
        wanted.iter().map(count).collect()
    }
}

/// Sleeps as long as the controllers' clock says.
pub async fn sleep(time: Duration) {
    Pace::HURRIED.clock().sleep(time).await;
}

/// Passes until there is nothing to do but for others, on the real clock, as a controller does.
async fn settle<S>(mut pass: impl AsyncFnMut() -> Result<Outcome<S>, StoreError>) -> Outcome<S> {
    for _ in 0..64 {
        match pass().await.unwrap() {
            Outcome::Progressing { after, .. } => sleep(after).await,
            other => return other,
        }
    }
    panic!("it does not come to rest");
}

pub fn team(name: &str, leader: &str, workers: &[&str]) -> Team {
    let spec = TeamSpec {
        description: format!("{name}, led by {leader}"),
        leader: leader.to_owned(),
        workers: workers.iter().map(ToString::to_string).collect(),
        employees: BTreeMap::new(),
    };
    Team { namespace: "default".to_owned(), name: name.to_owned(), uid: format!("team-{name}"), spec, deleting: false }
}

/// A person with this access, to whom the password is mailed.
pub fn human(level: Level, teams: &[&str], workers: &[&str]) -> Human {
    let set = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let spec = HumanSpec {
        display_name: "Kim".to_owned(),
        email: Some("kim@example.com".to_owned()),
        level,
        accessible_teams: set(teams),
        accessible_workers: set(workers),
    };
    Human {
        namespace: "default".to_owned(),
        name: "kim".to_owned(),
        uid: "human-kim".to_owned(),
        spec,
        deleting: false,
    }
}

/// Matrix ids of these accounts.
pub fn ids(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| format!("@{name}:hiclaw.test")).collect()
}
