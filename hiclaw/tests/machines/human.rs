//! A person's life at the stand-in servers.

use std::collections::BTreeSet;

use durable_fsm::record::{BlockedReason, HeldReason, Resolution, owner_tag};
use durable_fsm::{Class, Classify as _, Outcome, Resource as _};
use hiclaw::clients::Registered;
use hiclaw::human::provision::HumanError;
use hiclaw::human::{Human, HumanFlow, HumanState, Level};
use hiclaw::team::Team;

use crate::stage::{Stage, human, team};

const KIM: &str = "@kim:hiclaw.test";

fn is_ready(outcome: &Outcome<HumanState>) -> bool {
    matches!(outcome, Outcome::Resting(HumanState::Ready(_)))
}

fn names(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(ToString::to_string).collect()
}

/// The objects that let agents listen to Kim.
async fn permissions(stage: &Stage) -> BTreeSet<String> {
    let all = stage.objects("agents/").await.into_iter().filter(|it| it.contains("/allow-from/"));
    all.map(|it| it.trim_start_matches("agents/").trim_end_matches("/allow-from/kim.json").to_owned()).collect()
}

/// The password in a mail, if there is one.
fn mailed_password(text: &str) -> Option<&str> {
    text.split("initial password:\n\n").nth(1)?.lines().next()
}

async fn opens(stage: &Stage, password: &str) -> bool {
    stage.clients.matrix.login("kim", password).await.is_ok()
}

#[tokio::test]
async fn a_person_follows_their_spec_and_leaves_an_account() {
    let stage = Stage::new().await;
    let calls = &stage.world.calls;
    stage.employ(&["ann", "bob", "cid"]).await;
    assert!(stage.settle_team(&team("alpha", "ann", &["bob"])).await.state().is_some());
    let before = stage.rooms("").await;

    let kim = human(Level::Team, &["alpha"], &["cid"]);
    calls.lose_reply("POST", "/register");
    calls.lose_reply("PUT", "/displayname");
    calls.lose_reply("POST", "/invite");
    calls.lose_reply("PUT", "agents/bob/allow-from/kim.json");
    assert!(is_ready(&stage.settle_human(&kim).await));
    assert_eq!(calls.to_lose(), 0);
    assert_eq!(stage.accounts(KIM).await, ["Kim"]);
    let rooms = names(&["Team: alpha", "Worker: ann", "Worker: bob", "Worker: cid"]);
    assert_eq!(stage.rooms_with(KIM).await, rooms);
    assert_eq!(permissions(&stage).await, names(&["ann", "bob", "cid"]));
    let mails = stage.world.mail.taken();
    assert_eq!((mails.len(), &*mails[0].0), (1, "kim@example.com"));
    assert!(opens(&stage, mailed_password(&mails[0].1).unwrap()).await, "what is mailed opens the account");

    let mut kim = human(Level::Worker, &["alpha"], &["cid"]);
    kim.spec.display_name = "Kim Lee".to_owned();
    calls.lose_reply("POST", "/kick");
    calls.lose_reply("DELETE", "agents/ann/allow-from/kim.json");
    assert!(is_ready(&stage.settle_human(&kim).await));
    assert_eq!(calls.to_lose(), 0);
    assert_eq!(stage.accounts(KIM).await, ["Kim Lee"]);
    assert_eq!(stage.rooms_with(KIM).await, names(&["Worker: cid"]));
    assert_eq!(permissions(&stage).await, names(&["cid"]));
    let _ = calls.take();
    assert!(is_ready(&stage.settle_human(&kim).await));
    assert!(calls.take().is_empty(), "a person who is ready asks for nothing");

    calls.lose_reply("POST", "/kick");
    assert!(matches!(stage.settle_human(&Human { deleting: true, ..kim }).await, Outcome::Gone));
    assert_eq!(calls.to_lose(), 0);
    assert_eq!(stage.rooms("").await, before);
    assert_eq!(permissions(&stage).await, names(&[]));
    assert_eq!(stage.accounts(KIM).await.len(), 1, "the Matrix id stays taken");
    assert!(!opens(&stage, mailed_password(&mails[0].1).unwrap()).await, "the account is deactivated");
    assert_eq!(stage.world.mail.taken().len(), 1);
}

/// A homeserver allows five logins in a row, and then one in five minutes.
#[tokio::test]
async fn a_person_with_many_rooms_is_logged_in_once() {
    let stage = Stage::new().await;
    let workers = ["ann", "bob", "cid", "dan", "eve", "fay"];
    stage.employ(&workers).await;
    let kim = human(Level::Worker, &[], &workers);
    let _ = stage.world.calls.take();
    assert!(is_ready(&stage.settle_human(&kim).await));
    assert_eq!(stage.rooms_with(KIM).await.len(), workers.len());
    // The one before the mail shows that what is mailed opens the account.
    let logins = stage.count_calls(&[("POST", "/login")]);
    assert_eq!(logins.into_values().collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn an_administrator_reaches_whatever_is_there() {
    let stage = Stage::new().await;
    let workers = stage.employ(&["ann", "bob"]).await;
    let alpha = team("alpha", "ann", &[]);
    assert!(stage.settle_team(&alpha).await.state().is_some());
    let kim = human(Level::Admin, &[], &[]);
    assert!(is_ready(&stage.settle_human(&kim).await));
    assert_eq!(stage.rooms_with(KIM).await, names(&["Team: alpha", "Worker: ann", "Worker: bob"]));

    // Whatever goes, leaves nothing of the access behind, whether the person or the worker is first.
    stage.employ(&["cid"]).await;
    assert!(is_ready(&stage.settle_human(&kim).await));
    assert_eq!(permissions(&stage).await, names(&["ann", "bob", "cid"]));
    let bob = stage.announce_dismissal(&workers[1]);
    stage.dismiss(&bob).await;
    assert!(matches!(stage.settle_team(&Team { deleting: true, ..alpha }).await, Outcome::Gone));
    assert!(is_ready(&stage.settle_human(&kim).await));
    assert_eq!(stage.rooms_with(KIM).await, names(&["Worker: ann", "Worker: cid"]));
    assert_eq!(permissions(&stage).await, names(&["ann", "cid"]));
}

#[tokio::test]
async fn a_mail_in_doubt_is_not_sent_again_before_somebody_has_looked() {
    for arrived in [true, false] {
        let stage = Stage::new().await;
        let kim = human(Level::Worker, &[], &[]);
        stage.world.mail.break_after_next();
        let outcome = stage.settle_human(&kim).await;
        assert!(matches!(outcome, Outcome::Held { reason: HeldReason::InDoubt, .. }), "{arrived}");
        assert!(!stage.world.mail.is_to_break());
        assert!(matches!(stage.settle_human(&kim).await, Outcome::Held { .. }));
        assert_eq!(stage.world.mail.taken().len(), 1);
        // What the operator looks for in the mail server's log is what the record would keep.
        let message_id = |nth: usize| {
            let mails = stage.world.mail.taken();
            mails[nth].1.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap().to_owned()
        };
        let applied = Resolution::AppliedMember { value: message_id(0).into() };
        let resolution = if arrived { applied } else { Resolution::NotApplied };
        stage.humans.resolve(&kim.id(), resolution).await.unwrap();
        let outcome = stage.settle_human(&kim).await;
        let Outcome::Resting(HumanState::Ready(ready)) = outcome else { panic!("it does not rest") };
        let mails = stage.world.mail.taken().len();
        assert_eq!(
            (mails, ready.invitations.values().next()),
            (if arrived { 1 } else { 2 }, Some(&message_id(mails - 1)))
        );
    }
}

#[tokio::test]
async fn a_person_whose_mail_is_in_doubt_can_still_be_deleted() {
    let stage = Stage::new().await;
    let kim = human(Level::Worker, &[], &[]);
    stage.world.mail.break_after_next();
    assert!(matches!(stage.settle_human(&kim).await, Outcome::Held { .. }));
    assert!(matches!(stage.settle_human(&Human { deleting: true, ..kim }).await, Outcome::Gone));
    assert_eq!(stage.world.mail.taken().len(), 1);
}

#[tokio::test]
async fn a_refused_address_waits_for_another_one() {
    let stage = Stage::new().await;
    stage.world.mail.refuse("kim@example.com");
    let mut kim = human(Level::Worker, &[], &[]);
    let outcome = stage.settle_human(&kim).await;
    assert!(matches!(outcome, Outcome::Blocked { reason: BlockedReason::Rejected, .. }));
    kim.spec.email = Some("kim.lee@example.com".to_owned());
    assert!(is_ready(&stage.settle_human(&kim).await));
    let mails = stage.world.mail.taken();
    assert_eq!((mails.len(), &*mails[0].0), (1, "kim.lee@example.com"));
}

#[test]
fn what_goes_wrong_before_the_mail_is_no_doubt_about_it() {
    let lost = || HumanError::Partly(Box::new(HumanError::Closed(String::new())));
    assert_eq!(lost().classify(), Class::Unknown);
    assert_eq!(HumanError::Unsent(Box::new(lost())).classify(), Class::NOT_APPLIED);
    assert_eq!(HumanError::Unsent(Box::new(HumanError::Closed(String::new()))).classify(), Class::Rejected);
}

#[tokio::test]
async fn without_an_address_there_is_no_mail() {
    let stage = Stage::new().await;
    let mut kim = human(Level::Worker, &[], &[]);
    kim.spec.email = None;
    assert!(is_ready(&stage.settle_human(&kim).await));
    assert!(stage.world.mail.taken().is_empty());
}

#[tokio::test]
async fn a_namesakes_account_waits_for_somebody_who_knows_the_person() {
    let stage = Stage::new().await;
    let first = human(Level::Worker, &[], &[]);
    assert!(is_ready(&stage.settle_human(&first).await));
    let gone = Human { deleting: true, ..first.clone() };
    assert!(matches!(stage.settle_human(&gone).await, Outcome::Gone));

    let mut second = human(Level::Worker, &[], &[]);
    second.uid = "human-kim-again".to_owned();
    second.spec.display_name = "Kim, again".to_owned();
    let Outcome::Held { reason, message } = stage.settle_human(&second).await else { panic!("it is not held") };
    assert!(reason == HeldReason::NotOurs && message.contains("resource of the same name"), "{message}");
    assert_eq!(stage.accounts(KIM).await, ["Kim"], "and is not touched");

    let tag = |human: &Human| owner_tag(&human.uid, HumanFlow::GRAPH.name);
    stage.passwords.hand_over("kim", &tag(&first), &tag(&second)).await.unwrap();
    stage.humans.resolve(&second.id(), Resolution::Retry).await.unwrap();
    assert!(is_ready(&stage.settle_human(&second).await));
    assert_eq!(stage.accounts(KIM).await, ["Kim, again"]);
    let mails = stage.world.mail.taken();
    assert!(opens(&stage, mailed_password(&mails[0].1).unwrap()).await, "the account is open again");
    assert_eq!((mails.len(), mailed_password(&mails[1].1)), (2, mailed_password(&mails[0].1)));
    assert!(stage.passwords.hand_over("kim", &tag(&first), &tag(&second)).await.is_err(), "once is enough");
}

#[tokio::test]
async fn somebody_elses_account_is_not_taken_over() {
    let stage = Stage::new().await;
    let theirs = stage.clients.matrix.register("kim", "theirs", "registration-token").await.unwrap();
    assert!(matches!(theirs, Registered::New(_)));
    let outcome = stage.settle_human(&human(Level::Worker, &[], &[])).await;
    let Outcome::Held { reason: HeldReason::NotOurs, message } = outcome else { panic!("it is not held") };
    assert!(!message.contains("namesake"), "{message}");
    assert!(opens(&stage, "theirs").await);
}

#[tokio::test]
async fn a_deactivated_account_of_somebody_else_is_not_taken_over() {
    let stage = Stage::new().await;
    let theirs = stage.clients.matrix.register("kim", "theirs", "registration-token").await.unwrap();
    assert!(matches!(theirs, Registered::New(_)));
    let admin = stage.clients.matrix.login("admin", hiclaw::office::ADMIN_PASSWORD).await.unwrap();
    assert!(stage.clients.matrix.deactivate(&admin, KIM).await.unwrap());
    let outcome = stage.settle_human(&human(Level::Worker, &[], &[])).await;
    assert!(matches!(outcome, Outcome::Held { reason: HeldReason::NotOurs, .. }));
    assert!(!opens(&stage, "theirs").await, "it is not opened again");
}

#[tokio::test]
async fn a_person_who_has_changed_the_password_is_invited_and_can_be_put_out() {
    let stage = Stage::new().await;
    stage.employ(&["ann", "bob"]).await;
    let kim = human(Level::Worker, &[], &["ann"]);
    assert!(is_ready(&stage.settle_human(&kim).await));
    assert!(stage.world.matrix.change_password(KIM, "my own"));

    assert!(is_ready(&stage.settle_human(&human(Level::Worker, &[], &["bob"])).await));
    assert_eq!(stage.rooms_with(KIM).await, names(&[]), "out of Ann's room, and invited to Bob's");
    let session = stage.clients.matrix.login("kim", "my own").await.unwrap();
    let (rooms, _) = stage.clients.matrix.audit().await.unwrap();
    let bobs = rooms["rooms"].as_array().unwrap().iter().find(|it| it["name"] == "Worker: bob").unwrap();
    stage.clients.matrix.join(&session, bobs["room_id"].as_str().unwrap()).await.unwrap();

    // The name is theirs to change now; that is said, and keeps nothing else from being done.
    let mut renamed = human(Level::Worker, &[], &["ann"]);
    renamed.spec.display_name = "Kim Lee".to_owned();
    assert!(matches!(stage.settle_human(&renamed).await, Outcome::Blocked { .. }));
    assert_eq!((stage.rooms_with(KIM).await, permissions(&stage).await), (names(&[]), names(&["ann"])));

    assert!(matches!(stage.settle_human(&Human { deleting: true, ..renamed }).await, Outcome::Gone));
    assert!(!opens(&stage, "my own").await, "the account is deactivated all the same");
}
