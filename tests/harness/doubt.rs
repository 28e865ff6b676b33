//! One machine for each contract that the other worlds do not have: by name, by lagging look-up, by hold, by abort.

/// A provider that knows a name when it sees it again.
pub mod named {
    use durable_fsm::testing::{AssertOk, Shelf, ShelfError, Sim, Thing, World, explore};
    use durable_fsm::{Fsm, Undone};

    use crate::worlds::resource::App;

    /// Two named things.
    #[derive(Fsm)]
    #[fsm(name = "test.io/named", version = 1, resource = App)]
    pub enum NamedFlow {
        /// Nothing yet.
        #[fsm(initial)]
        #[transition(claim_user -> Claimed, in_doubt = repeat, undo = release_user, settle = "5s")]
        Requested,
        /// The user is there.
        #[transition(claim_alias -> Ready, in_doubt = repeat, undo = release_alias, settle = "5s")]
        Claimed { user: String },
        /// And the alias.
        #[fsm(resting)]
        Ready { alias: String },
    }

    #[derive(Clone)]
    pub struct Cloud(Shelf);

    impl NamedTransitions for Cloud {
        type Error = ShelfError;
        async fn claim_user(&self, from: Requested, attempt: &NamedAttempt) -> Result<Claimed, ShelfError> {
            Ok(from.claimed(self.0.claim("user", attempt.key(), attempt.owner_tag()).await?))
        }
        async fn release_user(&self, _: &Claimed, attempt: &NamedAttempt) -> Result<Undone, ShelfError> {
            self.0.remove_name("user", attempt.owner_tag()).await.map(Undone::from)
        }
        async fn claim_alias(&self, from: Claimed, attempt: &NamedAttempt) -> Result<Ready, ShelfError> {
            Ok(from.ready(self.0.claim("alias", attempt.key(), attempt.owner_tag()).await?))
        }
        async fn release_alias(&self, _: &Ready, attempt: &NamedAttempt) -> Result<Undone, ShelfError> {
            self.0.remove_name("alias", attempt.owner_tag()).await.map(Undone::from)
        }
    }

    impl World for Cloud {
        type Machine = NamedFlow;
        type Transitions = Self;
        fn new(sim: &Sim) -> Self {
            Self(Shelf::new(sim, "name"))
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
            self.0.foreign("alias", "somebody");
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

    #[test]
    fn survives_every_pair_on_a_store_of_its_own() {
        println!("{}", explore::<Cloud>().faults(2).exclusive().run().assert_ok());
    }
}

/// A provider whose look-ups lag, and whose things are made by two calls, so that one can be found half-built.
pub mod lagging {
    use std::time::Duration;

    use durable_fsm::testing::{AssertOk, Shelf, ShelfError, Sim, Thing, World, explore};
    use durable_fsm::{Fsm, Lookup, Undone};

    use crate::worlds::resource::App;

    /// A network, and a machine in it.
    #[derive(Fsm)]
    #[fsm(name = "test.io/lagging", version = 1, resource = App)]
    pub enum LaggingFlow {
        /// Nothing yet.
        #[fsm(initial)]
        #[transition(create_network -> Networked, in_doubt = lookup, undo = delete_network, settle = "20s")]
        Requested,
        /// The network is there.
        #[transition(create_machine -> Ready, in_doubt = lookup, undo = delete_machine, abort = clean_up_machine, settle = "20s")]
        Networked { network: String },
        /// And the machine.
        #[fsm(resting)]
        Ready { machine: String },
    }

    #[derive(Clone)]
    pub struct Cloud(Shelf);

    impl LaggingTransitions for Cloud {
        type Error = ShelfError;
        async fn create_network(&self, from: Requested, attempt: &LaggingAttempt) -> Result<Networked, ShelfError> {
            Ok(from.networked(self.0.add(attempt.key(), attempt.owner_tag()).await?))
        }
        async fn lookup_create_network(
            &self,
            from: Requested,
            attempt: &LaggingAttempt,
        ) -> Result<Lookup<Networked>, ShelfError> {
            Ok(match self.0.find(attempt.key(), attempt.owner_tag()).await {
                Lookup::Ours(it) => Lookup::Ours(from.networked(it.id)),
                _ => Lookup::Absent,
            })
        }
        async fn delete_network(&self, made: &Networked, _: &LaggingAttempt) -> Result<Undone, ShelfError> {
            self.0.remove(&made.network).await.map(Undone::from)
        }
        async fn create_machine(&self, from: Networked, attempt: &LaggingAttempt) -> Result<Ready, ShelfError> {
            let machine = self.0.begin(attempt.key(), attempt.owner_tag()).await?;
            self.0.finish(&machine).await?;
            Ok(from.ready(machine))
        }
        async fn lookup_create_machine(
            &self,
            from: Networked,
            attempt: &LaggingAttempt,
        ) -> Result<Lookup<Ready>, ShelfError> {
            Ok(match self.0.find(attempt.key(), attempt.owner_tag()).await {
                Lookup::Ours(it) => Lookup::Ours(from.ready(it.id)),
                Lookup::Incomplete => Lookup::Incomplete,
                _ => Lookup::Absent,
            })
        }
        async fn delete_machine(&self, made: &Ready, _: &LaggingAttempt) -> Result<Undone, ShelfError> {
            self.0.remove(&made.machine).await.map(Undone::from)
        }
        async fn clean_up_machine(&self, _: &Networked, attempt: &LaggingAttempt) -> Result<Undone, ShelfError> {
            self.0.remove_key(attempt.key()).await.map(Undone::from)
        }
    }

    impl World for Cloud {
        type Machine = LaggingFlow;
        type Transitions = Self;
        fn new(sim: &Sim) -> Self {
            Self(Shelf::new(sim, "thing").lagging(Duration::from_secs(10)))
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
            self.0.inventory()
        }
        fn check_final(&self, _: &durable_fsm::testing::At<'_, App>) -> Result<(), String> {
            let half_built = self.0.shelved().into_iter().find(|thing| !thing.complete);
            half_built.map_or(Ok(()), |thing| Err(format!("{} is half-built", thing.id)))
        }
    }

    #[test]
    fn survives_every_pair_of_faults() {
        println!("{}", explore::<Cloud>().faults(2).run().assert_ok());
    }
}

/// A provider that cannot be searched: a doubt waits for a person, unless the resource is to be deleted.
pub mod opaque {
    use durable_fsm::testing::{AssertOk, Shelf, ShelfError, Sim, Thing, World, explore};
    use durable_fsm::{Fsm, Undone};

    use crate::worlds::resource::App;

    /// A licence, and a mail that says so.
    #[derive(Fsm)]
    #[fsm(name = "test.io/opaque", version = 1, resource = App)]
    pub enum OpaqueFlow {
        /// Nothing yet.
        #[fsm(initial)]
        #[transition(buy_licence -> Licensed, in_doubt = hold, undo = return_licence, abort = return_any, settle = "5s")]
        Requested,
        /// The licence is ours.
        #[transition(send_mail -> Ready, in_doubt = hold, undo = none, settle = "5s")]
        Licensed { licence: String },
        /// Everybody knows.
        #[fsm(resting)]
        Ready { mail: String },
    }

    #[derive(Clone)]
    pub struct Cloud {
        licences: Shelf,
        mails: Shelf,
    }

    impl OpaqueTransitions for Cloud {
        type Error = ShelfError;
        async fn buy_licence(&self, from: Requested, attempt: &OpaqueAttempt) -> Result<Licensed, ShelfError> {
            Ok(from.licensed(self.licences.add(attempt.key(), attempt.owner_tag()).await?))
        }
        async fn return_licence(&self, made: &Licensed, _: &OpaqueAttempt) -> Result<Undone, ShelfError> {
            self.licences.remove(&made.licence).await.map(Undone::from)
        }
        async fn return_any(&self, _: &Requested, attempt: &OpaqueAttempt) -> Result<Undone, ShelfError> {
            self.licences.remove_key(attempt.key()).await.map(Undone::from)
        }
        async fn send_mail(&self, from: Licensed, attempt: &OpaqueAttempt) -> Result<Ready, ShelfError> {
            Ok(from.ready(self.mails.add(attempt.key(), attempt.owner_tag()).await?))
        }
    }

    impl World for Cloud {
        type Machine = OpaqueFlow;
        type Transitions = Self;
        fn new(sim: &Sim) -> Self {
            Self { licences: Shelf::new(sim, "licence"), mails: Shelf::new(sim, "mail") }
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
            [self.licences.inventory(), self.mails.inventory()].concat()
        }
    }

    /// A controller that is paused past its deadline is taken to be in doubt, and held. When it wakes up it knows better; once the
    /// record stayed held all the same, in doubt about nothing, and could not be resolved.
    #[test]
    fn a_person_who_knows_the_outcome_ends_the_doubt() {
        for plan in ["buy_licence/commit#1=pause", "buy_licence/effect#1=pause", "send_mail/commit#1=pause"] {
            let timeline = explore::<Cloud>().timeline(&plan.parse().unwrap());
            explore::<Cloud>().replay(&plan.parse().unwrap()).assert_ok();
            assert!(timeline.contains("(held)") && timeline.contains("the pass ends: Resting"), "{timeline}");
        }
    }

    /// A stale read after a conflict once made the driver write the intent again, byte for byte, take the record that it found for
    /// the one that it had just sent, and buy a second licence.
    #[test]
    fn an_earlier_intent_is_not_taken_for_the_one_just_sent() {
        let plan = "buy_licence/commit#1=conflict; load#2=stale".parse().unwrap();
        explore::<Cloud>().replay(&plan).assert_ok();
    }

    #[test]
    fn survives_every_pair_of_faults() {
        let report = explore::<Cloud>().faults(2).run().assert_ok();
        println!("{report}");
        assert!(report.ended_held > 0);
    }
}
