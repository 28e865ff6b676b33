//! Machines whose things can vanish, on a provider from which they can be taken away.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use durable_fsm::{Class, Classify, Undone};

use crate::machine::Thing;

#[derive(Debug, Clone, thiserror::Error)]
#[error("the provider does not answer")]
pub struct Down(Class);

impl Classify for Down {
    fn classify(&self) -> Class {
        self.0
    }
}

#[derive(Default)]
pub struct State {
    /// What exists, and the key under which it was made.
    pub things: BTreeMap<String, String>,
    pub calls: Vec<String>,
    pub is_down: bool,
    /// It answers for another account.
    pub denies: bool,
    /// What it refuses to make.
    pub refuses: Option<&'static str>,
    made: u32,
}

/// The provider of all the machines here; every clone is the same one.
#[derive(Clone, Default)]
pub struct Cloud(Arc<Mutex<State>>);

impl Cloud {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn make(&self, owner: &Thing, what: &str, key: &str) -> Result<String, Down> {
        let mut state = self.state();
        state.calls.push(format!("make {what}"));
        if state.is_down || state.refuses.is_some_and(|refused| refused == what) {
            return Err(Down(Class::NOT_APPLIED));
        }
        let name = format!("{}/{what}", owner.name);
        let other = state.things.get(&name).filter(|other| *other != key);
        assert_eq!(other, None, "{name} exists, under another key");
        state.things.insert(name, key.to_owned());
        state.made += 1;
        Ok(format!("{what}#{}", state.made))
    }

    pub fn remove(&self, owner: &Thing, what: &str) -> Result<Undone, Down> {
        let mut state = self.state();
        state.calls.push(format!("remove {what}"));
        state.things.remove(&format!("{}/{what}", owner.name));
        if state.is_down { Err(Down(Class::NOT_APPLIED)) } else { Ok(Undone::Done) }
    }

    pub fn is_there(&self, owner: &Thing, what: &str) -> Result<bool, Down> {
        let mut state = self.state();
        state.calls.push(format!("ask {what}"));
        if state.is_down {
            Err(Down(Class::Unknown))
        } else {
            Ok(!state.denies && state.things.contains_key(&format!("{}/{what}", owner.name)))
        }
    }

    /// Somebody removes this by hand.
    pub fn lose(&self, what: &str) {
        assert!(self.state().things.remove(&format!("thing/{what}")).is_some(), "there is no {what}");
    }

    pub fn things(&self) -> Vec<String> {
        self.state().things.keys().cloned().collect()
    }

    /// The calls since this was asked last.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state().calls)
    }

    /// The calls since this was asked last that are no questions.
    pub fn acts(&self) -> Vec<String> {
        self.calls().into_iter().filter(|call| !call.starts_with("ask")).collect()
    }
}

pub mod host {
    use std::collections::BTreeSet;

    use durable_fsm::{Class, Each, Fsm, Kept, Lookup, Undone};

    use super::{Cloud, Down};
    use crate::machine::Thing;

    /// A machine on a network and a disk, with a name and users.
    #[derive(Fsm)]
    #[fsm(name = "test.io/host", version = 1, resource = Thing, timeout = "10s")]
    pub enum HostFlow {
        #[fsm(initial)]
        #[transition(make_net -> Netted, in_doubt = repeat, undo = drop_net, verify = is_net, lost = remake)]
        Requested,
        #[transition(make_disk -> Disked, in_doubt = lookup, undo = drop_disk, settle = "5s", lost = remake)]
        Netted,
        #[transition(make_host -> Hosted, in_doubt = repeat, undo = drop_host, verify = is_host, lost = rewind(Disked))]
        Disked,
        #[transition(claim -> Ready, in_doubt = repeat, undo = release, verify = is_named, lost = hold)]
        Hosted { host: String },
        /// It serves.
        #[fsm(resting, verify = "10m")]
        #[transition(add_user, for_each = users, in_doubt = lookup, undo = drop_user, settle = "5s")]
        #[transition(resize, keep = size, in_doubt = repeat, undo = none)]
        Ready { users: Each<String, String>, size: Kept<u32> },
    }

    impl HostTransitions for Cloud {
        type Error = Down;
        async fn make_net(&self, from: Requested, attempt: &HostAttempt) -> Result<Netted, Down> {
            self.make(attempt.resource(), "net", attempt.key()).map(|_| from.netted())
        }
        async fn drop_net(&self, _: &Netted, attempt: &HostAttempt) -> Result<Undone, Down> {
            self.remove(attempt.resource(), "net")
        }
        async fn is_net(&self, _: &Netted, attempt: &HostAttempt) -> Result<bool, Down> {
            self.is_there(attempt.resource(), "net")
        }
        async fn make_disk(&self, from: Netted, attempt: &HostAttempt) -> Result<Disked, Down> {
            self.make(attempt.resource(), "disk", attempt.key()).map(|_| from.disked())
        }
        async fn lookup_make_disk(&self, from: Netted, attempt: &HostAttempt) -> Result<Lookup<Disked>, Down> {
            Ok(if self.is_there(attempt.resource(), "disk")? { Lookup::Ours(from.disked()) } else { Lookup::Absent })
        }
        async fn drop_disk(&self, _: &Disked, attempt: &HostAttempt) -> Result<Undone, Down> {
            self.remove(attempt.resource(), "disk")
        }
        async fn make_host(&self, from: Disked, attempt: &HostAttempt) -> Result<Hosted, Down> {
            Ok(from.hosted(self.make(attempt.resource(), "host", attempt.key())?))
        }
        async fn drop_host(&self, _: &Hosted, attempt: &HostAttempt) -> Result<Undone, Down> {
            self.remove(attempt.resource(), "host")
        }
        async fn is_host(&self, made: &Hosted, attempt: &HostAttempt) -> Result<bool, Down> {
            assert!(made.host.starts_with("host#"), "{}", made.host);
            self.is_there(attempt.resource(), "host")
        }
        async fn claim(&self, from: Hosted, attempt: &HostAttempt) -> Result<Ready, Down> {
            self.make(attempt.resource(), "name", attempt.key()).map(|_| from.ready())
        }
        async fn release(&self, _: &Ready, attempt: &HostAttempt) -> Result<Undone, Down> {
            self.remove(attempt.resource(), "name")
        }
        async fn is_named(&self, _: &Ready, attempt: &HostAttempt) -> Result<bool, Down> {
            self.is_there(attempt.resource(), "name")
        }
        fn users(&self, _: &Ready, thing: &Thing) -> BTreeSet<String> {
            thing.spec.members.clone()
        }
        async fn add_user(&self, _: &Ready, user: &String, attempt: &HostAttempt) -> Result<String, Down> {
            // Without the host, no member can be added to it.
            if !self.things().contains(&format!("{}/host", attempt.resource().name)) {
                return Err(Down(Class::Rejected));
            }
            self.make(attempt.resource(), user, attempt.key())
        }
        async fn lookup_add_user(
            &self,
            _: &Ready,
            user: &String,
            attempt: &HostAttempt,
        ) -> Result<Lookup<String>, Down> {
            let is_there = self.is_there(attempt.resource(), user)?;
            Ok(if is_there { Lookup::Ours("found".to_owned()) } else { Lookup::Absent })
        }
        async fn drop_user(&self, _: &Ready, user: &String, _: &String, attempt: &HostAttempt) -> Result<Undone, Down> {
            self.remove(attempt.resource(), user)
        }
        fn size(&self, _: &Ready, thing: &Thing) -> u32 {
            u32::try_from(thing.spec.image.len()).unwrap()
        }
        async fn resize(&self, _: &Ready, size: &u32, _: &HostAttempt) -> Result<(), Down> {
            self.state().calls.push(format!("resize {size}"));
            Ok(())
        }
    }
}

pub mod site {
    use durable_fsm::{Failure, Fsm, Undone};

    use super::{Cloud, Down};
    use crate::machine::Thing;

    /// Where a loss leads to a state, and where nothing is asked.
    #[derive(Fsm)]
    #[fsm(name = "test.io/site", version = 1, resource = Thing, transport = once)]
    pub enum SiteFlow {
        #[fsm(initial)]
        #[transition(publish -> Online, in_doubt = repeat, undo = withdraw, verify = is_online, lost = Broken)]
        Requested,
        #[transition(announce -> Known, in_doubt = repeat, undo = retract, verify = is_announced, lost = ignore)]
        Online { address: String },
        #[fsm(resting, verify = "10m")]
        Known,
        #[fsm(resting, failed)]
        #[transition(start_again -> Requested, when = may_start, rewind)]
        Broken { failure: Failure },
    }

    impl SiteTransitions for Cloud {
        type Error = Down;
        async fn publish(&self, from: Requested, attempt: &SiteAttempt) -> Result<Online, Down> {
            Ok(from.online(self.make(attempt.resource(), "site", attempt.key())?))
        }
        async fn withdraw(&self, _: &Online, attempt: &SiteAttempt) -> Result<Undone, Down> {
            self.remove(attempt.resource(), "site")
        }
        async fn is_online(&self, _: &Online, attempt: &SiteAttempt) -> Result<bool, Down> {
            self.is_there(attempt.resource(), "site")
        }
        async fn announce(&self, from: Online, attempt: &SiteAttempt) -> Result<Known, Down> {
            self.make(attempt.resource(), "feed", attempt.key()).map(|_| from.known())
        }
        async fn retract(&self, _: &Known, attempt: &SiteAttempt) -> Result<Undone, Down> {
            self.remove(attempt.resource(), "feed")
        }
        async fn is_announced(&self, _: &Known, _: &SiteAttempt) -> Result<bool, Down> {
            panic!("what is to be ignored is not asked about")
        }
        fn may_start(&self, at: &Broken, thing: &Thing) -> bool {
            !at.failure.is_of(thing)
        }
    }
}

pub mod fleet {
    use std::collections::BTreeSet;

    use durable_fsm::{Each, Fsm, Undone, Wait};

    use super::{Cloud, Down};
    use crate::machine::Thing;

    /// Machines that join, which somebody else does.
    #[derive(Fsm)]
    #[fsm(name = "test.io/fleet", version = 1, resource = Thing, transport = once)]
    pub enum FleetFlow {
        #[fsm(initial)]
        #[transition(open -> Running, no_effect)]
        Requested,
        #[fsm(resting, verify = "10m")]
        #[transition(start, for_each = machines, in_doubt = repeat, undo = stop, verify = is_started)]
        #[transition(await_join, for_each = joined, on = machines, waits)]
        Running { machines: Each<String, String>, joined: Each<String, String> },
    }

    impl FleetTransitions for Cloud {
        type Error = Down;
        fn open(&self, from: Requested, _: &FleetAttempt) -> Result<Running, Down> {
            Ok(from.running())
        }
        fn machines(&self, _: &Running, thing: &Thing) -> BTreeSet<String> {
            thing.spec.members.clone()
        }
        async fn start(&self, _: &Running, machine: &String, attempt: &FleetAttempt) -> Result<String, Down> {
            self.make(attempt.resource(), machine, attempt.key())
        }
        async fn stop(
            &self,
            _: &Running,
            machine: &String,
            _: &String,
            attempt: &FleetAttempt,
        ) -> Result<Undone, Down> {
            self.remove(attempt.resource(), machine)
        }
        async fn is_started(
            &self,
            _: &Running,
            machine: &String,
            made: &String,
            attempt: &FleetAttempt,
        ) -> Result<bool, Down> {
            assert!(made.starts_with(&format!("{machine}#")), "{made}");
            self.is_there(attempt.resource(), machine)
        }
        async fn await_join(&self, at: &Running, machine: &String, _: &FleetAttempt) -> Result<Wait<String>, Down> {
            self.state().calls.push(format!("join {machine}"));
            Ok(Wait::Done(format!("joined {}", at.machines.get(machine).unwrap())))
        }
    }
}
