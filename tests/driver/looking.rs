//! A transition that looks at rest: the machine rests all the same, and goes where the look leads when something has happened.

use std::time::Duration;

use durable_fsm::Outcome;
use durable_fsm::store::MemoryStore;

use crate::machine::Thing;
use crate::world::{Fault, ManualClock, Provider, Refusal};

mod lamp {
    use std::collections::BTreeSet;

    use durable_fsm::{Each, Fsm, Undone, Wait};

    use crate::machine::{Refused, Thing};
    use crate::world::Provider;

    /// A lamp that breaks by itself.
    #[derive(Fsm)]
    #[fsm(name = "test.io/lamp", version = 1, resource = Thing, timeout = "1s", settle = "1s", debug)]
    pub enum LampFlow {
        #[fsm(initial)]
        #[transition(mount -> Shining, in_doubt = repeat, undo = unmount)]
        Wanted,
        #[fsm(resting)]
        #[transition(see_it_break -> Broken, waits, every = "1m")]
        #[transition(hang, for_each = shades, in_doubt = repeat, undo = take_down)]
        #[transition(replace -> Wanted, when = is_other, rewind)]
        Shining { lamp: String, image: String, shades: Each<String, String> },
        #[fsm(resting, failed)]
        Broken,
    }

    impl LampTransitions for Provider {
        type Error = Refused;
        async fn mount(&self, from: Wanted, attempt: &LampAttempt) -> Result<Shining, Refused> {
            let lamp = self.make("mount", attempt.key(), "").await?;
            Ok(from.shining(ShiningFacts { lamp, image: attempt.spec().image.clone() }))
        }
        async fn unmount(&self, made: &Shining, _: &LampAttempt) -> Result<Undone, Refused> {
            self.remove("unmount", &made.lamp).await.map(Undone::from)
        }
        async fn see_it_break(&self, from: Shining, _: &LampAttempt) -> Result<Wait<Broken>, Refused> {
            self.find("see_it_break", "").await?;
            Ok(if self.is_rolled_out() { Wait::Done(from.broken()) } else { Wait::NotYet })
        }
        fn is_other(&self, at: &Shining, thing: &Thing) -> bool {
            at.image != thing.spec.image
        }
        fn shades(&self, _: &Shining, thing: &Thing) -> BTreeSet<String> {
            thing.spec.members.clone()
        }
        async fn hang(&self, _: &Shining, _: &String, attempt: &LampAttempt) -> Result<String, Refused> {
            self.make("hang", attempt.key(), "").await
        }
        async fn take_down(&self, _: &Shining, _: &String, shade: &String, _: &LampAttempt) -> Result<Undone, Refused> {
            self.remove("take_down", shade).await.map(Undone::from)
        }
    }
}

use lamp::{LampRunner, LampState};

struct Lamp {
    provider: Provider,
    store: MemoryStore,
    clock: ManualClock,
    runner: LampRunner<Provider>,
}

impl Lamp {
    fn new() -> Self {
        let (provider, store, clock) = (Provider::default(), MemoryStore::new(), ManualClock::default());
        provider.set_rolled_out(false);
        let runner = LampRunner::builder(provider.clone(), store.clone()).clock(clock.clone()).build();
        Self { provider, store, clock, runner }
    }

    async fn pass(&self, thing: &Thing) -> Outcome<LampState> {
        self.runner.reconcile(thing).await.unwrap()
    }
}

#[tokio::test]
async fn a_machine_rests_while_it_looks_and_writes_nothing() {
    let (lamp, thing) = (Lamp::new(), Thing::new("web:1", &["a", "b"]));
    let outcome = lamp.pass(&thing).await;
    let Outcome::Watching { state: LampState::Shining(_), after } = &outcome else { panic!("{outcome:?}") };
    assert!(outcome.is_resting() && *after <= Duration::from_secs(60));
    assert_eq!(lamp.provider.calls(), ["mount", "see_it_break", "hang", "hang"], "it looks once, in its place");
    let writes = lamp.store.writes();
    lamp.clock.advance(*after);
    assert!(matches!(lamp.pass(&thing).await, Outcome::Watching { .. }));
    assert_eq!(lamp.provider.calls(), ["see_it_break"]);
    assert_eq!(lamp.store.writes(), writes);
    lamp.provider.set_rolled_out(true);
    assert!(matches!(lamp.pass(&thing).await, Outcome::Watching { .. }));
    assert!(lamp.provider.calls().is_empty(), "it is not time yet");
    assert!(
        matches!(lamp.runner.verify(&thing).await.unwrap(), Outcome::Resting(LampState::Broken(_))),
        "it is told to"
    );
}

#[tokio::test]
async fn a_look_that_fails_is_told_and_stops_nothing() {
    let (lamp, thing) = (Lamp::new(), Thing::new("web:1", &["a"]));
    lamp.provider.will("see_it_break", &[Fault::Refused(Refusal::NotApplied)]);
    let Outcome::Progressing { reason, .. } = lamp.pass(&thing).await else { panic!("it is said to rest") };
    assert!(reason.contains("`see_it_break` could not look"), "{reason}");
    assert!(lamp.provider.all_faults_fired());
    assert_eq!(lamp.provider.calls(), ["mount", "see_it_break", "hang"], "the set is kept all the same");
    assert!(matches!(lamp.pass(&thing).await, Outcome::Watching { .. }));
}

#[tokio::test]
async fn a_look_that_is_due_is_not_put_off_by_a_set_that_waits() {
    let (lamp, thing) = (Lamp::new(), Thing::new("web:1", &["a"]));
    lamp.provider.will("hang", &[Fault::Refused(Refusal::Rejected)]);
    let Outcome::Blocked { after, .. } = lamp.pass(&thing).await else { panic!("not blocked") };
    assert!(after <= Duration::from_secs(60), "it looks before the block ends: {after:?}");
    lamp.provider.set_rolled_out(true);
    lamp.provider.calls();
    lamp.clock.advance(after);
    let outcome = lamp.pass(&thing).await;
    assert!(matches!(outcome, Outcome::Resting(LampState::Broken(_))), "{outcome:?}");
    let deleted = Thing { deleting: true, ..thing };
    while !matches!(lamp.pass(&deleted).await, Outcome::Gone) {
        lamp.clock.advance(Duration::from_secs(60));
    }
    assert!(lamp.provider.live().is_empty());
}

#[tokio::test]
async fn what_is_new_is_looked_at_although_the_look_at_the_old_one_was_put_off() {
    let (lamp, thing) = (Lamp::new(), Thing::new("web:1", &[]));
    assert!(matches!(lamp.pass(&thing).await, Outcome::Watching { .. }));
    lamp.provider.calls();
    let new = Thing::new("web:2", &[]);
    let outcome = loop {
        match lamp.pass(&new).await {
            Outcome::Progressing { after, .. } => lamp.clock.advance(after),
            outcome => break outcome,
        }
    };
    assert!(matches!(outcome, Outcome::Watching { state: LampState::Shining(_), .. }));
    assert_eq!(lamp.provider.calls(), ["unmount", "mount", "see_it_break"]);
}

#[tokio::test]
async fn what_would_be_left_in_doubt_is_settled_before_a_look_leads_away() {
    let (lamp, thing) = (Lamp::new(), Thing::new("web:1", &["a"]));
    lamp.provider.will("hang", &[Fault::Applied(Refusal::Unknown)]);
    let Outcome::Progressing { after, .. } = lamp.pass(&thing).await else { panic!("nothing is in doubt") };
    lamp.provider.set_rolled_out(true);
    lamp.provider.calls();
    lamp.clock.advance(after);
    let _ = lamp.runner.verify(&thing).await.unwrap();
    assert_eq!(
        lamp.provider.calls(),
        ["hang", "see_it_break"],
        "the shade is recorded before the lamp counts as broken"
    );
}
