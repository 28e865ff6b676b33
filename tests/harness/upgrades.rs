//! The next releases of a machine, each on what the first one has left, wherever that one was stopped.

use durable_fsm::testing::{Shelf, ShelfError, Sim, Successor, Thing, World, upgrade};
use durable_fsm::{Fsm, Undone};

use crate::worlds::resource::App;

/// The provider of all releases.
#[derive(Clone)]
pub struct Cloud {
    hosts: Shelf,
    entries: Shelf,
    ports: Shelf,
}

impl Cloud {
    fn empty(sim: &Sim) -> Self {
        Self { hosts: Shelf::new(sim, "host"), entries: Shelf::new(sim, "entry"), ports: Shelf::new(sim, "port") }
    }

    fn things(&self) -> Vec<Thing> {
        [self.hosts.inventory(), self.entries.inventory(), self.ports.inventory()].concat()
    }
}

/// A release: its module, its world, and the world before it.
macro_rules! release {
    ($module:ident $(after $before:ident)?: { $($keys:tt)* } { $($states:tt)* } { $($methods:tt)* }) => {
        mod $module {
            use super::*;

            #[derive(Fsm)]
            #[fsm(resource = App, settle = "5s", $($keys)*)]
            pub enum SiteFlow { $($states)* }

            impl SiteTransitions for Cloud {
                type Error = ShelfError;
                $($methods)*
            }

            #[derive(Clone)]
            pub struct Release(pub Cloud);

            impl World for Release {
                type Machine = SiteFlow;
                type Transitions = Cloud;
                fn new(sim: &Sim) -> Self {
                    Self(Cloud::empty(sim))
                }
                fn transitions(&self) -> Cloud {
                    self.0.clone()
                }
                fn resource() -> App {
                    App::new("v1", &[])
                }
                fn inventory(&self) -> Vec<Thing> {
                    self.0.things()
                }
            }

            $(impl Successor for Release {
                type Before = $before::Release;
                fn after(before: &$before::Release) -> Self {
                    Self(before.0.clone())
                }
            })?
        }
    };
}

release!(first: { name = "test.io/site", version = 1 } {
    #[fsm(initial)]
    #[transition(build -> Built, in_doubt = repeat, undo = raze)]
    Wanted,
    #[transition(register -> Ready, in_doubt = repeat, undo = unregister)]
    Built { host: String },
    #[fsm(resting)]
    Ready { entry: String },
} {
    async fn build(&self, from: Wanted, attempt: &SiteAttempt) -> Result<Built, ShelfError> {
        Ok(from.built(self.hosts.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn raze(&self, made: &Built, _: &SiteAttempt) -> Result<Undone, ShelfError> {
        self.hosts.remove(&made.host).await.map(Undone::from)
    }
    async fn register(&self, from: Built, attempt: &SiteAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(self.entries.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn unregister(&self, made: &Ready, _: &SiteAttempt) -> Result<Undone, ShelfError> {
        self.entries.remove(&made.entry).await.map(Undone::from)
    }
});

// Everything has another name.
release!(renamed after first: { name = "test.io/page", was = "test.io/site", version = 2 } {
    #[fsm(initial, was = "Wanted")]
    #[transition(rent -> Rented, was = "build", in_doubt = repeat, undo = give_back)]
    Asked,
    #[fsm(was = "Built")]
    #[transition(list -> Listed, was = "register", in_doubt = repeat, undo = unlist)]
    Rented {
        #[fsm(was = "host")]
        house: String,
    },
    #[fsm(resting, was = "Ready")]
    Listed {
        #[fsm(was = "entry")]
        line: String,
    },
} {
    async fn rent(&self, from: Asked, attempt: &SiteAttempt) -> Result<Rented, ShelfError> {
        Ok(from.rented(self.hosts.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn give_back(&self, made: &Rented, _: &SiteAttempt) -> Result<Undone, ShelfError> {
        self.hosts.remove(&made.house).await.map(Undone::from)
    }
    async fn list(&self, from: Rented, attempt: &SiteAttempt) -> Result<Listed, ShelfError> {
        Ok(from.listed(self.entries.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn unlist(&self, made: &Listed, _: &SiteAttempt) -> Result<Undone, ShelfError> {
        self.entries.remove(&made.line).await.map(Undone::from)
    }
});

/// A step before the state in which the first release rests.
macro_rules! opened {
    ($module:ident { $($keys:tt)* }) => {
        release!($module after first: { name = "test.io/site", version = 2, $($keys)* } {
            #[fsm(initial)]
            #[transition(build -> Built, in_doubt = repeat, undo = raze)]
            Wanted,
            #[transition(register -> Registered, in_doubt = repeat, undo = unregister)]
            Built { host: String },
            #[transition(open -> Ready, in_doubt = repeat, undo = close)]
            Registered { entry: String },
            #[fsm(resting)]
            Ready {
                #[fsm(default)]
                port: String,
            },
        } {
            async fn build(&self, from: Wanted, attempt: &SiteAttempt) -> Result<Built, ShelfError> {
                Ok(from.built(self.hosts.put(attempt.key(), attempt.owner_tag()).await?))
            }
            async fn raze(&self, made: &Built, _: &SiteAttempt) -> Result<Undone, ShelfError> {
                self.hosts.remove(&made.host).await.map(Undone::from)
            }
            async fn register(&self, from: Built, attempt: &SiteAttempt) -> Result<Registered, ShelfError> {
                Ok(from.registered(self.entries.put(attempt.key(), attempt.owner_tag()).await?))
            }
            async fn unregister(&self, made: &Registered, _: &SiteAttempt) -> Result<Undone, ShelfError> {
                self.entries.remove(&made.entry).await.map(Undone::from)
            }
            async fn open(&self, from: Registered, attempt: &SiteAttempt) -> Result<Ready, ShelfError> {
                Ok(from.ready(self.ports.put(attempt.key(), attempt.owner_tag()).await?))
            }
            async fn close(&self, made: &Ready, _: &SiteAttempt) -> Result<Undone, ShelfError> {
                self.ports.remove(&made.port).await.map(Undone::from)
            }
        });
    };
}

opened!(opened { upgrade(from = 1, Ready => Registered) });
opened!(careless {});

// A step in the middle, which records that are behind it catch up with.
release!(between after first: { name = "test.io/site", version = 2, upgrade(from = 1, Ready => Closed) } {
    #[fsm(initial)]
    #[transition(build -> Built, in_doubt = repeat, undo = raze)]
    Wanted,
    #[transition(open -> Open, in_doubt = repeat, undo = close)]
    Built { host: String },
    #[transition(register -> Ready, in_doubt = repeat, undo = unregister)]
    Open {
        // The undo of what the first release has registered reads a state that comes after this one.
        #[fsm(default)]
        port: String,
    },
    #[fsm(resting)]
    Ready { entry: String },
    /// The first release has registered it, and nothing has opened it.
    #[fsm(retired)]
    #[transition(open_late -> OpenedLate, in_doubt = repeat, undo = close_late)]
    Closed { host: String, entry: String },
    #[fsm(retired)]
    #[transition(go_on -> Ready, no_effect)]
    OpenedLate {
        #[fsm(default)]
        port: String,
    },
} {
    async fn build(&self, from: Wanted, attempt: &SiteAttempt) -> Result<Built, ShelfError> {
        Ok(from.built(self.hosts.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn raze(&self, made: &Built, _: &SiteAttempt) -> Result<Undone, ShelfError> {
        self.hosts.remove(&made.host).await.map(Undone::from)
    }
    async fn open(&self, from: Built, attempt: &SiteAttempt) -> Result<Open, ShelfError> {
        Ok(from.open(self.ports.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn close(&self, made: &Open, _: &SiteAttempt) -> Result<Undone, ShelfError> {
        self.ports.remove(&made.port).await.map(Undone::from)
    }
    async fn register(&self, from: Open, attempt: &SiteAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(self.entries.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn unregister(&self, made: &Ready, _: &SiteAttempt) -> Result<Undone, ShelfError> {
        self.entries.remove(&made.entry).await.map(Undone::from)
    }
    async fn open_late(&self, from: Closed, attempt: &SiteAttempt) -> Result<OpenedLate, ShelfError> {
        Ok(from.opened_late(self.ports.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn close_late(&self, made: &OpenedLate, _: &SiteAttempt) -> Result<Undone, ShelfError> {
        self.ports.remove(&made.port).await.map(Undone::from)
    }
    fn go_on(&self, from: OpenedLate, _: &SiteAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready_again())
    }
});

// There is nothing to register with any more.
release!(shorter after first: { name = "test.io/site", version = 2 } {
    #[fsm(initial)]
    #[transition(build -> Built, in_doubt = repeat, undo = raze)]
    Wanted,
    #[transition(open -> Open, in_doubt = repeat, undo = close)]
    #[transition(register -> Ready, retired, in_doubt = repeat, undo = unregister)]
    Built { host: String },
    #[fsm(resting)]
    Open { port: String },
    #[fsm(retired)]
    #[transition(open)]
    Ready { entry: String },
} {
    async fn build(&self, from: Wanted, attempt: &SiteAttempt) -> Result<Built, ShelfError> {
        Ok(from.built(self.hosts.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn raze(&self, made: &Built, _: &SiteAttempt) -> Result<Undone, ShelfError> {
        self.hosts.remove(&made.host).await.map(Undone::from)
    }
    async fn register(&self, from: Built, attempt: &SiteAttempt) -> Result<Ready, ShelfError> {
        Ok(from.ready(self.entries.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn unregister(&self, made: &Ready, _: &SiteAttempt) -> Result<Undone, ShelfError> {
        self.entries.remove(&made.entry).await.map(Undone::from)
    }
    async fn open(&self, from: OpenFrom, attempt: &SiteAttempt) -> Result<Open, ShelfError> {
        Ok(from.open(self.ports.put(attempt.key(), attempt.owner_tag()).await?))
    }
    async fn close(&self, made: &Open, _: &SiteAttempt) -> Result<Undone, ShelfError> {
        self.ports.remove(&made.port).await.map(Undone::from)
    }
});

#[track_caller]
fn survives<W: Successor>() {
    let done = upgrade::<W>().unwrap_or_else(|why| panic!("{why}"));
    println!("{done}");
    assert!(done.runs > 140 && done.held == 0, "{done}");
}

#[test]
fn a_machine_of_which_everything_is_renamed_goes_on_from_every_crossing() {
    survives::<renamed::Release>();
}

#[test]
fn a_step_before_the_resting_state_is_taken_from_every_crossing() {
    survives::<opened::Release>();
}

#[test]
fn a_step_in_the_middle_is_caught_up_with_from_every_crossing() {
    survives::<between::Release>();
}

#[test]
fn what_a_retired_step_has_made_is_undone_from_every_crossing() {
    survives::<shorter::Release>();
}

/// What it would be without the line: the record is held, and nothing is skipped.
#[test]
fn a_release_that_does_not_say_where_records_go_on_is_found_out() {
    let why = upgrade::<careless::Release>().unwrap_err();
    assert!(why.contains("held (Upgrade)") && why.contains("upgrade(from = 1, Ready => Registered)"), "{why}");
}
