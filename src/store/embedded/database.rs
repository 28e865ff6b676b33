//! The tables, and what is done to them. Invariant: a version number is given out once in the life of a database.

use redb::{Database, ReadableDatabase as _, ReadableTable as _, StorageBackend, TableDefinition, WriteTransaction};

use super::pages::Ordered;
use super::request::{Change, Request};
use crate::ResourceId;
use crate::store::counts::Counts;
use crate::store::{RecordId, StoreError, Version};

type Key = (&'static str, &'static str, &'static str);

/// Machine, namespace and name of each record, to its version and its bytes.
const RECORDS: TableDefinition<'_, Key, (u64, &[u8])> = TableDefinition::new("records");

/// The number of the last version that was given out.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

const LAST: &str = "last version";

/// How much of the database is kept in memory.
const CACHE: usize = 64 << 20;

/// Any error of the database. What it means depends on when it comes.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct Failed(Box<redb::Error>);

impl<E: Into<redb::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(Box::new(error.into()))
    }
}

/// Opens a database or makes one in an empty file, and flushes whatever is found in it.
pub(super) fn open(pages: impl StorageBackend) -> Result<Database, Failed> {
    let database = redb::Builder::new().set_cache_size(CACHE).create_with_backend(Ordered(pages))?;
    // A process that was killed may have written what it did not flush.
    let transaction = database.begin_write()?;
    transaction.open_table(RECORDS)?;
    {
        let mut numbers = transaction.open_table(NUMBERS)?;
        let last = number(&numbers)?;
        numbers.insert(LAST, last)?;
    }
    transaction.commit()?;
    Ok(database)
}

/// Copies everything, in one transaction.
pub(super) fn copy(from: &Database, to: &Database) -> Result<(), Failed> {
    let (source, target) = (from.begin_read()?, to.begin_write()?);
    {
        let mut records = target.open_table(RECORDS)?;
        for record in source.open_table(RECORDS)?.iter()? {
            let (key, value) = record?;
            records.insert(key.value(), value.value())?;
        }
        let last = number(&source.open_table(NUMBERS)?)?;
        target.open_table(NUMBERS)?.insert(LAST, last)?;
    }
    target.commit()?;
    Ok(())
}

fn number(numbers: &impl redb::ReadableTable<&'static str, u64>) -> Result<u64, redb::StorageError> {
    Ok(numbers.get(LAST)?.map_or(0, |last| last.value()))
}

fn key(id: &RecordId) -> (&str, &str, &str) {
    (&id.machine, &id.resource.namespace, &id.resource.name)
}

/// The version of a record, or of its absence.
fn version(id: &RecordId, number: Option<u64>, counts: &Counts) -> String {
    number.map_or_else(|| format!("absent {}", counts.of(id)), |number| number.to_string())
}

fn is_current(id: &RecordId, number: Option<u64>, counts: &Counts, expected: &str) -> bool {
    match number {
        Some(number) => expected == number.to_string(),
        None => {
            let count = expected.strip_prefix("absent ").and_then(|count| count.parse().ok());
            count.is_some_and(|count| counts.is_current(id, count))
        }
    }
}

pub(super) fn load(
    database: &Database,
    id: &RecordId,
    counts: impl FnOnce(&dyn Fn(&Counts) -> String) -> String,
) -> Result<(Option<Vec<u8>>, Version), Failed> {
    let records = database.begin_read()?.open_table(RECORDS)?;
    let found = records.get(key(id))?.map(|found| {
        let (number, bytes) = found.value();
        (number, bytes.to_vec())
    });
    let number = found.as_ref().map(|(number, _)| *number);
    let version = counts(&|counts| version(id, number, counts));
    Ok((found.map(|(_, bytes)| bytes), Version::new(version)))
}

pub(super) fn list(database: &Database, machine: &str) -> Result<Vec<ResourceId>, Failed> {
    let records = database.begin_read()?.open_table(RECORDS)?;
    let mut found = Vec::new();
    for record in records.range((machine, "", "")..)? {
        let (key, _) = record?;
        let (of, namespace, name) = key.value();
        if of != machine {
            break;
        }
        found.push(ResourceId::new(namespace, name));
    }
    Ok(found)
}

pub(super) fn machines(database: &Database) -> Result<Vec<String>, Failed> {
    let records = database.begin_read()?.open_table(RECORDS)?;
    let (mut found, mut after) = (Vec::new(), String::new());
    while let Some(first) = records.range((after.as_str(), "", "")..)?.next() {
        let machine = first?.0.value().0.to_owned();
        // No string is between one and the same with a zero character behind it.
        after = format!("{machine}\0");
        found.push(machine);
    }
    Ok(found)
}

/// The answers to a batch of requests, in their order.
pub(super) type Answers = Vec<Result<Version, StoreError>>;

/// Does what is asked, in order, in a transaction that is not committed yet; none if nothing is to be committed.
pub(super) fn apply(
    database: &Database,
    batch: &[Request],
    counts: &mut Counts,
) -> Result<(Option<WriteTransaction>, Answers), Failed> {
    let transaction = database.begin_write()?;
    let mut answers = Answers::with_capacity(batch.len());
    {
        let (mut records, mut numbers) = (transaction.open_table(RECORDS)?, transaction.open_table(NUMBERS)?);
        let first = number(&numbers)?;
        let mut last = first;
        for Request { id, expected, change, .. } in batch {
            let stands = records.get(key(id))?.map(|found| found.value().0);
            if !is_current(id, stands, counts, expected) || (stands.is_none() && matches!(change, Change::Remove)) {
                answers.push(Err(StoreError::Conflict));
                continue;
            }
            last += 1;
            match change {
                Change::Write(bytes) => {
                    records.insert(key(id), (last, bytes.as_slice()))?;
                    answers.push(Ok(Version::new(last.to_string())));
                }
                Change::Remove => {
                    records.remove(key(id))?;
                    counts.moved(id);
                    answers.push(Ok(Version::new(version(id, None, counts))));
                }
            }
        }
        if last != first {
            numbers.insert(LAST, last)?;
        }
    }
    if answers.iter().any(Result::is_ok) {
        Ok((Some(transaction), answers))
    } else {
        transaction.abort()?;
        Ok((None, answers))
    }
}
