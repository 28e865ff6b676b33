use std::sync::Arc;

use durable_fsm::{Classify, Fsm, Import, Imported, Undone};
use durable_fsm_kube::{AnnotationStore, Names, Reconciler};
use kube::Client;
use kube::runtime::controller::Action;

use super::page::apply_page;
use super::site::{Error, Registrar, Site, SiteSpec};

pub struct Context {
    pub client: Client,
    pub machine: Reconciler<Site, SiteFlow, Registrar>,
}

pub const FINALIZER: &str = "test.durable-fsm.io/registration";

pub async fn reconcile(site: Arc<Site>, context: Arc<Context>) -> Result<Action, Error> {
    if site.metadata.deletion_timestamp.is_none() {
        apply_page(&context.client, &site).await?;
    }
    Ok(context.machine.pass(&site).await?.0)
}

durable_fsm_kube::resource!(Site, SiteSpec);

/// Registers a site.
#[derive(Fsm)]
#[fsm(name = "test.durable-fsm.io/site", version = 1, resource = Site, timeout = "2s", import)]
pub enum SiteFlow {
    /// It is not registered.
    #[fsm(initial)]
    #[transition(register -> Registered, in_doubt = repeat, undo = unregister)]
    Requested,
    /// It is registered. The machine rests here.
    #[fsm(resting)]
    Registered { number: String },
}

impl SiteTransitions for Registrar {
    type Error = Error;

    async fn import(&self, site: &Site) -> Result<Import<SiteFlow>, Error> {
        // What was registered before the machine came stands in the status.
        let Some(number) = site.status.as_ref().and_then(|it| it.registration.clone()) else {
            return Ok(Import::Fresh);
        };
        Ok(Import::At(Imported::at(Requested::start().registered(number)).owns("register")))
    }

    async fn register(&self, from: Requested, attempt: &SiteAttempt) -> Result<Registered, Error> {
        Ok(from.registered(Registrar::register(self, &attempt.spec().host, attempt.key()).await?))
    }

    async fn unregister(&self, made: &Registered, _: &SiteAttempt) -> Result<Undone, Error> {
        self.remove(&made.number).await.map(Undone::from)
    }
}

/// An error means: the request may have been carried out.
impl Classify for Error {}

impl Context {
    pub fn new(client: Client, registrar: Registrar) -> Result<Self, Error> {
        let names = Names::of("test.durable-fsm.io/site")?.with_finalizer(FINALIZER);
        let store = AnnotationStore::of::<Site>(client.clone()).named(names);
        Ok(Self { client, machine: Reconciler::new(registrar, store)? })
    }
}
