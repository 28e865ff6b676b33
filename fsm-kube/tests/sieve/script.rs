//! What the worker's user does, and what has to come of it.

use std::time::Duration;

use durable_fsm_kube::Verb;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::fault::Fault;
use crate::place;
use crate::worker::{Worker, is_deleting, says_ready, uid_of};
use crate::world::{NAME, NAMESPACE, World};

/// How long after the last fault all must be as it should.
const PATIENCE: Duration = Duration::from_secs(3600);

/// How long a user waits before doing something else.
const QUIET: Duration = Duration::from_secs(15);

/// What a user does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Creates, edits and deletes, waiting each time for what comes of it. In between the controller is started afresh, with nothing to do.
    Life,
    /// Creates and deletes. In between the controller is started afresh: only then does it read an object that it has not just written.
    Brief,
    /// Deletes and makes again under the same name: once before the controller runs, and once at the moment at which the old one is gone.
    Remade,
}

impl Script {
    /// Plays the script. The error is what did not come.
    pub async fn play(self, world: &World) -> Result<(), String> {
        let user = User::of(world);
        match self {
            Self::Life => {
                user.create(&["web"]).await;
                user.sees_ready().await?;
                user.edit(&["files"]).await;
                user.sees_ready().await?;
                user.sees_nothing_to_do().await;
                user.delete().await;
                user.sees_it_gone().await
            }
            Self::Brief => {
                user.create(&["web"]).await;
                user.sees_ready().await?;
                user.starts_controller_afresh().await;
                user.delete().await;
                user.sees_it_gone().await
            }
            Self::Remade => {
                world.want_controller(false);
                user.create(&["web"]).await;
                user.delete().await;
                user.sees_it_gone().await?;
                user.create(&["files"]).await;
                world.want_controller(true);
                user.sees_ready().await?;
                user.delete().await;
                user.sees_it_gone().await?;
                user.create(&["web"]).await;
                user.sees_ready().await?;
                user.delete().await;
                user.sees_it_gone().await
            }
        }
    }
}

/// The user of the worker. Nothing goes wrong with what the user asks for.
struct User<'w> {
    world: &'w World,
    workers: Api<Worker>,
}

impl<'w> User<'w> {
    fn of(world: &'w World) -> Self {
        Self { world, workers: Api::namespaced(world.server.client_named("user"), NAMESPACE) }
    }

    async fn create(&self, skills: &[&str]) {
        let worker = json!({
            "apiVersion": "test.durable-fsm.io/v1", "kind": "Worker",
            "metadata": {"name": NAME, "labels": {"team": "a"}, "annotations": {"note": "keep"}},
            "spec": {"skills": skills},
        });
        let worker: Worker = serde_json::from_value(worker).unwrap();
        self.workers.create(&PostParams::default(), &worker).await.unwrap();
        let note = Patch::Merge(json!({ "status": { "note": "keep" } }));
        self.workers.patch_status(NAME, &PatchParams::default(), &note).await.unwrap();
    }

    async fn edit(&self, skills: &[&str]) {
        let patch = json!({
            "metadata": { "labels": { "team": "b" }, "annotations": { "note": "still" } },
            "spec": { "skills": skills },
        });
        self.workers.patch(NAME, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    async fn delete(&self) {
        self.workers.delete(NAME, &DeleteParams::default()).await.unwrap();
    }

    async fn sees_ready(&self) -> Result<(), String> {
        let is_ready = |world: &World| {
            let object = world.worker();
            object.is_some_and(|it| {
                let has = world.shelf.kinds_of(NAME);
                says_ready(&it) && !is_deleting(&it) && world.wants(&it).is_none_or(|wants| wants == has)
            })
        };
        self.sees("ready", is_ready).await?;
        tokio::time::sleep(QUIET).await;
        Ok(())
    }

    async fn sees_it_gone(&self) -> Result<(), String> {
        let is_gone = |world: &World| world.worker().is_none() && world.shelf.kinds_of(NAME).is_empty();
        self.sees("gone", is_gone).await
    }

    /// Waits until it is so.
    async fn sees(&self, what: &str, is_so: impl Fn(&World) -> bool) -> Result<(), String> {
        let (world, began) = (self.world, self.world.now());
        while !is_so(world) {
            let until = began.max(world.ledger().last_fault) + PATIENCE;
            let Some(left) = until.checked_sub(world.now()).filter(|it| !it.is_zero()) else {
                let object = world.worker();
                let status = object.as_ref().map_or(&Value::Null, |it| &it["status"]);
                let live = world.shelf.kinds_of(NAME);
                return Err(format!("it is not {what} an hour after the last fault: live {live:?}, status {status}"));
            };
            let _ = tokio::time::timeout_at(Instant::now() + left, world.changed.notified()).await;
            self.help().await;
        }
        let now = world.now();
        world.ledger().note(now, format_args!("  the user sees it {what}"));
        Ok(())
    }

    /// Does what the runbook says, if the worker is held for a reason that a fault of the plan accounts for.
    async fn help(&self) {
        let world = self.world;
        let (Some(object), Some(names)) = (world.worker(), world.names()) else { return };
        let reason = object["status"]["fsm"]["reason"].as_str().unwrap_or_default();
        let (release, retry) = (names.verb(Verb::Release), names.verb(Verb::Retry));
        let is_marked = object["metadata"]["finalizers"].to_string().contains(names.finalizer());
        let (struck, backup): (Vec<Fault>, _) = {
            let ledger = world.ledger();
            (ledger.struck().collect(), ledger.backup.clone())
        };
        let has_struck = |faults: &[Fault]| struck.iter().any(|it| faults.contains(it));
        let (key, value) = match reason {
            "TooLarge" if has_struck(&[Fault::TooLong, Fault::TooLarge]) => (retry, json!("")),
            "RecordLost" if !has_struck(&[Fault::Strip, Fault::Revert]) => return,
            "RecordLost" if backup.0 == uid_of(&object) => (names.record().to_owned(), json!(backup.1)),
            // There was no record yet, so there is nothing to be lost.
            "RecordLost" => (release, json!("")),
            _ if !is_marked && place::annotation(&object, &release).is_some() => (release, Value::Null),
            _ => return,
        };
        if place::annotation(&object, &key).map(Value::from).unwrap_or_default() == value {
            return;
        }
        let now = world.now();
        world.ledger().note(now, format_args!("  somebody helps: {reason}"));
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { key: value } } }));
        self.workers.patch(NAME, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Starts the controller afresh, which makes it look at everything.
    async fn starts_controller_afresh(&self) {
        self.world.want_controller(false);
        tokio::task::yield_now().await;
        self.world.want_controller(true);
        tokio::time::sleep(QUIET).await;
    }

    /// Starts the controller afresh, which makes it look at everything, and sees it write and call nothing.
    async fn sees_nothing_to_do(&self) {
        let world = self.world;
        let spec = || world.worker().map(|it| it["metadata"]["generation"].clone());
        let before = (world.controllers_writes(), world.shelf.calls());
        let spec_before = spec();
        self.starts_controller_afresh().await;
        let after = (world.controllers_writes(), world.shelf.calls());
        // Unless the plan has somebody edit it meanwhile.
        if after != before && spec() == spec_before {
            let now = world.now();
            let what = format!("a look at what is ready made {before:?} writes and calls become {after:?}");
            world.ledger().wrong(now, what);
        }
    }
}
