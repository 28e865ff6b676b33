//! The stand-ins misbehave as the real servers do, and the clients say what that means.

mod images;
mod mails;
mod relay;

use std::time::Duration;

use durable_fsm::{Class, Classify as _};
use hiclaw::clients::{ClientError, Clients, Letter, Mail, NewContainer, NewRoom, Registered, Session};
use hiclaw::servers::{HalfRoom, World};

async fn world() -> (World, Clients) {
    let world = World::start().await.unwrap();
    let clients = Clients::new(&world.urls(), Duration::from_secs(5)).unwrap();
    (world, clients)
}

async fn session(clients: &Clients) -> Session {
    match clients.matrix.register("alice", "secret", "registration-token").await.unwrap() {
        Registered::New(session) | Registered::Ours(session) => session,
    }
}

#[tokio::test]
async fn an_account_is_opened_by_its_own_password_alone() {
    let (_world, clients) = world().await;
    let register = async |password: &str| clients.matrix.register("alice", password, "registration-token").await;
    assert!(matches!(register("secret").await, Ok(Registered::New(_))));
    assert!(matches!(register("secret").await, Ok(Registered::Ours(_))));
    let foreign = register("guessed").await.err().unwrap();
    assert_eq!(foreign.classify(), Class::NotOurs);
}

#[tokio::test]
async fn a_registration_passes_its_stages_and_a_wrong_token_is_refused() {
    let (world, clients) = world().await;
    let wrong = clients.matrix.register("alice", "secret", "guessed").await.err().unwrap();
    assert_eq!(wrong.classify(), Class::Rejected);
    assert!(wrong.to_string().contains("Invalid registration token"), "{wrong}");
    assert_eq!(world.calls.take().len(), 2);
    clients.matrix.register("alice", "secret", "registration-token").await.unwrap();
    let statuses: Vec<u16> = world.calls.take().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [401, 401, 200]);
}

#[tokio::test]
async fn every_create_room_makes_another_unless_the_alias_is_taken() {
    let (_world, clients) = world().await;
    let session = session(&clients).await;
    let room = |alias| NewRoom { name: "r", alias, owner: Some("tag"), invite: &[] };
    for _ in 0..2 {
        clients.matrix.create_room(&session, &room(None)).await.unwrap();
    }
    assert_eq!(clients.matrix.rooms_of(&session, "tag").await.unwrap().len(), 2);
    clients.matrix.create_room(&session, &room(Some("a"))).await.unwrap();
    let taken = clients.matrix.create_room(&session, &room(Some("a"))).await.unwrap_err();
    assert!(taken.is(400, "M_ROOM_IN_USE"), "{taken}");
}

#[tokio::test]
async fn a_crash_inside_create_room_leaves_either_half() {
    let (world, clients) = world().await;
    let session = session(&clients).await;
    let room = |alias| NewRoom { name: "r", alias: Some(alias), owner: Some("tag"), invite: &[] };
    world.matrix.crash_in_create_room(HalfRoom::WithoutAlias);
    let error = clients.matrix.create_room(&session, &room("one")).await.unwrap_err();
    assert_eq!(error.classify(), Class::Unknown);
    assert_eq!(clients.matrix.rooms_of(&session, "tag").await.unwrap().len(), 1);
    assert_eq!(clients.matrix.resolve(&session, "#one:hiclaw.test").await.unwrap(), None);
    world.matrix.crash_in_create_room(HalfRoom::AliasOnly);
    clients.matrix.create_room(&session, &room("two")).await.unwrap_err();
    assert!(clients.matrix.resolve(&session, "#two:hiclaw.test").await.unwrap().is_some());
    assert_eq!(clients.matrix.rooms_of(&session, "tag").await.unwrap().len(), 1);
    assert_eq!(world.matrix.crashes(), 2);
}

#[tokio::test]
async fn a_consumer_is_silently_given_another_key_and_ours_is_not() {
    let (world, clients) = world().await;
    clients.higress.ensure_consumer("worker-alice", "k1").await.unwrap();
    clients.higress.ensure_consumer("worker-alice", "k1").await.unwrap();
    let foreign = clients.higress.ensure_consumer("worker-alice", "k2").await.unwrap_err();
    assert_eq!(foreign.classify(), Class::NotOurs);
    assert_eq!(world.higress.keys_replaced(), 0);
    clients.higress.overwrite_consumer("worker-alice", "k2").await.unwrap();
    assert_eq!(world.higress.keys_replaced(), 1);
    let taken = clients.higress.overwrite_consumer("worker-bob", "k2").await.unwrap_err();
    assert_eq!(taken.classify(), Class::Unknown, "{taken}");
}

#[tokio::test]
async fn a_consumer_in_an_allow_list_cannot_be_deleted() {
    let (_world, clients) = world().await;
    clients.higress.ensure_consumer("worker-alice", "k").await.unwrap();
    clients.higress.set_allowed("default", "worker-alice", true).await.unwrap();
    let error = clients.higress.delete_consumer("worker-alice", "k").await.unwrap_err();
    assert!(matches!(&error, ClientError::Refused { status, .. } if status.as_u16() == 500), "{error}");
    clients.higress.set_allowed("default", "worker-alice", false).await.unwrap();
    clients.higress.delete_consumer("worker-alice", "k").await.unwrap();
    clients.higress.delete_consumer("worker-alice", "k").await.unwrap();
}

#[tokio::test]
async fn a_stale_route_takes_effect_before_its_conflict() {
    let (world, clients) = world().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let base = world.urls().higress;
    let send = async |method: reqwest::Method, body: Option<&serde_json::Value>| {
        let mut request =
            http.request(method, format!("{base}/v1/ai/routes/default")).header("cookie", "_hi_sess=open");
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.unwrap()
    };
    let read: serde_json::Value = send(reqwest::Method::GET, None).await.json().await.unwrap();
    let mut stale = read["data"].clone();
    clients.higress.set_allowed("default", "worker-bob", true).await.unwrap();
    stale["authConfig"]["allowedConsumers"] = serde_json::json!(["worker-alice"]);
    let answer = send(reqwest::Method::PUT, Some(&stale)).await;
    assert_eq!(answer.status().as_u16(), 409);
    let read: serde_json::Value = send(reqwest::Method::GET, None).await.json().await.unwrap();
    // What is told is not what counts: bob is shut out, and a reader does not see it.
    assert_eq!(read["data"]["authConfig"]["allowedConsumers"], serde_json::json!(["worker-bob"]));
    assert_eq!(world.higress.lets_through("default"), ["worker-alice"]);
    // Our client reads it again at every try and writes it whole, so a change that came in between is kept.
    world.higress.come_before_writes(1);
    clients.higress.set_allowed("default", "worker-bob", true).await.unwrap();
    let (_, routes) = clients.higress.audit().await.unwrap();
    let told = &routes[0]["authConfig"]["allowedConsumers"];
    assert_eq!(*told, serde_json::json!(["rival-0", "worker-bob"]));
    assert_eq!(world.higress.lets_through("default"), ["rival-0", "worker-bob"]);
}

#[tokio::test]
async fn a_container_name_is_taken_once() {
    let (_world, clients) = world().await;
    let new = NewContainer { name: "c", image: "image", labels: &[("io.hiclaw.key", "k")], variables: &[] };
    let id = clients.docker.create(&new).await.unwrap();
    let taken = clients.docker.create(&new).await.unwrap_err();
    assert!(taken.is(409, ""), "{taken}");
    let found = clients.docker.with_label("io.hiclaw.key", "k").await.unwrap();
    assert_eq!((found.len(), found[0].state.as_str()), (1, "created"));
    for _ in 0..2 {
        clients.docker.start(&id).await.unwrap();
    }
    assert_eq!(clients.docker.with_label("io.hiclaw.key", "k").await.unwrap()[0].state, "running");
    for _ in 0..2 {
        clients.docker.remove(&id).await.unwrap();
    }
    assert!(clients.docker.all().await.unwrap().is_empty());
}

#[tokio::test]
async fn objects_are_signed_for_and_listed() {
    let (_world, clients) = world().await;
    clients.oss.put("agents/alice/a.json", b"{}".to_vec()).await.unwrap();
    clients.oss.put("agents/bob/b.json", b"{}".to_vec()).await.unwrap();
    assert_eq!(clients.oss.list("agents/alice/").await.unwrap(), ["agents/alice/a.json"]);
    for _ in 0..2 {
        clients.oss.delete("agents/alice/a.json").await.unwrap();
    }
    assert!(clients.oss.list("agents/alice/").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_server_that_is_down_refuses_and_forgets_nothing() {
    let (mut world, clients) = world().await;
    clients.higress.ensure_consumer("worker-alice", "k").await.unwrap();
    world.higress.stop().await;
    // A new client: connections that are open already are not what an outage looks like.
    let fresh = Clients::new(&world.urls(), Duration::from_secs(5)).unwrap();
    let refused = fresh.higress.ensure_consumer("worker-alice", "k").await.unwrap_err();
    assert_eq!(refused.classify(), Class::NOT_APPLIED, "{refused}");
    world.higress.resume().await.unwrap();
    fresh.higress.ensure_consumer("worker-alice", "k").await.unwrap();
}

#[tokio::test]
async fn a_mail_is_taken_each_time_and_a_broken_connection_leaves_a_doubt() {
    let (world, _clients) = world().await;
    let mail =
        |address: std::net::SocketAddr| Mail::new(&address.to_string(), "hiclaw@example.com", Duration::from_secs(5));
    let ours = mail(world.mail.address());
    let letter = Letter { to: "a@example.com", message_id: "<1@hiclaw>", subject: "s", text: ".line\n" };
    for _ in 0..2 {
        ours.send(&letter).await.unwrap();
    }
    let taken = world.mail.taken();
    assert_eq!((taken.len(), &*taken[1].0, taken[1].1.contains("\n.line\n")), (2, "a@example.com", true));
    world.mail.break_after_next();
    assert_eq!(ours.send(&letter).await.unwrap_err().classify(), Class::Unknown);
    assert_eq!(world.mail.taken().len(), 3, "it was taken all the same");
    world.mail.refuse("a@example.com");
    assert_eq!(ours.send(&letter).await.unwrap_err().classify(), Class::Rejected);
    let nonsense = Letter { to: "nobody", ..letter };
    assert_eq!(ours.send(&nonsense).await.unwrap_err().classify(), Class::Rejected);
    // No server listens on a port that was just given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(mail(free).send(&letter).await.unwrap_err().classify(), Class::NOT_APPLIED);
}

#[tokio::test]
async fn inviting_and_expelling_may_be_repeated() {
    let (_world, clients) = world().await;
    let alice = session(&clients).await;
    assert!(!clients.matrix.is_available("alice").await.unwrap());
    assert!(clients.matrix.is_available("bob").await.unwrap());
    clients.matrix.register("bob", "secret", "registration-token").await.unwrap();
    let bob = clients.matrix.login("bob", "secret").await.unwrap();
    let room = NewRoom { name: "r", alias: None, owner: None, invite: &[] };
    let room = clients.matrix.create_room(&alice, &room).await.unwrap();
    for _ in 0..2 {
        clients.matrix.invite(&alice, &room, &bob.user_id).await.unwrap();
    }
    clients.matrix.join(&bob, &room).await.unwrap();
    clients.matrix.invite(&alice, &room, &bob.user_id).await.unwrap();
    let membership = async || clients.matrix.members(&alice, &room).await.unwrap().unwrap().remove(&bob.user_id);
    assert_eq!(membership().await.as_deref(), Some("join"));
    for _ in 0..2 {
        clients.matrix.expel(&alice, &room, &bob.user_id).await.unwrap();
    }
    assert_eq!(membership().await, None);
    let outside = clients.matrix.invite(&bob, &room, &alice.user_id).await.unwrap_err();
    assert!(outside.is(403, "M_FORBIDDEN"), "{outside}");
    clients.matrix.set_display_name(&bob, "Bob").await.unwrap();
    let (_, users) = clients.matrix.audit().await.unwrap();
    let shown = users["users"].as_array().unwrap().iter().find(|it| it["name"] == bob.user_id.as_str()).unwrap();
    assert_eq!(shown["displayname"], "Bob");
}

#[tokio::test]
async fn a_member_with_the_same_power_cannot_be_removed() {
    let (_world, clients) = world().await;
    let alice = session(&clients).await;
    let manager = alice.user("manager");
    let invite = [manager.as_str()];
    let room = |owner| NewRoom { name: "r", alias: None, owner, invite: &invite };
    let theirs = clients.matrix.create_room(&alice, &room(None)).await.unwrap();
    let refused = clients.matrix.empty_room(&alice, &theirs).await.unwrap_err();
    assert!(refused.is(403, "M_FORBIDDEN"), "{refused}");
    let ours = clients.matrix.create_room(&alice, &room(Some("mark"))).await.unwrap();
    assert!(clients.matrix.is_marked_by(&alice, &ours).await.unwrap());
    assert!(clients.matrix.is_whole(&alice, &ours, "r").await.unwrap());
    assert!(!clients.matrix.is_whole(&alice, &ours, "another").await.unwrap());
    clients.matrix.empty_room(&alice, &ours).await.unwrap();
}

#[tokio::test]
async fn an_error_says_nothing_of_a_signature() {
    let (mut world, clients) = world().await;
    world.oss.stop().await;
    let error = clients.oss.put("a.json", b"{}".to_vec()).await.unwrap_err();
    assert!(!format!("{error:?}").contains("X-Amz"), "{error:?}");
}

#[tokio::test]
async fn a_lost_reply_has_happened() {
    let (world, clients) = world().await;
    world.calls.lose_reply("PUT", "a.json");
    let lost = clients.oss.put("a.json", b"{}".to_vec()).await.unwrap_err();
    assert_eq!((lost.classify(), world.calls.to_lose()), (Class::Unknown, 0));
    assert_eq!(clients.oss.list("a").await.unwrap(), ["a.json"]);
    clients.oss.put("a.json", b"{}".to_vec()).await.unwrap();
}
