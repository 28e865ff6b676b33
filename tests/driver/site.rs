//! A machine with the shapes that `machine` does not have: a branch, an abort, a retained effect, a fact that is written twice.

use durable_fsm::{Fsm, Lookup, Undone};

use crate::machine::{Refused, Thing};
use crate::world::Provider;

/// A site with a name, a place and a title.
#[derive(Fsm)]
#[fsm(name = "test.io/site", version = 1, resource = Thing)]
pub enum SiteFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(reserve -> Reserved, in_doubt = repeat, undo = retain, timeout = "10s")]
    Requested,
    /// The name is reserved and stays reserved.
    #[transition(place -> Shared | Dedicated, in_doubt = lookup, undo = displace, abort = clear, timeout = "10s", settle = "5s")]
    Reserved { name: String },
    /// On a host with others.
    #[transition(entitle_shared -> Entitled, no_effect)]
    Shared { slot: String },
    /// On a host of its own.
    #[transition(entitle_dedicated -> Entitled, no_effect)]
    Dedicated { host: String },
    /// It has a title.
    #[transition(open -> Open, in_doubt = repeat, undo = close, timeout = "10s")]
    Entitled { title: String },
    /// It can be visited.
    #[fsm(resting)]
    #[transition(retitle -> Retitled, when = has_another_title, no_effect)]
    Open { door: String },
    /// Under another title than it was opened with.
    #[fsm(resting)]
    Retitled { title: String },
}

impl SiteTransitions for Provider {
    type Error = Refused;

    async fn reserve(&self, from: Requested, attempt: &SiteAttempt) -> Result<Reserved, Refused> {
        Ok(from.reserved(self.make("reserve", attempt.key(), "name").await?))
    }
    async fn place(&self, from: Reserved, attempt: &SiteAttempt) -> Result<PlaceNext, Refused> {
        Ok(from.dedicated(self.make("place", attempt.owner_tag(), "host").await?).into())
    }
    async fn lookup_place(&self, from: Reserved, attempt: &SiteAttempt) -> Result<Lookup<PlaceNext>, Refused> {
        Ok(match self.find("lookup_place", &format!("place {}", attempt.owner_tag())).await? {
            Some(host) => Lookup::Ours(from.dedicated(host).into()),
            None => Lookup::Absent,
        })
    }
    async fn displace(&self, made: PlaceMade<'_>, _attempt: &SiteAttempt) -> Result<Undone, Refused> {
        (match made {
            PlaceMade::Shared(made) => self.remove("displace", &made.slot).await,
            PlaceMade::Dedicated(made) => self.remove("displace", &made.host).await,
        })
        .map(Undone::from)
    }
    async fn clear(&self, _from: &Reserved, attempt: &SiteAttempt) -> Result<Undone, Refused> {
        (match self.find("clear", &format!("place {}", attempt.owner_tag())).await? {
            Some(host) => self.remove("displace", &host).await,
            None => Ok(()),
        })
        .map(Undone::from)
    }
    fn entitle_shared(&self, from: Shared, attempt: &SiteAttempt) -> Result<Entitled, Refused> {
        Ok(from.entitled(attempt.spec().image.clone()))
    }
    fn entitle_dedicated(&self, from: Dedicated, attempt: &SiteAttempt) -> Result<Entitled, Refused> {
        Ok(from.entitled(attempt.spec().image.clone()))
    }
    async fn open(&self, from: Entitled, attempt: &SiteAttempt) -> Result<Open, Refused> {
        let door = self.make("open", attempt.key(), &from.title).await?;
        Ok(from.open(door))
    }
    async fn close(&self, made: &Open, _attempt: &SiteAttempt) -> Result<Undone, Refused> {
        self.remove("close", &made.door).await.map(Undone::from)
    }
    fn has_another_title(&self, at: &Open, thing: &Thing) -> bool {
        at.title != thing.spec.image
    }
    fn retitle(&self, from: Open, attempt: &SiteAttempt) -> Result<Retitled, Refused> {
        Ok(from.retitled(attempt.spec().image.clone()))
    }
}
