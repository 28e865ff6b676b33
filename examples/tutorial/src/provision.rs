//! What each transition does.

// ANCHOR: provider
use std::future::Future;

use durable_fsm::{Classify, Lookup, Undone, Wait};

use crate::machine::*;

/// What the transitions need from outside: databases, and certificates from an authority.
///
/// A trait, so that tests can put a simulated provider in its place.
pub trait Provider: Send + Sync + 'static {
    /// What can go wrong.
    type Error: Classify;

    /// Creates a database and answers its id. A second request with the same key answers the same id.
    fn create_database(&self, key: &str, owner: &str) -> impl Future<Output = Result<String, Self::Error>> + Send;

    /// Drops a database. It is no error if there is none.
    fn drop_database(&self, id: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Orders a certificate and answers the order's number. Each request is an order of its own.
    fn order(&self, host: &str, key: &str, owner: &str) -> impl Future<Output = Result<String, Self::Error>> + Send;

    /// The number of the order that was placed with this key, if there is one.
    fn find_order(&self, key: &str, owner: &str) -> impl Future<Output = Result<Option<String>, Self::Error>> + Send;

    /// The certificate's serial number, once it is issued.
    fn serial(&self, order: &str) -> impl Future<Output = Result<Option<String>, Self::Error>> + Send;

    /// Cancels an order and revokes its certificate. It is no error if there is neither.
    fn revoke(&self, order: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;
}
// ANCHOR_END: provider

// ANCHOR: provisioner
/// The transitions of [`TenantFlow`] at a provider.
#[derive(Debug)]
pub struct Provisioner<P>(pub P);

impl<P: Provider> TenantTransitions for Provisioner<P> {
    type Error = P::Error;

    async fn create_database(&self, from: Requested, attempt: &TenantAttempt) -> Result<DatabaseCreated, P::Error> {
        let id = self.0.create_database(attempt.key(), attempt.owner_tag()).await?;
        Ok(from.database_created(id))
    }

    async fn drop_database(&self, made: &DatabaseCreated, _: &TenantAttempt) -> Result<Undone, P::Error> {
        self.0.drop_database(&made.database).await.map(Undone::from)
    }
    // ANCHOR_END: provisioner

    // ANCHOR: order
    async fn order_certificate(
        &self,
        from: DatabaseCreated,
        attempt: &TenantAttempt,
    ) -> Result<CertificateOrdered, P::Error> {
        let host = attempt.spec().host.clone();
        let order = self.0.order(&host, attempt.key(), attempt.owner_tag()).await?;
        Ok(from.certificate_ordered(CertificateOrderedFacts { order, host }))
    }

    async fn lookup_order_certificate(
        &self,
        from: DatabaseCreated,
        attempt: &TenantAttempt,
    ) -> Result<Lookup<CertificateOrdered>, P::Error> {
        let host = attempt.spec().host.clone();
        Ok(match self.0.find_order(attempt.key(), attempt.owner_tag()).await? {
            Some(order) => Lookup::Ours(from.certificate_ordered(CertificateOrderedFacts { order, host })),
            None => Lookup::Absent,
        })
    }

    async fn revoke_certificate(&self, made: &CertificateOrdered, _: &TenantAttempt) -> Result<Undone, P::Error> {
        self.0.revoke(&made.order).await.map(Undone::from)
    }
    // ANCHOR_END: order

    // ANCHOR: wait
    async fn await_certificate(&self, from: CertificateOrdered, _: &TenantAttempt) -> Result<Wait<Ready>, P::Error> {
        Ok(match self.0.serial(&from.order).await? {
            Some(serial) => Wait::Done(from.ready(serial)),
            None => Wait::NotYet,
        })
    }

    fn has_another_host(&self, at: &Ready, tenant: &Tenant) -> bool {
        at.host != tenant.spec.host
    }
    // ANCHOR_END: wait
}
