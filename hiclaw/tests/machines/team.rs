//! A team's life at the stand-in servers.

use std::collections::BTreeSet;

use durable_fsm::Outcome;
use hiclaw::servers::HalfRoom;
use hiclaw::team::{Team, TeamState};

use crate::stage::{self, ADMIN, Stage, ids, team};

fn is_ready(outcome: &Outcome<TeamState>) -> bool {
    matches!(outcome, Outcome::Resting(TeamState::Ready(_)))
}

fn own_objects(members: &[&str]) -> BTreeSet<String> {
    let briefs = members.iter().map(|member| format!("members/{member}.json"));
    let shared = ["tasks", "projects", "knowledge"].map(|it| format!("shared/{it}/.keep"));
    let all = briefs.chain(shared).chain([".keep".to_owned(), "team.json".to_owned()]);
    all.map(|it| format!("teams/alpha/{it}")).collect()
}

fn room(name: &str, members: &[&str]) -> (String, BTreeSet<String>) {
    (name.to_owned(), &ids(members) | &BTreeSet::from([ADMIN.to_owned()]))
}

#[tokio::test]
async fn a_team_follows_its_spec_and_leaves_nothing_but_its_members_work() {
    let stage = Stage::new().await;
    let calls = &stage.world.calls;
    stage.employ(&["ann", "bob", "cid"]).await;

    let alpha = team("alpha", "ann", &["bob"]);
    calls.lose_reply("POST", "createRoom");
    calls.lose_reply("PUT", "teams/alpha/team.json");
    calls.lose_reply("PUT", "teams/alpha/members/bob.json");
    assert!(is_ready(&stage.settle_team(&alpha).await));
    assert_eq!(calls.to_lose(), 0);
    assert_eq!(stage.rooms("Team: alpha").await, [room("Team: alpha", &["ann", "bob"])]);
    assert_eq!(stage.rooms("Leader: ").await, [room("Leader: ann of alpha", &["ann"])]);
    assert_eq!(stage.objects("teams/alpha/").await, own_objects(&["ann", "bob"]));

    let alpha = team("alpha", "bob", &["cid"]);
    calls.lose_reply("POST", "createRoom");
    calls.lose_reply("POST", "/kick");
    assert!(is_ready(&stage.settle_team(&alpha).await));
    assert_eq!(calls.to_lose(), 0);
    assert_eq!(stage.rooms("Team: alpha").await, [room("Team: alpha", &["bob", "cid"])]);
    assert_eq!(stage.rooms("Leader: ").await, [room("Leader: bob of alpha", &["bob"])]);
    assert_eq!(stage.objects("teams/alpha/").await, own_objects(&["bob", "cid"]));
    let _ = calls.take();
    assert!(is_ready(&stage.settle_team(&alpha).await));
    assert!(calls.take().is_empty(), "a team that is ready asks for nothing");

    stage.clients.oss.put("teams/alpha/shared/tasks/1.md", b"work".to_vec()).await.unwrap();
    calls.lose_reply("DELETE", "teams/alpha/members/cid.json");
    calls.lose_reply("POST", "/leave");
    assert!(matches!(stage.settle_team(&Team { deleting: true, ..alpha }).await, Outcome::Gone));
    assert_eq!(calls.to_lose(), 0);
    assert_eq!(stage.rooms("Team: ").await, []);
    assert_eq!(stage.rooms("Leader: ").await, []);
    assert_eq!(stage.objects("teams/").await, BTreeSet::from(["teams/alpha/shared/tasks/1.md".to_owned()]));
}

#[tokio::test]
async fn storage_that_was_refused_half_way_is_removed_with_the_team() {
    let stage = Stage::new().await;
    let calls = &stage.world.calls;
    stage.employ(&["ann"]).await;
    let alpha = team("alpha", "ann", &[]);
    stage.roster.put_team(&alpha);
    calls.refuse("PUT", "teams/alpha/shared/knowledge/.keep");
    while calls.to_refuse() > 0 {
        assert!(matches!(stage.teams.reconcile(&alpha).await.unwrap(), Outcome::Progressing { .. }));
    }
    assert!(!stage.objects("teams/alpha/").await.is_empty(), "some objects were written before the refusal");
    assert!(matches!(stage.settle_team(&Team { deleting: true, ..alpha }).await, Outcome::Gone));
    assert_eq!(stage.objects("teams/").await, BTreeSet::new());
}

#[tokio::test]
async fn nothing_is_made_before_all_members_are_ready() {
    let stage = Stage::new().await;
    let alpha = team("alpha", "ann", &["bob"]);
    stage.employ(&["ann"]).await;
    stage.roster.put_team(&alpha);
    let _ = stage.world.calls.take();
    assert!(matches!(stage.teams.reconcile(&alpha).await.unwrap(), Outcome::Progressing { .. }));
    assert!(stage.world.calls.take().is_empty());
    stage.employ(&["bob"]).await;
    assert!(is_ready(&stage.settle_team(&alpha).await));

    // Nor is there anything to undo of one that never was.
    let beta = team("beta", "ann", &["dan"]);
    assert!(matches!(stage.teams.reconcile(&beta).await.unwrap(), Outcome::Progressing { .. }));
    let _ = stage.world.calls.take();
    assert!(matches!(stage.settle_team(&Team { deleting: true, ..beta }).await, Outcome::Gone));
    assert!(stage.world.calls.take().is_empty());
}

#[tokio::test]
async fn a_worker_in_two_teams_loses_nothing_when_one_of_them_goes() {
    let stage = Stage::new().await;
    let workers = stage.employ(&["ann", "bob"]).await;
    let (alpha, beta) = (team("alpha", "ann", &["bob"]), team("beta", "bob", &["ann"]));
    assert!(is_ready(&stage.settle_team(&beta).await));
    let mut before = Vec::new();
    for worker in &workers {
        before.push(stage.inventory(worker).await);
    }
    let (rooms, objects) = (stage.rooms("").await, stage.objects("").await);
    assert!(is_ready(&stage.settle_team(&alpha).await));
    assert_ne!((&rooms, &objects), (&stage.rooms("").await, &stage.objects("").await));
    assert!(matches!(stage.settle_team(&Team { deleting: true, ..alpha }).await, Outcome::Gone));
    assert_eq!((&rooms, &objects), (&stage.rooms("").await, &stage.objects("").await));
    for (worker, before) in workers.iter().zip(&before) {
        assert_eq!(stage.inventory(worker).await, *before);
        assert_eq!((before.missing(worker), before.duplicates(worker)), (0, 0));
    }
    assert!(is_ready(&stage.settle_team(&beta).await));
}

#[tokio::test]
async fn a_worker_that_goes_leaves_its_team() {
    let stage = Stage::new().await;
    let workers = stage.employ(&["ann", "bob"]).await;
    let alpha = team("alpha", "ann", &["bob"]);
    assert!(is_ready(&stage.settle_team(&alpha).await));
    for worker in workers.iter().rev() {
        let worker = stage.announce_dismissal(worker);
        assert!(is_ready(&stage.settle_team(&alpha).await));
        stage.dismiss(&worker).await;
    }
    assert_eq!(stage.rooms("").await, [room("Team: alpha", &[])]);
    assert_eq!(stage.objects("").await, own_objects(&[]));
}

/// A worker goes while it is in doubt whether it was admitted: the doubt does not keep the team from going on, or from going.
#[tokio::test]
async fn a_member_in_doubt_that_goes_holds_nothing_up() {
    let stage = Stage::new().await;
    let workers = stage.employ(&["ann", "bob"]).await;
    let alpha = team("alpha", "ann", &["bob"]);
    stage.roster.put_team(&alpha);
    stage.world.calls.lose_reply("POST", "/invite");
    stage.world.calls.lose_reply("POST", "/invite");
    // Ann's is repeated, and finds her invited; Bob's stays in doubt.
    loop {
        let outcome = stage.teams.reconcile(&alpha).await.unwrap();
        if stage.world.calls.to_lose() == 0 {
            break;
        }
        stage::sleep(outcome.requeue_after().unwrap()).await;
    }
    for worker in &workers {
        let worker = stage.announce_dismissal(worker);
        stage.dismiss(&worker).await;
    }
    assert!(is_ready(&stage.settle_team(&alpha).await));
    assert_eq!(stage.rooms("").await, [room("Team: alpha", &[])]);
    assert!(matches!(stage.settle_team(&Team { deleting: true, ..alpha }).await, Outcome::Gone));
    assert_eq!((stage.rooms("").await, stage.objects("").await), (Vec::new(), BTreeSet::new()));
}

#[tokio::test]
async fn what_a_crash_leaves_of_a_room_is_cleared() {
    for half in [HalfRoom::WithoutAlias, HalfRoom::AliasOnly] {
        let stage = Stage::new().await;
        stage.employ(&["ann"]).await;
        let alpha = team("alpha", "ann", &[]);
        stage.world.matrix.crash_in_create_room(half);
        assert!(is_ready(&stage.settle_team(&alpha).await));
        assert_eq!(stage.world.matrix.crashes(), 1);
        assert_eq!(stage.rooms("").await.len(), 3, "Ann's, hers as a leader, and the team's: {half:?}");
        assert!(matches!(stage.settle_team(&Team { deleting: true, ..alpha }).await, Outcome::Gone));
        assert_eq!(stage.rooms("").await.len(), 1, "{half:?}");
    }
}

/// The room was made, and the leader's invitation has no answer: the room is half-built, and is made anew.
#[tokio::test]
async fn a_leaders_room_without_a_leader_is_made_anew() {
    let stage = Stage::new().await;
    stage.employ(&["ann"]).await;
    let alpha = team("alpha", "ann", &[]);
    assert!(is_ready(&stage.settle_team(&alpha).await));
    stage.employ(&["bob"]).await;
    let _ = stage.world.calls.take();
    // Bob is in the team before he leads it, so that the one invitation is to the leader's room.
    assert!(is_ready(&stage.settle_team(&team("alpha", "ann", &["bob"])).await));
    let _ = stage.world.calls.take();
    stage.world.calls.lose_reply("POST", "/invite");
    assert!(is_ready(&stage.settle_team(&team("alpha", "bob", &["ann"])).await));
    assert_eq!(stage.world.calls.to_lose(), 0);
    assert_eq!(stage.count_calls(&[("POST", "createRoom")])["POST createRoom"], 2);
    assert_eq!(stage.rooms("Leader: ").await, [room("Leader: bob of alpha", &["bob"])]);
}
