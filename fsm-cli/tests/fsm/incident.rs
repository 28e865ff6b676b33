//! A fleet of 100, of which 44 are held: found, understood and resolved with `fsm` alone.

use super::fleet::{Bank, Controller, orders};
use super::place::{Place, assert_golden, commands_in, without_ages};

const HELD: usize = 44;

#[tokio::test]
async fn forty_four_held_orders_are_found_understood_and_resolved() {
    let place = Place::new();
    let bank = Bank::default();
    let all = orders(100);
    bank.is_silent_for(all[..HELD].iter().cloned());
    let controller = Controller::start(&bank, &place.records());
    controller.run(&all).await;

    // Found, also while the controller runs.
    let listed = place.fsm(&["list"]).fine();
    assert!(listed.ends_with("100 resources: 44 held, 56 ready\n"), "{listed}");
    let held = place.fsm(&["list", "--phase", "held", "--reason", "in-doubt", "--json"]).fine();
    let held: serde_json::Value = serde_json::from_str(&held).unwrap();
    assert_eq!(held.as_array().unwrap().len(), HELD);
    assert!(held.as_array().unwrap().iter().all(|row| row["state"] == "Reserved" && row["attempt"] == 1));

    // Understood: one of them says what it is about, and what may be asked for.
    let shown = place.fsm(&["show", "shop/order-007"]).fine();
    assert!(shown.contains("`charge` may or may not have happened"), "{shown}");
    let remedies = commands_in(&shown);
    assert!(remedies.iter().any(|command| command.ends_with("--applied --fact receipt=VALUE --fact cents=VALUE")));
    assert!(remedies.iter().any(|command| command.ends_with("--transition charge --not-applied")));

    // Each of them is accepted, on a copy.
    for command in &remedies {
        let copy = place.copy();
        let command = command.replace("receipt=VALUE", "receipt=r1").replace("cents=VALUE", "cents=500");
        let said = copy.printed(&format!("{command} --yes")).fine();
        assert!(said.ends_with("1 changed, 0 refused\n"), "{command}: {said}");
    }

    // Refused while the controller runs, and nothing is changed.
    let resolve = ["resolve", "--phase", "held", "--transition", "charge", "--not-applied"];
    let refused = place.fsm(&[&resolve[..], &["--yes"]].concat()).refused(2);
    assert!(refused.contains("a controller has records open, so nothing was changed; stop it"), "{refused}");
    let command = commands_in(&refused).pop().unwrap();
    assert_eq!(controller.states(&all[..1]).await, ["Reserved"]);
    drop(controller);

    // Resolved: 40 were not charged, by one filter; 4 were, with their receipts.
    for order in &all[..4] {
        let name = format!("shop/{order}");
        let receipt = format!("receipt=found for {order}");
        let words =
            ["resolve", &name, "--transition", "charge", "--applied", "--fact", &receipt, "--fact", "cents=500"];
        let dry = place.fsm(&[&words[..], &["--dry-run"]].concat()).fine();
        assert!(dry.contains("records that `charge` happened") && dry.ends_with("1 would be changed, 0 refused\n"));
        place.fsm(&[&words[..], &["--yes"]].concat()).fine();
    }
    let said = place.printed(&command).fine();
    assert!(said.ends_with("40 changed, 0 refused\n"), "{said}");

    // The next controller goes on. What was charged is not charged again.
    bank.is_silent_for([]);
    let controller = Controller::start(&bank, &place.records());
    controller.run(&all).await;
    assert!(controller.states(&all).await.iter().all(|state| state == "Charged"));
    let charges: Vec<usize> = all.iter().map(|order| bank.charges_of(order)).collect();
    assert_eq!(charges[..4], [1; 4]);
    assert_eq!(charges[4..HELD], [2; HELD - 4]);
    assert_eq!(charges[HELD..], [1; 56]);
    assert!(place.fsm(&["list"]).fine().ends_with("100 resources: 100 ready\n"));
}

/// The session that the documentation shows: found, understood, tried, refused, resolved.
#[tokio::test]
async fn the_documented_session_is_what_is_said() {
    let place = Place::new();
    let bank = Bank::default();
    let all = orders(100);
    bank.is_silent_for(all[..HELD].iter().cloned());
    let controller = Controller::start(&bank, &place.records());
    controller.run(&all).await;
    let mut session = String::new();
    let mut say = |command: &str, lines: usize| {
        let said = place.printed(command);
        let text = said.out + &said.err;
        let all: Vec<&str> = text.lines().collect();
        let head = all.iter().take(lines).copied();
        let left = all.len().saturating_sub(lines + 2);
        let gap = (left > 0).then(|| format!("… {left} more lines"));
        let tail = all.iter().skip(lines.max(all.len().saturating_sub(2))).copied();
        let shown = head.map(str::to_owned).chain(gap).chain(tail.map(str::to_owned));
        session.push_str(&format!("$ {command}\n{}\n\n", shown.collect::<Vec<_>>().join("\n").trim_end()));
    };
    say("fsm list --phase held", 4);
    say("fsm show shop/order-007", 100);
    let resolve = "fsm resolve --phase held --reason in-doubt --transition charge --not-applied";
    say(&format!("{resolve} --dry-run"), 2);
    say(&format!("{resolve} --yes"), 2);
    drop(controller);
    say(&format!("{resolve} --yes"), 2);
    say("fsm list", 3);
    assert_golden("session.txt", &without_ages(&session));
}

#[tokio::test]
async fn what_is_blocked_is_tried_again_or_rolled_back() {
    let place = Place::new();
    let bank = Bank::default();
    let all = orders(2);
    bank.refuses(all.clone());
    let controller = Controller::start(&bank, &place.records());
    controller.run(&all).await;
    drop(controller);
    let listed = place.fsm(&["list", "--sort", "phase", "--color", "never"]).fine();
    assert!(listed.contains("blocked") && listed.contains("rejected"), "{listed}");
    assert!(!listed.contains('\u{1b}'), "what a provider says does not colour the terminal");
    bank.refuses([]);
    let retry = place.fsm(&["retry", "shop/order-000", "--yes"]).fine();
    assert!(retry.contains("shop/order-000: ends the block; the next pass tries again in Reserved"), "{retry}");
    let back = place.fsm(&["resolve", "shop/order-001", "--roll-back", "--yes"]).fine();
    assert!(back.contains("undoes reserve, and begins again at Requested"), "{back}");
    let listed = place.fsm(&["list"]).fine();
    assert!(listed.contains("rolling-back"), "{listed}");
    let controller = Controller::start(&bank, &place.records());
    controller.run(&all).await;
    assert_eq!(controller.states(&all).await, ["Charged", "Charged"]);
}

#[tokio::test]
async fn a_pause_holds_until_it_is_resumed_and_a_release_lists_what_it_leaves() {
    let place = Place::new();
    let bank = Bank::default();
    let all = orders(1);
    let controller = Controller::start(&bank, &place.records());
    controller.run(&all).await;
    drop(controller);
    place.fsm(&["pause", "--all", "--yes"]).fine();
    assert!(place.fsm(&["list"]).fine().ends_with("1 resource: 1 paused\n"));
    let shown = place.fsm(&["show", "shop/order-000"]).fine();
    let resume = commands_in(&shown);
    assert_eq!(resume.len(), 1, "{shown}");
    let said = place.printed(&format!("{} --yes", resume[0])).fine();
    assert!(said.contains("passes run again, from Charged"), "{said}");
    place.fsm(&["rebind", "shop/order-000", "--uid", "other", "--yes"]).fine();
    let record = place.fsm(&["show", "shop/order-000", "--json"]).fine();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert_eq!(
        (&record["record"]["owner"], &record["record"]["origin"]),
        (&"other".into(), &"uid-of-order-000".into())
    );
    let released = place.fsm(&["release", "shop/order-000", "--yes"]).fine();
    assert!(released.contains("removes the record; left behind: reserve (key "), "{released}");
    assert_eq!(place.fsm(&["list"]).fine().lines().last(), Some("no resources"));
}
