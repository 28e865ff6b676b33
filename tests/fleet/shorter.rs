//! A release that keeps all names: a step is gone, and a fact is new. So the first version can read most of what it writes.

use durable_fsm::{Attempt, Fsm, Lookup, Undone, Wait};

use crate::cloud::{Cloud, Refused};
use crate::site::Site;

#[derive(Fsm)]
#[fsm(name = "fleet.io/site", version = 2, resource = Site, timeout = "10s", settle = "5s", retry = "1s..20s")]
pub enum SiteFlow {
    #[fsm(initial)]
    #[transition(rent -> Rented, in_doubt = repeat, undo = give_back)]
    Wanted,
    #[transition(mount -> Mounted, in_doubt = hold, undo = unmount, abort = abort_mount)]
    Rented { host: String },
    #[transition(install -> Installed, in_doubt = repeat, undo = uninstall)]
    #[transition(register -> Registered, retired, in_doubt = lookup, undo = unregister)]
    Mounted { volume: String },
    #[fsm(retired)]
    #[transition(install)]
    Registered,
    #[transition(start -> Ready, in_doubt = repeat, undo = none)]
    Installed { app: String },
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
}

impl SiteTransitions for Cloud {
    kept_methods!();
    async fn install(&self, from: InstallFrom, attempt: &Attempt<Site>) -> Result<Installed, Refused> {
        Ok(from.installed(self.make("app", attempt).await?))
    }
    async fn start(&self, from: Installed, attempt: &Attempt<Site>) -> Result<Ready, Refused> {
        let applied = self.act("start", attempt).await?;
        Ok(from.ready(ReadyFacts { applied, edits: 0 }))
    }
    async fn apply(&self, from: Ready, attempt: &Attempt<Site>) -> Result<Ready, Refused> {
        let edits = from.edits + 1;
        let applied = self.act("apply", attempt).await?;
        Ok(from.ready(ReadyFacts { applied, edits }))
    }
}
