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

/// Makes an [`Attempt`](crate::Attempt) for a unit test: the first at a transition of this machine, in the first life of its effect, unless
/// said otherwise.
///
/// ```
/// # use durable_fsm::{Fsm, Resource, ResourceId};
/// # #[derive(Clone)] pub struct Worker;
/// # impl Resource for Worker {
/// #     type Spec = String;
/// #     fn id(&self) -> ResourceId { ResourceId::new("", "w") }
/// #     fn uid(&self) -> &str { "u" }
/// #     fn spec(&self) -> &String { const { &String::new() } }
/// # }
/// # #[derive(Fsm)]
/// # #[fsm(name = "example.io/worker", version = 1, resource = Worker)]
/// # pub enum WorkerFlow {
/// #     #[fsm(initial)]
/// #     #[transition(register -> Registered, in_doubt = repeat, undo = deregister)]
/// #     Requested,
/// #     #[fsm(resting)]
/// #     Registered { user_id: String },
/// # }
/// # fn main() -> Result<(), durable_fsm::FactError> {
/// use durable_fsm::testing::Attempt;
///
/// let first = Attempt::new::<WorkerFlow>(Worker, "register").build()?;
/// let repeated = Attempt::new::<WorkerFlow>(Worker, "register").number(2).spec("as it was".to_owned()).build()?;
/// assert!(repeated.is_resumed() && repeated.spec() == "as it was");
/// assert_eq!(first.key(), repeated.key());
/// let another = Attempt::new::<WorkerFlow>(Worker, "register").life(7).build()?;
/// assert_ne!(first.key(), another.key());
/// # Ok(())
/// # }
/// ```
pub struct Attempt<R: Resource> {
    resource: Arc<R>,
    machine: &'static str,
    transition: String,
    subject: Option<String>,
    life: u64,
    spec: Option<R::Spec>,
    details: Details,
}

impl<R: Resource> std::fmt::Debug for Attempt<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt")
            .field("transition", &self.transition)
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}

impl<R: Resource> Attempt<R> {
    /// An attempt at `transition` of machine `M`.
    #[must_use]
    pub fn new<M: Machine<Resource = R>>(resource: R, transition: &str) -> Self {
        let machine = M::GRAPH.name;
        let now = SystemTime::now();
        let details = Details {
            key: String::new(),
            owner_tag: owner_tag(resource.uid(), machine),
            number: 1,
            since: now,
            deadline: now + Duration::from_secs(60),
            resumed: false,
        };
        let resource = Arc::new(resource);
        Self { resource, machine, transition: transition.to_owned(), subject: None, life: 1, spec: None, details }
    }

    /// An attempt for this member of a set.
    #[must_use]
    pub fn subject(mut self, subject: &str) -> Self {
        self.subject = Some(subject.to_owned());
        self
    }

    /// An attempt in the life of the effect that began with this sequence number.
    #[must_use]
    pub fn life(mut self, life: u64) -> Self {
        self.life = life;
        self
    }

    /// An attempt in a life that was begun with this spec.
    #[must_use]
    pub fn spec(mut self, spec: R::Spec) -> Self {
        self.spec = Some(spec);
        self
    }

    /// The attempt with this number; from the second on, an earlier one may have taken effect.
    #[must_use]
    pub fn number(mut self, number: u32) -> Self {
        self.details.number = number;
        self.details.resumed = number > 1;
        self
    }

    /// The attempt, with the resource's own spec unless another one was given.
    ///
    /// # Errors
    /// The spec does not survive being written as JSON and read again.
    pub fn build(self) -> Result<crate::Attempt<R>, FactError> {
        let (transition, subject) = (&self.transition, self.subject.as_deref());
        let mut details = self.details;
        details.key = idempotency_key(self.resource.uid(), self.machine, transition, subject, self.life);
        let spec = crate::fact::record("spec", self.spec.as_ref().unwrap_or(self.resource.spec()))?;
        let spec = serde_json::from_value(spec)
            .map_err(|error| FactError::Decode { name: "spec".to_owned(), why: error.to_string() })?;
        Ok(crate::Attempt { resource: self.resource, spec: Some(Arc::new(spec)), details })
    }
}
