//! One transition alone. Invariant: a state made here went through the same checked decoding as one from a record.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::attempt::Details;
use crate::machine::State;
use crate::record::{idempotency_key, owner_tag};
use crate::{FactError, Facts, Machine, Resource};

/// A typed state from its facts, for calling one method of the transitions in a unit test.
///
/// ```
/// # mod worker {
/// # use durable_fsm::{Fsm, Resource, ResourceId};
/// # #[derive(Clone)] pub struct Worker;
/// # impl Resource for Worker {
/// #     type Spec = ();
/// #     fn id(&self) -> ResourceId { ResourceId::new("", "w") }
/// #     fn uid(&self) -> &str { "u" }
/// #     fn spec(&self) -> &() { &() }
/// # }
/// #[derive(Fsm)]
/// #[fsm(name = "example.io/worker", version = 1, resource = Worker)]
/// pub enum WorkerFlow {
///     #[fsm(initial)]
///     #[transition(register -> Registered, in_doubt = repeat, undo = deregister)]
///     Requested,
///     #[fsm(resting)]
///     Registered { user_id: String },
/// }
/// # }
/// let registered = durable_fsm::testing::state::<worker::Registered>(serde_json::json!({ "user_id": "@a" })).unwrap();
/// assert_eq!(registered.user_id, "@a");
/// ```
///
/// # Errors
/// A fact is missing or does not decode.
pub fn state<S: State>(facts: Value) -> Result<S, FactError> {
    let facts: Facts = match facts {
        Value::Object(facts) => facts.into_iter().collect(),
        Value::Null => Facts::default(),
        other => return Err(FactError::Decode { name: "facts".to_owned(), why: format!("{other} is not an object") }),
    };
    S::decode(&facts)
}

/// Makes an [`Attempt`](crate::Attempt) for a unit test: the first at a transition of this machine, unless said otherwise.
#[derive(Debug, Clone)]
pub struct Attempt<R: Resource> {
    resource: Arc<R>,
    details: Details,
}

impl<R: Resource> Attempt<R> {
    /// An attempt at `transition` of machine `M`, in the first life of the effect.
    #[must_use]
    pub fn new<M: Machine<Resource = R>>(resource: R, transition: &str) -> Self {
        let machine = M::GRAPH.name;
        let now = SystemTime::now();
        let details = Details {
            key: idempotency_key(resource.uid(), machine, transition, None, 1),
            owner_tag: owner_tag(resource.uid(), machine),
            number: 1,
            since: now,
            deadline: now + Duration::from_secs(60),
            resumed: false,
        };
        Self { resource: Arc::new(resource), details }
    }

    /// The attempt with this number; from the second on, an earlier one may have taken effect.
    #[must_use]
    pub fn number(mut self, number: u32) -> Self {
        self.details.number = number;
        self.details.resumed = number > 1;
        self
    }

    /// The attempt, with the resource's own spec.
    ///
    /// # Errors
    /// The spec does not survive being written as JSON and read again.
    pub fn build(self) -> Result<crate::Attempt<R>, FactError> {
        let spec = crate::fact::encode("spec", self.resource.spec())?;
        let spec = serde_json::from_value(spec)
            .map_err(|error| FactError::Decode { name: "spec".to_owned(), why: error.to_string() })?;
        Ok(crate::Attempt { resource: self.resource, spec, details: self.details })
    }
}
