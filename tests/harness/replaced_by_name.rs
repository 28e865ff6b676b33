//! A page that is replaced by a rewind whenever it changes. Its undo addresses it by name, so a late duplicate of the undo must not remove the new page.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use durable_fsm::testing::{Shelf, ShelfError, Sim, Thing, World, explore};
use durable_fsm::{Fsm, Undone, Wait};

use crate::worlds::resource::App;

/// How long it takes until a page is seen everywhere: longer than timeout and settle of the step that publishes it.
const SPREADING: Duration = Duration::from_secs(120);

/// A page that is taken down and published again whenever it changes.
#[derive(Fsm)]
#[fsm(name = "test.io/spaced", version = 1, resource = App)]
pub enum SpacedFlow {
    /// Nothing yet.
    #[fsm(initial)]
    #[transition(publish -> Published, in_doubt = repeat, undo = unpublish, settle = "5s")]
    Requested,
    /// Not everybody sees it yet.
    #[transition(spread -> Ready, waits, within = "10m")]
    Published { page: String, image: String },
    /// It shows what is wanted.
    #[fsm(resting)]
    #[transition(replace -> Requested, when = changed, rewind)]
    Ready,
}

#[derive(Clone)]
pub struct Cloud {
    pages: Shelf,
    published_at: Arc<Mutex<Duration>>,
    sim: Sim,
}

impl SpacedTransitions for Cloud {
    type Error = ShelfError;
    fn changed(&self, at: &Ready, app: &App) -> bool {
        at.image != app.0.image
    }
    async fn publish(&self, from: Requested, attempt: &SpacedAttempt) -> Result<Published, ShelfError> {
        let pages = self.pages.made_of(&attempt.spec().image);
        // Whatever a request of before has put there shows what this one is to show.
        let page = pages.claim("front", attempt.key(), attempt.owner_tag()).await?;
        pages.change(&page).await?;
        *self.published_at.lock().unwrap_or_else(PoisonError::into_inner) = self.sim.now();
        Ok(from.published(PublishedFacts { page, image: attempt.spec().image.clone() }))
    }
    async fn unpublish(&self, _: &Published, attempt: &SpacedAttempt) -> Result<Undone, ShelfError> {
        self.pages.remove_name("front", attempt.owner_tag()).await.map(Undone::from)
    }
    async fn spread(&self, from: Published, _: &SpacedAttempt) -> Result<Wait<Ready>, ShelfError> {
        let published_at = *self.published_at.lock().unwrap_or_else(PoisonError::into_inner);
        let left = (published_at + SPREADING).saturating_sub(self.sim.now());
        Ok(if left.is_zero() { Wait::Done(from.ready()) } else { Wait::NotYetFor(left) })
    }
}

impl World for Cloud {
    type Machine = SpacedFlow;
    type Transitions = Self;
    fn new(sim: &Sim) -> Self {
        Self { pages: Shelf::new(sim, "page"), published_at: Arc::default(), sim: sim.clone() }
    }
    fn transitions(&self) -> Self {
        self.clone()
    }
    fn resource() -> App {
        App::new("v1", &[])
    }
    fn edits() -> Vec<App> {
        vec![App::new("v2", &[])]
    }
    fn inventory(&self) -> Vec<Thing> {
        self.pages.inventory()
    }
}

durable_fsm::survive! {
    mod survives for Cloud { publish }
    waits { spread }
}

/// A pass does not wait for a wait to be over: whatever changes the resource begins the next pass, as a watch does.
#[test]
fn a_change_wakes_the_controller_up() {
    for plan in ["spread/wait#1=delete", "pass#2=delete"] {
        let timeline = explore::<Cloud>().timeline(&plan.parse().unwrap());
        assert!(timeline.contains("     0.000 s   written: seq 3 Published (deleting)"), "{timeline}");
    }
}
