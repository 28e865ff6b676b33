//! Things that a provider addresses by name: a late duplicate affects whatever has the name by then.

/// A set whose members are names: one that leaves and comes back is another one of the same name, and the undo of the first goes by it.
pub mod members {
    use std::collections::BTreeSet;

    use durable_fsm::testing::{AssertOk, Shelf, ShelfError, Sim, Thing, World, explore};
    use durable_fsm::{Each, Fsm, Undone};

    use crate::worlds::resource::App;

    /// Keeps a group.
    #[derive(Fsm)]
    #[fsm(name = "test.io/members", version = 1, resource = App)]
    pub enum MembersFlow {
        /// Nothing yet.
        #[fsm(initial)]
        #[transition(begin -> Ready, no_effect)]
        Requested,
        /// All members are there.
        #[fsm(resting)]
        #[transition(add_member, for_each = members, in_doubt = repeat, undo = remove_member, settle = "5s")]
        Ready { members: Each<String, String> },
    }

    #[derive(Clone)]
    pub struct Cloud(Shelf);

    impl MembersTransitions for Cloud {
        type Error = ShelfError;
        fn begin(&self, from: Requested, _: &MembersAttempt) -> Result<Ready, ShelfError> {
            Ok(from.ready())
        }
        fn members(&self, _: &Ready, app: &App) -> BTreeSet<String> {
            app.0.members.clone()
        }
        async fn add_member(&self, _: &Ready, name: &String, attempt: &MembersAttempt) -> Result<String, ShelfError> {
            self.0.claim(name, attempt.key(), attempt.owner_tag()).await
        }
        async fn remove_member(
            &self,
            _: &Ready,
            name: &String,
            _: &String,
            attempt: &MembersAttempt,
        ) -> Result<Undone, ShelfError> {
            self.0.remove_name(name, attempt.owner_tag()).await.map(Undone::from)
        }
    }

    impl World for Cloud {
        type Machine = MembersFlow;
        type Transitions = Self;
        fn new(sim: &Sim) -> Self {
            Self(Shelf::new(sim, "member"))
        }
        fn transitions(&self) -> Self {
            self.clone()
        }
        fn resource() -> App {
            App::new("v1", &["a"])
        }
        fn edits() -> Vec<App> {
            vec![App::new("v1", &["b"]), App::new("v1", &["a"])]
        }
        fn inventory(&self) -> Vec<Thing> {
            self.0.inventory()
        }
    }

    #[test]
    fn survives_every_pair_of_faults() {
        println!("{}", explore::<Cloud>().faults(2).run().assert_ok());
    }
}

/// Names that are given back when a step is rejected, and claimed again.
pub mod returned {
    use durable_fsm::testing::{AssertOk, Shelf, ShelfError, Sim, Thing, World, explore};
    use durable_fsm::{Fsm, Undone};

    use crate::worlds::resource::App;

    /// Two named things, or none.
    #[derive(Fsm)]
    #[fsm(name = "test.io/returned", version = 1, resource = App, on_rejected = undo)]
    pub enum ReturnedFlow {
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

    impl ReturnedTransitions for Cloud {
        type Error = ShelfError;
        async fn claim_user(&self, from: Requested, attempt: &ReturnedAttempt) -> Result<Claimed, ShelfError> {
            Ok(from.claimed(self.0.claim("user", attempt.key(), attempt.owner_tag()).await?))
        }
        async fn release_user(&self, _: &Claimed, attempt: &ReturnedAttempt) -> Result<Undone, ShelfError> {
            self.0.remove_name("user", attempt.owner_tag()).await.map(Undone::from)
        }
        async fn claim_alias(&self, from: Claimed, attempt: &ReturnedAttempt) -> Result<Ready, ShelfError> {
            Ok(from.ready(self.0.claim("alias", attempt.key(), attempt.owner_tag()).await?))
        }
        async fn release_alias(&self, _: &Ready, attempt: &ReturnedAttempt) -> Result<Undone, ShelfError> {
            self.0.remove_name("alias", attempt.owner_tag()).await.map(Undone::from)
        }
    }

    impl World for Cloud {
        type Machine = ReturnedFlow;
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
}
