//! The worker's flow with its real steps, on servers that misbehave. In the end the servers are asked what there is: nothing is there twice,
//! nothing is left, and no record has ever held a secret.

mod stage;

use durable_fsm::Outcome;
use durable_fsm::record::HeldReason;
use hiclaw::clients::NewContainer;
use hiclaw::servers::HalfRoom;
use serde_json::json;

use crate::stage::Stage;

fn is_not_ours(outcome: &Outcome<&str>) -> bool {
    matches!(outcome, Outcome::Held { reason: HeldReason::NotOurs, .. })
}

#[tokio::test]
async fn a_worker_is_made_edited_and_deleted() {
    let mut stage = Stage::start().await;
    stage.until_ready().await;
    let before = stage.inventory().await.containers;
    stage.worker.spec.image = "worker:2".to_owned();
    stage.worker.spec.model = "qwen-max".to_owned();
    stage.worker.spec.skills = ["calendar", "search"].map(str::to_owned).into();
    stage.until_ready().await;
    let after = stage.inventory().await;
    assert!(before[0].contains("worker:1") && after.containers[0].contains("worker:2"), "{after:?}");
    assert!(
        after.objects.iter().any(|it| it.contains("/calendar/"))
            && !after.objects.iter().any(|it| it.contains("/mail/"))
    );
    let config = stage.clients.oss.get("agents/alice/openclaw.json").await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&config).contains("qwen-max"));
    stage.finish().await;
}

#[tokio::test]
async fn the_homeserver_may_have_any_domain() {
    let stage = Stage::in_domain("chat.example.org").await;
    stage.until_ready().await;
    assert_eq!(stage.inventory().await.accounts, ["@alice:chat.example.org"]);
    stage.finish().await;
}

async fn half_a_room_is_cleared_and_made_anew(half: HalfRoom) {
    let stage = Stage::start().await;
    stage.world.matrix.crash_in_create_room(half);
    stage.until_ready().await;
    assert_eq!(stage.world.matrix.crashes(), 1);
    assert_eq!((stage.calls("POST", "/createRoom", 502), stage.calls("POST", "/createRoom", 200)), (1, 1));
    // The room was left, or the alias deleted, before there was another one.
    let cleared = match half {
        HalfRoom::WithoutAlias => stage.calls("POST", "/leave", 200),
        HalfRoom::AliasOnly => stage.calls("DELETE", "hiclaw.test", 200),
    };
    assert_eq!(cleared, 1);
    stage.finish().await;
}

#[tokio::test]
async fn a_room_without_its_alias_is_cleared_and_made_anew() {
    half_a_room_is_cleared_and_made_anew(HalfRoom::WithoutAlias).await;
}

#[tokio::test]
async fn an_alias_without_its_room_is_cleared_and_the_room_made_anew() {
    half_a_room_is_cleared_and_made_anew(HalfRoom::AliasOnly).await;
}

#[tokio::test]
async fn an_account_whose_answer_was_lost_is_opened_by_its_password() {
    let stage = Stage::start().await;
    stage.world.calls.lose_reply("POST", "/register");
    stage.until_ready().await;
    assert_eq!(stage.world.calls.to_lose(), 0);
    assert_eq!((stage.calls("POST", "/register", 504), stage.calls("POST", "/register", 400)), (1, 1), "M_USER_IN_USE");
    stage.finish().await;
}

#[tokio::test]
async fn an_account_of_others_is_never_tried_with_a_password_of_ours() {
    let mut stage = Stage::start().await;
    stage.worker.name = "kim".to_owned();
    stage.clients.matrix.register("kim", "a person's own", "registration-token").await.unwrap();
    let outcome = stage.settle().await;
    assert!(is_not_ours(&outcome), "{outcome:?}");
    assert_eq!(stage.calls("POST", "/login", 403), 0);
}

#[tokio::test]
async fn a_namesake_elsewhere_is_another_worker() {
    let mut stage = Stage::start().await;
    stage.until_ready().await;
    let first = stage.worker.clone();
    stage.worker.namespace = "lab".to_owned();
    stage.worker.uid = "uid-2".to_owned();
    stage.until_ready().await;
    assert_eq!(stage.inventory().await.accounts, ["@lab_alice:hiclaw.test"]);
    stage.delete().await;
    stage.worker = first;
    stage.until_ready().await;
    stage.finish().await;
}

#[tokio::test]
async fn a_worker_whose_password_was_changed_goes_all_the_same() {
    let stage = Stage::start().await;
    stage.until_ready().await;
    let admin = stage.admin().await;
    stage.clients.matrix.sign_out_other(&admin, "@alice:hiclaw.test").await.unwrap();
    assert!(stage.world.matrix.change_password("@alice:hiclaw.test", "another"));
    stage.clients.matrix.login("alice", "another").await.unwrap();
    let mut stage = stage;
    stage.delete().await;
    assert_eq!(stage.calls("POST", "/delete_devices", 200), 2, "once by us, once by the controller");
}

#[tokio::test]
async fn what_an_agent_has_written_goes_with_it() {
    let mut stage = Stage::start().await;
    stage.until_ready().await;
    stage.clients.oss.put("agents/alice/memory/1.md", b"notes".to_vec()).await.unwrap();
    stage.delete().await;
}

#[tokio::test]
async fn somebody_elses_consumer_keeps_its_key() {
    let mut stage = Stage::start().await;
    stage.clients.higress.overwrite_consumer("worker-alice", "theirs").await.unwrap();
    let outcome = stage.settle().await;
    assert!(is_not_ours(&outcome), "{outcome:?}");
    assert_eq!(stage.world.higress.keys_replaced(), 0);
    // Everything else goes; what is not ours stays.
    stage.worker.deleting = true;
    assert_eq!(stage.settle().await, Outcome::Gone);
    let left = stage.inventory().await;
    assert_eq!((left.consumers.len(), left.orphans(&stage.worker)), (1, 1), "{left:?}");
    stage.clients.higress.delete_consumer("worker-alice", "theirs").await.unwrap();
    stage.delete().await;
}

#[tokio::test]
async fn a_consumer_whose_key_somebody_has_replaced_is_not_deleted() {
    let mut stage = Stage::start().await;
    stage.until_ready().await;
    stage.clients.higress.overwrite_consumer("worker-alice", "theirs").await.unwrap();
    assert_eq!(stage.world.higress.keys_replaced(), 1);
    stage.worker.deleting = true;
    let outcome = stage.settle().await;
    assert!(is_not_ours(&outcome), "{outcome:?}");
    stage.clients.higress.delete_consumer("worker-alice", "theirs").await.unwrap();
}

#[tokio::test]
async fn a_route_whose_conflict_took_half_effect_is_written_again() {
    let stage = Stage::start().await;
    stage.world.higress.come_before_writes(2);
    stage.until_ready().await;
    let route = "/v1/ai/routes/default";
    assert_eq!((stage.calls("PUT", route, 409), stage.calls("PUT", route, 200)), (2, 1));
    stage.finish().await;
}

#[tokio::test]
async fn a_route_that_others_write_at_every_try_is_tried_later() {
    let stage = Stage::start().await;
    stage.world.higress.come_before_writes(7);
    stage.until_ready().await;
    assert_eq!(stage.calls("PUT", "/v1/ai/routes/default", 409), 7);
    stage.finish().await;
}

#[tokio::test]
async fn a_consumer_that_another_route_still_allows_is_deleted_when_it_does_not() {
    let mut stage = Stage::start().await;
    stage.until_ready().await;
    allow_on_another_route(&stage, &["worker-alice"]).await;
    stage.worker.deleting = true;
    while stage.calls("DELETE", "/v1/consumers/worker-alice", 500) < 2 {
        let Outcome::Progressing { after, .. } = stage.pass().await else { panic!("it gave up") };
        stage::sleep(after).await;
    }
    stage.clients.higress.set_allowed("other", "worker-alice", false).await.unwrap();
    stage.delete().await;
    assert_eq!(stage.calls("DELETE", "/v1/consumers/worker-alice", 204), 1);
}

/// Makes a route with this allow list, as somebody at the console would.
async fn allow_on_another_route(stage: &Stage, consumers: &[&str]) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = json!({ "name": "other", "authConfig": { "enabled": true, "allowedConsumers": consumers } });
    let url = format!("{}/v1/ai/routes", stage.world.urls().higress);
    let made = http.post(url).header("cookie", "_hi_sess=open").json(&body).send().await.unwrap();
    assert_eq!(made.status().as_u16(), 201);
}

#[tokio::test]
async fn somebody_elses_container_is_neither_adopted_nor_removed() {
    let mut stage = Stage::start().await;
    let theirs = stage
        .clients
        .docker
        .create(&NewContainer { name: "hiclaw-worker-alice", image: "theirs:1", ..NewContainer::default() })
        .await
        .unwrap();
    let outcome = stage.settle().await;
    assert!(is_not_ours(&outcome), "{outcome:?}");
    assert_eq!(stage.calls("POST", "/containers/create", 409), 1);
    stage.worker.deleting = true;
    let outcome = stage.settle().await;
    assert_eq!(outcome, Outcome::Gone);
    let [left] = stage.clients.docker.all().await.unwrap().try_into().unwrap();
    assert_eq!(left.id, theirs);
    stage.clients.docker.remove(&theirs).await.unwrap();
    stage.delete().await;
}

#[tokio::test]
async fn a_container_that_was_made_late_is_ours_when_its_name_is_taken() {
    let stage = Stage::start().await;
    stage.world.docker.hold_up_create();
    stage.until_ready().await;
    let create = "/containers/create";
    assert_eq!((stage.calls("POST", create, 504), stage.calls("POST", create, 409)), (1, 1));
    stage.finish().await;
}

#[tokio::test]
async fn an_outage_of_the_gateway_is_waited_out() {
    let mut stage = Stage::start().await;
    stage.world.higress.stop().await;
    for _ in 0..2 {
        let Outcome::Progressing { state, after, .. } = stage.pass().await else { panic!("it gave up") };
        assert_eq!(state, "MembersAdmitted");
        stage::sleep(after).await;
    }
    stage.world.higress.resume().await.unwrap();
    stage.until_ready().await;
    assert_eq!((stage.calls("POST", "/createRoom", 200), stage.calls("POST", "/v1/consumers", 201)), (1, 1));
    stage.world.higress.stop().await;
    stage.worker.deleting = true;
    let Outcome::Progressing { .. } = stage.pass().await else { panic!("it gave up") };
    stage.world.higress.resume().await.unwrap();
    stage.delete().await;
}

#[tokio::test]
async fn an_outage_of_the_object_store_is_waited_out() {
    let mut stage = Stage::start().await;
    stage.world.oss.stop().await;
    for _ in 0..2 {
        let Outcome::Progressing { state, after, .. } = stage.pass().await else { panic!("it gave up") };
        assert_eq!(state, "ConfigGenerated");
        stage::sleep(after).await;
    }
    stage.world.oss.resume().await.unwrap();
    stage.until_ready().await;
    stage.world.oss.stop().await;
    stage.worker.deleting = true;
    let Outcome::Progressing { .. } = stage.pass().await else { panic!("it gave up") };
    stage.world.oss.resume().await.unwrap();
    stage.delete().await;
}

/// Each in a world of its own: a call takes effect once, whether its reply arrives or not.
#[tokio::test]
async fn an_answer_that_is_lost_anywhere_makes_nothing_twice() {
    let forward = [
        ("POST", "v3/login"),
        ("POST", "/createRoom"),
        ("POST", "/v1/consumers"),
        ("PUT", "/v1/ai/routes/default"),
        ("PUT", "openclaw.json"),
        ("PUT", "search/SKILL.md"),
        ("POST", "/containers/create"),
        ("POST", "/start"),
    ];
    let back = [
        // The first thing that is deleted is the container.
        ("DELETE", ""),
        ("POST", "/kick"),
        ("POST", "/leave"),
        ("DELETE", "hiclaw.test"),
        ("DELETE", "openclaw.json"),
        ("DELETE", "search/SKILL.md"),
        ("DELETE", "/v1/consumers/worker-alice"),
        ("PUT", "/v1/ai/routes/default"),
    ];
    let mut running = tokio::task::JoinSet::new();
    for (deleting, (method, path)) in forward.map(|it| (false, it)).into_iter().chain(back.map(|it| (true, it))) {
        running.spawn(async move {
            let mut stage = Stage::start().await;
            if deleting {
                stage.until_ready().await;
            }
            stage.world.calls.lose_reply(method, path);
            if !deleting {
                stage.until_ready().await;
            }
            stage.delete().await;
            assert_eq!(stage.world.calls.to_lose(), 0, "{method} {path} was never called");
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}
