//! A spec gets a field that every resource has to have, while requests with the old spec are under way.

use std::time::Duration;

use durable_fsm::store::MemoryStore;
use durable_fsm::{Outcome, Resource, ResourceId};
use serde::{Deserialize, Serialize};

use crate::world::{Fault, ManualClock, Provider, Refusal};

#[derive(Clone, Serialize, Deserialize)]
pub struct Place {
    pub host: String,
}

/// A resource with such a spec.
macro_rules! site {
    ($($field:ident: $type:ty),*) => {
        #[derive(Clone)]
        pub struct Site {
            pub spec: Spec,
            pub deleting: bool,
        }

        #[derive(Clone, Serialize, Deserialize)]
        pub struct Spec {
            $(pub $field: $type,)*
        }

        impl Resource for Site {
            type Spec = Spec;
            fn id(&self) -> ResourceId {
                ResourceId::new("default", "site")
            }
            fn uid(&self) -> &str {
                "uid-1"
            }
            fn spec(&self) -> &Spec {
                &self.spec
            }
            fn deleting(&self) -> bool {
                self.deleting
            }
        }
    };
}

/// The machine, of this version.
macro_rules! machine {
    ($version:literal, $label:expr) => {
        #[derive(durable_fsm::Fsm)]
        #[fsm(name = "test.io/older-specs", version = $version, resource = Site)]
        pub enum SiteFlow {
            #[fsm(initial)]
            #[transition(make -> Made, in_doubt = repeat, undo = scrap, timeout = "10s")]
            Wanted,
            #[fsm(resting)]
            Made { host: String },
        }

        impl SiteTransitions for Provider {
            type Error = Refused;
            async fn make(&self, from: Wanted, attempt: &SiteAttempt) -> Result<Made, Refused> {
                let label: fn(&Spec) -> String = $label;
                Ok(from.made(self.make("make", attempt.key(), &label(attempt.spec())).await?))
            }
            async fn scrap(&self, made: &Made, _: &SiteAttempt) -> Result<durable_fsm::Undone, Refused> {
                self.remove("scrap", &made.host).await.map(durable_fsm::Undone::from)
            }
        }
    };
}

mod v1 {
    use super::*;
    use crate::machine::Refused;

    site! { image: String, place: Place }
    machine!(1, |spec| format!("{} on {}", spec.image, spec.place.host));
}

mod v2 {
    use super::*;
    use crate::machine::Refused;

    site! { image: String, place: Place, region: String }
    machine!(2, |spec| format!("{} on {} in {}", spec.image, spec.place.host, spec.region));
}

async fn left_in_doubt() -> (Provider, MemoryStore, ManualClock) {
    let (provider, store, clock) = (Provider::default(), MemoryStore::new(), ManualClock::default());
    let runner = v1::SiteRunner::builder(provider.clone(), store.clone()).clock(clock.clone()).build();
    provider.will("make", &[Fault::Refused(Refusal::Unknown)]);
    let spec = v1::Spec { image: "web:1".to_owned(), place: Place { host: "a".to_owned() } };
    let outcome = runner.reconcile(&v1::Site { spec, deleting: false }).await.unwrap();
    assert!(provider.all_faults_fired() && matches!(outcome, Outcome::Progressing { .. }));
    clock.advance(Duration::from_secs(3600));
    (provider, store, clock)
}

fn edited(deleting: bool) -> v2::Site {
    let place = Place { host: "b".to_owned() };
    v2::Site { spec: v2::Spec { image: "web:2".to_owned(), place, region: "north".to_owned() }, deleting }
}

#[tokio::test]
async fn a_field_that_the_recorded_spec_does_not_have_is_the_resources_own() {
    let (provider, store, clock) = left_in_doubt().await;
    let runner = v2::SiteRunner::builder(provider.clone(), store).clock(clock).build();
    assert!(matches!(runner.reconcile(&edited(false)).await.unwrap(), Outcome::Resting(_)));
    let [made] = provider.live().try_into().unwrap();
    assert!(made.starts_with("make:web:1 on a in north"), "what was sent stays as it was sent: {made}");
}

#[tokio::test]
async fn a_deletion_does_not_wait_for_a_spec_that_was_sent_without_the_field() {
    let (provider, store, clock) = left_in_doubt().await;
    let runner = v2::SiteRunner::builder(provider.clone(), store).clock(clock.clone()).build();
    for _ in 0..10 {
        match runner.delete(&edited(true)).await.unwrap() {
            Outcome::Gone => break,
            outcome => clock.advance(outcome.requeue_after().unwrap()),
        }
    }
    assert!(provider.live().is_empty() && provider.calls().contains(&"scrap".to_owned()));
}

mod renamed {
    use super::*;

    site! { picture: String, place: Place, region: String }
}

mod shorter {
    use super::*;

    site! { image: String }
}

#[test]
fn a_spec_of_the_last_release_is_read_before_the_next_one_is_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.spec.json");
    let spec = v1::Spec { image: "web:1".to_owned(), place: Place { host: "a".to_owned() } };
    durable_fsm::assert_spec_compatible(&path, &v1::Site { spec, deleting: false });
    assert!(std::fs::read_to_string(&path).unwrap().contains("web:1"));
    durable_fsm::assert_spec_compatible(&path, &edited(false));
    let spec = shorter::Spec { image: "web:2".to_owned() };
    durable_fsm::assert_spec_compatible(&path, &shorter::Site { spec, deleting: false });
    // Today's picture is not sent for the image of then.
    let place = Place { host: "a".to_owned() };
    let spec = renamed::Spec { picture: "web:2".to_owned(), place, region: "north".to_owned() };
    let renamed = renamed::Site { spec, deleting: false };
    let refused = |asserted: &dyn Fn()| {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(asserted)).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    let why = refused(&|| durable_fsm::assert_spec_compatible(&path, &renamed));
    assert!(why.contains("would be held: missing field `picture`") && why.contains("alias"), "{why}");
    std::fs::write(&path, r#"{ "image": 7, "place": { "host": "a" } }"#).unwrap();
    let why = refused(&|| durable_fsm::assert_spec_compatible(&path, &edited(false)));
    assert!(why.contains("would be held: invalid type") && why.contains("site.spec.json"), "{why}");
}
