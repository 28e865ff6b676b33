//! What is at the servers and belongs to no resource. Invariant: something is swept only if it carries our mark or lies under a name that only we give,
//! and no record knows of it.

use std::collections::BTreeSet;
use std::fmt;

use durable_fsm::{OperateError, Operator, ResourceId, Store, StoreError};
use serde_json::Value;

use crate::administrator::Administrator;
use crate::clients::{ClientError, Clients};
use crate::containers::{KEY_LABEL, OWNER_LABEL};
use crate::kind::Kind;
use crate::names;

/// Something that no record knows of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Orphan {
    /// A room with our mark.
    Room {
        /// Its id.
        id: String,
        /// Its mark.
        mark: String,
    },
    /// A consumer of the gateway.
    Consumer(String),
    /// A consumer in the allow list of a route.
    Allowed {
        /// The route.
        route: String,
        /// The consumer.
        consumer: String,
    },
    /// An object.
    Object(String),
    /// A container with our mark.
    Container(String),
}

impl fmt::Display for Orphan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Orphan::Room { id, mark } => write!(f, "room       {id} (mark {mark})"),
            Orphan::Consumer(name) => write!(f, "consumer   {name}"),
            Orphan::Allowed { route, consumer } => write!(f, "allow list {consumer} on {route}"),
            Orphan::Object(key) => write!(f, "object     {key}"),
            Orphan::Container(id) => write!(f, "container  {id}"),
        }
    }
}

/// Why it could not be swept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SweepError {
    /// The records cannot be read. Without all of them, nothing is known to be an orphan.
    #[error("the records cannot be read: {0}; nothing was swept")]
    Store(#[from] StoreError),
    /// A record cannot be read.
    #[error("a record cannot be read: {0}; nothing was swept")]
    Record(#[from] OperateError),
    /// A server.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// What the records know of.
#[derive(Debug, Default)]
struct Known {
    /// The keys of all effects that were made, or may have been.
    keys: BTreeSet<String>,
    consumers: BTreeSet<String>,
    prefixes: BTreeSet<String>,
}

impl Known {
    async fn of(store: &(impl Store + Clone)) -> Result<Self, SweepError> {
        let mut known = Self::default();
        for kind in Kind::ALL {
            let operator = Operator::new(kind.graph(), store.clone());
            for id in store.list(kind.graph().name).await? {
                match operator.preview_release(&id).await {
                    Ok(released) => match released.unreadable {
                        None => known.keys.extend(released.left.into_iter().map(|left| left.key)),
                        Some(error) => return Err(OperateError::Unreadable(error).into()),
                    },
                    // One that is gone by now was removed while the others were read.
                    Err(OperateError::NoRecord(_)) => continue,
                    Err(error) => return Err(error.into()),
                }
                known.name(kind, &id);
            }
        }
        Ok(known)
    }

    fn name(&mut self, kind: Kind, id: &ResourceId) {
        let name = names::external(&id.namespace, &id.name);
        match kind {
            Kind::Worker => {
                self.prefixes.insert(format!("agents/{name}/"));
                self.consumers.insert(format!("worker-{name}"));
            }
            Kind::Team => {
                self.prefixes.insert(format!("teams/{name}/"));
            }
            Kind::Human => {}
        }
    }
}

/// Asks all servers for what no record knows of. The servers are asked first, so that what is made meanwhile is in a record by the time the records
/// are read: an effect is recorded before it is sent.
///
/// # Errors
/// [`SweepError`].
pub async fn orphans(
    clients: &Clients,
    administrator: &Administrator,
    store: &(impl Store + Clone),
) -> Result<BTreeSet<Orphan>, SweepError> {
    let session = administrator.session().await?;
    let rooms = clients.matrix.marked_rooms(&session).await?;
    let (consumers, routes) = clients.higress.audit().await?;
    let objects = [clients.oss.list("agents/").await?, clients.oss.list("teams/").await?].concat();
    let containers = clients.docker.all().await?;
    let known = Known::of(store).await?;
    let mut found = BTreeSet::new();
    let unknown = rooms.into_iter().filter(|(_, mark)| !known.keys.contains(mark));
    found.extend(unknown.map(|(id, mark)| Orphan::Room { id, mark }));
    let is_ours = |name: &&str| name.starts_with("worker-") && !known.consumers.contains(*name);
    let text = |value: &'_ Value| value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    for consumer in consumers.as_array().into_iter().flatten().map(text) {
        if is_ours(&consumer.as_str()) {
            found.insert(Orphan::Consumer(consumer));
        }
    }
    for route in routes.as_array().into_iter().flatten() {
        let allowed = route.pointer("/authConfig/allowedConsumers").and_then(Value::as_array).into_iter().flatten();
        for consumer in allowed.filter_map(Value::as_str).filter(is_ours) {
            found.insert(Orphan::Allowed { route: text(route), consumer: consumer.to_owned() });
        }
    }
    let wanted = |key: &String| known.prefixes.iter().any(|prefix| key.starts_with(prefix));
    found.extend(objects.into_iter().filter(|key| !wanted(key)).map(Orphan::Object));
    for it in containers {
        let unknown = it.labels.get(KEY_LABEL).is_none_or(|key| !known.keys.contains(key));
        if it.labels.contains_key(OWNER_LABEL) && unknown {
            found.insert(Orphan::Container(it.id));
        }
    }
    Ok(found)
}

/// Removes these, those that allow before those that are allowed.
///
/// # Errors
/// That of the first server that fails; what was removed before stays removed.
pub async fn remove(
    clients: &Clients,
    administrator: &Administrator,
    orphans: &BTreeSet<Orphan>,
) -> Result<(), SweepError> {
    let session = administrator.session().await?;
    let is_allowed = |it: &&Orphan| matches!(it, Orphan::Allowed { .. });
    for orphan in orphans.iter().filter(is_allowed).chain(orphans.iter().filter(|it| !is_allowed(it))) {
        match orphan {
            Orphan::Room { id, .. } => {
                for alias in clients.matrix.aliases(&session, id).await? {
                    clients.matrix.delete_alias(&session, &alias).await?;
                }
                clients.matrix.empty_room(&session, id).await?;
            }
            Orphan::Consumer(name) => clients.higress.remove_consumer(name).await?,
            Orphan::Allowed { route, consumer } => clients.higress.set_allowed(route, consumer, false).await?,
            Orphan::Object(key) => clients.oss.delete(key).await?,
            Orphan::Container(id) => clients.docker.remove(id).await?,
        }
    }
    Ok(())
}
