//! Each answer of a look-up: a half-built thing without an abort, a thing of somebody else, a thing of a deleted namesake.

/// An archive that outlives its resource, and that the next one of the same name takes over.
pub mod heir {
    use durable_fsm::testing::{AssertOk, Shelf, ShelfError, Sim, Thing, World, explore};
    use durable_fsm::{Fsm, Lookup, Undone};

    use crate::worlds::resource::App;

    /// An archive, and a key to it.
    #[derive(Fsm)]
    #[fsm(name = "test.io/heir", version = 1, resource = App)]
    pub enum HeirFlow {
        /// Nothing yet.
        #[fsm(initial)]
        #[transition(open_archive -> Opened, in_doubt = lookup, undo = retain, predecessor = adopt, settle = "5s")]
        Requested,
        /// The archive is there.
        #[transition(cut_key -> Ready, in_doubt = repeat, undo = melt_key, settle = "5s")]
        Opened { archive: String },
        /// And a key to it.
        #[fsm(resting)]
        Ready { key: String },
    }

    #[derive(Clone)]
    pub struct Cloud {
        archives: Shelf,
        keys: Shelf,
    }

    impl HeirTransitions for Cloud {
        type Error = ShelfError;
        async fn open_archive(&self, from: Requested, attempt: &HeirAttempt) -> Result<Opened, ShelfError> {
            Ok(from.opened(self.archives.claim("archive", attempt.key(), attempt.owner_tag()).await?))
        }
        async fn lookup_open_archive(
            &self,
            from: Requested,
            attempt: &HeirAttempt,
        ) -> Result<Lookup<Opened>, ShelfError> {
            let there = self.archives.shelved().into_iter().find(|it| it.name == "archive");
            Ok(match there {
                None => Lookup::Absent,
                Some(it) if it.owner == attempt.owner_tag() => Lookup::Ours(from.opened(it.id)),
                Some(it) => Lookup::Predecessor(from.opened(it.id)),
            })
        }
        async fn cut_key(&self, from: Opened, attempt: &HeirAttempt) -> Result<Ready, ShelfError> {
            Ok(from.ready(self.keys.put(attempt.key(), attempt.owner_tag()).await?))
        }
        async fn melt_key(&self, made: &Ready, _: &HeirAttempt) -> Result<Undone, ShelfError> {
            self.keys.remove(&made.key).await.map(Undone::from)
        }
    }

    impl World for Cloud {
        type Machine = HeirFlow;
        type Transitions = Self;
        fn new(sim: &Sim) -> Self {
            Self { archives: Shelf::new(sim, "archive"), keys: Shelf::new(sim, "key") }
        }
        fn transitions(&self) -> Self {
            self.clone()
        }
        fn resource() -> App {
            App::new("v1", &[])
        }
        fn edits() -> Vec<App> {
            vec![App::new("v2", &[])]
        }
        fn idle_edits() -> Vec<usize> {
            vec![1]
        }
        fn inventory(&self) -> Vec<Thing> {
            [self.archives.inventory(), self.keys.inventory()].concat()
        }
    }

    #[test]
    fn survives_every_pair_of_faults() {
        println!("{}", explore::<Cloud>().faults(2).run().assert_ok());
    }
}

/// A name that somebody else has for a while: what is asked for in the meantime is not ours.
pub mod taken {
    use durable_fsm::testing::{AssertOk, Shelf, ShelfError, Sim, Thing, World, explore};
    use durable_fsm::{Fsm, Lookup, Undone};
    use std::time::Duration;

    use crate::worlds::resource::App;

    /// A bucket, under a name that all share.
    #[derive(Fsm)]
    #[fsm(name = "test.io/taken", version = 1, resource = App)]
    pub enum TakenFlow {
        /// Nothing yet.
        #[fsm(initial)]
        #[transition(make_bucket -> Ready, in_doubt = lookup, undo = drop_bucket, settle = "5s")]
        Requested,
        /// The bucket is ours.
        #[fsm(resting)]
        Ready { bucket: String },
    }

    #[derive(Clone)]
    pub struct Cloud(Shelf, Sim);

    impl Cloud {
        /// Between half a minute and 200 s somebody else has the name, unless it is ours by then.
        fn is_taken(&self) -> bool {
            self.0.is_empty() && (Duration::from_secs(30)..Duration::from_secs(200)).contains(&self.1.now())
        }
    }

    impl TakenTransitions for Cloud {
        type Error = ShelfError;
        async fn make_bucket(&self, from: Requested, attempt: &TakenAttempt) -> Result<Ready, ShelfError> {
            if self.is_taken() {
                return Err(ShelfError::Taken("bucket".to_owned()));
            }
            Ok(from.ready(self.0.claim("bucket", attempt.key(), attempt.owner_tag()).await?))
        }
        async fn lookup_make_bucket(
            &self,
            from: Requested,
            attempt: &TakenAttempt,
        ) -> Result<Lookup<Ready>, ShelfError> {
            if self.is_taken() {
                return Ok(Lookup::NotOurs);
            }
            Ok(match self.0.find_name("bucket", attempt.owner_tag()).await {
                Lookup::Ours(it) => Lookup::Ours(from.ready(it.id)),
                Lookup::NotOurs => Lookup::NotOurs,
                _ => Lookup::Absent,
            })
        }
        async fn drop_bucket(&self, made: &Ready, _: &TakenAttempt) -> Result<Undone, ShelfError> {
            self.0.remove(&made.bucket).await.map(Undone::from)
        }
    }

    impl World for Cloud {
        type Machine = TakenFlow;
        type Transitions = Self;
        fn new(sim: &Sim) -> Self {
            Self(Shelf::new(sim, "bucket"), sim.clone())
        }
        fn transitions(&self) -> Self {
            self.clone()
        }
        fn resource() -> App {
            App::new("v1", &[])
        }
        fn edits() -> Vec<App> {
            vec![App::new("v2", &[])]
        }
        fn idle_edits() -> Vec<usize> {
            vec![1]
        }
        fn strangers(&self) {
            self.0.foreign("bucket", "somebody");
        }
        fn inventory(&self) -> Vec<Thing> {
            self.0.inventory()
        }
    }

    #[test]
    fn survives_every_pair_of_faults() {
        println!("{}", explore::<Cloud>().faults(2).run().assert_ok());
    }

    #[test]
    fn survives_every_pair_of_faults_among_strangers() {
        println!("{}", explore::<Cloud>().among_strangers().faults(2).run().assert_ok());
    }
}
