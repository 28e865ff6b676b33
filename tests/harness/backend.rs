//! A machine explored on a custom store: a table with one row.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use durable_fsm::testing::{AssertOk, Backend, Change, Fault, Oracle, Sim, Thing, World, explore};
use durable_fsm::{Loaded, Machine, RecordId, ResourceId, Signals, Store, StoreError, Version};

use crate::worlds::keyed::Cloud;
use crate::worlds::resource::UID;

/// The row of the resource.
#[derive(Default)]
struct Row {
    version: u64,
    record: Option<Vec<u8>>,
    /// The sequence number of the record, in a column of its own: what tells that there is a record, and which one.
    seq: Option<u64>,
    deleting: bool,
    paused: bool,
    gone: bool,
    /// How many resources of this name there were before.
    before: usize,
}

/// The table, for one controller.
#[derive(Clone)]
struct Table {
    row: Arc<Mutex<Row>>,
    sim: Sim,
    controller: usize,
    compares: bool,
}

impl Table {
    fn row(&self) -> MutexGuard<'_, Row> {
        self.row.lock().unwrap()
    }

    async fn ask(&self, faults: &[Fault]) -> Result<Option<Fault>, StoreError> {
        match self.sim.request("query", faults).await {
            Some(Fault::Unavailable) => Err(StoreError::Unavailable("no connection".to_owned())),
            Some(Fault::RequestLost) => Err(StoreError::Unknown("the connection broke".to_owned())),
            fault => Ok(fault),
        }
    }

    /// What is stored, if it is still what was expected.
    fn expect(&self, expected: &Version) -> Result<MutexGuard<'_, Row>, StoreError> {
        let row = self.row();
        let is_expected = row.version.to_string() == expected.token() || !self.compares;
        if row.gone {
            Err(StoreError::Gone)
        } else if is_expected {
            Ok(row)
        } else {
            Err(StoreError::Conflict)
        }
    }
}

impl Row {
    fn loaded(&self) -> Loaded {
        Loaded {
            bytes: self.record.clone(),
            version: Version::new(self.version.to_string()),
            marked: self.seq.is_some(),
            witness: self.seq,
            signals: Signals { deleting: self.deleting, paused: self.paused, generation: None },
        }
    }

    fn uid(&self) -> String {
        format!("{UID}{}", "-again".repeat(self.before))
    }
}

const WRITE: [Fault; 3] = [Fault::Unavailable, Fault::RequestLost, Fault::ReplyLost];

#[async_trait]
impl Store for Table {
    async fn load(&self, _: &RecordId) -> Result<Loaded, StoreError> {
        self.ask(&[Fault::Unavailable]).await?;
        let row = self.row();
        if row.gone { Err(StoreError::Gone) } else { Ok(row.loaded()) }
    }

    async fn compare_and_swap(&self, _: &RecordId, expected: &Version, bytes: &[u8]) -> Result<Loaded, StoreError> {
        let fault = self.ask(&WRITE).await?;
        let loaded = {
            let mut row = self.expect(expected)?;
            row.version += 1;
            row.record = Some(bytes.to_vec());
            row.seq = serde_json::from_slice::<serde_json::Value>(bytes).unwrap()["seq"].as_u64();
            row.loaded()
        };
        self.sim.written(self.controller, Some(bytes), true);
        // A second request, so that something can come between.
        self.ask(&[]).await?;
        if fault.is_some() { Err(StoreError::Unknown("the reply was lost".to_owned())) } else { Ok(loaded) }
    }

    async fn remove(&self, _: &RecordId, expected: &Version) -> Result<(), StoreError> {
        let fault = self.ask(&WRITE).await?;
        {
            let mut row = self.expect(expected)?;
            row.version += 1;
            row.gone = row.deleting;
            row.record.take().ok_or(StoreError::Conflict)?;
            row.seq = None;
        }
        self.sim.written(self.controller, None, false);
        if fault.is_some() { Err(StoreError::Unknown("the reply was lost".to_owned())) } else { Ok(()) }
    }

    async fn list(&self, _: &str) -> Result<Vec<ResourceId>, StoreError> {
        Ok(Vec::new())
    }

    fn uid_of(&self, _: &Version) -> Option<String> {
        Some(self.row().uid())
    }
}

impl Backend for Table {
    fn open(&self, controller: usize) -> Arc<dyn Store> {
        Arc::new(Self { controller, ..self.clone() })
    }

    fn change(&self, change: Change<'_>) {
        let mut row = self.row();
        row.version += 1;
        match change {
            Change::Deleted => {
                row.deleting = true;
                row.gone |= row.seq.is_none();
            }
            Change::Paused(paused) => row.paused = paused,
            Change::Record(bytes) => row.record = bytes.map(<[u8]>::to_vec),
            Change::MadeAgain => {
                *row = Row { version: row.version, before: row.before + 1, ..Row::default() };
            }
            // A row has neither a spec nor a mark of its own, and nothing is published.
            _ => {}
        }
    }

    fn uid(&self) -> String {
        self.row().uid()
    }

    fn hidden(&self) -> Option<u64> {
        Some(0)
    }
}

/// The keyed world, on that table.
#[derive(Clone)]
struct On<const COMPARES: bool>(Cloud, Table);

impl<const COMPARES: bool> World for On<COMPARES> {
    type Machine = <Cloud as World>::Machine;
    type Transitions = Cloud;
    fn new(sim: &Sim) -> Self {
        let table = Table { row: Arc::default(), sim: sim.clone(), controller: 0, compares: COMPARES };
        Self(Cloud::new(sim), table)
    }
    fn transitions(&self) -> Cloud {
        self.0.transitions()
    }
    fn resource() -> <Self::Machine as Machine>::Resource {
        Cloud::resource()
    }
    fn edits() -> Vec<<Self::Machine as Machine>::Resource> {
        Cloud::edits()
    }
    fn idle_edits() -> Vec<usize> {
        Cloud::idle_edits()
    }
    fn backend(&self) -> Option<Arc<dyn Backend>> {
        Some(Arc::new(self.1.clone()))
    }
    fn inventory(&self) -> Vec<Thing> {
        self.0.inventory()
    }
}

#[test]
fn a_machine_survives_on_a_store_of_its_authors_own() {
    let not_played = ["conflict", "too-large", "not-kept", "stale", "torn", "missing", "unmarked"];
    let explorer = not_played.iter().fold(explore::<On<true>>(), |it, fault| it.unreached(&format!("fault {fault}")));
    println!("{}", explorer.faults(2).run().assert_ok());
    for plan in ["make_a/commit.query#1=crash", "make_a/commit#1=request-lost; make_a/commit.query#1=switch"] {
        explore::<On<true>>().replay(&plan.parse().unwrap()).assert_ok();
    }
}

#[test]
fn a_store_that_compares_nothing_is_found_out() {
    let failure = explore::<On<false>>().threads(1).run().unwrap_err();
    assert_eq!(failure.violation.oracle, Oracle::History, "{failure}");
    assert_eq!(failure.plan.to_string(), "make_a/intent#1=switch", "{failure}");
}
