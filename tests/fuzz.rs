//! The fuzz targets with bounded input: the corpus, and every small change of it. Invariant: they are compiled here too, so that a target
//! that no longer builds is noticed without the fuzzer.

use proptest::prelude::*;

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
