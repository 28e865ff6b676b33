//! What every store must keep, ours and yours. Invariant: each check names the promise that it tests, so a failure says which one is broken.

use std::future::Future;
use std::sync::{Arc, Barrier};

use crate::{Loaded, RecordId, ResourceId, Store, StoreError, Version};

/// A store to be tested, and how to prepare the world around it.
pub trait StoreFixture {
    /// The store.
    type Store: Store;

    /// A store, over whatever was durable before: called again, it plays a restart.
    fn open(&mut self) -> impl Future<Output = Self::Store>;

    /// Makes sure that the resource of a record exists, for stores that keep records on the resource itself.
    fn prepare(&mut self, id: &RecordId) -> impl Future<Output = ()> {
        let _ = id;
        std::future::ready(())
    }

    /// Whether records outlive the store's own value.
    fn is_durable(&self) -> bool {
        true
    }
}

/// Tests everything that [`Store`] promises.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use durable_fsm::store::MemoryStore;
/// use durable_fsm::testing::{StoreFixture, store_conformance};
///
/// struct Memory(MemoryStore);
///
/// impl StoreFixture for Memory {
///     type Store = MemoryStore;
///     async fn open(&mut self) -> MemoryStore { self.0.clone() }
/// }
///
/// store_conformance(&mut Memory(MemoryStore::new())).await;
/// # });
/// ```
///
/// Writers race on threads of their own, so a store that compares and then writes is found out.
///
/// # Panics
/// With the promise that is broken, if one is; outside a tokio runtime.
pub async fn store_conformance<F: StoreFixture>(fixture: &mut F) {
    if let Err(broken) = check(fixture).await {
        panic!("the store breaks a promise: {broken}");
    }
}

/// As [`store_conformance`], for a caller that wants to know rather than to panic.
///
/// # Errors
/// The promise that is broken.
///
/// # Panics
/// Outside a tokio runtime.
pub async fn check<F: StoreFixture>(fixture: &mut F) -> Result<(), Broken> {
    let id =
        |name: &str| RecordId { machine: "conformance.io/a".to_owned(), resource: ResourceId::new("default", name) };
    for name in ["plain", "with-dash.and.dots", "busy", "again", "other"] {
        fixture.prepare(&id(name)).await;
    }
    let store = Arc::new(fixture.open().await);
    absent_then_written(&*store, &id("plain")).await?;
    versions(&*store, &id("with-dash.and.dots")).await?;
    one_winner(&store, &id("busy")).await?;
    lives(&*store, &id("again")).await?;
    machines(fixture, &*store, &id("other")).await?;
    uids(&*store, &id("plain"), &id("busy")).await?;
    drop(store);
    if fixture.is_durable() {
        let store = fixture.open().await;
        let loaded = load(&store, &id("plain")).await?;
        expect(loaded.bytes.as_deref() == Some(b"{\"n\":2}"), "a record survives a restart")?;
        let removed = load(&store, &id("again")).await?;
        expect(removed.bytes.as_deref() == Some(b"{\"life\":2}"), "the latest life survives a restart")?;
    }
    Ok(())
}

/// A promise that a store breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{promise}{detail}")]
pub struct Broken {
    /// The promise.
    pub promise: &'static str,
    detail: String,
}

fn expect(kept: bool, promise: &'static str) -> Result<(), Broken> {
    if kept { Ok(()) } else { Err(Broken { promise, detail: String::new() }) }
}

fn works<A>(result: Result<A, StoreError>, promise: &'static str) -> Result<A, Broken> {
    result.map_err(|error| Broken { promise, detail: format!(": {error}") })
}

async fn load<S: Store>(store: &S, id: &RecordId) -> Result<Loaded, Broken> {
    works(store.load(id).await, "a record can be loaded")
}

async fn absent_then_written<S: Store>(store: &S, id: &RecordId) -> Result<(), Broken> {
    let nothing = load(store, id).await?;
    expect(nothing.bytes.is_none() && !nothing.marked, "where nothing was written there is nothing, and no mark")?;
    let written =
        works(store.compare_and_swap(id, &nothing.version, b"{\"n\":1}").await, "a first record can be written")?;
    expect(written.bytes.as_deref() == Some(b"{\"n\":1}"), "the answer to a write is what is stored")?;
    expect(written.marked, "the first write sets the mark")?;
    expect(written.version != nothing.version, "a write changes the version")?;
    let loaded = load(store, id).await?;
    expect(loaded.bytes == written.bytes && loaded.version == written.version, "what was written is what is loaded")?;
    let second = works(store.compare_and_swap(id, &loaded.version, b"{\"n\":2}").await, "a record can be replaced")?;
    expect(load(store, id).await?.bytes == second.bytes, "a replaced record is replaced")
}

async fn versions<S: Store>(store: &S, id: &RecordId) -> Result<(), Broken> {
    let absent = load(store, id).await?.version;
    let mut seen: Vec<Version> = vec![absent];
    for bytes in [&b"{\"v\":1}"[..], b"{\"v\":2}", b"{\"v\":1}"] {
        let latest = seen.last().cloned().unwrap_or_else(|| Version::new(""));
        let written = works(store.compare_and_swap(id, &latest, bytes).await, "a record can be replaced")?;
        expect(!seen.contains(&written.version), "no version is issued twice, even for the same bytes")?;
        for old in &seen {
            let late = store.compare_and_swap(id, old, b"{\"late\":true}").await;
            expect(late == Err(StoreError::Conflict), "a write with an old version is a conflict")?;
            let late = store.remove(id, old).await;
            expect(late == Err(StoreError::Conflict), "a removal with an old version is a conflict")?;
        }
        seen.push(written.version);
        expect(load(store, id).await?.bytes.as_deref() == Some(bytes), "a conflict changes nothing")?;
    }
    Ok(())
}

/// How many writers race, and how often.
const RACERS: usize = 16;
const RACES: usize = 8;

/// Writers on real threads, first for the first write, then for later ones, and then with removals among them.
async fn one_winner<S: Store>(store: &Arc<S>, id: &RecordId) -> Result<(), Broken> {
    for race in 0..RACES {
        let before = load(&**store, id).await?;
        let removes = move |racer: usize| race > RACES / 2 && racer.is_multiple_of(4);
        let bytes = move |racer: usize| format!("{{\"race\":{race},\"writer\":{racer}}}").into_bytes();
        let (racing, version) = (id.clone(), before.version.clone());
        let results = on_threads(store, move |store, racer| {
            let (id, version) = (racing.clone(), version.clone());
            async move {
                if removes(racer) {
                    store.remove(&id, &version).await
                } else {
                    store.compare_and_swap(&id, &version, &bytes(racer)).await.map(drop)
                }
            }
        })
        .await?;
        let mut winners = Vec::new();
        for (racer, result) in results {
            match result {
                Ok(()) => winners.push(racer),
                Err(StoreError::Conflict) => {}
                Err(error) => {
                    return Err(Broken { promise: "a loser of a race has a conflict", detail: format!(": {error}") });
                }
            }
        }
        let &[winner] = winners.as_slice() else {
            let detail = format!(", and there were {}", winners.len());
            return Err(Broken { promise: "of writers at the same time exactly one wins", detail });
        };
        let expected = if removes(winner) { None } else { Some(bytes(winner)) };
        expect(load(&**store, id).await?.bytes == expected, "the winner's record is the one that is stored")?;
    }
    let last = load(&**store, id).await?;
    if last.bytes.is_none() {
        works(store.compare_and_swap(id, &last.version, b"{}").await, "a record can be written again")?;
    }
    Ok(())
}

/// Runs the work of every racer on a thread of its own, all from the same moment on.
async fn on_threads<S: Store, Fut>(
    store: &Arc<S>,
    work: impl Fn(Arc<S>, usize) -> Fut + Send + Sync + 'static,
) -> Result<Vec<(usize, Result<(), StoreError>)>, Broken>
where
    Fut: Future<Output = Result<(), StoreError>> + Send,
{
    let (runtime, start, work) = (tokio::runtime::Handle::current(), Arc::new(Barrier::new(RACERS)), Arc::new(work));
    let (told, mut results) = tokio::sync::mpsc::unbounded_channel();
    let racers: Vec<_> = (0..RACERS)
        .map(|racer| {
            let (runtime, start, work) = (runtime.clone(), Arc::clone(&start), Arc::clone(&work));
            let (store, told) = (Arc::clone(store), told.clone());
            std::thread::spawn(move || {
                let racing = work(store, racer);
                start.wait();
                drop(told.send((racer, runtime.block_on(racing))));
            })
        })
        .collect();
    drop(told);
    let mut all = Vec::new();
    while let Some(result) = results.recv().await {
        all.push(result);
    }
    let died = racers.into_iter().filter_map(|racer| racer.join().err()).count();
    if died == 0 {
        Ok(all)
    } else {
        Err(Broken { promise: "no operation panics", detail: format!(", and {died} did") })
    }
}

async fn lives<S: Store>(store: &S, id: &RecordId) -> Result<(), Broken> {
    let before = load(store, id).await?.version;
    let first =
        works(store.compare_and_swap(id, &before, b"{\"life\":1}").await, "a first record can be written")?.version;
    works(store.remove(id, &first).await, "a record can be removed")?;
    let removed = load(store, id).await?;
    expect(removed.bytes.is_none() && !removed.marked, "a removed record is gone, and its mark with it")?;
    expect(
        store.remove(id, &removed.version).await == Err(StoreError::Conflict),
        "what is not there cannot be removed",
    )?;
    for late in [&before, &first] {
        let late = store.compare_and_swap(id, late, b"{\"life\":1}").await;
        expect(late == Err(StoreError::Conflict), "a writer that is late by a whole life is a conflict")?;
    }
    works(store.compare_and_swap(id, &removed.version, b"{\"life\":2}").await, "a record can be written again")?;
    let late = store.remove(id, &first).await;
    expect(late == Err(StoreError::Conflict), "a removal that is late by a whole life is a conflict")
}

async fn machines<F: StoreFixture, S: Store>(fixture: &mut F, store: &S, id: &RecordId) -> Result<(), Broken> {
    let second = RecordId { machine: "conformance.io/b".to_owned(), resource: id.resource.clone() };
    fixture.prepare(&second).await;
    let version = load(store, id).await?.version;
    works(store.compare_and_swap(id, &version, b"{\"m\":\"a\"}").await, "a first record can be written")?;
    let version = load(store, &second).await?.version;
    works(
        store.compare_and_swap(&second, &version, b"{\"m\":\"b\"}").await,
        "two machines can keep records of one resource",
    )?;
    expect(load(store, id).await?.bytes.as_deref() == Some(b"{\"m\":\"a\"}"), "the records of two machines are apart")?;
    let mut listed = works(store.list(&id.machine).await, "records can be listed")?;
    listed.sort();
    let expected: Vec<ResourceId> =
        ["again", "busy", "other", "plain", "with-dash.and.dots"].map(|name| ResourceId::new("default", name)).into();
    expect(listed == expected, "the list has every resource with a record of that machine, once, and no other")?;
    let other = works(store.list(&second.machine).await, "records can be listed")?;
    expect(other == [id.resource.clone()], "the list of one machine does not have another's")
}

/// A store that knows whose a version is knows it of every version.
async fn uids<S: Store>(store: &S, id: &RecordId, other: &RecordId) -> Result<(), Broken> {
    let (before, of_other) = (load(store, id).await?.version, load(store, other).await?.version);
    let written = works(store.compare_and_swap(id, &before, b"{\"n\":2}").await, "a record can be replaced")?.version;
    let uid = store.uid_of(&before);
    expect(store.uid_of(&written) == uid, "every version of one resource has its uid")?;
    expect(uid.is_none() || store.uid_of(&of_other) != uid, "two resources have two uids")
}
