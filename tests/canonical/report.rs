//! What must be the same in every program: subjects, keys, digests, and what a machine with a set of structures does after a restart.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use durable_fsm::record::idempotency_key;
use durable_fsm::store::MemoryStore;
use durable_fsm::{Class, Classify, Clock, Each, Fsm, Outcome, Resource, ResourceId, Undone};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Its fields are not in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Port {
    protocol: String,
    number: u16,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    zone: String,
    load: f64,
    share: f32,
    ports: BTreeSet<Port>,
    labels: HashMap<String, u64>,
    any: Value,
}

#[derive(Clone)]
pub struct Site(Spec);

impl Site {
    /// The same spec, as another client writes it.
    fn new(json: &str) -> Self {
        Self(serde_json::from_str(json).unwrap())
    }
}

const ONE: &str = r#"{"zone":"a","load":51.248178375505404,"share":0.1,"ports":[{"protocol":"tcp","number":80},{"protocol":"udp","number":53}],"labels":{"b":18446744073709551615,"a":1},"any":{"z":[1.50,{"y":1,"x":-0.0}],"a":1e3}}"#;
const OTHER: &str = r#"{"any":{"a":1000.0,"z":[1.5,{"x":-0.0,"y":1}]},"labels":{"a":1,"b":18446744073709551615},"ports":[{"number":53,"protocol":"udp"},{"number":80,"protocol":"tcp"}],"share":0.1,"load":51.248178375505404,"zone":"a"}"#;

impl Resource for Site {
    type Spec = Spec;
    fn id(&self) -> ResourceId {
        ResourceId::new("", "site")
    }
    fn uid(&self) -> &str {
        "uid-1"
    }
    fn spec(&self) -> &Spec {
        &self.0
    }
}

/// A site with open ports.
#[derive(Fsm)]
#[fsm(name = "test.io/ports", version = 1, resource = Site)]
pub enum PortsFlow {
    #[fsm(initial)]
    #[transition(build -> Built, in_doubt = repeat, undo = tear_down)]
    Wanted,
    #[fsm(resting)]
    #[transition(open_port, for_each = ports, in_doubt = repeat, undo = close_port)]
    Built { house: Port, ports: Each<Port, HashMap<String, f64>> },
}

#[derive(Debug, thiserror::Error)]
#[error("busy")]
pub struct Busy;

impl Classify for Busy {
    fn classify(&self) -> Class {
        Class::NOT_APPLIED
    }
}

/// Lists its calls; the first one finds it busy.
#[derive(Clone, Default)]
struct Firewall(Arc<Mutex<Vec<String>>>);

impl Firewall {
    fn call(&self, name: &str, attempt: &PortsAttempt) -> Result<(), Busy> {
        let mut calls = self.0.lock().unwrap();
        calls.push(format!("{name} under {}", attempt.key()));
        if calls.len() == 1 { Err(Busy) } else { Ok(()) }
    }
}

impl PortsTransitions for Firewall {
    type Error = Busy;
    async fn build(&self, from: Wanted, attempt: &PortsAttempt) -> Result<Built, Busy> {
        self.call("build", attempt)?;
        Ok(from.built(Port { protocol: "none".to_owned(), number: 0 }))
    }
    async fn tear_down(&self, _: &Built, attempt: &PortsAttempt) -> Result<Undone, Busy> {
        self.call("tear_down", attempt).map(Undone::from)
    }
    fn ports(&self, _: &Built, site: &Site) -> BTreeSet<Port> {
        site.0.ports.clone()
    }
    async fn open_port(&self, _: &Built, port: &Port, attempt: &PortsAttempt) -> Result<HashMap<String, f64>, Busy> {
        self.call(&format!("open {}", port.number), attempt)?;
        Ok(HashMap::from([("rate".to_owned(), 0.1), ("burst".to_owned(), 1e21)]))
    }
    async fn close_port(
        &self,
        _: &Built,
        port: &Port,
        _: &HashMap<String, f64>,
        attempt: &PortsAttempt,
    ) -> Result<Undone, Busy> {
        self.call(&format!("close {}", port.number), attempt).map(Undone::from)
    }
}

/// The text of a subject: a set that is read and written again has it.
fn subject<S>(text: &str) -> String
where
    S: Serialize + serde::de::DeserializeOwned + Ord,
{
    let set = BTreeMap::from([(format!("={text}"), true)]);
    let set: Each<S, bool> = serde_json::from_str(&serde_json::to_string(&set).unwrap()).unwrap();
    let written: BTreeMap<String, bool> = serde_json::from_str(&serde_json::to_string(&set).unwrap()).unwrap();
    written.into_keys().next().unwrap()
}

/// Time that passes only while somebody sleeps.
#[derive(Clone, Default)]
struct Steps(Arc<Mutex<Duration>>);

impl Clock for Steps {
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + *self.0.lock().unwrap()
    }
    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }
    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        *self.0.lock().unwrap() += time;
        Box::pin(std::future::ready(()))
    }
    fn chance(&self) -> u64 {
        0
    }
}

/// The calls of one machine that is refused once, reloaded, and settled under one spec in two ways of writing.
fn calls() -> Vec<String> {
    let (firewall, store, clock) = (Firewall::default(), MemoryStore::new(), Steps::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for (site, passes) in [(Site::new(ONE), 1), (Site::new(OTHER), 10), (Site::new(ONE), 10)] {
            let runner = PortsRunner::builder(firewall.clone(), store.clone()).clock(clock.clone()).build();
            for pass in 1..=passes {
                match runner.reconcile(&site).await.unwrap() {
                    Outcome::Progressing { after, .. } => clock.sleep(after).await,
                    Outcome::Resting(_) => break,
                    outcome => panic!("pass {pass}: it stops ({:?})", outcome.requeue_after()),
                }
                assert!(pass < 10, "it does not settle");
            }
        }
    });
    firewall.0.lock().unwrap().clone()
}

/// Everything that must not change, one thing on a line.
pub fn report() -> String {
    let mut report = String::new();
    let subjects = [
        subject::<Port>(r#"{"protocol":"tcp","number":80}"#),
        subject::<(u8, Port)>(r#"[1,{"protocol":"udp","number":53}]"#),
        subject::<BTreeMap<String, Port>>(r#"{"b":{"protocol":"udp","number":53},"a":{"protocol":"tcp","number":80}}"#),
        subject::<String>(r#""=x""#),
        subject::<u64>("18446744073709551615"),
    ];
    for subject in subjects {
        let key = idempotency_key("uid-1", "test.io/ports", "open_port", Some(&subject), 2);
        writeln!(report, "subject {subject} under {key}").unwrap();
    }
    for json in [ONE, OTHER] {
        writeln!(report, "generation {:016x}", Site::new(json).generation()).unwrap();
    }
    for call in calls() {
        writeln!(report, "call {call}").unwrap();
    }
    report
}
