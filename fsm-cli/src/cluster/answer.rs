//! What a controller has done with a request.
//!
//! Invariant: a request counts as carried out only once its annotation is gone, or stands on purpose, and no Event says that it was refused.

use std::time::Duration;

use durable_fsm_kube::Verb;
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use tokio::time::Instant;

use super::{Cluster, Sent};

/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_millis(300);

/// How long an Event may come after the annotation has gone.
const EVENT: Duration = Duration::from_secs(3);

/// What a refusal begins with.
const REFUSED: &str = "refused: ";

impl Cluster {
    /// What became of a request, as far as it is known until this time.
    pub(super) async fn answer(&self, sent: &Sent, until: Instant) -> Result<String, String> {
        loop {
            let is_there = match sent.api.get_metadata_opt(&sent.name).await {
                Ok(Some(object)) if object.uid().as_deref() == Some(&sent.uid) => {
                    object.annotations().contains_key(&sent.annotation)
                }
                Ok(_) => return Ok("done, and the resource is gone".to_owned()),
                Err(error) => return Ok(format!("asked; whether it is done is not known: {error}")),
            };
            // This annotation stays when it was carried out, and an Event says so.
            let may_be_done = !is_there || sent.verb == Verb::Release;
            if may_be_done {
                let last = if is_there { Instant::now() } else { Instant::now() + EVENT };
                if let Some(told) = self.event(sent, last).await {
                    return match told.strip_prefix(REFUSED) {
                        Some(why) => Err(why.to_owned()),
                        None => Ok(told),
                    };
                }
            }
            if !is_there {
                return Ok("done; no Event says how".to_owned());
            }
            if Instant::now() >= until {
                let annotation = &sent.annotation;
                let stands = match sent.verb {
                    Verb::Release => "stands, and no Event says that it was carried out",
                    _ => "stands until the controller has seen it",
                };
                return Ok(format!("asked, and not yet done: the annotation {annotation} {stands}"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The Event about the request, once it is there.
    async fn event(&self, sent: &Sent, until: Instant) -> Option<String> {
        loop {
            let events = self.events(&sent.namespace, &sent.uid, sent.verb).await?;
            if let Some((_, told)) = events.into_iter().find(|(name, _)| !sent.before.contains(name)) {
                return Some(told);
            }
            if Instant::now() >= until {
                return None;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The Events about such requests: name and text of each. None if they cannot be read.
    pub(super) async fn events(&self, namespace: &str, uid: &str, verb: Verb) -> Option<Vec<(String, String)>> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let about = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
        let listed = api.list(&about).await.ok()?;
        let of_verb = |event: &Event| {
            event.action.as_deref() == Some("Operate")
                && event.reason.as_deref().is_some_and(|reason| reason.eq_ignore_ascii_case(verb.name()))
        };
        let events = listed.items.into_iter().filter(of_verb);
        Some(events.map(|event| (event.name_any(), event.message.unwrap_or_default())).collect())
    }
}
