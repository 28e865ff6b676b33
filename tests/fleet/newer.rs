//! Version 2: everything that a release can change, with the lines that say so, and without them.

/// The methods that both have. A macro, because the states of each are types of their own.
macro_rules! methods {
    ($cable:ident, $farewell:ident) => {
        type Error = Refused;
        async fn rent(&self, from: Wanted, attempt: &Attempt<Site>) -> Result<Rented, Refused> {
            Ok(from.rented(self.make("host", attempt).await?))
        }
        async fn give_back(&self, made: &Rented, attempt: &Attempt<Site>) -> Result<Undone, Refused> {
            self.remove("host", &made.house, attempt).await
        }
        async fn attach(&self, from: Rented, attempt: &Attempt<Site>) -> Result<Attached, Refused> {
            Ok(from.attached(self.make_another("volume", attempt).await?))
        }
        async fn abort_attach(&self, _: &Rented, attempt: &Attempt<Site>) -> Result<Undone, Refused> {
            self.remove_all("volume", attempt).await
        }
        async fn detach(&self, made: &Attached, attempt: &Attempt<Site>) -> Result<Undone, Refused> {
            self.remove("volume", &made.volume, attempt).await
        }
        async fn cable(&self, from: $cable, attempt: &Attempt<Site>) -> Result<Cabled, Refused> {
            Ok(from.cabled(self.make("cable", attempt).await?))
        }
        async fn uncable(&self, made: &Cabled, attempt: &Attempt<Site>) -> Result<Undone, Refused> {
            self.remove("cable", &made.cable, attempt).await
        }
        async fn install(&self, from: Cabled, attempt: &Attempt<Site>) -> Result<InstallNext, Refused> {
            let app = self.make("app", attempt).await?;
            Ok(if attempt.spec().large {
                from.large(LargeFacts { app, zone: "b".to_owned() }).into()
            } else {
                from.small(app).into()
            })
        }
        async fn uninstall(&self, made: InstallMade<'_>, attempt: &Attempt<Site>) -> Result<Undone, Refused> {
            let app = match made {
                InstallMade::Small(made) => &made.app,
                InstallMade::Large(made) => &made.app,
            };
            self.remove("app", app, attempt).await
        }
        async fn open(&self, from: Started, attempt: &Attempt<Site>) -> Result<Ready, Refused> {
            self.make("port", attempt).await?;
            let applied = from.applied;
            Ok(from.ready(ReadyFacts { applied, edits: 0 }))
        }
        // It knows the port by the owner's tag alone.
        async fn close(&self, _: &Ready, attempt: &Attempt<Site>) -> Result<Undone, Refused> {
            self.remove_all("port", attempt).await
        }
        async fn start(&self, from: StartFrom, attempt: &Attempt<Site>) -> Result<Started, Refused> {
            Ok(from.started(self.act("start", attempt).await?))
        }
        fn is_changed(&self, at: &Ready, site: &Site) -> bool {
            at.applied != site.spec.image
        }
        async fn apply(&self, from: Ready, attempt: &Attempt<Site>) -> Result<Ready, Refused> {
            let edits = from.edits + 1;
            let applied = self.act("apply", attempt).await?;
            Ok(from.ready(ReadyFacts { applied, edits }))
        }
        async fn say_farewell(&self, from: $farewell, attempt: &Attempt<Site>) -> Result<Leaving, Refused> {
            self.act("farewell", attempt).await?;
            Ok(from.leaving())
        }
        async fn await_answer(&self, from: Leaving, attempt: &Attempt<Site>) -> Result<Wait<Left>, Refused> {
            Ok(if self.is_answered(attempt) { Wait::Done(from.left()) } else { Wait::NotYet })
        }
    };
}

/// The release that says what has become of the names; where records go on, it says if it is told.
macro_rules! page {
    ($($upgrade:tt)*) => {
        use durable_fsm::{Attempt, Fsm, Lookup, Undone, Wait};

        use crate::cloud::{Cloud, Refused};
        use crate::site::Site;

        #[derive(Fsm)]
        #[fsm(
            name = "fleet.io/page",
            was = "fleet.io/site",
            version = 2,
            resource = Site,
            timeout = "10s",
            settle = "5s",
            retry = "1s..20s",
            $($upgrade)*
        )]
        pub enum PageFlow {
            #[fsm(initial)]
            #[transition(rent -> Rented, in_doubt = repeat, undo = give_back)]
            Wanted,
            #[transition(attach -> Attached, was = "mount", in_doubt = hold, undo = detach, abort = abort_attach)]
            Rented {
                #[fsm(was = "host")]
                house: String,
            },
            // A step in the middle is new. Another one is gone, and the state that it led to.
            #[fsm(was = "Mounted")]
            #[transition(cable -> Cabled, in_doubt = repeat, undo = uncable)]
            #[transition(register -> Registered, retired, in_doubt = lookup, undo = unregister)]
            Attached { volume: String },
            #[fsm(retired)]
            #[transition(cable)]
            Registered,
            // A step is a branch by now.
            #[transition(install -> Small | Large, in_doubt = repeat, undo = uninstall)]
            Cabled {
                #[fsm(default)]
                cable: String,
            },
            #[fsm(was = "Installed")]
            #[transition(start -> Started, in_doubt = repeat, undo = none)]
            Small { app: String },
            #[transition(start)]
            Large { app: String, zone: String },
            // A step before the resting state is new, and records nothing.
            #[transition(open -> Ready, in_doubt = repeat, undo = close)]
            #[transition(say_farewell)]
            Started { applied: u32 },
            // A fact is new.
            #[fsm(resting)]
            #[transition(apply -> Ready, when = is_changed, in_doubt = repeat, undo = none)]
            #[transition(say_farewell -> Leaving, on_delete, in_doubt = repeat, undo = none)]
            Ready {
                applied: u32,
                #[fsm(default)]
                edits: u32,
            },
            #[fsm(leaving)]
            #[transition(await_answer -> Left, waits, every = "10s")]
            Leaving,
            #[fsm(leaving)]
            Left,

            /// Installed by version 1, which laid no cable.
            #[fsm(retired)]
            #[transition(cable_small -> SmallCabled, in_doubt = repeat, undo = uncable_small)]
            SmallUncabled { house: String, volume: String, app: String },
            #[fsm(retired)]
            #[transition(small_at_last -> Small, no_effect)]
            SmallCabled {
                #[fsm(default)]
                cable: String,
            },
            /// Version 1 was ready here, without a cable and a port.
            #[fsm(retired)]
            #[transition(cable_ready -> ReadyCabled, in_doubt = repeat, undo = uncable_ready)]
            #[transition(say_farewell)]
            ReadyUncabled { house: String, volume: String, app: String, applied: u32 },
            #[fsm(retired)]
            #[transition(started_at_last -> Started, no_effect)]
            #[transition(say_farewell)]
            ReadyCabled {
                #[fsm(default)]
                cable: String,
            },
        }

        impl PageTransitions for Cloud {
            methods!(CableFrom, SayFarewellFrom);

            async fn register(&self, from: Attached, attempt: &Attempt<Site>) -> Result<Registered, Refused> {
                self.make_another("entry", attempt).await?;
                Ok(from.registered())
            }
            async fn lookup_register(
                &self,
                from: Attached,
                attempt: &Attempt<Site>,
            ) -> Result<Lookup<Registered>, Refused> {
                self.find("entry", attempt, |_| from.registered()).await
            }
            async fn unregister(&self, _: &Registered, attempt: &Attempt<Site>) -> Result<Undone, Refused> {
                self.remove_all("entry", attempt).await
            }
            async fn cable_small(&self, from: SmallUncabled, attempt: &Attempt<Site>) -> Result<SmallCabled, Refused> {
                Ok(from.small_cabled(self.make("cable", attempt).await?))
            }
            async fn uncable_small(&self, made: &SmallCabled, attempt: &Attempt<Site>) -> Result<Undone, Refused> {
                self.remove("cable", &made.cable, attempt).await
            }
            fn small_at_last(&self, from: SmallCabled, _: &Attempt<Site>) -> Result<Small, Refused> {
                Ok(from.small_again())
            }
            async fn cable_ready(&self, from: ReadyUncabled, attempt: &Attempt<Site>) -> Result<ReadyCabled, Refused> {
                Ok(from.ready_cabled(self.make("cable", attempt).await?))
            }
            async fn uncable_ready(&self, made: &ReadyCabled, attempt: &Attempt<Site>) -> Result<Undone, Refused> {
                self.remove("cable", &made.cable, attempt).await
            }
            fn started_at_last(&self, from: ReadyCabled, _: &Attempt<Site>) -> Result<Started, Refused> {
                Ok(from.started_again())
            }
        }
    };
}

/// The release that says everything.
pub mod second {
    page!(upgrade(from = 1, Small => SmallUncabled, Ready => ReadyUncabled, install => Small));
}

/// The release that does not say where records of version 1 go on.
pub mod unled {
    page!(upgrade(from = 1, install => Small));
}

/// The release that says nothing.
pub mod silent {
    use durable_fsm::{Attempt, Fsm, Undone, Wait};

    use crate::cloud::{Cloud, Refused};
    use crate::site::Site;

    #[derive(Fsm)]
    #[fsm(name = "fleet.io/site", version = 2, resource = Site, timeout = "10s", settle = "5s", retry = "1s..20s")]
    pub enum PageFlow {
        #[fsm(initial)]
        #[transition(rent -> Rented, in_doubt = repeat, undo = give_back)]
        Wanted,
        #[transition(attach -> Attached, in_doubt = hold, undo = detach, abort = abort_attach)]
        Rented { house: String },
        #[transition(cable -> Cabled, in_doubt = repeat, undo = uncable)]
        Attached { volume: String },
        #[transition(install -> Small | Large, in_doubt = repeat, undo = uninstall)]
        Cabled { cable: String },
        #[transition(start -> Started, in_doubt = repeat, undo = none)]
        Small { app: String },
        #[transition(start)]
        Large { app: String, zone: String },
        #[transition(open -> Ready, in_doubt = repeat, undo = close)]
        Started { applied: u32 },
        #[fsm(resting)]
        #[transition(apply -> Ready, when = is_changed, in_doubt = repeat, undo = none)]
        #[transition(say_farewell -> Leaving, on_delete, in_doubt = repeat, undo = none)]
        Ready { applied: u32, edits: u32 },
        #[fsm(leaving)]
        #[transition(await_answer -> Left, waits, every = "10s")]
        Leaving,
        #[fsm(leaving)]
        Left,
    }

    impl PageTransitions for Cloud {
        methods!(Attached, Ready);
    }
}
