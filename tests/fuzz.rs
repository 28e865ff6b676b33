//! The fuzz targets with bounded input: the corpus, and every small change of it. Invariant: they are compiled here too, so that a target
//! that no longer builds is noticed without the fuzzer.

use proptest::prelude::*;
use serde_json::{Value, json};

// This crate stands in for the fuzzer's.
extern crate self as libfuzzer_sys;

/// As strict as the fuzzer's: the body is a block that gives nothing.
#[macro_export]
macro_rules! fuzz_target {
    (|$bytes:ident: &[u8]| $body:block) => {
        pub(crate) fn run($bytes: &[u8]) {
            $body
        }
    };
}

#[expect(unused_attributes, reason = "it has no `main` where the fuzzer runs it")]
#[path = "../fuzz/fuzz_targets/decode_record.rs"]
mod decode_record;
#[expect(unused_attributes, reason = "it has no `main` where the fuzzer runs it")]
#[path = "../fuzz/fuzz_targets/load_file_store.rs"]
mod load_file_store;

/// What is checked in; what the fuzzer has added on this machine has no extension.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let directory = format!("{}/fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some());
    files.sort();
    files.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn the_targets_take_the_corpus() {
    corpus("decode_record").iter().for_each(|bytes| decode_record::run(bytes));
    corpus("load_file_store").iter().for_each(|bytes| load_file_store::run(bytes));
}

#[test]
fn the_corpus_of_records_is_read() {
    let corpus = corpus("decode_record");
    assert!(corpus.len() >= 8);
    assert!(corpus.iter().all(|bytes| decode_record::decode_record(bytes)));
}

#[test]
fn the_corpus_has_a_record_of_each_shape() {
    let golden = format!("{}/tests/golden/record", env!("CARGO_MANIFEST_DIR"));
    let mut names: Vec<_> = std::fs::read_dir(&golden).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let golden: Vec<_> =
        names.iter().map(|name| std::fs::read(format!("{golden}/{}", name.display())).unwrap()).collect();
    assert!(golden.len() >= 15);
    assert!(corpus("decode_record") == golden, "copy tests/golden/record to fuzz/corpus/decode_record");
}

#[test]
fn a_record_cut_off_anywhere_is_an_error() {
    for bytes in corpus("decode_record") {
        for length in 0..bytes.trim_ascii_end().len() {
            assert!(!decode_record::decode_record(&bytes[..length]), "cut off at {length}");
        }
    }
}

#[test]
fn the_corpus_of_directories_is_loaded() {
    let found: Vec<usize> =
        corpus("load_file_store").iter().map(|bytes| load_file_store::load_file_store(bytes)).collect();
    assert!(found.contains(&1), "{found:?}");
}

/// Every place in a value, as JSON pointers.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    into.push(at.to_owned());
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, field)| {
            places(field, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), into);
        }),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| places(item, &format!("{at}/{index}"), into));
        }
        _ => {}
    }
}

/// A record of the corpus with the places in it.
struct Parsed {
    value: Value,
    places: Vec<String>,
}

/// One to four places of a record hold what another place of another record holds, or something that belongs nowhere.
fn grafted(corpus: &[Parsed], chance: &mut fastrand::Rng) -> Vec<u8> {
    let odd = [json!(null), json!(0), json!(-1), json!(u64::MAX), json!(1e300), json!(""), json!([]), json!({})];
    let mut value = corpus[chance.usize(..corpus.len())].value.clone();
    for _ in 0..chance.usize(1..5) {
        let from = &corpus[chance.usize(..corpus.len())];
        let graft = match chance.u8(..) {
            0..64 => odd[chance.usize(..odd.len())].clone(),
            _ => from.value.pointer(&from.places[chance.usize(..from.places.len())]).cloned().unwrap_or_default(),
        };
        let onto = &corpus[chance.usize(..corpus.len())].places;
        let place = &onto[chance.usize(..onto.len())];
        match (value.pointer_mut(place), chance.bool()) {
            (Some(Value::Array(items)), true) => items.push(graft),
            (Some(place), _) => *place = graft,
            (None, _) => {
                let (parent, name) = place.rsplit_once('/').unwrap_or_default();
                if let Some(Value::Object(fields)) = value.pointer_mut(parent) {
                    fields.insert(name.to_owned(), graft);
                }
            }
        }
    }
    serde_json::to_vec(&value).unwrap()
}

/// Some bytes of a record are others, missing, or there twice.
fn scrambled(corpus: &[Vec<u8>], chance: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = corpus[chance.usize(..corpus.len())].clone();
    for _ in 0..chance.usize(1..4) {
        let at = chance.usize(..bytes.len());
        let end = bytes.len().min(at + chance.usize(1..24));
        match chance.u8(..4) {
            0 => bytes[at] = chance.u8(..),
            1 => bytes[at] ^= 1 << chance.u8(..8),
            2 if end - at < bytes.len() => drop(bytes.drain(at..end)),
            _ => {
                let twice = bytes[at..end].to_vec();
                bytes.splice(at..at, twice);
            }
        }
    }
    bytes
}

/// The fuzzer's target under a loop of seeded changes, for machines without the fuzzer. `FUZZ_RUNS=10000000` runs it so often, and
/// `FUZZ_SEED` another way.
#[test]
fn records_that_are_changed_by_chance_are_records_or_errors() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (runs, seed): (u64, u64) = (number("FUZZ_RUNS", 4000), number("FUZZ_SEED", 1));
    let corpus = corpus("decode_record");
    let parsed: Vec<Parsed> = corpus
        .iter()
        .map(|bytes| {
            let value: Value = serde_json::from_slice(bytes).unwrap();
            let mut all = Vec::new();
            places(&value, "", &mut all);
            Parsed { value, places: all }
        })
        .collect();
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut read = 0;
    for _ in 0..runs {
        let bytes = if chance.bool() { grafted(&parsed, &mut chance) } else { scrambled(&corpus, &mut chance) };
        read += u64::from(decode_record::decode_record(&bytes));
    }
    println!("{read} of {runs} are records");
    // Some changes hit what is for people, and most do not.
    assert!(read > runs / 100 && read < runs / 2, "{read} of {runs} are records");
}

proptest! {
    #[test]
    fn a_changed_record_is_a_record_or_an_error(which in any::<prop::sample::Index>(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let corpus = corpus("decode_record");
        let mut bytes = which.get(&corpus).clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        decode_record::decode_record(&bytes);
    }

    #[test]
    fn any_bytes_are_a_record_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        decode_record::decode_record(&bytes);
    }

    #[test]
    fn any_directory_is_loaded_or_refused(lines in prop::collection::vec("(test%2eio%2fthing|[a-z%+]{1,4})(/[a-z0-9%+.]{1,5}){0,4}(\\.json|\\.json\\.tmp)?\t[ -~]{0,8}", 0..8)) {
        load_file_store::load_file_store(lines.join("\n").as_bytes());
    }
}
