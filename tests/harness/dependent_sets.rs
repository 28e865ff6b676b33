//! Sets that depend on sets: users with their grants, where all that is wanted is made first; and machines that are replaced by one more than are wanted, each
//! of which gets work once it is up.

mod granted {
    //! A grant depends on its user, and both say nothing of how many may go at once.
    use std::collections::BTreeSet;

    use durable_fsm::testing::{At, Shelf, ShelfError, Sim, Thing, World};
    use durable_fsm::{Each, Fsm, Undone};

    use crate::worlds::resource::App;

    /// Users with their grants.
    #[derive(Fsm)]
    #[fsm(name = "test.io/granted", version = 1, resource = App, settle = "2s")]
    pub enum GrantedFlow {
        /// Nothing yet.
        #[fsm(initial)]
        #[transition(open -> Serving, no_effect)]
        Requested,
        /// Each wanted user is there, with what it may do.
        #[fsm(resting)]
        #[transition(create_user, for_each = users, in_doubt = repeat, undo = drop_user)]
        #[transition(grant, for_each = grants, on = users, in_doubt = repeat, undo = revoke, abort = revoke_any)]
        Serving { users: Each<String, String>, grants: Each<String, String> },
    }

    #[derive(Clone)]
    pub struct Database {
        users: Shelf,
        grants: Shelf,
    }

    impl GrantedTransitions for Database {
        type Error = ShelfError;
        fn open(&self, from: Requested, _: &GrantedAttempt) -> Result<Serving, ShelfError> {
            Ok(from.serving())
        }
        fn users(&self, _: &Serving, app: &App) -> BTreeSet<String> {
            app.0.members.clone()
        }
        async fn create_user(
            &self,
            _: &Serving,
            subject: &String,
            attempt: &GrantedAttempt,
        ) -> Result<String, ShelfError> {
            self.users.made_of(subject).put(attempt.key(), attempt.owner_tag()).await
        }
        async fn drop_user(
            &self,
            _: &Serving,
            _: &String,
            made: &String,
            _: &GrantedAttempt,
        ) -> Result<Undone, ShelfError> {
            self.users.remove(made).await.map(Undone::from)
        }
        async fn grant(&self, at: &Serving, subject: &String, attempt: &GrantedAttempt) -> Result<String, ShelfError> {
            assert!(at.users.contains_key(subject), "nothing is granted to a user who does not exist");
            self.grants.made_of(subject).put(attempt.key(), attempt.owner_tag()).await
        }
        async fn revoke(
            &self,
            _: &Serving,
            _: &String,
            made: &String,
            _: &GrantedAttempt,
        ) -> Result<Undone, ShelfError> {
            self.grants.remove(made).await.map(Undone::from)
        }
        async fn revoke_any(&self, _: &Serving, _: &String, attempt: &GrantedAttempt) -> Result<Undone, ShelfError> {
            self.grants.remove_key(attempt.key()).await.map(Undone::from)
        }
    }

    impl World for Database {
        type Machine = GrantedFlow;
        type Transitions = Self;
        fn new(sim: &Sim) -> Self {
            Self { users: Shelf::new(sim, "user"), grants: Shelf::new(sim, "grant") }
        }
        fn transitions(&self) -> Self {
            self.clone()
        }
        fn resource() -> App {
            App::new("", &["ada", "ben"])
        }
        fn edits() -> Vec<App> {
            vec![App::new("", &["ben", "cleo"])]
        }
        fn inventory(&self) -> Vec<Thing> {
            [self.users.inventory(), self.grants.inventory()].concat()
        }
        fn check(&self, at: &At<'_, App>) -> Result<(), String> {
            let of = |kind: &str| -> BTreeSet<&str> {
                at.things.iter().filter(|thing| thing.kind == kind).map(|thing| thing.detail.as_str()).collect()
            };
            match of("grant").difference(&of("user")).next() {
                Some(user) => Err(format!("something is granted to {user}, who does not exist")),
                None => Ok(()),
            }
        }
    }

    durable_fsm::survive! { mod survives for Database { create_user, grant } }
}

mod replaced {
    //! Each machine gets work once it is up. One more than are wanted may exist meanwhile, and no fewer than are wanted get work.
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::Duration;

    use durable_fsm::record::Direction;
    use durable_fsm::testing::{At, Shelf, ShelfError, Sim, Thing, Timer, World};
    use durable_fsm::{Each, Fsm, Undone, Wait};

    use crate::worlds::resource::App;

    /// Machines that get work.
    #[derive(Fsm)]
    #[fsm(name = "test.io/replaced", version = 1, resource = App, settle = "2s")]
    pub enum ReplacedFlow {
        /// Nothing yet.
        #[fsm(initial)]
        #[transition(open -> Serving, no_effect)]
        Requested,
        /// As many machines as are wanted get work.
        #[fsm(resting)]
        #[transition(boot, for_each = machines, surge = 1, in_doubt = repeat, undo = stop, abort = stop_any)]
        #[transition(await_boot, for_each = up, on = machines, waits, every = "10s", within = "5m")]
        #[transition(admit, for_each = admitted, on = up, transport = once, in_doubt = repeat, undo = drain)]
        Serving { machines: Each<String, String>, up: Each<String, ()>, admitted: Each<String, String> },
    }

    #[derive(Clone)]
    pub struct Site {
        machines: Shelf,
        admitted: Shelf,
        boots: Arc<Mutex<BTreeMap<String, Timer>>>,
        was_whole: Arc<AtomicBool>,
        sim: Sim,
    }

    impl ReplacedTransitions for Site {
        type Error = ShelfError;
        fn open(&self, from: Requested, _: &ReplacedAttempt) -> Result<Serving, ShelfError> {
            Ok(from.serving())
        }
        fn machines(&self, _: &Serving, app: &App) -> BTreeSet<String> {
            app.0.members.clone()
        }
        async fn boot(&self, _: &Serving, subject: &String, attempt: &ReplacedAttempt) -> Result<String, ShelfError> {
            let id = self.machines.made_of(subject).put(attempt.key(), attempt.owner_tag()).await?;
            let mut boots = self.boots.lock().unwrap_or_else(PoisonError::into_inner);
            boots.entry(id.clone()).or_insert_with(|| Timer::new(&self.sim)).start_once(Duration::from_secs(25));
            Ok(id)
        }
        async fn stop(
            &self,
            _: &Serving,
            _: &String,
            made: &String,
            _: &ReplacedAttempt,
        ) -> Result<Undone, ShelfError> {
            self.machines.remove(made).await.map(Undone::from)
        }
        async fn stop_any(&self, _: &Serving, _: &String, attempt: &ReplacedAttempt) -> Result<Undone, ShelfError> {
            self.machines.remove_key(attempt.key()).await.map(Undone::from)
        }
        async fn await_boot(
            &self,
            at: &Serving,
            subject: &String,
            _: &ReplacedAttempt,
        ) -> Result<Wait<()>, ShelfError> {
            let boots = self.boots.lock().unwrap_or_else(PoisonError::into_inner);
            let is_up = at.machines.get(subject).and_then(|id| boots.get(id)).is_some_and(Timer::is_done);
            Ok(if is_up { Wait::Done(()) } else { Wait::NotYet })
        }
        async fn admit(&self, _: &Serving, subject: &String, attempt: &ReplacedAttempt) -> Result<String, ShelfError> {
            self.admitted.made_of(subject).put(attempt.key(), attempt.owner_tag()).await
        }
        async fn drain(
            &self,
            _: &Serving,
            _: &String,
            made: &String,
            _: &ReplacedAttempt,
        ) -> Result<Undone, ShelfError> {
            self.admitted.remove(made).await.map(Undone::from)
        }
    }

    impl World for Site {
        type Machine = ReplacedFlow;
        type Transitions = Self;
        fn new(sim: &Sim) -> Self {
            Self {
                machines: Shelf::new(sim, "machine"),
                admitted: Shelf::new(sim, "admission"),
                boots: Arc::default(),
                was_whole: Arc::default(),
                sim: sim.clone(),
            }
        }
        fn transitions(&self) -> Self {
            self.clone()
        }
        fn resource() -> App {
            App::new("", &["a1", "b1"])
        }
        fn edits() -> Vec<App> {
            vec![App::new("", &["a2", "b2"])]
        }
        fn inventory(&self) -> Vec<Thing> {
            [self.machines.inventory(), self.admitted.inventory()].concat()
        }
        fn check(&self, at: &At<'_, App>) -> Result<(), String> {
            let of = |kind: &str| -> BTreeSet<&str> {
                at.things.iter().filter(|thing| thing.kind == kind).map(|thing| thing.detail.as_str()).collect()
            };
            let (machines, admitted) = (of("machine"), of("admission"));
            if let Some(lost) = admitted.difference(&machines).next() {
                return Err(format!("{lost} gets work, and does not exist"));
            }
            if at.record.is_none_or(|record| record.direction != Direction::Forward) {
                self.was_whole.store(false, Ordering::Relaxed);
                return Ok(());
            }
            // A provider that knows keys makes the members of a record that is gone once more, under other keys.
            if machines.len() > 3 && !at.restored {
                return Err(format!("there are {} machines", machines.len()));
            }
            if admitted.len() == 2 {
                self.was_whole.store(true, Ordering::Relaxed);
            }
            if self.was_whole.load(Ordering::Relaxed) && admitted.len() < 2 {
                return Err(format!("{} of 2 get work", admitted.len()));
            }
            Ok(())
        }
    }

    durable_fsm::survive! { mod survives for Site { boot, await_boot, admit } }
}
