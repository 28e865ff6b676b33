//! A Worker of eight effects, as a custom resource and a machine.

use durable_fsm::{Fsm, Lookup, Undone};
use durable_fsm_kube::FsmStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::provider::{Provider, Refused};

#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[kube(group = "test.durable-fsm.io", version = "v1", kind = "Worker", namespaced, status = "WorkerStatus")]
pub struct WorkerSpec {
    pub image: String,
    #[serde(default)]
    pub notes: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkerStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fsm: Option<FsmStatus>,
    /// The second machine on the same object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<FsmStatus>,
    /// The third.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<FsmStatus>,
    #[serde(default)]
    pub conditions: Vec<Condition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

durable_fsm_kube::resource!(Worker, WorkerSpec);

/// Eight effects, keyed and looked up. The times are short because the tests kill controllers.
#[derive(Fsm)]
#[fsm(name = "test.durable-fsm.io/worker", version = 1, resource = Worker)]
pub enum WorkerFlow {
    #[fsm(initial)]
    #[transition(register_account -> AccountRegistered, in_doubt = repeat, undo = deactivate_account, timeout = "500ms", retry = "50ms..1s")]
    Requested,
    #[transition(create_room -> RoomCreated, in_doubt = lookup, undo = close_room, timeout = "500ms", settle = "500ms", retry = "50ms..1s")]
    AccountRegistered { user_id: String },
    #[transition(create_consumer -> ConsumerCreated, in_doubt = repeat, undo = delete_consumer, timeout = "500ms", retry = "50ms..1s")]
    RoomCreated { room_id: String },
    #[transition(authorize_route -> RouteAuthorized, in_doubt = repeat, undo = deauthorize_route, timeout = "500ms", retry = "50ms..1s")]
    ConsumerCreated { consumer: String },
    #[transition(push_config -> ConfigPushed, in_doubt = repeat, undo = remove_config, timeout = "500ms", retry = "50ms..1s")]
    RouteAuthorized { route: String },
    #[transition(push_skills -> SkillsPushed, in_doubt = repeat, undo = remove_skills, timeout = "500ms", retry = "50ms..1s")]
    ConfigPushed { config: String },
    #[transition(start_container -> Started, in_doubt = lookup, undo = stop_container, timeout = "500ms", settle = "500ms", retry = "50ms..1s")]
    SkillsPushed { skills: String },
    #[transition(announce -> Announced, in_doubt = repeat, undo = retract, timeout = "500ms", retry = "50ms..1s")]
    Started { container: String },
    #[transition(enter_service -> Ready, no_effect)]
    Announced { notice: String },
    #[fsm(resting)]
    #[transition(apply_spec -> Ready, when = image_changed, in_doubt = repeat, undo = none, timeout = "500ms", retry = "50ms..1s")]
    Ready { image: String },
}

impl WorkerTransitions for Provider {
    type Error = Refused;
    async fn register_account(&self, from: Requested, attempt: &WorkerAttempt) -> Result<AccountRegistered, Refused> {
        Ok(from.account_registered(self.make("account", attempt).await?))
    }
    async fn deactivate_account(&self, made: &AccountRegistered, _: &WorkerAttempt) -> Result<Undone, Refused> {
        self.remove(&made.user_id).await.map(Undone::from)
    }
    async fn create_room(&self, from: AccountRegistered, attempt: &WorkerAttempt) -> Result<RoomCreated, Refused> {
        Ok(from.room_created(self.make("room", attempt).await?))
    }
    async fn close_room(&self, made: &RoomCreated, _: &WorkerAttempt) -> Result<Undone, Refused> {
        self.remove(&made.room_id).await.map(Undone::from)
    }
    async fn lookup_create_room(
        &self,
        from: AccountRegistered,
        attempt: &WorkerAttempt,
    ) -> Result<Lookup<RoomCreated>, Refused> {
        Ok(self.find("room", attempt).await?.map_or(Lookup::Absent, |id| Lookup::Ours(from.room_created(id))))
    }
    async fn create_consumer(&self, from: RoomCreated, attempt: &WorkerAttempt) -> Result<ConsumerCreated, Refused> {
        Ok(from.consumer_created(self.make("consumer", attempt).await?))
    }
    async fn delete_consumer(&self, made: &ConsumerCreated, _: &WorkerAttempt) -> Result<Undone, Refused> {
        self.remove(&made.consumer).await.map(Undone::from)
    }
    async fn authorize_route(
        &self,
        from: ConsumerCreated,
        attempt: &WorkerAttempt,
    ) -> Result<RouteAuthorized, Refused> {
        Ok(from.route_authorized(self.make("route", attempt).await?))
    }
    async fn deauthorize_route(&self, made: &RouteAuthorized, _: &WorkerAttempt) -> Result<Undone, Refused> {
        self.remove(&made.route).await.map(Undone::from)
    }
    async fn push_config(&self, from: RouteAuthorized, attempt: &WorkerAttempt) -> Result<ConfigPushed, Refused> {
        Ok(from.config_pushed(self.make("config", attempt).await?))
    }
    async fn remove_config(&self, made: &ConfigPushed, _: &WorkerAttempt) -> Result<Undone, Refused> {
        self.remove(&made.config).await.map(Undone::from)
    }
    async fn push_skills(&self, from: ConfigPushed, attempt: &WorkerAttempt) -> Result<SkillsPushed, Refused> {
        Ok(from.skills_pushed(self.make("skills", attempt).await?))
    }
    async fn remove_skills(&self, made: &SkillsPushed, _: &WorkerAttempt) -> Result<Undone, Refused> {
        self.remove(&made.skills).await.map(Undone::from)
    }
    async fn start_container(&self, from: SkillsPushed, attempt: &WorkerAttempt) -> Result<Started, Refused> {
        Ok(from.started(self.make("container", attempt).await?))
    }
    async fn stop_container(&self, made: &Started, _: &WorkerAttempt) -> Result<Undone, Refused> {
        self.remove(&made.container).await.map(Undone::from)
    }
    async fn lookup_start_container(
        &self,
        from: SkillsPushed,
        attempt: &WorkerAttempt,
    ) -> Result<Lookup<Started>, Refused> {
        Ok(self.find("container", attempt).await?.map_or(Lookup::Absent, |id| Lookup::Ours(from.started(id))))
    }
    async fn announce(&self, from: Started, attempt: &WorkerAttempt) -> Result<Announced, Refused> {
        Ok(from.announced(self.make("notice", attempt).await?))
    }
    async fn retract(&self, made: &Announced, _: &WorkerAttempt) -> Result<Undone, Refused> {
        self.remove(&made.notice).await.map(Undone::from)
    }
    fn enter_service(&self, from: Announced, attempt: &WorkerAttempt) -> Result<Ready, Refused> {
        Ok(from.ready(attempt.spec().image.clone()))
    }
    fn image_changed(&self, at: &Ready, worker: &Worker) -> bool {
        at.image != worker.spec.image
    }
    async fn apply_spec(&self, from: Ready, attempt: &WorkerAttempt) -> Result<Ready, Refused> {
        Ok(from.ready(attempt.spec().image.clone()))
    }
}
