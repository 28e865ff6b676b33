//! What goes wrong in a step. Invariant: a step that stopped between its calls never counts as not carried out.

use durable_fsm::{Class, Classify};

use crate::accounts::AccountError;
use crate::clients::ClientError;

/// What went wrong in a step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProvisionError {
    /// A server.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The vault.
    #[error("the vault cannot be used: {0}; nothing was sent")]
    Vault(#[from] std::io::Error),
    /// The container's name is taken by something that is not ours.
    #[error("the container {0} is not ours; remove or rename it")]
    ForeignContainer(String),
    /// A step of several calls stopped between them.
    #[error("the step was carried out in part, then failed: {0}")]
    Partly(#[source] Box<ProvisionError>),
    /// What is being removed is not gone yet.
    #[error("{0} is being removed and is not gone yet; it is asked for again")]
    Removing(String),
    /// The Kubernetes API.
    #[cfg(feature = "cluster")]
    #[error("the Kubernetes API failed")]
    Kubernetes(#[from] kube::Error),
}

impl From<AccountError> for ProvisionError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Client(error) => ProvisionError::Client(error),
            AccountError::Vault(error) => ProvisionError::Vault(error),
        }
    }
}

impl Classify for ProvisionError {
    fn classify(&self) -> Class {
        match self {
            ProvisionError::Client(error) => error.classify(),
            ProvisionError::Vault(_) | ProvisionError::Removing(_) => Class::NOT_APPLIED,
            ProvisionError::ForeignContainer(_) => Class::NotOurs,
            ProvisionError::Partly(_) => Class::Unknown,
            #[cfg(feature = "cluster")]
            ProvisionError::Kubernetes(error) => durable_fsm_kube::classify(error),
        }
    }
}
