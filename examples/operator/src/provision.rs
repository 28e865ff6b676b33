//! What each transition does. Invariant: the record gets ids, never the secret of a key.

use std::future::Future;

use durable_fsm::{Class, Classify, Lookup, Undone, Wait, http};
use reqwest::StatusCode;

use crate::machine::*;
use crate::project::Project;

/// An access key, as the cloud tells it.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Access {
    /// Its id, which may be shown.
    pub id: String,
    /// What authenticates. It has no `Debug`, and cannot become a fact by mistake.
    pub secret: String,
}

/// What the transitions need from outside. It is a trait, so that the explorer can put a simulated cloud in its place.
pub trait Provider: Send + Sync + 'static {
    /// What can go wrong.
    type Error: Classify;

    /// Creates a project and answers its id. Each request creates one. The key and the owner tag are stored with it.
    fn create_project(&self, key: &str, owner: &str) -> impl Future<Output = Result<String, Self::Error>> + Send;

    /// The id of the project that was created with this key.
    fn find_project(&self, key: &str, owner: &str) -> impl Future<Output = Result<Option<String>, Self::Error>> + Send;

    /// Whether the project can be used.
    fn is_prepared(&self, project: &str) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Deletes a project. It is no error if there is none.
    fn delete_project(&self, project: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Creates an empty Secret for the access key and answers its uid.
    fn create_secret(
        &self,
        project: &Project,
        key: &str,
        owner: &str,
    ) -> impl Future<Output = Result<String, Self::Error>> + Send;

    /// The uid of that Secret.
    fn find_secret(
        &self,
        project: &Project,
        key: &str,
        owner: &str,
    ) -> impl Future<Output = Result<Lookup<String>, Self::Error>> + Send;

    /// Writes the access key into the Secret of this uid. It comes after another request, so no error of it may say that nothing has happened.
    fn fill_secret(
        &self,
        project: &Project,
        secret: &str,
        access: &Access,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Deletes the Secret of this uid. It is no error if there is none.
    fn delete_secret(&self, project: &Project, secret: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Issues an access key. A second request with the same idempotency key answers the same access key.
    fn issue(&self, project: &str, key: &str, owner: &str) -> impl Future<Output = Result<Access, Self::Error>> + Send;

    /// Revokes the access key that was issued with this idempotency key. It is no error if there is none.
    fn revoke(&self, key: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Sets how much the project may store, in gigabytes.
    fn set_quota(&self, project: &str, quota: u32) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// What can go wrong at the real cloud.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// The cloud was not reached, or its answer was lost. The address is left out, because it may have a password.
    #[error("the cloud did not answer: {0}")]
    NoAnswer(#[source] reqwest::Error),
    /// The cloud said no.
    #[error("the cloud answered {status}")]
    Refused {
        /// What it said.
        status: StatusCode,
        /// What that means for the request.
        class: Class,
    },
    /// The Secret could not be read or written.
    #[error("the Secret of the access key cannot be read or written: {0}")]
    Secret(#[source] kube::Error),
    /// The access key is issued, and the Secret could not be written.
    #[error("the access key cannot be written into its Secret: {0}")]
    NotFilled(#[source] kube::Error),
}

impl Classify for ProviderError {
    fn classify(&self) -> Class {
        match self {
            Self::NoAnswer(error) => http::classify(error, http::Redirects::Refused),
            Self::Refused { class, .. } => *class,
            Self::Secret(error) => durable_fsm_kube::classify(error),
            // Whatever the API server says about this request, the one before it has issued a key.
            Self::NotFilled(_) => Class::Unknown,
        }
    }
}

/// The transitions of [`ProjectFlow`] at a provider.
#[derive(Debug, Clone)]
pub struct Provisioner<P>(pub P);

impl<P: Provider> ProjectTransitions for Provisioner<P> {
    type Error = P::Error;

    async fn create_project(&self, from: Requested, attempt: &ProjectAttempt) -> Result<Created, P::Error> {
        Ok(from.created(self.0.create_project(attempt.key(), attempt.owner_tag()).await?))
    }

    async fn lookup_create_project(
        &self,
        from: Requested,
        attempt: &ProjectAttempt,
    ) -> Result<Lookup<Created>, P::Error> {
        Ok(match self.0.find_project(attempt.key(), attempt.owner_tag()).await? {
            Some(id) => Lookup::Ours(from.created(id)),
            None => Lookup::Absent,
        })
    }

    async fn delete_project(&self, made: &Created, _: &ProjectAttempt) -> Result<Undone, P::Error> {
        self.0.delete_project(&made.id).await.map(Undone::from)
    }

    async fn await_project(&self, from: Created, _: &ProjectAttempt) -> Result<Wait<Prepared>, P::Error> {
        Ok(if self.0.is_prepared(&from.id).await? { Wait::Done(from.prepared()) } else { Wait::NotYet })
    }

    async fn create_secret(&self, from: Prepared, attempt: &ProjectAttempt) -> Result<Reserved, P::Error> {
        let uid = self.0.create_secret(attempt.resource(), attempt.key(), attempt.owner_tag()).await?;
        Ok(from.reserved(uid))
    }

    async fn lookup_create_secret(
        &self,
        from: Prepared,
        attempt: &ProjectAttempt,
    ) -> Result<Lookup<Reserved>, P::Error> {
        Ok(match self.0.find_secret(attempt.resource(), attempt.key(), attempt.owner_tag()).await? {
            Lookup::Ours(uid) => Lookup::Ours(from.reserved(uid)),
            Lookup::Absent => Lookup::Absent,
            _ => Lookup::NotOurs,
        })
    }

    async fn delete_secret(&self, made: &Reserved, attempt: &ProjectAttempt) -> Result<Undone, P::Error> {
        self.0.delete_secret(attempt.resource(), &made.secret).await.map(Undone::from)
    }

    async fn issue_access(&self, from: Reserved, attempt: &ProjectAttempt) -> Result<Ready, P::Error> {
        let access = self.0.issue(&from.id, attempt.key(), attempt.owner_tag()).await?;
        self.0.fill_secret(attempt.resource(), &from.secret, &access).await?;
        Ok(from.ready(access.id))
    }

    async fn revoke_access(&self, _: &Ready, attempt: &ProjectAttempt) -> Result<Undone, P::Error> {
        self.0.revoke(attempt.key()).await.map(Undone::from)
    }

    async fn revoke_any_access(&self, _: &Reserved, attempt: &ProjectAttempt) -> Result<Undone, P::Error> {
        self.0.revoke(attempt.key()).await.map(Undone::from)
    }

    fn quota(&self, _: &Ready, project: &Project) -> u32 {
        project.spec.quota
    }

    async fn set_quota(&self, at: &Ready, value: &u32, _: &ProjectAttempt) -> Result<(), P::Error> {
        self.0.set_quota(&at.id, *value).await
    }
}
