//! A thousand workers that a reconciler without records has provisioned are taken over, and then deleted: what the servers were asked is in their logs.

#![expect(missing_docs, reason = "the machine of a test")]

use durable_fsm::store::MemoryStore;
use durable_fsm::testing::TestClock;
use durable_fsm::{Fsm, Import, Imported, Outcome, Plan, Undone};
use hiclaw::clients::{ClientError, Clients, Letter, Mail, MailError, NewContainer};
use hiclaw::credentials::Vault;
use hiclaw::naive;
use hiclaw::office::Office;
use hiclaw::pace::Pace;
use hiclaw::provision::ROUTE;
use hiclaw::servers::World;
use hiclaw::worker::{Worker, WorkerSpec};
use serde_json::Value;
use std::time::Duration;

const FLEET: usize = 1000;

/// What the old reconciler makes, and a mail that it has sent.
#[derive(Fsm)]
#[fsm(name = "hiclaw.test/adopted", version = 1, resource = Worker, import, timeout = "30s", settle = "10s")]
pub enum AdoptedFlow {
    #[fsm(initial)]
    #[transition(register -> Registered, in_doubt = repeat, undo = sign_out)]
    Requested,
    #[transition(make_consumer -> Known, in_doubt = repeat, undo = delete_consumer)]
    Registered { user_id: String },
    #[transition(allow -> Allowed, in_doubt = repeat, undo = disallow)]
    Known { consumer: String },
    #[transition(welcome -> Welcomed, in_doubt = hold, undo = none)]
    Allowed,
    #[transition(push_config -> Configured, in_doubt = repeat, undo = remove_config)]
    Welcomed,
    #[transition(open_room -> Roomed, in_doubt = repeat, undo = leave_room)]
    Configured { prefix: String },
    #[transition(run -> Running, in_doubt = repeat, undo = stop)]
    Roomed { room_id: String },
    #[fsm(resting)]
    Running { container: String },
}

#[derive(Clone)]
struct Provisioner {
    clients: Clients,
    vault: Vault,
    mail: Mail,
}

impl Provisioner {
    async fn key(&self, worker: &Worker) -> Result<String, ClientError> {
        let credentials = self.vault.credentials(worker).await;
        Ok(credentials.map_err(|error| ClientError::Address(error.to_string()))?.gateway_key.reveal().to_owned())
    }

    async fn password(&self, worker: &Worker) -> Result<String, ClientError> {
        let credentials = self.vault.credentials(worker).await;
        Ok(credentials.map_err(|error| ClientError::Address(error.to_string()))?.matrix_password.reveal().to_owned())
    }
}

impl AdoptedTransitions for Provisioner {
    type Error = ClientError;

    /// Reads what is there: the configuration names the room.
    async fn import(&self, worker: &Worker) -> Result<Import<AdoptedFlow>, ClientError> {
        let name = &worker.name;
        let prefix = format!("agents/{name}/");
        let Some(config) = self.clients.oss.get(&format!("{prefix}openclaw.json")).await? else {
            return Ok(Import::Fresh);
        };
        let config: Value = serde_json::from_slice(&config).unwrap_or_default();
        let container = format!("/hiclaw-worker-{name}");
        let containers = self.clients.docker.all().await?;
        let container = containers.into_iter().find(|it| it.names.contains(&container) && it.state == "running");
        let (Some(room), Some(container)) = (config.get("room").and_then(Value::as_str), container) else {
            return Ok(Import::Refuse(format!("{name} is half-made; let the old reconciler finish it")));
        };
        let state = Requested::start()
            .registered(format!("@{name}:hiclaw.test"))
            .known(format!("worker-{name}"))
            .allowed()
            .welcomed()
            .configured(prefix)
            .roomed(room.to_owned())
            .running(container.id);
        let owned = ["register", "make_consumer", "allow", "push_config", "open_room", "run"];
        Ok(Import::At(owned.into_iter().fold(Imported::at(state), Imported::owns)))
    }

    async fn register(&self, from: Requested, attempt: &AdoptedAttempt) -> Result<Registered, ClientError> {
        let (name, password) = (&attempt.resource().name, self.password(attempt.resource()).await?);
        let registered = self.clients.matrix.register(name, &password, &Office::default().registration_token).await?;
        let (hiclaw::clients::Registered::New(session) | hiclaw::clients::Registered::Ours(session)) = registered;
        Ok(from.registered(session.user_id))
    }
    async fn sign_out(&self, _: &Registered, attempt: &AdoptedAttempt) -> Result<Undone, ClientError> {
        let password = self.password(attempt.resource()).await?;
        let session = self.clients.matrix.login(&attempt.resource().name, &password).await?;
        self.clients.matrix.sign_out(&session).await.map(Undone::from)
    }
    async fn make_consumer(&self, from: Registered, attempt: &AdoptedAttempt) -> Result<Known, ClientError> {
        let (name, key) = (format!("worker-{}", attempt.resource().name), self.key(attempt.resource()).await?);
        self.clients.higress.ensure_consumer(&name, &key).await?;
        Ok(from.known(name))
    }
    async fn delete_consumer(&self, made: &Known, attempt: &AdoptedAttempt) -> Result<Undone, ClientError> {
        let key = self.key(attempt.resource()).await?;
        self.clients.higress.delete_consumer(&made.consumer, &key).await.map(Undone::from)
    }
    async fn allow(&self, from: Known, _: &AdoptedAttempt) -> Result<Allowed, ClientError> {
        self.clients.higress.set_allowed(ROUTE, &from.consumer, true).await?;
        Ok(from.allowed())
    }
    async fn disallow(&self, made: &Allowed, _: &AdoptedAttempt) -> Result<Undone, ClientError> {
        self.clients.higress.set_allowed(ROUTE, &made.consumer, false).await.map(Undone::from)
    }
    async fn welcome(&self, from: Allowed, attempt: &AdoptedAttempt) -> Result<Welcomed, ClientError> {
        let letter =
            Letter { to: "owner@hiclaw.test", message_id: attempt.key(), subject: "welcome", text: "It is there." };
        let sent = self.mail.send(&letter).await;
        sent.map_err(|error: MailError| ClientError::Address(error.to_string()))?;
        Ok(from.welcomed())
    }
    async fn push_config(&self, from: Welcomed, attempt: &AdoptedAttempt) -> Result<Configured, ClientError> {
        let prefix = format!("agents/{}/", attempt.resource().name);
        self.clients.oss.put(&format!("{prefix}openclaw.json"), b"{}".to_vec()).await?;
        Ok(from.configured(prefix))
    }
    async fn remove_config(&self, made: &Configured, _: &AdoptedAttempt) -> Result<Undone, ClientError> {
        for object in self.clients.oss.list(&made.prefix).await? {
            self.clients.oss.delete(&object).await?;
        }
        Ok(Undone::Done)
    }
    async fn open_room(&self, from: Configured, _: &AdoptedAttempt) -> Result<Roomed, ClientError> {
        Ok(from.roomed(String::new()))
    }
    async fn leave_room(&self, made: &Roomed, attempt: &AdoptedAttempt) -> Result<Undone, ClientError> {
        let password = self.password(attempt.resource()).await?;
        let session = self.clients.matrix.login(&attempt.resource().name, &password).await?;
        self.clients.matrix.leave(&session, &made.room_id).await?;
        self.clients.matrix.sign_out(&session).await.map(Undone::from)
    }
    async fn run(&self, from: Roomed, attempt: &AdoptedAttempt) -> Result<Running, ClientError> {
        let name = format!("hiclaw-worker-{}", attempt.resource().name);
        let new = NewContainer { name: &name, image: &attempt.spec().image, ..NewContainer::default() };
        let id = self.clients.docker.create(&new).await?;
        Ok(from.running(id))
    }
    async fn stop(&self, made: &Running, _: &AdoptedAttempt) -> Result<Undone, ClientError> {
        self.clients.docker.remove(&made.container).await.map(Undone::from)
    }
}

fn worker(number: usize) -> Worker {
    let spec =
        WorkerSpec { image: "worker:1".to_owned(), model: "qwen".to_owned(), skills: ["mail".to_owned()].into() };
    let (namespace, name, uid) = ("default".to_owned(), format!("w{number}"), format!("uid-{number}"));
    Worker { namespace, name, uid, spec, deleting: false }
}

#[tokio::test]
async fn a_thousand_workers_are_taken_over_without_a_change_and_deleted_cleanly() {
    let world = World::start().await.unwrap();
    let clients = Clients::new(&world.urls(), Pace::HURRIED.patience()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let vault = Vault::open(directory.path().join("vault")).unwrap();
    let office = Office::default();
    let fleet: Vec<Worker> = (0..FLEET).map(worker).collect();
    for worker in &fleet {
        naive::create(&clients, &vault, &office.registration_token, worker, async |_| {}).await.unwrap();
    }
    let (before, rooms_before) = (clients.higress.audit().await.unwrap(), clients.matrix.audit().await.unwrap());
    drop(world.calls.take());

    let (store, clock) = (MemoryStore::new(), TestClock::new());
    let mail = Mail::new(&world.mail.address().to_string(), "hiclaw@hiclaw.test", Duration::from_secs(5));
    let provisioner = Provisioner { clients: clients.clone(), vault: vault.clone(), mail };
    let runner = AdoptedRunner::builder(provisioner, store.clone()).clock(clock.clone()).build();
    // A plan says what would be taken over, and takes nothing.
    let Plan::Import { state, owns } = runner.plan(&fleet[0]).await.unwrap() else { panic!("it is not imported") };
    let owned: Vec<&str> = owns.iter().map(|(transition, _)| transition.as_str()).collect();
    assert_eq!((state.as_str(), store.writes()), ("Running", 0));
    assert_eq!(owned, ["register", "make_consumer", "allow", "push_config", "open_room", "run"]);
    for worker in &fleet {
        assert!(matches!(runner.reconcile(worker).await.unwrap(), Outcome::Resting(AdoptedState::Running(_))));
        assert!(matches!(runner.reconcile(worker).await.unwrap(), Outcome::Resting(_)));
    }
    let calls = world.calls.take();
    let changes: Vec<_> = calls.iter().filter(|call| call.method != "GET").collect();
    assert_eq!((calls.len(), changes.len()), (2 * (FLEET + 1), 0), "{changes:?}");
    assert_eq!(world.mail.taken(), [], "no second welcome mail is sent");
    assert_eq!(store.writes() as usize, FLEET);
    assert_eq!((clients.higress.audit().await.unwrap(), clients.matrix.audit().await.unwrap()), (before, rooms_before));

    for worker in &fleet {
        let deleted = Worker { deleting: true, ..worker.clone() };
        loop {
            match runner.reconcile(&deleted).await.unwrap() {
                Outcome::Gone => break,
                Outcome::Progressing { after, .. } => clock.advance(after),
                Outcome::Blocked { message, .. } | Outcome::Held { message, .. } => {
                    panic!("{}: {message}", worker.name)
                }
                _ => panic!("{} stays", worker.name),
            }
        }
    }
    let (consumers, routes) = clients.higress.audit().await.unwrap();
    assert_eq!(consumers.as_array().map(Vec::len), Some(0));
    assert!(!routes.to_string().contains("worker-w"), "{routes}");
    assert_eq!(clients.oss.list("agents/").await.unwrap(), Vec::<String>::new());
    assert_eq!(clients.docker.all().await.unwrap().len(), 0);
    let (rooms, _) = clients.matrix.audit().await.unwrap();
    // As the old reconciler had it: the manager, who was invited, stays.
    let rooms = rooms.pointer("/rooms").and_then(Value::as_array).cloned().unwrap_or_default();
    assert!(rooms.len() == FLEET && rooms.iter().all(|room| room["joined_members"] == 1), "{rooms:?}");
    assert_eq!(world.mail.taken(), []);
}
