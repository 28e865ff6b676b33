//! A machine with one step of each kind.

use std::collections::BTreeSet;

use durable_fsm::{Class, Classify, Each, Fsm, Lookup, Resource, ResourceId, Undone, Wait};
use serde::{Deserialize, Serialize};

use crate::world::{Provider, Refusal};

#[derive(Clone)]
pub struct Thing {
    pub name: String,
    pub uid: String,
    pub spec: Spec,
    pub deleting: bool,
}

#[derive(Clone, Serialize, Deserialize, PartialEq)]
pub struct Spec {
    pub image: String,
    pub members: BTreeSet<String>,
}

impl Thing {
    pub fn new(image: &str, members: &[&str]) -> Self {
        let members = members.iter().map(ToString::to_string).collect();
        Self {
            name: "thing".to_owned(),
            uid: "uid-1".to_owned(),
            spec: Spec { image: image.to_owned(), members },
            deleting: false,
        }
    }
}

impl Resource for Thing {
    type Spec = Spec;
    fn id(&self) -> ResourceId {
        ResourceId::new("default", &self.name)
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn spec(&self) -> &Spec {
        &self.spec
    }
    fn deleting(&self) -> bool {
        self.deleting
    }
}

/// One step of each kind.
#[derive(Fsm)]
#[fsm(name = "test.io/thing", version = 1, resource = Thing)]
pub enum ThingFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(make_account -> Accounted, in_doubt = repeat, undo = drop_account, timeout = "10s")]
    Requested,
    /// It has an account.
    #[transition(make_room -> Roomed, in_doubt = lookup, undo = close_room, timeout = "10s", settle = "5s")]
    Accounted { account: String },
    /// It has a room.
    #[transition(configure -> Configured, no_effect)]
    Roomed { room: String },
    /// The configuration is made.
    #[transition(roll_out -> RolledOut, waits, within = "10m")]
    Configured { config: String },
    /// It is rolled out everywhere.
    #[transition(send_mail -> Ready, in_doubt = hold, undo = none, timeout = "10s")]
    RolledOut,
    /// All members and the one container run.
    #[fsm(resting)]
    #[transition(run_container, for_each = containers, in_doubt = repeat, undo = stop_container, timeout = "10s")]
    #[transition(add_member, for_each = members, in_doubt = lookup, undo = remove_member, timeout = "10s", settle = "5s")]
    Ready { containers: Each<String, String>, members: Each<String, u64>, mail: String },
}

/// What the scripted provider refused.
#[derive(Debug, thiserror::Error)]
#[error("{0:?}{1}")]
pub struct Refused(pub Refusal, pub String);

impl Classify for Refused {
    fn classify(&self) -> Class {
        match self.0 {
            Refusal::Unknown => Class::Unknown,
            Refusal::NotApplied => Class::NOT_APPLIED,
            Refusal::Rejected => Class::Rejected,
            Refusal::NotOurs => Class::NotOurs,
        }
    }
}

impl ThingTransitions for Provider {
    type Error = Refused;

    async fn make_account(&self, from: Requested, attempt: &ThingAttempt) -> Result<Accounted, Refused> {
        Ok(from.accounted(self.make("make_account", attempt.key(), &attempt.spec().image).await?))
    }
    async fn drop_account(&self, made: &Accounted, _attempt: &ThingAttempt) -> Result<Undone, Refused> {
        self.remove("drop_account", &made.account).await.map(Undone::from)
    }
    async fn make_room(&self, from: Accounted, attempt: &ThingAttempt) -> Result<Roomed, Refused> {
        // A room has no name that the provider would recognise: every call makes another one.
        Ok(from.roomed(self.make_another("make_room", attempt.owner_tag()).await?))
    }
    async fn lookup_make_room(&self, from: Accounted, attempt: &ThingAttempt) -> Result<Lookup<Roomed>, Refused> {
        Ok(match self.find("lookup_make_room", attempt.owner_tag()).await? {
            Some(room) => Lookup::Ours(from.roomed(room)),
            None => Lookup::Absent,
        })
    }
    async fn close_room(&self, made: &Roomed, _attempt: &ThingAttempt) -> Result<Undone, Refused> {
        self.remove("close_room", &made.room).await.map(Undone::from)
    }
    fn configure(&self, from: Roomed, attempt: &ThingAttempt) -> Result<Configured, Refused> {
        let config = format!("{} in {}", attempt.spec().image, from.room);
        Ok(from.configured(config))
    }
    async fn roll_out(&self, from: Configured, attempt: &ThingAttempt) -> Result<Wait<RolledOut>, Refused> {
        self.note_deadline(attempt.deadline());
        Ok(if self.is_rolled_out() { Wait::Done(from.rolled_out()) } else { Wait::NotYet })
    }
    async fn send_mail(&self, from: RolledOut, attempt: &ThingAttempt) -> Result<Ready, Refused> {
        Ok(from.ready(self.make_another("send_mail", attempt.owner_tag()).await?))
    }
    fn containers(&self, _at: &Ready, resource: &Thing) -> BTreeSet<String> {
        BTreeSet::from([resource.spec.image.clone()])
    }
    async fn run_container(&self, _at: &Ready, subject: &String, attempt: &ThingAttempt) -> Result<String, Refused> {
        self.make("run_container", attempt.key(), subject).await
    }
    async fn stop_container(
        &self,
        _at: &Ready,
        _subject: &String,
        made: &String,
        _attempt: &ThingAttempt,
    ) -> Result<Undone, Refused> {
        self.remove("stop_container", made).await.map(Undone::from)
    }
    fn members(&self, _at: &Ready, resource: &Thing) -> BTreeSet<String> {
        resource.spec.members.clone()
    }
    async fn add_member(&self, _at: &Ready, subject: &String, attempt: &ThingAttempt) -> Result<u64, Refused> {
        self.make_another("add_member", &format!("{} {subject}", attempt.owner_tag())).await?;
        Ok(7)
    }
    async fn lookup_add_member(
        &self,
        _at: &Ready,
        subject: &String,
        attempt: &ThingAttempt,
    ) -> Result<Lookup<u64>, Refused> {
        let tag = format!("{} {subject}", attempt.owner_tag());
        Ok(if self.find("lookup_add_member", &tag).await?.is_some() { Lookup::Ours(7) } else { Lookup::Absent })
    }
    async fn remove_member(
        &self,
        _at: &Ready,
        subject: &String,
        _made: &u64,
        attempt: &ThingAttempt,
    ) -> Result<Undone, Refused> {
        let tag = format!("{} {subject}", attempt.owner_tag());
        (match self.find("find_member", &tag).await? {
            Some(member) => self.remove("remove_member", &member).await,
            None => Ok(()),
        })
        .map(Undone::from)
    }
}
