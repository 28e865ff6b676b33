//! Machines that bugs are planted in, and machines that are bugs.

use crate::ResourceId;

/// The resource of all of them.
#[derive(Clone)]
pub(crate) struct App(u32);

impl crate::Resource for App {
    type Spec = u32;
    fn id(&self) -> ResourceId {
        ResourceId::new("", "app")
    }
    fn uid(&self) -> &str {
        "uid-1"
    }
    fn spec(&self) -> &u32 {
        &self.0
    }
}

pub(super) use adopting::Adopting;
pub(super) use keyed::{Keyed, Unseen};
pub(super) use looping::Looping;
pub(super) use opaque::Opaque;
pub(super) use queueing::Queueing;
pub(super) use timed::Timed;
pub(super) use trusting::Trusting;

mod keyed {
    use super::App;
    use crate::Fsm;
    use crate::testing::{Shelf, ShelfError, Sim, Thing, World};

    /// Two keyed things, and an update.
    #[derive(Fsm)]
    #[fsm(name = "planted/keyed", version = 1, resource = App)]
    pub(crate) enum KeyedFlow {
        /// Nothing.
        #[fsm(initial)]
        #[transition(make_a -> MadeA, in_doubt = repeat, undo = drop_a, settle = "5s")]
        Requested,
        /// One.
        #[transition(make_b -> MadeB, in_doubt = repeat, undo = drop_b, settle = "5s")]
        MadeA { a: String },
        /// Both.
        #[transition(note -> Ready, no_effect)]
        MadeB { b: String },
        /// Both, and what they run.
        #[fsm(resting)]
        #[transition(apply -> Ready, when = changed, in_doubt = repeat, undo = none, settle = "5s")]
        Ready { applied: u32 },
    }

    #[derive(Clone)]
    pub(crate) struct Keyed(Shelf);

    impl KeyedTransitions for Keyed {
        type Error = ShelfError;
        async fn make_a(&self, from: Requested, attempt: &KeyedAttempt) -> Result<MadeA, ShelfError> {
            Ok(from.made_a(self.0.put(attempt.key(), attempt.owner_tag()).await?))
        }
        async fn drop_a(&self, made: &MadeA, _: &KeyedAttempt) -> Result<(), ShelfError> {
            self.0.remove(&made.a).await
        }
        async fn make_b(&self, from: MadeA, attempt: &KeyedAttempt) -> Result<MadeB, ShelfError> {
            Ok(from.made_b(self.0.put(attempt.key(), attempt.owner_tag()).await?))
        }
        fn note(&self, from: MadeB, attempt: &KeyedAttempt) -> Result<Ready, ShelfError> {
            Ok(from.ready(*attempt.spec()))
        }
        async fn drop_b(&self, made: &MadeB, _: &KeyedAttempt) -> Result<(), ShelfError> {
            self.0.remove(&made.b).await
        }
        fn changed(&self, at: &Ready, app: &App) -> bool {
            at.applied != app.0
        }
        async fn apply(&self, from: Ready, attempt: &KeyedAttempt) -> Result<Ready, ShelfError> {
            Ok(from.ready(*attempt.spec()))
        }
    }

    impl World for Keyed {
        type Machine = KeyedFlow;
        type Transitions = Self;
        fn new(sim: &Sim) -> Self {
            Self(Shelf::new(sim, "thing"))
        }
        fn transitions(&self) -> Self {
            self.clone()
        }
        fn resource() -> App {
            App(1)
        }
        fn edits() -> Vec<App> {
            vec![App(2)]
        }
        fn inventory(&self) -> Vec<Thing> {
            self.0.inventory()
        }
    }

    /// The same, where nobody can see what exists.
    #[derive(Clone)]
    pub(crate) struct Unseen(Keyed);

    impl World for Unseen {
        type Machine = KeyedFlow;
        type Transitions = Keyed;
        fn new(sim: &Sim) -> Self {
            Self(Keyed::new(sim))
        }
        fn transitions(&self) -> Keyed {
            self.0.clone()
        }
        fn resource() -> App {
            Keyed::resource()
        }
        fn edits() -> Vec<App> {
            Keyed::edits()
        }
        fn inventory(&self) -> Vec<Thing> {
            Vec::new()
        }
    }
}

mod looping {
    use super::App;
    use crate::Fsm;
    use crate::testing::{Shelf, ShelfError, Sim, Thing, World};

    /// A page, published again whenever it changes. It is the same page, and undone once.
    #[derive(Fsm)]
    #[fsm(name = "planted/looping", version = 1, resource = App)]
    pub(crate) enum LoopingFlow {
        /// Nothing.
        #[fsm(initial)]
        #[transition(begin -> Ready, no_effect)]
        Requested,
        /// Published, unless it is at no version yet.
        #[fsm(resting)]
        #[transition(publish -> Ready, when = changed, in_doubt = repeat, undo = unpublish, settle = "5s")]
        Ready { page: String, version: u32 },
    }

    #[derive(Clone)]
    pub(crate) struct Looping(Shelf);

    impl LoopingTransitions for Looping {
        type Error = ShelfError;
        fn begin(&self, from: Requested, _: &LoopingAttempt) -> Result<Ready, ShelfError> {
            Ok(from.ready(ReadyFacts { page: String::new(), version: 0 }))
        }
        fn changed(&self, at: &Ready, app: &App) -> bool {
            at.version != app.0
        }
        async fn publish(&self, from: Ready, attempt: &LoopingAttempt) -> Result<Ready, ShelfError> {
            let page = self.0.put(attempt.key(), attempt.owner_tag()).await?;
            Ok(from.ready(ReadyFacts { page, version: *attempt.spec() }))
        }
        async fn unpublish(&self, made: &Ready, _: &LoopingAttempt) -> Result<(), ShelfError> {
            self.0.remove(&made.page).await
        }
    }

    impl World for Looping {
        type Machine = LoopingFlow;
        type Transitions = Self;
        fn new(sim: &Sim) -> Self {
            Self(Shelf::new(sim, "page"))
        }
        fn transitions(&self) -> Self {
            self.clone()
        }
        fn resource() -> App {
            App(1)
        }
        fn edits() -> Vec<App> {
            vec![App(2), App(3)]
        }
        fn inventory(&self) -> Vec<Thing> {
            self.0.inventory()
        }
    }
}

mod opaque {
    use super::App;
    use crate::Fsm;
    use crate::testing::{Shelf, ShelfError, Sim, Thing, World};

    /// One thing that cannot be asked for.
    #[derive(Fsm)]
    #[fsm(name = "planted/opaque", version = 1, resource = App)]
    pub(crate) enum OpaqueFlow {
        /// Nothing.
        #[fsm(initial)]
        #[transition(buy -> Ready, in_doubt = hold, undo = give_back, abort = give_any_back, settle = "5s")]
        Requested,
        /// Bought.
        #[fsm(resting)]
        Ready { licence: String },
    }

    #[derive(Clone)]
    pub(crate) struct Opaque(Shelf);

    impl OpaqueTransitions for Opaque {
        type Error = ShelfError;
        async fn buy(&self, from: Requested, attempt: &OpaqueAttempt) -> Result<Ready, ShelfError> {
            Ok(from.ready(self.0.add(attempt.key(), attempt.owner_tag()).await?))
        }
        async fn give_back(&self, made: &Ready, _: &OpaqueAttempt) -> Result<(), ShelfError> {
            self.0.remove(&made.licence).await
        }
        async fn give_any_back(&self, _: &Requested, attempt: &OpaqueAttempt) -> Result<(), ShelfError> {
            self.0.remove_key(attempt.key()).await
        }
    }

    impl World for Opaque {
        type Machine = OpaqueFlow;
        type Transitions = Self;
        fn new(sim: &Sim) -> Self {
            Self(Shelf::new(sim, "licence"))
        }
        fn transitions(&self) -> Self {
            self.clone()
        }
        fn resource() -> App {
            App(1)
        }
        fn inventory(&self) -> Vec<Thing> {
            self.0.inventory()
        }
    }
}

mod adopting {
    use super::App;
    use crate::testing::{At, Shelf, ShelfError, Sim, Thing, World};
    use crate::{Fsm, Lookup};

    /// Takes over whatever has the right name.
    #[derive(Fsm)]
    #[fsm(name = "planted/adopting", version = 1, resource = App)]
    pub(crate) enum AdoptingFlow {
        /// Nothing.
        #[fsm(initial)]
        #[transition(claim -> Ready, in_doubt = lookup, undo = give_up, settle = "5s")]
        Requested,
        /// Claimed.
        #[fsm(resting)]
        Ready { account: String },
    }

    #[derive(Clone)]
    pub(crate) struct Adopting(Shelf);

    impl AdoptingTransitions for Adopting {
        type Error = ShelfError;
        async fn claim(&self, from: Requested, attempt: &AdoptingAttempt) -> Result<Ready, ShelfError> {
            Ok(from.ready(self.0.claim("admin", attempt.key(), attempt.owner_tag()).await?))
        }
        async fn lookup_claim(&self, from: Requested, _: &AdoptingAttempt) -> Result<Lookup<Ready>, ShelfError> {
            let there = self.0.shelved().into_iter().find(|it| it.name == "admin");
            Ok(there.map_or(Lookup::Absent, |it| Lookup::Ours(from.ready(it.id))))
        }
        async fn give_up(&self, made: &Ready, _: &AdoptingAttempt) -> Result<(), ShelfError> {
            self.0.remove(&made.account).await
        }
    }

    impl World for Adopting {
        type Machine = AdoptingFlow;
        type Transitions = Self;
        fn new(sim: &Sim) -> Self {
            let accounts = Shelf::new(sim, "account");
            accounts.foreign("admin", "somebody");
            Self(accounts)
        }
        fn transitions(&self) -> Self {
            self.clone()
        }
        fn resource() -> App {
            App(1)
        }
        fn inventory(&self) -> Vec<Thing> {
            self.0.inventory()
        }
        fn check(&self, _: &At<'_>) -> Result<(), String> {
            if self.0.is_empty() { Err("somebody else's account is gone".to_owned()) } else { Ok(()) }
        }
    }
}

mod trusting {
    use super::App;
    use crate::Fsm;
    use crate::testing::{At, Shelf, ShelfError, Sim, Thing, World};

    /// Believes that what was begun was done; or leaves it half done.
    #[derive(Fsm)]
    #[fsm(name = "planted/trusting", version = 1, resource = App)]
    pub(crate) enum TrustingFlow {
        /// Nothing.
        #[fsm(initial)]
        #[transition(make -> Ready, in_doubt = repeat, undo = unmake, settle = "5s")]
        Requested,
        /// Made, or so it says.
        #[fsm(resting)]
        Ready { thing: String },
    }

    #[derive(Clone)]
    pub(crate) struct Trusting<const HALF: bool>(Shelf);

    impl<const HALF: bool> TrustingTransitions for Trusting<HALF> {
        type Error = ShelfError;
        async fn make(&self, from: Requested, attempt: &TrustingAttempt) -> Result<Ready, ShelfError> {
            if HALF {
                return Ok(from.ready(self.0.begin(attempt.key(), attempt.owner_tag()).await?));
            }
            if attempt.is_resumed() {
                return Ok(from.ready("thing-1".to_owned()));
            }
            Ok(from.ready(self.0.put(attempt.key(), attempt.owner_tag()).await?))
        }
        async fn unmake(&self, made: &Ready, _: &TrustingAttempt) -> Result<(), ShelfError> {
            self.0.remove(&made.thing).await
        }
    }

    impl<const HALF: bool> World for Trusting<HALF> {
        type Machine = TrustingFlow;
        type Transitions = Self;
        fn new(sim: &Sim) -> Self {
            Self(Shelf::new(sim, "thing"))
        }
        fn transitions(&self) -> Self {
            self.clone()
        }
        fn resource() -> App {
            App(1)
        }
        fn inventory(&self) -> Vec<Thing> {
            self.0.inventory()
        }
        fn check_final(&self, _: &At<'_>) -> Result<(), String> {
            if self.0.shelved().iter().all(|thing| thing.complete) { Ok(()) } else { Err("half-built".to_owned()) }
        }
    }
}

mod queueing {
    use std::time::Duration;

    use super::App;
    use crate::Fsm;
    use crate::testing::{Shelf, ShelfError, Sim, Thing, World};

    /// One thing, of a provider that answers when it has queued a request, and takes longer than is declared.
    #[derive(Fsm)]
    #[fsm(name = "planted/queueing", version = 1, resource = App)]
    pub(crate) enum QueueingFlow {
        /// Nothing.
        #[fsm(initial)]
        #[transition(make -> Ready, in_doubt = repeat, undo = drop_it, settle = "5s")]
        Requested,
        /// The thing.
        #[fsm(resting)]
        Ready,
    }

    #[derive(Clone)]
    pub(crate) struct Queueing(Shelf, Sim);

    impl QueueingTransitions for Queueing {
        type Error = ShelfError;
        async fn make(&self, from: Requested, attempt: &QueueingAttempt) -> Result<Ready, ShelfError> {
            let (shelf, key, owner) = (self.0.clone(), attempt.key().to_owned(), attempt.owner_tag().to_owned());
            let made = Box::pin(async move { drop(shelf.claim("thing", &key, &owner).await) });
            let at = self.1.time() + Duration::from_secs(100);
            self.1.core().fly(at, "the queue's make".to_owned(), made);
            Ok(from.ready())
        }
        async fn drop_it(&self, _: &Ready, attempt: &QueueingAttempt) -> Result<(), ShelfError> {
            self.0.remove_name("thing", attempt.owner_tag()).await
        }
    }

    impl World for Queueing {
        type Machine = QueueingFlow;
        type Transitions = Self;
        fn new(sim: &Sim) -> Self {
            Self(Shelf::new(sim, "thing"), sim.clone())
        }
        fn transitions(&self) -> Self {
            self.clone()
        }
        fn resource() -> App {
            App(1)
        }
        fn inventory(&self) -> Vec<Thing> {
            self.0.inventory()
        }
    }
}

mod timed {
    use std::time::Duration;

    use super::App;
    use crate::Fsm;
    use crate::testing::{Shelf, ShelfError, Sim, Thing, World};

    /// Makes one thing at first, and two if it is late.
    #[derive(Fsm)]
    #[fsm(name = "planted/timed", version = 1, resource = App)]
    pub(crate) enum TimedFlow {
        /// Nothing.
        #[fsm(initial)]
        #[transition(make_a -> MadeA, in_doubt = repeat, undo = drop_a, settle = "5s")]
        Requested,
        /// One.
        #[transition(make_b -> Ready, in_doubt = repeat, undo = drop_b, settle = "5s")]
        MadeA { a: String },
        /// Both.
        #[fsm(resting)]
        Ready { b: String },
    }

    #[derive(Clone)]
    pub(crate) struct Timed(Shelf, Sim);

    impl TimedTransitions for Timed {
        type Error = ShelfError;
        async fn make_a(&self, from: Requested, attempt: &TimedAttempt) -> Result<MadeA, ShelfError> {
            Ok(from.made_a(self.0.put(attempt.key(), attempt.owner_tag()).await?))
        }
        async fn drop_a(&self, made: &MadeA, _: &TimedAttempt) -> Result<(), ShelfError> {
            self.0.remove(&made.a).await
        }
        async fn make_b(&self, from: MadeA, attempt: &TimedAttempt) -> Result<Ready, ShelfError> {
            if self.1.now() > Duration::from_secs(20) {
                self.0.add(attempt.key(), attempt.owner_tag()).await?;
            }
            Ok(from.ready(self.0.add(attempt.key(), attempt.owner_tag()).await?))
        }
        async fn drop_b(&self, _: &Ready, attempt: &TimedAttempt) -> Result<(), ShelfError> {
            self.0.remove_key(attempt.key()).await
        }
    }

    impl World for Timed {
        type Machine = TimedFlow;
        type Transitions = Self;
        fn new(sim: &Sim) -> Self {
            Self(Shelf::new(sim, "thing"), sim.clone())
        }
        fn transitions(&self) -> Self {
            self.clone()
        }
        fn resource() -> App {
            App(1)
        }
        fn inventory(&self) -> Vec<Thing> {
            self.0.inventory()
        }
    }
}
