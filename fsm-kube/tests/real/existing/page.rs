//! What the operator does besides: a ConfigMap that is applied at each pass.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};

use super::site::{Error, Site};

pub async fn apply_page(client: &Client, site: &Site) -> Result<(), Error> {
    let pages: Api<ConfigMap> = Api::namespaced(client.clone(), &site.namespace().unwrap_or_default());
    let metadata = ObjectMeta { name: Some(site.name_any()), ..ObjectMeta::default() };
    let data = [("host".to_owned(), site.spec.host.clone())].into();
    let page = ConfigMap { metadata, data: Some(data), ..ConfigMap::default() };
    pages.patch(&site.name_any(), &PatchParams::apply("site-operator"), &Patch::Apply(&page)).await?;
    Ok(())
}
