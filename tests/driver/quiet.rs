//! What a deletion waits for right after something was made: a hundred resources with the default times, with a transport that may duplicate and with one that
//! delivers once.

use std::time::Duration;

use durable_fsm::store::MemoryStore;
use durable_fsm::{Outcome, Resource, ResourceId};

use crate::world::ManualClock;

/// One of many.
#[derive(Clone)]
pub struct Tenant {
    name: String,
    deleting: bool,
}

impl Resource for Tenant {
    type Spec = ();
    fn id(&self) -> ResourceId {
        ResourceId::new("default", &self.name)
    }
    fn uid(&self) -> &str {
        &self.name
    }
    fn spec(&self) -> &() {
        &()
    }
    fn deleting(&self) -> bool {
        self.deleting
    }
}

fn tenants(deleting: bool) -> Vec<Tenant> {
    (0..100).map(|number| Tenant { name: format!("tenant-{number}"), deleting }).collect()
}

/// A machine of two steps, and a provider for it that counts.
macro_rules! machine {
    ($module:ident, $name:literal $(, transport = $once:ident)?) => {
        mod $module {
            use std::sync::Arc;
            use std::sync::atomic::{AtomicUsize, Ordering};

            use durable_fsm::{Class, Classify, Fsm, Undone};

            use super::Tenant;

            #[derive(Fsm)]
            #[fsm(name = $name, version = 1, resource = Tenant $(, transport = $once)?)]
            pub enum TenantFlow {
                #[fsm(initial)]
                #[transition(make_database -> Stored, in_doubt = repeat, undo = drop_database)]
                Requested,
                #[transition(make_account -> Ready, in_doubt = repeat, undo = drop_account)]
                Stored { database: String },
                #[fsm(resting)]
                Ready { account: String },
            }

            #[derive(Debug, thiserror::Error)]
            #[error("never")]
            pub enum Never {}

            impl Classify for Never {
                fn classify(&self) -> Class {
                    Class::Unknown
                }
            }

            /// How many things there are.
            #[derive(Clone, Default)]
            pub struct Things(pub Arc<AtomicUsize>);

            impl TenantTransitions for Things {
                type Error = Never;
                async fn make_database(&self, from: Requested, attempt: &TenantAttempt) -> Result<Stored, Never> {
                    self.0.fetch_add(1, Ordering::Relaxed);
                    Ok(from.stored(attempt.key().to_owned()))
                }
                async fn drop_database(&self, _: &Stored, _: &TenantAttempt) -> Result<Undone, Never> {
                    self.0.fetch_sub(1, Ordering::Relaxed);
                    Ok(Undone::Done)
                }
                async fn make_account(&self, from: Stored, attempt: &TenantAttempt) -> Result<Ready, Never> {
                    self.0.fetch_add(1, Ordering::Relaxed);
                    Ok(from.ready(attempt.key().to_owned()))
                }
                async fn drop_account(&self, _: &Ready, _: &TenantAttempt) -> Result<Undone, Never> {
                    self.0.fetch_sub(1, Ordering::Relaxed);
                    Ok(Undone::Done)
                }
            }
        }
    };
}

machine!(duplicated, "test.io/duplicated");
machine!(once, "test.io/once-tenant", transport = once);

#[tokio::test]
async fn a_deletion_of_a_hundred_says_why_it_waits_and_until_when() {
    let (things, clock) = (duplicated::Things::default(), ManualClock::default());
    let runner = duplicated::TenantRunner::builder(things.clone(), MemoryStore::new()).clock(clock.clone()).build();
    for tenant in tenants(false) {
        assert!(matches!(runner.reconcile(&tenant).await.unwrap(), Outcome::Resting(_)));
    }
    let made = || things.0.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(made(), 200);
    for tenant in tenants(true) {
        let outcome = runner.reconcile(&tenant).await.unwrap();
        assert_eq!(outcome.requeue_after(), Some(Duration::from_secs(60)), "the default time-out");
        let Outcome::Progressing { reason, .. } = outcome else { panic!("it does not say what it waits for") };
        assert_eq!(reason, "a late request of `make_account` may still take effect, until 2027-01-15T08:01:00.000Z");
    }
    assert_eq!(made(), 200, "nothing is undone while something of it may still land");
    clock.advance(Duration::from_secs(60));
    for tenant in tenants(true) {
        assert!(matches!(runner.reconcile(&tenant).await.unwrap(), Outcome::Gone));
    }
    assert_eq!(made(), 0);
}

/// That this is safe is a property of the model: its configuration with a transport that delivers once.
#[tokio::test]
async fn where_requests_are_delivered_once_a_deletion_of_a_hundred_does_not_wait() {
    let (things, clock) = (once::Things::default(), ManualClock::default());
    let runner = once::TenantRunner::builder(things.clone(), MemoryStore::new()).clock(clock.clone()).build();
    for tenant in tenants(false) {
        assert!(matches!(runner.reconcile(&tenant).await.unwrap(), Outcome::Resting(_)));
    }
    let made = || things.0.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(made(), 200);
    for tenant in tenants(true) {
        assert!(matches!(runner.reconcile(&tenant).await.unwrap(), Outcome::Gone));
    }
    assert_eq!(made(), 0);
}
