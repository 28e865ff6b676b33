//! An older release meets the records of a newer one, and either of them deletes what it can read only in part.

use std::time::Duration;

use durable_fsm::record::HeldReason;
use durable_fsm::store::MemoryStore;
use durable_fsm::{Fsm, Outcome, Resource as _, Undone};

use crate::machine::{Refused, Thing};
use crate::world::{Fault, ManualClock, Provider, Refusal};

/// The methods of a release whose host is in this fact, and whose open state has this name.
macro_rules! methods {
    ($fact:ident, $serves_from:ident) => {
        type Error = Refused;
        async fn make(&self, from: Wanted, attempt: &PierAttempt) -> Result<Made, Refused> {
            Ok(from.made(self.make("make", attempt.key(), "").await?))
        }
        async fn scrap(&self, made: &Made, _: &PierAttempt) -> Result<Undone, Refused> {
            self.remove("scrap", &made.$fact).await.map(Undone::from)
        }
        async fn close(&self, _: &Open, attempt: &PierAttempt) -> Result<Undone, Refused> {
            match self.find("find", attempt.owner_tag()).await? {
                Some(id) => self.remove("close", &id).await.map(Undone::from),
                None => Ok(Undone::Done),
            }
        }
        async fn serve(&self, from: $serves_from, attempt: &PierAttempt) -> Result<Ready, Refused> {
            self.find("serve", "").await?;
            Ok(from.ready(attempt.spec().image.clone()))
        }
        fn is_changed(&self, at: &Ready, thing: &Thing) -> bool {
            at.image != thing.spec.image
        }
        async fn apply(&self, from: Ready, attempt: &PierAttempt) -> Result<Ready, Refused> {
            self.find("apply", "").await?;
            Ok(from.ready(attempt.spec().image.clone()))
        }
    };
}

/// Opens it. What is opened is known by the owner's tag alone.
macro_rules! opens {
    () => {
        async fn open(&self, from: Made, attempt: &PierAttempt) -> Result<Open, Refused> {
            self.make_another("open", attempt.owner_tag()).await?;
            Ok(from.open())
        }
    };
}

/// The older release.
mod older {
    use super::*;

    #[derive(Fsm)]
    #[fsm(name = "test.io/pier", version = 1, resource = Thing, timeout = "10s")]
    pub enum PierFlow {
        #[fsm(initial)]
        #[transition(make -> Made, in_doubt = repeat, undo = scrap)]
        Wanted,
        #[transition(open -> Open, in_doubt = repeat, undo = close)]
        Made { host: String },
        #[transition(serve -> Ready, in_doubt = repeat, undo = none)]
        Open,
        #[fsm(resting)]
        #[transition(apply -> Ready, when = is_changed, in_doubt = repeat, undo = none)]
        Ready { image: String },
    }

    impl PierTransitions for Provider {
        methods!(host, Open);
        opens!();
    }
}

/// It opens nothing any more.
mod shorter {
    use super::*;

    #[derive(Fsm)]
    #[fsm(name = "test.io/pier", version = 2, resource = Thing, timeout = "10s")]
    pub enum PierFlow {
        #[fsm(initial)]
        #[transition(make -> Made, in_doubt = repeat, undo = scrap)]
        Wanted,
        #[transition(serve -> Ready, in_doubt = repeat, undo = none)]
        #[transition(open -> Open, retired, in_doubt = repeat, undo = close)]
        Made { host: String },
        #[fsm(retired)]
        #[transition(serve)]
        Open,
        #[fsm(resting)]
        #[transition(apply -> Ready, when = is_changed, in_doubt = repeat, undo = none)]
        Ready { image: String },
    }

    impl PierTransitions for Provider {
        methods!(host, ServeFrom);
        opens!();
    }
}

/// A fact and a state have other names; with the lines that say so, and without them.
macro_rules! renamed {
    ($module:ident, $version:tt, [$($fact:tt)?], [$($state:tt)?]) => {
        mod $module {
            use super::*;

            #[derive(Fsm)]
            #[fsm(name = "test.io/pier", version = $version, resource = Thing, timeout = "10s")]
            pub enum PierFlow {
                #[fsm(initial)]
                #[transition(make -> Made, in_doubt = repeat, undo = scrap)]
                Wanted,
                #[transition(open -> Open, in_doubt = repeat, undo = close)]
                Made {
                    $(#[fsm(was = $fact)])?
                    house: String,
                },
                #[transition(serve -> Serving, in_doubt = repeat, undo = none)]
                Open,
                $(#[fsm(was = $state)])?
                #[fsm(resting)]
                Serving { image: String },
            }

            impl PierTransitions for Provider {
                type Error = Refused;
                opens!();
                async fn make(&self, from: Wanted, attempt: &PierAttempt) -> Result<Made, Refused> {
                    Ok(from.made(self.make("make", attempt.key(), "").await?))
                }
                async fn scrap(&self, made: &Made, _: &PierAttempt) -> Result<Undone, Refused> {
                    self.remove("scrap", &made.house).await.map(Undone::from)
                }
                async fn close(&self, _: &Open, attempt: &PierAttempt) -> Result<Undone, Refused> {
                    match self.find("find", attempt.owner_tag()).await? {
                        Some(id) => self.remove("close", &id).await.map(Undone::from),
                        None => Ok(Undone::Done),
                    }
                }
                async fn serve(&self, from: Open, attempt: &PierAttempt) -> Result<Serving, Refused> {
                    self.find("serve", "").await?;
                    Ok(from.serving(attempt.spec().image.clone()))
                }
            }
        }
    };
}

renamed!(renamed, 2, ["host"], ["Ready"]);
renamed!(careless, 2, [], []);
renamed!(stateless, 2, ["host"], []);
renamed!(mended, 3, ["host"], ["Ready"]);

/// What has served is to be lit first. It catches up by way of states of its own.
mod lit {
    use super::*;

    #[derive(Fsm)]
    #[fsm(name = "test.io/pier", version = 2, resource = Thing, timeout = "10s", upgrade(from = 1, Ready => Dark))]
    pub enum PierFlow {
        #[fsm(initial)]
        #[transition(make -> Made, in_doubt = repeat, undo = scrap)]
        Wanted,
        #[transition(open -> Open, in_doubt = repeat, undo = close)]
        Made { host: String },
        #[transition(serve -> Ready, in_doubt = repeat, undo = none)]
        Open,
        #[fsm(resting)]
        #[transition(apply -> Ready, when = is_changed, in_doubt = repeat, undo = none)]
        Ready { image: String },
        #[fsm(retired)]
        #[transition(light -> Lit, in_doubt = repeat, undo = none)]
        Dark { host: String, image: String },
        #[fsm(retired)]
        #[transition(go_on -> Ready, no_effect)]
        Lit,
    }

    impl PierTransitions for Provider {
        methods!(host, Open);
        opens!();
        async fn light(&self, from: Dark, _: &PierAttempt) -> Result<Lit, Refused> {
            self.find("light", "").await?;
            Ok(from.lit())
        }
        fn go_on(&self, from: Lit, _: &PierAttempt) -> Result<Ready, Refused> {
            Ok(from.ready_again())
        }
    }
}

#[derive(Default)]
struct Place {
    provider: Provider,
    store: MemoryStore,
    clock: ManualClock,
}

/// A runner of a release, in a process of its own.
macro_rules! runner {
    ($place:expr, $module:ident) => {
        $module::PierRunner::builder($place.provider.clone(), $place.store.clone())
            .clock($place.clock.of_another_process())
            .build()
    };
}

/// Passes until it rests or is gone, or what it is held for.
macro_rules! settled {
    ($place:expr, $runner:expr, $thing:expr) => {{
        let (mut last, runner) = ("it goes on and on".to_owned(), &$runner);
        for _ in 0..20 {
            let outcome = runner.reconcile($thing).await.unwrap();
            if let Some(after) = outcome.requeue_after() {
                $place.clock.advance(after + Duration::from_millis(1));
                continue;
            }
            last = match outcome {
                Outcome::Gone => "gone".to_owned(),
                Outcome::Held { reason, message } => format!("{reason:?}: {message}"),
                _ => "resting".to_owned(),
            };
            break;
        }
        last
    }};
}

fn deleted(thing: &Thing) -> Thing {
    Thing { deleting: true, ..thing.clone() }
}

/// It stands by, for a reason that says which version to run, and writes and sends nothing.
macro_rules! stands_by {
    ($place:expr, $thing:expr) => {{
        let (writes, older) = ($place.store.writes(), runner!($place, older));
        $place.provider.calls();
        for _ in 0..3 {
            let outcome = older.reconcile($thing).await.unwrap();
            let Outcome::Held { reason: HeldReason::Upgrade, message } = outcome else { panic!("it acts on it") };
            assert!(message.contains("version 1, which stands by: run version 2"), "{message}");
            $place.clock.advance(Duration::from_secs(60));
        }
        assert_eq!(($place.store.writes(), $place.provider.calls()), (writes, Vec::new()));
    }};
}

#[tokio::test]
async fn an_older_release_does_not_rest_behind_a_step_that_the_newer_one_has_not_taken() {
    let (place, thing) = (Place::default(), Thing::new("web:1", &[]));
    assert_eq!(settled!(place, runner!(place, shorter), &thing), "resting");
    stands_by!(place, &thing);
    assert_eq!(settled!(place, runner!(place, shorter), &Thing::new("web:2", &[])), "resting");
    // A deletion by the older one undoes what it knows, which is everything.
    assert_eq!(settled!(place, runner!(place, older), &deleted(&thing)), "gone");
    assert!(place.provider.live().is_empty());
}

#[tokio::test]
async fn an_older_release_leaves_a_step_alone_that_the_newer_one_has_begun_elsewhere() {
    for is_entered_by_the_older in [false, true] {
        let (place, thing) = (Place::default(), Thing::new("web:1", &[]));
        if is_entered_by_the_older {
            place.provider.will("open", &[Fault::Refused(Refusal::NotApplied)]);
            let _ = runner!(place, older).reconcile(&thing).await.unwrap();
        }
        place.clock.advance(Duration::from_secs(60));
        place.provider.will("serve", &[Fault::Applied(Refusal::Unknown)]);
        let newer = runner!(place, shorter);
        let _ = newer.reconcile(&thing).await.unwrap();
        place.clock.advance(Duration::from_secs(60));
        stands_by!(place, &thing);
        assert_eq!(settled!(place, newer, &thing), "resting");
        assert_eq!(place.provider.live().len(), 1, "nothing is opened");
    }
}

#[tokio::test]
async fn an_older_release_holds_no_record_whose_facts_it_cannot_read() {
    let (place, thing) = (Place::default(), Thing::new("web:1", &[]));
    place.provider.will("open", &[Fault::Refused(Refusal::NotApplied)]);
    let newer = runner!(place, renamed);
    let _ = newer.reconcile(&thing).await.unwrap();
    place.clock.advance(Duration::from_secs(60));
    stands_by!(place, &thing);
    // The turn of a deletion is written once; then it stands by here too.
    let older = runner!(place, older);
    let ended = settled!(place, older, &deleted(&thing));
    let writes = place.store.writes();
    assert!(ended.starts_with("Upgrade: ") && ended.contains("stands by: run version 2"), "{ended}");
    assert_eq!((settled!(place, older, &deleted(&thing)), place.store.writes()), (ended, writes));
    assert_eq!(newer.inspect(&thing.id()).await.unwrap().unwrap().held, None);
    assert_eq!(settled!(place, newer, &deleted(&thing)), "gone");
    assert!(place.provider.live().is_empty());
}

#[tokio::test]
async fn an_older_release_begins_no_deletion_in_a_state_of_the_newer_one() {
    let (place, thing) = (Place::default(), Thing::new("web:1", &[]));
    let newer = runner!(place, renamed);
    assert_eq!(settled!(place, newer, &thing), "resting");
    // Only the newer one knows whether a deletion has steps of its own there.
    stands_by!(place, &deleted(&thing));
    assert_eq!(settled!(place, newer, &deleted(&thing)), "gone");
    assert!(place.provider.live().is_empty());
}

#[tokio::test]
async fn a_deletion_goes_on_in_a_state_that_the_release_does_not_have() {
    let (place, thing) = (Place::default(), Thing::new("web:1", &[]));
    assert_eq!(settled!(place, runner!(place, older), &thing), "resting");
    let runner = runner!(place, stateless);
    // An undo fails once, and another one is refused.
    place.provider.will("close", &[Fault::Refused(Refusal::Unknown)]);
    place.provider.will("scrap", &[Fault::Refused(Refusal::Rejected)]);
    let (mut waits, mut undone) = (Vec::new(), false);
    for _ in 0..20 {
        match runner.reconcile(&deleted(&thing)).await.unwrap() {
            Outcome::Undoing { after, reason } => {
                waits.push(reason);
                place.clock.advance(after + Duration::from_millis(1));
            }
            outcome => {
                undone = matches!(outcome, Outcome::Gone);
                break;
            }
        }
    }
    assert!(undone && place.provider.live().is_empty(), "{waits:?}");
    let says = |words: &str| waits.iter().any(|why| why.contains(words));
    assert!(says("`open` may still take effect") && says("the undo of `make` was rejected"), "{waits:#?}");
}

#[tokio::test]
async fn what_an_undo_cannot_read_is_held_without_a_word_on_the_record() {
    let (place, thing) = (Place::default(), Thing::new("web:1", &[]));
    assert_eq!(settled!(place, runner!(place, older), &thing), "resting");
    let ended = settled!(place, runner!(place, careless), &deleted(&thing));
    assert!(ended.starts_with("Upgrade: ") && ended.contains("`house`") && ended.contains("was ="), "{ended}");
    let writes = place.store.writes();
    let again = settled!(place, runner!(place, careless), &deleted(&thing));
    assert!(again.starts_with("Upgrade: ") && place.store.writes() == writes, "{again}");
    // The release that can read it goes on by itself.
    assert_eq!(settled!(place, runner!(place, mended), &deleted(&thing)), "gone");
    assert!(place.provider.live().is_empty());
}

#[tokio::test]
async fn an_edit_in_doubt_waits_while_the_record_goes_where_the_edit_cannot_begin() {
    let (place, thing) = (Place::default(), Thing::new("web:1", &[]));
    let runner = runner!(place, older);
    assert_eq!(settled!(place, runner, &thing), "resting");
    place.provider.will("apply", &[Fault::Applied(Refusal::Unknown)]);
    let edited = Thing::new("web:2", &[]);
    let _ = runner.reconcile(&edited).await.unwrap();
    place.clock.advance(Duration::from_secs(60));
    place.provider.calls();
    assert_eq!(settled!(place, runner!(place, lit), &edited), "resting");
    assert_eq!(place.provider.calls(), ["light", "apply"]);
}
