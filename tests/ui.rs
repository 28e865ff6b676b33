//! Mistakes and what the compiler says of them: one mistake, one message, on the right token, with the fix in it.
//!
//! The texts are those of rustc 1.95. `TRYBUILD=overwrite cargo test --test ui` writes them anew.

#[test]
fn mistakes_are_explained() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}

#[test]
fn three_mistakes_give_three_messages_and_every_other_gives_one() {
    let mut counted = 0;
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ui/fail")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "stderr") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let errors = text.lines().filter(|line| line.starts_with("error")).count();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let expected = match name.as_str() {
            "three_mistakes" => 3,
            // It can be neither written nor read: one message for each, both on its type.
            "fact_that_is_secret" => 2,
            _ => 1,
        };
        assert_eq!(errors, expected, "{name}:\n{text}");
        counted += 1;
    }
    assert!(counted >= 70, "{counted}");
}
