use std::sync::Arc;

use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::finalizer::{Event, finalizer};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;

use super::page::apply_page;
use super::site::{Error, Registrar, Site};

pub struct Context {
    pub client: Client,
    pub registrar: Registrar,
}

pub const FINALIZER: &str = "test.durable-fsm.io/registration";

pub async fn reconcile(site: Arc<Site>, context: Arc<Context>) -> Result<Action, Error> {
    let sites = Api::namespaced(context.client.clone(), &site.namespace().unwrap_or_default());
    let event = |event| async {
        match event {
            Event::Apply(site) => apply(&sites, &site, &context).await,
            Event::Cleanup(site) => cleanup(&site, &context).await,
        }
    };
    finalizer(&sites, FINALIZER, site, event).await.map_err(|error| Error::Finalizer(error.to_string()))
}

async fn apply(sites: &Api<Site>, site: &Site, context: &Context) -> Result<Action, Error> {
    apply_page(&context.client, site).await?;
    if site.status.as_ref().is_none_or(|it| it.registration.is_none()) {
        // If the controller dies between these two lines, the registration is an orphan.
        let number = context.registrar.register(&site.spec.host, "").await?;
        let status = json!({ "status": { "registration": number } });
        sites.patch_status(&site.name_any(), &PatchParams::default(), &Patch::Merge(status)).await?;
    }
    Ok(Action::await_change())
}

async fn cleanup(site: &Site, context: &Context) -> Result<Action, Error> {
    if let Some(number) = site.status.as_ref().and_then(|it| it.registration.as_ref()) {
        context.registrar.remove(number).await?;
    }
    Ok(Action::await_change())
}
