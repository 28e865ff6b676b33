//! The resource, and the machine that provisions it.

// ANCHOR: resource
use durable_fsm::{Fsm, Resource, ResourceId};
use serde::{Deserialize, Serialize};

/// A tenant, as it is written in a document.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// Its uid. The controller chooses one for a document that has none.
    pub uid: String,
    /// What is wanted for it.
    pub spec: TenantSpec,
}

/// What a tenant's author asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TenantSpec {
    /// The host name that the certificate is for.
    pub host: String,
}

impl Resource for Tenant {
    type Spec = TenantSpec;

    fn id(&self) -> ResourceId {
        ResourceId::new("", &self.name)
    }

    fn uid(&self) -> &str {
        &self.uid
    }

    fn spec(&self) -> &TenantSpec {
        &self.spec
    }
}
// ANCHOR_END: resource

// ANCHOR: machine
/// Gives a tenant a database, and a certificate for its host name.
#[derive(Fsm)]
#[fsm(name = "example.io/tenant", version = 1, resource = Tenant, timeout = "2s")]
pub enum TenantFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(create_database -> DatabaseCreated, in_doubt = repeat, undo = drop_database)]
    Requested,

    /// The database exists.
    #[transition(order_certificate -> CertificateOrdered, in_doubt = lookup, undo = revoke_certificate, settle = "1s")]
    DatabaseCreated {
        /// The database's id.
        database: String,
    },

    /// The authority has accepted the order. It takes some time to issue the certificate.
    #[transition(await_certificate -> Ready, waits, every = "1s", within = "1h")]
    CertificateOrdered {
        /// The order's number. The authority chooses it.
        order: String,
        /// The host name that the order is for.
        host: String,
    },

    /// The certificate is issued. The machine rests here. If the host name changes, the certificate is replaced.
    #[fsm(resting)]
    #[transition(replace_certificate -> DatabaseCreated, when = has_another_host, rewind)]
    Ready {
        /// The certificate's serial number.
        serial: String,
    },
}
// ANCHOR_END: machine
