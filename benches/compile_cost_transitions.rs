
#[derive(Debug, thiserror::Error)]
#[error("no")]
pub struct No;
impl durable_fsm::Classify for No {}
use durable_fsm::Undone;
pub struct Nothing;
impl WorkerTransitions for Nothing {
    type Error = No;
    async fn register_account(&self, from: Requested, _: &WorkerAttempt) -> Result<AccountRegistered, No> {
        Ok(from.account_registered(String::new()))
    }
    async fn create_room(&self, from: AccountRegistered, _: &WorkerAttempt) -> Result<RoomCreated, No> {
        Ok(from.room_created(String::new()))
    }
    async fn lookup_create_room(&self, _: AccountRegistered, _: &WorkerAttempt) -> Result<durable_fsm::Lookup<RoomCreated>, No> {
        Ok(durable_fsm::Lookup::Absent)
    }
    async fn close_room(&self, _: &RoomCreated, _: &WorkerAttempt) -> Result<Undone, No> {
        Ok(Undone::Done)
    }
    async fn clear_rooms(&self, _: &AccountRegistered, _: &WorkerAttempt) -> Result<Undone, No> {
        Ok(Undone::Done)
    }
    async fn create_consumer(&self, from: RoomCreated, _: &WorkerAttempt) -> Result<ConsumerCreated, No> {
        Ok(from.consumer_created(String::new()))
    }
    async fn delete_consumer(&self, _: &ConsumerCreated, _: &WorkerAttempt) -> Result<Undone, No> {
        Ok(Undone::Done)
    }
    async fn authorize_route(&self, from: ConsumerCreated, _: &WorkerAttempt) -> Result<RouteAuthorized, No> {
        Ok(from.route_authorized(String::new()))
    }
    async fn deauthorize_route(&self, _: &RouteAuthorized, _: &WorkerAttempt) -> Result<Undone, No> {
        Ok(Undone::Done)
    }
    fn generate_config(&self, from: RouteAuthorized, _: &WorkerAttempt) -> Result<ConfigGenerated, No> {
        Ok(from.config_generated(String::new()))
    }
    async fn push_config(&self, from: ConfigGenerated, _: &WorkerAttempt) -> Result<ConfigPushed, No> {
        Ok(from.config_pushed(String::new()))
    }
    async fn remove_config(&self, _: &ConfigPushed, _: &WorkerAttempt) -> Result<Undone, No> {
        Ok(Undone::Done)
    }
    fn skills(&self, _: &ConfigPushed, worker: &Worker) -> BTreeSet<String> {
        worker.spec.skills.clone()
    }
    async fn push_skill(&self, _: &ConfigPushed, _: &String, _: &WorkerAttempt) -> Result<String, No> {
        Ok(String::new())
    }
    async fn remove_skill(&self, _: &ConfigPushed, _: &String, _: &String, _: &WorkerAttempt) -> Result<Undone, No> {
        Ok(Undone::Done)
    }
    fn enter_service(&self, from: ConfigPushed, _: &WorkerAttempt) -> Result<Ready, No> {
        Ok(from.ready(String::new()))
    }
    fn containers(&self, _: &Ready, _: &Worker) -> BTreeSet<String> {
        BTreeSet::new()
    }
    async fn run_container(&self, _: &Ready, _: &String, _: &WorkerAttempt) -> Result<String, No> {
        Ok(String::new())
    }
    async fn lookup_run_container(&self, _: &Ready, _: &String, _: &WorkerAttempt) -> Result<durable_fsm::Lookup<String>, No> {
        Ok(durable_fsm::Lookup::Absent)
    }
    async fn stop_container(&self, _: &Ready, _: &String, _: &String, _: &WorkerAttempt) -> Result<Undone, No> {
        Ok(Undone::Done)
    }
    async fn clear_containers(&self, _: &Ready, _: &String, _: &WorkerAttempt) -> Result<Undone, No> {
        Ok(Undone::Done)
    }
    fn spec_changed(&self, _: &Ready, _: &Worker) -> bool {
        false
    }
    async fn apply_spec(&self, from: Ready, _: &WorkerAttempt) -> Result<Ready, No> {
        Ok(from.ready(String::new()))
    }
}
