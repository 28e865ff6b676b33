//! What the derive writes, written by hand for one machine that uses every feature.
#![expect(missing_docs, dead_code, reason = "a sketch of generated code")]

use std::collections::BTreeSet;
use std::sync::Arc;

use durable_fsm::__private as fsm;
use durable_fsm::{Attempt, Classify, Each, FactError, Facts, Lookup, Resource, ResourceId, Wait, graph};

#[derive(Clone)]
pub struct Worker {
    pub name: String,
}
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct WorkerSpec;
impl Resource for Worker {
    type Spec = WorkerSpec;
    fn id(&self) -> ResourceId {
        ResourceId::new("default", &self.name)
    }
    fn uid(&self) -> &str {
        "uid"
    }
    fn spec(&self) -> &WorkerSpec {
        &WorkerSpec
    }
}

/*
/// Provisions one worker.
#[derive(Fsm)]
#[fsm(name = "hiclaw.io/worker", version = 1, resource = Worker)]
pub enum WorkerFlow {
    /// Nothing exists yet.
    #[fsm(initial)]
    #[transition(register -> Registered, in_doubt = repeat, undo = deactivate)]
    Requested,
    /// It has an account.
    #[transition(place -> OnDocker | OnPod, in_doubt = lookup, undo = unplace, abort = unplace_unsure)]
    Registered { user: String },
    #[transition(wait_docker -> Placed, waits)]
    OnDocker { container: String, volume: String },
    #[transition(note_pod -> Placed, no_effect)]
    OnPod { pod: String },
    #[fsm(resting)]
    #[transition(push_skill, for_each = skills, in_doubt = repeat, undo = remove_skill)]
    #[transition(apply_spec -> Placed, when = spec_changed, in_doubt = repeat, undo = none)]
    Placed { skills: Each<String, u32>, applied: String },
}
*/

pub enum WorkerFlow {
    Requested,
    Registered { user: String },
    OnDocker { container: String, volume: String },
    OnPod { pod: String },
    Placed { skills: Each<String, u32>, applied: String },
}

// The declaration is read by the derive alone; this keeps rustc from calling it dead.
const _: fn(WorkerFlow) = |declared| match declared {
    WorkerFlow::Requested => {}
    WorkerFlow::Registered { user: _ } => {}
    WorkerFlow::OnDocker { container: _, volume: _ } => {}
    WorkerFlow::OnPod { pod: _ } => {}
    WorkerFlow::Placed { skills: _, applied: _ } => {}
};

pub type WorkerAttempt = Attempt<Worker>;

pub struct Requested(fsm::Sealed<RequestedData>);
pub struct RequestedData {}
impl std::ops::Deref for Requested {
    type Target = RequestedData;
    fn deref(&self) -> &RequestedData {
        &self.0
    }
}
impl Requested {
    /// Begins a chain of states.
    pub fn start() -> Self {
        Self(fsm::Sealed::new(RequestedData {}))
    }
    pub fn registered(self, user: String) -> Registered {
        Registered(fsm::Sealed::new(RegisteredData { user }))
    }
}
impl fsm::Next for Requested {
    fn made(&self) -> Result<fsm::Made, FactError> {
        Ok(fsm::Made { state: 0, facts: Facts::default() })
    }
}
impl fsm::State for Requested {
    type Machine = WorkerFlow;
    const INDEX: usize = 0;
    fn decode(_facts: &Facts) -> Result<Self, FactError> {
        Ok(Self::start())
    }
}

pub struct Registered(fsm::Sealed<RegisteredData>);
pub struct RegisteredData {
    pub user: String,
}
impl std::ops::Deref for Registered {
    type Target = RegisteredData;
    fn deref(&self) -> &RegisteredData {
        &self.0
    }
}
impl fsm::Next for Registered {
    fn made(&self) -> Result<fsm::Made, FactError> {
        let mut facts = Facts::default();
        facts.put("user", &self.0.user)?;
        Ok(fsm::Made { state: 1, facts })
    }
}
impl fsm::State for Registered {
    type Machine = WorkerFlow;
    const INDEX: usize = 1;
    fn decode(facts: &Facts) -> Result<Self, FactError> {
        Ok(Self(fsm::Sealed::new(RegisteredData { user: facts.get("user")? })))
    }
}
/// What `OnDocker` adds.
pub struct OnDockerFacts {
    pub container: String,
    pub volume: String,
}
impl Registered {
    pub fn on_docker(self, facts: OnDockerFacts) -> OnDocker {
        let from = self.0.into_inner();
        let OnDockerFacts { container, volume } = facts;
        OnDocker(fsm::Sealed::new(OnDockerData { user: from.user, container, volume }))
    }
    pub fn on_pod(self, pod: String) -> OnPod {
        let from = self.0.into_inner();
        OnPod(fsm::Sealed::new(OnPodData { user: from.user, pod }))
    }
}
/// Where `place` may lead.
pub enum PlaceNext {
    OnDocker(OnDocker),
    OnPod(OnPod),
}
impl From<OnDocker> for PlaceNext {
    fn from(next: OnDocker) -> Self {
        Self::OnDocker(next)
    }
}
impl From<OnPod> for PlaceNext {
    fn from(next: OnPod) -> Self {
        Self::OnPod(next)
    }
}
impl fsm::Next for PlaceNext {
    fn made(&self) -> Result<fsm::Made, FactError> {
        match self {
            Self::OnDocker(next) => next.made(),
            Self::OnPod(next) => next.made(),
        }
    }
}
/// What `place` made, for its undo.
pub enum PlaceMade<'a> {
    OnDocker(&'a OnDocker),
    OnPod(&'a OnPod),
}

pub struct OnDocker(fsm::Sealed<OnDockerData>);
pub struct OnDockerData {
    pub user: String,
    pub container: String,
    pub volume: String,
}
impl std::ops::Deref for OnDocker {
    type Target = OnDockerData;
    fn deref(&self) -> &OnDockerData {
        &self.0
    }
}
impl fsm::Next for OnDocker {
    fn made(&self) -> Result<fsm::Made, FactError> {
        let mut facts = Facts::default();
        facts.put("container", &self.0.container)?;
        facts.put("volume", &self.0.volume)?;
        Ok(fsm::Made { state: 2, facts })
    }
}
impl fsm::State for OnDocker {
    type Machine = WorkerFlow;
    const INDEX: usize = 2;
    fn decode(facts: &Facts) -> Result<Self, FactError> {
        Ok(Self(fsm::Sealed::new(OnDockerData {
            user: facts.get("user")?,
            container: facts.get("container")?,
            volume: facts.get("volume")?,
        })))
    }
}
impl OnDocker {
    // `skills` is an `Each` fact: it begins empty and is no argument, so one argument is left.
    pub fn placed(self, applied: String) -> Placed {
        let from = self.0.into_inner();
        Placed(fsm::Sealed::new(PlacedData { user: from.user, skills: Each::new(), applied }))
    }
}

pub struct OnPod(fsm::Sealed<OnPodData>);
pub struct OnPodData {
    pub user: String,
    pub pod: String,
}
impl std::ops::Deref for OnPod {
    type Target = OnPodData;
    fn deref(&self) -> &OnPodData {
        &self.0
    }
}
impl fsm::Next for OnPod {
    fn made(&self) -> Result<fsm::Made, FactError> {
        let mut facts = Facts::default();
        facts.put("pod", &self.0.pod)?;
        Ok(fsm::Made { state: 3, facts })
    }
}
impl fsm::State for OnPod {
    type Machine = WorkerFlow;
    const INDEX: usize = 3;
    fn decode(facts: &Facts) -> Result<Self, FactError> {
        Ok(Self(fsm::Sealed::new(OnPodData { user: facts.get("user")?, pod: facts.get("pod")? })))
    }
}
impl OnPod {
    pub fn placed(self, applied: String) -> Placed {
        let from = self.0.into_inner();
        Placed(fsm::Sealed::new(PlacedData { user: from.user, skills: Each::new(), applied }))
    }
}

pub struct Placed(fsm::Sealed<PlacedData>);
pub struct PlacedData {
    pub user: String,
    pub skills: Each<String, u32>,
    pub applied: String,
}
impl std::ops::Deref for Placed {
    type Target = PlacedData;
    fn deref(&self) -> &PlacedData {
        &self.0
    }
}
impl fsm::Next for Placed {
    // An `Each` fact is never handed to the record by an edge: the driver alone fills and empties it.
    fn made(&self) -> Result<fsm::Made, FactError> {
        let mut facts = Facts::default();
        facts.put("applied", &self.0.applied)?;
        Ok(fsm::Made { state: 4, facts })
    }
}
impl fsm::State for Placed {
    type Machine = WorkerFlow;
    const INDEX: usize = 4;
    fn decode(facts: &Facts) -> Result<Self, FactError> {
        Ok(Self(fsm::Sealed::new(PlacedData {
            user: facts.get("user")?,
            skills: facts.each("skills")?,
            applied: facts.get("applied")?,
        })))
    }
}
impl Placed {
    // A loop: `skills` is known here already, so it is carried over; `applied` is replaced.
    pub fn placed(self, applied: String) -> Placed {
        let from = self.0.into_inner();
        Placed(fsm::Sealed::new(PlacedData { user: from.user, skills: from.skills, applied }))
    }
}

/// Where a worker is.
pub enum WorkerState {
    Requested(Requested),
    Registered(Registered),
    OnDocker(OnDocker),
    OnPod(OnPod),
    Placed(Placed),
}
impl WorkerState {
    /// The state's name, as in the declaration and in records.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Requested(_) => "Requested",
            Self::Registered(_) => "Registered",
            Self::OnDocker(_) => "OnDocker",
            Self::OnPod(_) => "OnPod",
            Self::Placed(_) => "Placed",
        }
    }
}

pub trait WorkerTransitions: Send + Sync + 'static {
    type Error: Classify;
    fn register(
        &self,
        from: Requested,
        attempt: &WorkerAttempt,
    ) -> impl Future<Output = Result<Registered, Self::Error>> + Send;
    fn deactivate(
        &self,
        made: &Registered,
        attempt: &WorkerAttempt,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
    fn place(
        &self,
        from: Registered,
        attempt: &WorkerAttempt,
    ) -> impl Future<Output = Result<PlaceNext, Self::Error>> + Send;
    fn lookup_place(
        &self,
        from: Registered,
        attempt: &WorkerAttempt,
    ) -> impl Future<Output = Result<Lookup<PlaceNext>, Self::Error>> + Send;
    fn unplace(
        &self,
        made: PlaceMade<'_>,
        attempt: &WorkerAttempt,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
    fn unplace_unsure(
        &self,
        from: &Registered,
        attempt: &WorkerAttempt,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
    fn wait_docker(
        &self,
        from: OnDocker,
        attempt: &WorkerAttempt,
    ) -> impl Future<Output = Result<Wait<Placed>, Self::Error>> + Send;
    fn note_pod(&self, from: OnPod, attempt: &WorkerAttempt) -> Result<Placed, Self::Error>;
    fn skills(&self, at: &Placed, resource: &Worker) -> BTreeSet<String>;
    fn push_skill(
        &self,
        at: &Placed,
        subject: &String,
        attempt: &WorkerAttempt,
    ) -> impl Future<Output = Result<u32, Self::Error>> + Send;
    fn remove_skill(
        &self,
        at: &Placed,
        subject: &String,
        made: &u32,
        attempt: &WorkerAttempt,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
    fn spec_changed(&self, at: &Placed, resource: &Worker) -> bool;
    fn apply_spec(
        &self,
        from: Placed,
        attempt: &WorkerAttempt,
    ) -> impl Future<Output = Result<Placed, Self::Error>> + Send;
}

impl WorkerFlow {
    /// (the state diagram stands here)
    pub const GRAPH: graph::Graph<'static> = graph::Graph {
        name: "hiclaw.io/worker",
        title: "WorkerFlow",
        version: 1,
        reader: 1,
        doc: "Provisions one worker.",
        undo_on_rejected: false,
        states: &[],
        transitions: &[],
    };
}
impl fsm::Machine for WorkerFlow {
    type Resource = Worker;
    type State = WorkerState;
    const GRAPH: &'static graph::Graph<'static> = &Self::GRAPH;
    fn state(index: usize, facts: &Facts) -> Result<WorkerState, FactError> {
        use fsm::State as _;
        Ok(match index {
            0 => WorkerState::Requested(Requested::decode(facts)?),
            1 => WorkerState::Registered(Registered::decode(facts)?),
            2 => WorkerState::OnDocker(OnDocker::decode(facts)?),
            3 => WorkerState::OnPod(OnPod::decode(facts)?),
            4 => WorkerState::Placed(Placed::decode(facts)?),
            _ => return Err(FactError::Foreign("the state".to_owned())),
        })
    }
}
impl<T: WorkerTransitions> fsm::Dispatch<T> for WorkerFlow {
    fn run(t: Arc<T>, transition: usize, call: fsm::Call<Worker>) -> fsm::Boxed<Result<fsm::Reply, fsm::Failure>> {
        match transition {
            0 => Box::pin(async move { call.made(t.register(call.state()?, call.attempt()).await) }),
            1 => Box::pin(async move { call.made(t.place(call.state()?, call.attempt()).await) }),
            2 => Box::pin(async move { call.waited(t.wait_docker(call.state()?, call.attempt()).await) }),
            3 => Box::pin(async move { call.made(t.note_pod(call.state()?, call.attempt())) }),
            4 => Box::pin(async move {
                call.member_made(t.push_skill(&call.state()?, &call.subject()?, call.attempt()).await)
            }),
            5 => Box::pin(async move { call.made(t.apply_spec(call.state()?, call.attempt()).await) }),
            _ => fsm::absent("the transition"),
        }
    }
    fn lookup(
        t: Arc<T>,
        transition: usize,
        call: fsm::Call<Worker>,
    ) -> fsm::Boxed<Result<Lookup<fsm::Reply>, fsm::Failure>> {
        match transition {
            1 => Box::pin(async move { call.found(t.lookup_place(call.state()?, call.attempt()).await) }),
            _ => fsm::absent("the look-up"),
        }
    }
    fn undo(t: Arc<T>, transition: usize, call: fsm::Call<Worker>) -> fsm::Boxed<Result<(), fsm::Failure>> {
        match transition {
            0 => Box::pin(async move { call.done(t.deactivate(&call.state()?, call.attempt()).await) }),
            1 => Box::pin(async move {
                match call.index() {
                    2 => call.done(t.unplace(PlaceMade::OnDocker(&call.state()?), call.attempt()).await),
                    3 => call.done(t.unplace(PlaceMade::OnPod(&call.state()?), call.attempt()).await),
                    _ => fsm::absent("the state that `place` made").await,
                }
            }),
            4 => Box::pin(async move {
                call.done(t.remove_skill(&call.state()?, &call.subject()?, &call.member()?, call.attempt()).await)
            }),
            _ => fsm::absent("the undo"),
        }
    }
    fn abort(t: Arc<T>, transition: usize, call: fsm::Call<Worker>) -> fsm::Boxed<Result<(), fsm::Failure>> {
        match transition {
            1 => Box::pin(async move { call.done(t.unplace_unsure(&call.state()?, call.attempt()).await) }),
            _ => fsm::absent("the abort"),
        }
    }
    fn guard(t: &T, transition: usize, facts: &Facts, resource: &Worker) -> Result<bool, FactError> {
        Ok(match transition {
            5 => t.spec_changed(&fsm::decode(facts)?, resource),
            _ => true,
        })
    }
    fn wanted(t: &T, transition: usize, facts: &Facts, resource: &Worker) -> Result<BTreeSet<String>, FactError> {
        match transition {
            4 => fsm::subjects(t.skills(&fsm::decode(facts)?, resource)),
            _ => Ok(BTreeSet::new()),
        }
    }
}

#[test]
fn the_sketch_compiles() {
    let placed = Requested::start().registered("u".into()).on_pod("p".into()).placed("a".into());
    assert_eq!(placed.applied, "a");
}
