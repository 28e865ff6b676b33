//! The linear eight-step create, as HiClaw's WorkerReconciler had it: no record of steps, so every retry begins at step 1. Kept to be
//! compared with.

use crate::clients::{ClientError, Clients, NewContainer, NewRoom, Registered};
use crate::credentials::Vault;
use crate::provision::ROUTE;
use crate::worker::Worker;

/// One run from step 1. Each step is told to `step` before it begins.
///
/// # Errors
/// That of the first step that fails; what the steps before it made stays where it is.
pub async fn create(
    clients: &Clients,
    vault: &Vault,
    token: &str,
    worker: &Worker,
    mut step: impl AsyncFnMut(u32),
) -> Result<(), ClientError> {
    let name = &worker.name;
    step(1).await;
    let credentials = vault.credentials(worker).await.map_err(|error| ClientError::Address(error.to_string()))?;
    let registered = clients.matrix.register(name, credentials.matrix_password.reveal(), token).await?;
    let (Registered::New(session) | Registered::Ours(session)) = registered;
    step(2).await;
    let manager = session.user("manager");
    let room_name = format!("Worker: {name}");
    let room = NewRoom { name: &room_name, alias: None, owner: None, invite: &[&manager] };
    let room_id = clients.matrix.create_room(&session, &room).await?;
    step(3).await;
    let consumer = format!("worker-{name}");
    clients.higress.overwrite_consumer(&consumer, credentials.gateway_key.reveal()).await?;
    step(4).await;
    clients.higress.set_allowed(ROUTE, &consumer, true).await?;
    step(5).await;
    let config = serde_json::json!({ "model": worker.spec.model, "room": room_id });
    step(6).await;
    clients.oss.put(&format!("agents/{name}/openclaw.json"), config.to_string().into_bytes()).await?;
    step(7).await;
    for skill in &worker.spec.skills {
        clients.oss.put(&format!("agents/{name}/skills/{skill}/SKILL.md"), format!("# {skill}\n").into_bytes()).await?;
    }
    step(8).await;
    let container = format!("hiclaw-worker-{name}");
    let new = NewContainer { name: &container, image: &worker.spec.image, ..NewContainer::default() };
    let id = match clients.docker.create(&new).await {
        // As in HiClaw: a container of that name is removed by force, whosever it is.
        Err(error) if error.is(409, "") => {
            clients.docker.remove(&container).await?;
            clients.docker.create(&new).await?
        }
        created => created?,
    };
    clients.docker.start(&id).await
}

/// Removes what it knows of: the things under the worker's name. It leaves the room of the configuration as the worker, so other members stay in the room.
///
/// # Errors
/// That of the first step that fails.
pub async fn delete(clients: &Clients, vault: &Vault, worker: &Worker) -> Result<(), ClientError> {
    let (name, consumer) = (&worker.name, format!("worker-{}", worker.name));
    let credentials = vault.credentials(worker).await.map_err(|error| ClientError::Address(error.to_string()))?;
    clients.docker.remove(&format!("hiclaw-worker-{name}")).await?;
    clients.higress.set_allowed(ROUTE, &consumer, false).await?;
    clients.higress.delete_consumer(&consumer, credentials.gateway_key.reveal()).await?;
    let config = clients.oss.get(&format!("agents/{name}/openclaw.json")).await?.unwrap_or_default();
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap_or_default();
    if let Some(room) = config.get("room").and_then(serde_json::Value::as_str) {
        let session = clients.matrix.login(name, credentials.matrix_password.reveal()).await?;
        clients.matrix.leave(&session, room).await?;
    }
    for object in clients.oss.list(&format!("agents/{name}/")).await? {
        clients.oss.delete(&object).await?;
    }
    Ok(())
}
