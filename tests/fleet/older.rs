//! Version 1 of the machine, and the same machine under another name by somebody who has not said what it was called.

/// The methods that a release keeps if it keeps all names. A macro, because the states of each release are types of their own.
macro_rules! kept_methods {
    () => {
        type Error = Refused;
        async fn rent(&self, from: Wanted, attempt: &Attempt<Site>) -> Result<Rented, Refused> {
            Ok(from.rented(self.make("host", attempt).await?))
        }
        async fn give_back(&self, made: &Rented, attempt: &Attempt<Site>) -> Result<Undone, Refused> {
            self.remove("host", &made.host, attempt).await
        }
        async fn register(&self, from: Mounted, attempt: &Attempt<Site>) -> Result<Registered, Refused> {
            self.make_another("entry", attempt).await?;
            Ok(from.registered())
        }
        async fn lookup_register(&self, from: Mounted, attempt: &Attempt<Site>) -> Result<Lookup<Registered>, Refused> {
            self.find("entry", attempt, |_| from.registered()).await
        }
        async fn unregister(&self, _: &Registered, attempt: &Attempt<Site>) -> Result<Undone, Refused> {
            self.remove_all("entry", attempt).await
        }
        async fn mount(&self, from: Rented, attempt: &Attempt<Site>) -> Result<Mounted, Refused> {
            Ok(from.mounted(self.make_another("volume", attempt).await?))
        }
        async fn unmount(&self, made: &Mounted, attempt: &Attempt<Site>) -> Result<Undone, Refused> {
            self.remove("volume", &made.volume, attempt).await
        }
        async fn abort_mount(&self, _: &Rented, attempt: &Attempt<Site>) -> Result<Undone, Refused> {
            self.remove_all("volume", attempt).await
        }
        async fn uninstall(&self, made: &Installed, attempt: &Attempt<Site>) -> Result<Undone, Refused> {
            self.remove("app", &made.app, attempt).await
        }
        fn is_changed(&self, at: &Ready, site: &Site) -> bool {
            at.applied != site.spec.image
        }
        async fn say_farewell(&self, from: Ready, attempt: &Attempt<Site>) -> Result<Leaving, Refused> {
            self.act("farewell", attempt).await?;
            Ok(from.leaving())
        }
        async fn await_answer(&self, from: Leaving, attempt: &Attempt<Site>) -> Result<Wait<Left>, Refused> {
            Ok(if self.is_answered(attempt) { Wait::Done(from.left()) } else { Wait::NotYet })
        }
    };
}

/// The whole machine, under this name and version.
macro_rules! site {
    ($($keys:tt)*) => {
        use durable_fsm::{Attempt, Fsm, Lookup, Undone, Wait};

        use crate::cloud::{Cloud, Refused};
        use crate::site::Site;

        #[derive(Fsm)]
        #[fsm(resource = Site, timeout = "10s", settle = "5s", retry = "1s..20s", $($keys)*)]
        pub enum SiteFlow {
            #[fsm(initial)]
            #[transition(rent -> Rented, in_doubt = repeat, undo = give_back)]
            Wanted,
            #[transition(mount -> Mounted, in_doubt = hold, undo = unmount, abort = abort_mount)]
            Rented { host: String },
            #[transition(register -> Registered, in_doubt = lookup, undo = unregister)]
            Mounted { volume: String },
            #[transition(install -> Installed, in_doubt = repeat, undo = uninstall)]
            Registered,
            #[transition(start -> Ready, in_doubt = repeat, undo = none)]
            Installed { app: String },
            #[fsm(resting)]
            #[transition(apply -> Ready, when = is_changed, in_doubt = repeat, undo = none)]
            #[transition(say_farewell -> Leaving, on_delete, in_doubt = repeat, undo = none)]
            Ready { applied: u32 },
            #[fsm(leaving)]
            #[transition(await_answer -> Left, waits, every = "10s")]
            Leaving,
            #[fsm(leaving)]
            Left,
        }

        impl SiteTransitions for Cloud {
            kept_methods!();
            async fn install(&self, from: Registered, attempt: &Attempt<Site>) -> Result<Installed, Refused> {
                Ok(from.installed(self.make("app", attempt).await?))
            }
            async fn start(&self, from: Installed, attempt: &Attempt<Site>) -> Result<Ready, Refused> {
                Ok(from.ready(self.act("start", attempt).await?))
            }
            async fn apply(&self, from: Ready, attempt: &Attempt<Site>) -> Result<Ready, Refused> {
                Ok(from.ready(self.act("apply", attempt).await?))
            }
        }
    };
}

pub mod first {
    site!(name = "fleet.io/site", version = 1);
}

pub mod stranger {
    site!(name = "fleet.io/page", version = 2);
}
