//! What is refused, and that the remedy in each message is accepted.

use super::fleet::{Bank, Controller, orders};
use super::place::{Place, commands_in};

async fn held(place: &Place) {
    let bank = Bank::default();
    let all = orders(2);
    bank.is_silent_for(all.clone());
    Controller::start(&bank, &place.records()).run(&all).await;
}

#[tokio::test]
async fn every_command_in_a_message_is_accepted() {
    let place = Place::new();
    held(&place).await;
    let not_applied = ["resolve", "--phase", "held", "--transition", "charge", "--not-applied"];
    let rows: [&[&str]; 4] = [
        &["show", "shop/nobody"],
        &["history", "shop/order-000", "shop/nobody"],
        &["pause", "--phase", "ready", "--yes"],
        // There is no one to ask here.
        &not_applied,
    ];
    for words in rows {
        let refused = place.fsm(words).refused(2);
        let commands = commands_in(&refused);
        assert_eq!(commands.len(), 1, "{words:?}: {refused}");
        place.printed(&commands[0]).fine();
    }
}

#[tokio::test]
async fn what_a_directory_has_not_is_refused() {
    let place = Place::new();
    held(&place).await;
    for (words, why) in [
        (&["verify", "--all", "--yes"][..], "use `Runner::verify` in the controller's program"),
        (&["rebind", "shop/order-000", "--yes"], "give the uid of the resource with `--uid`"),
        (&["--cluster", "import", "file"], "give `--dir` instead of `--cluster`"),
    ] {
        let refused = place.fsm(words).refused(2);
        assert!(refused.contains(why), "{words:?}: {refused}");
    }
    place.fsm(&["rebind", "shop/order-000", "--uid", "another", "--yes"]).fine();
}

#[tokio::test]
async fn what_the_record_does_not_allow_is_refused_and_changes_nothing() {
    let place = Place::new();
    held(&place).await;
    let before = place.fsm(&["export"]).fine();
    let resolve = |words: &[&'static str]| [&["resolve", "shop/order-000", "--yes"][..], words].concat();
    let applied = |words: &[&'static str]| [resolve(&["--transition", "charge", "--applied"]), words.to_vec()].concat();
    // The record's own reasons.
    for (words, why) in [
        (vec!["retry", "shop/order-000", "--yes"], "the outcome is in doubt"),
        (
            resolve(&["--transition", "reserve", "--not-applied"]),
            "it is meant for `reserve`, and `charge` is under way",
        ),
        (applied(&["--fact", "receipt=r"]), "fact `cents` is missing"),
        (applied(&["--fact", "receipt=r", "--fact", "cents=many"]), "is no u32"),
        (
            applied(&["--fact", "receipt=r", "--fact", "cents=5", "--fact", "colour=red"]),
            "Charged adds no fact `colour`",
        ),
        (applied(&["--to", "Nowhere", "--fact", "receipt=r"]), "adds no fact"),
        (resolve(&["--transition", "fly", "--applied"]), "the machine has no transition `fly`"),
    ] {
        let said = place.fsm(&words);
        assert_eq!(said.code, 1, "{words:?}: {}{}", said.out, said.err);
        assert!(said.out.contains("refused: ") && said.out.contains(why), "{words:?}: {}", said.out);
        assert!(said.out.ends_with("0 changed, 1 refused\n"), "{}", said.out);
    }
    // The command's own.
    for (words, why) in [
        (vec!["retry", "--yes"], "give names, a filter such as `--phase held`, or `--all`"),
        (applied(&["--fact", "receipt"]), "write it as `--fact name=value`"),
        (applied(&["--fact", "receipt=VALUE"]), "is a placeholder; look at the provider"),
    ] {
        let refused = place.fsm(&words).refused(2);
        assert!(refused.contains(why), "{words:?}: {refused}");
    }
    // One that is not sure what it wants is told by the command line itself.
    for words in
        [vec!["resolve", "shop/order-000"], resolve(&["--applied"]), resolve(&["--roll-back", "--not-applied"])]
    {
        assert!(place.fsm(&words).refused(2).contains("Usage: fsm resolve"), "{words:?}");
    }
    assert_eq!(place.fsm(&["export"]).fine(), before);
}

#[tokio::test]
async fn a_text_is_a_text_also_if_it_looks_like_a_number() {
    let place = Place::new();
    held(&place).await;
    let words = [
        "resolve",
        "shop/order-000",
        "--yes",
        "--transition",
        "charge",
        "--applied",
        "--fact",
        "receipt=5",
        "--fact",
        "cents=5",
    ];
    place.fsm(&words).fine();
    let shown = place.fsm(&["show", "shop/order-000", "--json"]).fine();
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let facts = &shown["record"]["facts"];
    assert_eq!((&facts["receipt"], &facts["cents"]), (&"5".into(), &5.into()));
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let place = Place::new();
    let refused = place.fsm(&["list"]).refused(2);
    assert!(refused.contains("cannot read the record directory records") && refused.contains("FSM_DIR"), "{refused}");
    assert!(!place.records().exists(), "reading makes nothing");
}
