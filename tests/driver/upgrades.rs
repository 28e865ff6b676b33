//! A second release of a machine meets the records of the first one.

use std::time::Duration;

use durable_fsm::record::{Expected, HeldReason, Resolution};
use durable_fsm::store::MemoryStore;
use durable_fsm::{Fsm, Outcome, Resource as _, Undone};

use crate::machine::{Refused, Thing};
use crate::world::{Fault, ManualClock, Provider, Refusal};

/// The first release.
mod v1 {
    use super::*;

    #[derive(Fsm)]
    #[fsm(name = "test.io/site", version = 1, resource = Thing)]
    pub enum SiteFlow {
        #[fsm(initial)]
        #[transition(make -> Made, in_doubt = repeat, undo = scrap, timeout = "10s")]
        Wanted,
        #[transition(register -> Registered, in_doubt = repeat, undo = unregister, timeout = "10s")]
        Made { host: String },
        #[transition(start -> Ready, in_doubt = repeat, undo = none, timeout = "10s")]
        Registered { entry: String },
        #[fsm(resting)]
        #[transition(apply -> Ready, when = is_changed, in_doubt = repeat, undo = none, timeout = "10s")]
        Ready { applied: String },
    }

    impl SiteTransitions for Provider {
        type Error = Refused;
        async fn make(&self, from: Wanted, attempt: &SiteAttempt) -> Result<Made, Refused> {
            Ok(from.made(self.make("make", attempt.key(), attempt.owner_tag()).await?))
        }
        async fn scrap(&self, made: &Made, _: &SiteAttempt) -> Result<Undone, Refused> {
            self.remove("scrap", &made.host).await.map(Undone::from)
        }
        async fn register(&self, from: Made, attempt: &SiteAttempt) -> Result<Registered, Refused> {
            Ok(from.registered(self.make("register", attempt.key(), attempt.owner_tag()).await?))
        }
        async fn unregister(&self, made: &Registered, _: &SiteAttempt) -> Result<Undone, Refused> {
            self.remove("unregister", &made.entry).await.map(Undone::from)
        }
        async fn start(&self, from: Registered, attempt: &SiteAttempt) -> Result<Ready, Refused> {
            self.find("start", "").await?;
            Ok(from.ready(attempt.spec().image.clone()))
        }
        fn is_changed(&self, at: &Ready, thing: &Thing) -> bool {
            at.applied != thing.spec.image
        }
        async fn apply(&self, from: Ready, attempt: &SiteAttempt) -> Result<Ready, Refused> {
            self.find("apply", "").await?;
            Ok(from.ready(attempt.spec().image.clone()))
        }
    }
}

/// Everything has another name.
mod renamed {
    use super::*;

    #[derive(Fsm)]
    #[fsm(name = "test.io/page", was = "test.io/site", version = 2, resource = Thing)]
    pub enum PageFlow {
        #[fsm(initial, was = "Wanted")]
        #[transition(build -> Built, was = "make", in_doubt = repeat, undo = tear_down, timeout = "10s")]
        Asked,
        #[fsm(was = "Made")]
        #[transition(list -> Listed, was = "register", in_doubt = repeat, undo = unlist, timeout = "10s")]
        Built {
            #[fsm(was = "host")]
            house: String,
        },
        #[fsm(was = "Registered")]
        #[transition(begin -> Serving, was = "start", in_doubt = repeat, undo = none, timeout = "10s")]
        Listed {
            #[fsm(was = "entry")]
            line: String,
        },
        #[fsm(resting, was = "Ready")]
        Serving {
            #[fsm(was = "applied")]
            shown: String,
        },
    }

    impl PageTransitions for Provider {
        type Error = Refused;
        async fn build(&self, from: Asked, attempt: &PageAttempt) -> Result<Built, Refused> {
            Ok(from.built(self.make("make", attempt.key(), attempt.owner_tag()).await?))
        }
        async fn tear_down(&self, made: &Built, _: &PageAttempt) -> Result<Undone, Refused> {
            self.remove("scrap", &made.house).await.map(Undone::from)
        }
        async fn list(&self, from: Built, attempt: &PageAttempt) -> Result<Listed, Refused> {
            Ok(from.listed(self.make("register", attempt.key(), attempt.owner_tag()).await?))
        }
        async fn unlist(&self, made: &Listed, _: &PageAttempt) -> Result<Undone, Refused> {
            self.remove("unregister", &made.line).await.map(Undone::from)
        }
        async fn begin(&self, from: Listed, attempt: &PageAttempt) -> Result<Serving, Refused> {
            self.find("start", "").await?;
            Ok(from.serving(attempt.spec().image.clone()))
        }
    }
}

/// A step before the state in which the first release rests; with a line that says where its records go on, and without one.
macro_rules! opened {
    ($module:ident $(, $upgrade:tt)*) => {
        mod $module {
            use super::*;

            #[derive(Fsm)]
            #[fsm(name = "test.io/site", version = 2, resource = Thing $(, upgrade $upgrade)*)]
            pub enum SiteFlow {
                #[fsm(initial)]
                #[transition(make -> Made, in_doubt = repeat, undo = scrap, timeout = "10s")]
                Wanted,
                #[transition(register -> Registered, in_doubt = repeat, undo = unregister, timeout = "10s")]
                Made { host: String },
                #[transition(start -> Started, in_doubt = repeat, undo = none, timeout = "10s")]
                Registered { entry: String },
                #[transition(open -> Ready, in_doubt = repeat, undo = close, timeout = "10s")]
                Started { applied: String },
                #[fsm(resting)]
                #[transition(apply -> Ready, when = is_changed, in_doubt = repeat, undo = none, timeout = "10s")]
                Ready { port: String, applied: String },
            }

            impl SiteTransitions for Provider {
                type Error = Refused;
                async fn make(&self, from: Wanted, attempt: &SiteAttempt) -> Result<Made, Refused> {
                    Ok(from.made(self.make("make", attempt.key(), attempt.owner_tag()).await?))
                }
                async fn scrap(&self, made: &Made, _: &SiteAttempt) -> Result<Undone, Refused> {
                    self.remove("scrap", &made.host).await.map(Undone::from)
                }
                async fn register(&self, from: Made, attempt: &SiteAttempt) -> Result<Registered, Refused> {
                    Ok(from.registered(self.make("register", attempt.key(), attempt.owner_tag()).await?))
                }
                async fn unregister(&self, made: &Registered, _: &SiteAttempt) -> Result<Undone, Refused> {
                    self.remove("unregister", &made.entry).await.map(Undone::from)
                }
                async fn start(&self, from: Registered, attempt: &SiteAttempt) -> Result<Started, Refused> {
                    self.find("start", "").await?;
                    Ok(from.started(attempt.spec().image.clone()))
                }
                async fn open(&self, from: Started, attempt: &SiteAttempt) -> Result<Ready, Refused> {
                    let port = self.make("open", attempt.key(), attempt.owner_tag()).await?;
                    let applied = from.applied.clone();
                    Ok(from.ready(ReadyFacts { port, applied }))
                }
                async fn close(&self, made: &Ready, _: &SiteAttempt) -> Result<Undone, Refused> {
                    self.remove("close", &made.port).await.map(Undone::from)
                }
                fn is_changed(&self, at: &Ready, thing: &Thing) -> bool {
                    at.applied != thing.spec.image
                }
                async fn apply(&self, from: Ready, attempt: &SiteAttempt) -> Result<Ready, Refused> {
                    self.find("apply", "").await?;
                    let (port, applied) = (from.port.clone(), attempt.spec().image.clone());
                    Ok(from.ready(ReadyFacts { port, applied }))
                }
            }
        }
    };
}

opened!(silent);
opened!(opened, (from = 1, Ready => Started));

/// There is no register any more.
mod shorter {
    use super::*;

    #[derive(Fsm)]
    #[fsm(name = "test.io/site", version = 2, resource = Thing)]
    pub enum SiteFlow {
        #[fsm(initial)]
        #[transition(make -> Made, in_doubt = repeat, undo = scrap, timeout = "10s")]
        Wanted,
        #[transition(start -> Ready, in_doubt = repeat, undo = none, timeout = "10s")]
        #[transition(register -> Registered, retired, in_doubt = repeat, undo = unregister, timeout = "10s")]
        Made { host: String },
        #[fsm(retired)]
        #[transition(start)]
        Registered { entry: String },
        #[fsm(resting)]
        Ready { applied: String },
    }

    impl SiteTransitions for Provider {
        type Error = Refused;
        async fn make(&self, from: Wanted, attempt: &SiteAttempt) -> Result<Made, Refused> {
            Ok(from.made(self.make("make", attempt.key(), attempt.owner_tag()).await?))
        }
        async fn scrap(&self, made: &Made, _: &SiteAttempt) -> Result<Undone, Refused> {
            self.remove("scrap", &made.host).await.map(Undone::from)
        }
        async fn register(&self, from: Made, attempt: &SiteAttempt) -> Result<Registered, Refused> {
            Ok(from.registered(self.make("register", attempt.key(), attempt.owner_tag()).await?))
        }
        async fn unregister(&self, made: &Registered, _: &SiteAttempt) -> Result<Undone, Refused> {
            self.remove("unregister", &made.entry).await.map(Undone::from)
        }
        async fn start(&self, from: StartFrom, attempt: &SiteAttempt) -> Result<Ready, Refused> {
            self.find("start", "").await?;
            Ok(from.ready(attempt.spec().image.clone()))
        }
    }
}

/// As [`shorter`], by somebody who has thought of no record.
mod careless {
    use super::*;

    #[derive(Fsm)]
    #[fsm(name = "test.io/site", version = 2, resource = Thing)]
    pub enum SiteFlow {
        #[fsm(initial)]
        #[transition(make -> Made, in_doubt = repeat, undo = scrap, timeout = "10s")]
        Wanted,
        #[transition(start -> Ready, in_doubt = repeat, undo = none, timeout = "10s")]
        Made { host: String },
        #[fsm(resting)]
        Ready { applied: String },
    }

    impl SiteTransitions for Provider {
        type Error = Refused;
        async fn make(&self, from: Wanted, attempt: &SiteAttempt) -> Result<Made, Refused> {
            Ok(from.made(self.make("make", attempt.key(), attempt.owner_tag()).await?))
        }
        async fn scrap(&self, made: &Made, _: &SiteAttempt) -> Result<Undone, Refused> {
            self.remove("scrap", &made.host).await.map(Undone::from)
        }
        async fn start(&self, from: Made, attempt: &SiteAttempt) -> Result<Ready, Refused> {
            self.find("start", "").await?;
            Ok(from.ready(attempt.spec().image.clone()))
        }
    }
}

/// What all releases share.
#[derive(Default)]
struct Place {
    provider: Provider,
    store: MemoryStore,
    clock: ManualClock,
}

/// A runner of one of the releases, in a process of its own.
macro_rules! runner {
    ($place:expr, $module:ident :: $runner:ident) => {
        $module::$runner::builder($place.provider.clone(), $place.store.clone())
            .clock($place.clock.of_another_process())
            .build()
    };
}

/// Passes until it rests or is gone; with what it was held for, if it was.
macro_rules! settled {
    ($place:expr, $runner:expr, $thing:expr) => {{
        let mut last = None;
        for _ in 0..20 {
            match $runner.reconcile($thing).await.unwrap() {
                Outcome::Resting(_) | Outcome::Watching { .. } => last = Some("resting".to_owned()),
                Outcome::Gone => last = Some("gone".to_owned()),
                Outcome::Held { reason, message } => last = Some(format!("{reason:?}: {message}")),
                Outcome::Progressing { after, .. }
                | Outcome::Undoing { after, .. }
                | Outcome::Blocked { after, .. } => {
                    $place.clock.advance(after + Duration::from_millis(1));
                    continue;
                }
                Outcome::Paused => {}
            }
            break;
        }
        last.unwrap_or_default()
    }};
}

impl Place {
    /// The first release has come so far that this call fails, with an unknown outcome; or it rests.
    async fn left_by_the_first(fails: Option<&'static str>) -> (Self, Thing) {
        let (place, thing) = (Self::default(), Thing::new("web:1", &[]));
        let runner = runner!(place, v1::SiteRunner);
        if let Some(call) = fails {
            place.provider.will(call, &[Fault::Applied(Refusal::Unknown)]);
            assert!(matches!(runner.reconcile(&thing).await.unwrap(), Outcome::Progressing { .. }));
        } else {
            assert_eq!(settled!(place, runner, &thing), "resting");
        }
        place.clock.advance(Duration::from_secs(60));
        place.provider.calls();
        (place, thing)
    }

    fn deleted(thing: &Thing) -> Thing {
        Thing { deleting: true, ..thing.clone() }
    }
}

const STEPS: [Option<&str>; 4] = [Some("make"), Some("register"), Some("start"), None];

#[tokio::test]
async fn a_machine_of_which_everything_is_renamed_goes_on_with_what_it_has() {
    for fails in STEPS {
        let (place, thing) = Place::left_by_the_first(fails).await;
        let known = place.provider.live();
        let runner = runner!(place, renamed::PageRunner);
        assert_eq!(settled!(place, runner, &thing), "resting", "{fails:?}");
        let live = place.provider.live();
        assert_eq!(live.len(), 2, "{fails:?}: {live:?}");
        assert!(known.iter().all(|it| live.contains(it)), "nothing is made twice: {live:?}");
        if fails.is_none() {
            assert!(place.provider.calls().is_empty(), "nothing is left to do");
        }
        assert!(matches!(runner.reconcile(&thing).await.unwrap(), Outcome::Resting(renamed::PageState::Serving(_))));
        assert_eq!(settled!(place, runner, &Place::deleted(&thing)), "gone");
        assert!(place.provider.live().is_empty());
    }
}

#[tokio::test]
async fn a_renamed_machine_keeps_the_place_and_the_tag_of_its_first_name() {
    let (place, thing) = Place::left_by_the_first(None).await;
    let runner = runner!(place, renamed::PageRunner);
    let record = runner.inspect(&thing.id()).await.unwrap().expect("it is where it was");
    assert_eq!((record.machine.as_str(), record.state.as_str()), ("test.io/site", "Serving"));
    // A resource that comes later has the same tag as one that the first release has made.
    let other = Thing { name: "other".to_owned(), ..thing };
    assert_eq!(settled!(place, runner, &other), "resting");
    let tags = |it: &String| it.split_once(':').map(|(_, rest)| rest.split('#').next().unwrap_or_default().to_owned());
    let live = place.provider.live();
    let tags: std::collections::BTreeSet<_> = live.iter().filter_map(tags).collect();
    assert_eq!((live.len(), tags.len()), (4, 1), "{live:?}");
}

#[tokio::test]
async fn a_step_before_the_resting_state_is_never_skipped() {
    for fails in STEPS {
        let (place, thing) = Place::left_by_the_first(fails).await;
        let runner = runner!(place, silent::SiteRunner);
        let ended = settled!(place, runner, &thing);
        if fails.is_some() {
            assert_eq!(ended, "resting", "{fails:?}: the step lies ahead");
            assert!(place.provider.live().iter().any(|it| it.starts_with("open")), "{fails:?}");
            continue;
        }
        assert!(ended.starts_with("Upgrade: ") && ended.contains("port"), "{ended}");
        assert!(place.provider.calls().is_empty());
        // The release that says so goes on by itself.
        let runner = runner!(place, opened::SiteRunner);
        assert_eq!(settled!(place, runner, &thing), "resting");
        assert_eq!(place.provider.calls(), ["open"]);
        assert_eq!(settled!(place, runner, &Place::deleted(&thing)), "gone");
        assert_eq!(place.provider.calls(), ["close", "unregister", "scrap"]);
    }
}

#[tokio::test]
async fn an_edit_in_doubt_waits_for_the_step_that_has_come_before_it() {
    let (place, thing) = Place::left_by_the_first(None).await;
    let edited = Thing::new("web:2", &[]);
    place.provider.will("apply", &[Fault::Applied(Refusal::Unknown)]);
    let _ = runner!(place, v1::SiteRunner).reconcile(&edited).await.unwrap();
    place.provider.calls();
    let runner = runner!(place, opened::SiteRunner);
    assert_eq!(settled!(place, runner, &edited), "resting");
    assert_eq!(place.provider.calls(), ["open", "apply"]);
    assert_eq!(settled!(place, runner, &Place::deleted(&thing)), "gone");
    assert!(place.provider.live().is_empty());
}

#[tokio::test]
async fn what_a_retired_step_made_is_undone_and_its_records_lead_on() {
    for fails in STEPS {
        let (place, thing) = Place::left_by_the_first(fails).await;
        let runner = runner!(place, shorter::SiteRunner);
        assert_eq!(settled!(place, runner, &thing), "resting", "{fails:?}");
        let calls = place.provider.calls();
        let is_new = fails == Some("make");
        assert_eq!(calls.contains(&"register".to_owned()), fails == Some("register"), "{fails:?}: {calls:?}");
        assert_eq!(place.provider.live().len(), if is_new { 1 } else { 2 }, "{fails:?}");
        assert_eq!(settled!(place, runner, &Place::deleted(&thing)), "gone");
        assert!(place.provider.live().is_empty(), "{fails:?}: {:?}", place.provider.live());
    }
}

#[tokio::test]
async fn what_no_release_knows_is_named_listed_and_left_by_a_person() {
    let (place, thing) = Place::left_by_the_first(None).await;
    let runner = runner!(place, careless::SiteRunner);
    let ended = settled!(place, runner, &thing);
    assert!(ended.starts_with("Upgrade: ") && ended.contains("`register`") && ended.contains("retired"), "{ended}");
    let operator = runner.operator();
    let left = operator.preview_release(&thing.id()).await.unwrap();
    assert_eq!(left.left.iter().map(|it| it.transition.as_str()).collect::<Vec<_>>(), ["make", "register"]);
    assert!(left.unreadable.is_some());
    // A deletion undoes what still matches, and stops where nothing does.
    let deleted = Place::deleted(&thing);
    let ended = settled!(place, runner, &deleted);
    assert!(ended.starts_with("Upgrade: ") && ended.contains("`register` (life "), "{ended}");
    assert!(place.provider.calls().is_empty());
    assert!(runner.resolve(&thing.id(), Resolution::Retry).await.is_err(), "what it means cannot be decided");
    let waived = runner.resolve_if(&thing.id(), Expected::default(), Resolution::Waive).await.unwrap();
    assert_eq!(waived.retained[0].transition, "register");
    assert_eq!(settled!(place, runner, &deleted), "gone");
    assert_eq!(place.provider.calls(), ["scrap"]);
}

#[tokio::test]
async fn an_older_release_stands_by_before_what_it_does_not_know() {
    let (place, thing) = Place::left_by_the_first(None).await;
    let edited = Thing::new("web:2", &[]);
    let newer = runner!(place, opened::SiteRunner);
    place.provider.will("open", &[Fault::Refused(Refusal::Unknown)]);
    let _ = newer.reconcile(&edited).await.unwrap();
    place.provider.calls();
    let Outcome::Held { reason, message } = runner!(place, v1::SiteRunner).reconcile(&edited).await.unwrap() else {
        panic!("it acts on it")
    };
    assert!(reason == HeldReason::Upgrade && message.contains("stands by: run version 2"), "{message}");
    assert!(place.provider.calls().is_empty());
    place.clock.advance(Duration::from_secs(60));
    assert_eq!(settled!(place, newer, &thing), "resting", "and the hold of the older one is on no record");
}
