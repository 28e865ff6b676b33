//! Team and Human made by linear programs, as HiClaw's scripts did: no record of steps, so every retry begins at step 1. Invariant: both ways meet the
//! same fault, and what is left is counted at the servers.

use durable_fsm::Outcome;
use durable_fsm::record::HeldReason;
use hiclaw::clients::{ClientError, Letter, NewRoom, Registered, Session};
use hiclaw::human::{Human, Level};
use hiclaw::office::ADMIN_PASSWORD;
use hiclaw::team::Team;
use serde_json::{Value, json};

use crate::stage::{Stage, human, team};

/// More than it takes with one fault.
const TRIES: usize = 4;

async fn administrator(stage: &Stage) -> Session {
    stage.clients.matrix.login("admin", ADMIN_PASSWORD).await.unwrap()
}

async fn create_team(stage: &Stage, admin: &Session, team: &Team) -> Result<(), ClientError> {
    let (name, leader, clients) = (&team.name, &team.spec.leader, &stage.clients);
    let members = team.spec.members();
    let users: Vec<_> = members.iter().map(|member| admin.user(member)).collect();
    let room = async |name: &str, invite: &[&str]| {
        clients.matrix.create_room(admin, &NewRoom { name, alias: None, owner: None, invite }).await
    };
    let all = room(&format!("Team: {name}"), &users.iter().map(|user| &**user).collect::<Vec<_>>()).await?;
    let leaders = room(&format!("Leader: {leader} of {name}"), &[&admin.user(leader)]).await?;
    let described = json!({ "rooms": [all, leaders] }).to_string().into_bytes();
    clients.oss.put(&format!("teams/{name}/team.json"), described).await?;
    for member in members {
        clients.oss.put(&format!("teams/{name}/members/{member}.json"), b"{}".to_vec()).await?;
    }
    Ok(())
}

/// Removes what it knows of.
async fn delete_team(stage: &Stage, admin: &Session, team: &Team) {
    let (oss, prefix) = (&stage.clients.oss, format!("teams/{}/", team.name));
    let described = oss.get(&format!("{prefix}team.json")).await.unwrap().unwrap();
    let described: Value = serde_json::from_slice(&described).unwrap();
    for room in described["rooms"].as_array().unwrap() {
        stage.clients.matrix.leave(admin, room.as_str().unwrap()).await.unwrap();
    }
    for object in oss.list(&prefix).await.unwrap() {
        oss.delete(&object).await.unwrap();
    }
}

async fn rooms_of_teams(stage: &Stage) -> usize {
    stage.rooms("Team: ").await.len() + stage.rooms("Leader: ").await.len()
}

#[tokio::test]
async fn a_linear_create_of_a_team_leaves_rooms_and_ours_leaves_none() {
    let faults = [("POST", "/createRoom", 1), ("PUT", "alpha/team.json", 2), ("PUT", "alpha/members/bob.json", 2)];
    for (method, path, orphans) in faults {
        let (linear, ours) = (Stage::new().await, Stage::new().await);
        for stage in [&linear, &ours] {
            stage.employ(&["ann", "bob"]).await;
            stage.world.calls.lose_reply(method, path);
        }
        let (alpha, admin) = (team("alpha", "ann", &["bob"]), administrator(&linear).await);
        let mut tries = 1;
        while create_team(&linear, &admin, &alpha).await.is_err() {
            tries += 1;
            assert!(tries < TRIES, "{path}");
        }
        delete_team(&linear, &admin, &alpha).await;
        assert!(matches!(ours.settle_team(&alpha).await, Outcome::Resting(_)), "{path}");
        assert!(matches!(ours.settle_team(&Team { deleting: true, ..alpha }).await, Outcome::Gone), "{path}");

        assert_eq!((linear.world.calls.to_lose(), ours.world.calls.to_lose(), tries), (0, 0, 2), "{path}");
        assert_eq!((rooms_of_teams(&linear).await, rooms_of_teams(&ours).await), (orphans, 0), "{path}");
    }
}

async fn create_human(stage: &Stage, admin: &Session, human: &Human, password: &str) -> Result<(), String> {
    let (clients, said) = (&stage.clients, |error: ClientError| error.to_string());
    let session = match clients.matrix.register(&human.name, password, "registration-token").await {
        Ok(Registered::New(session) | Registered::Ours(session)) => Some(session),
        // The account is there, so it goes on. The password that was made now does not open it.
        Err(ClientError::NotOurs(_)) => None,
        Err(error) => return Err(said(error)),
    };
    if let Some(session) = &session {
        clients.matrix.set_display_name(session, &human.spec.display_name).await.map_err(said)?;
    }
    let (rooms, _) = clients.matrix.audit().await.map_err(said)?;
    let ann = rooms["rooms"].as_array().unwrap().iter().find(|it| it["name"] == "Worker: ann").unwrap();
    clients.matrix.invite(admin, ann["room_id"].as_str().unwrap(), &admin.user(&human.name)).await.map_err(said)?;
    let letter = Letter {
        to: human.spec.email.as_deref().unwrap(),
        message_id: &format!("<{password}@hiclaw>"),
        subject: "Your account",
        text: &format!("Your initial password:\n\n{password}\n"),
    };
    stage.mail().send(&letter).await.map_err(|error| error.to_string())
}

/// How many mails were sent, and how many of their passwords open the account.
async fn mails(stage: &Stage) -> (usize, usize) {
    let mails = stage.world.mail.taken();
    let mut opening = 0;
    for (_, text) in &mails {
        let password = text.split("initial password:\n\n").nth(1).and_then(|rest| rest.lines().next());
        opening += usize::from(stage.clients.matrix.login("kim", password.unwrap()).await.is_ok());
    }
    (mails.len(), opening)
}

#[tokio::test]
async fn a_linear_create_of_a_person_mails_passwords_that_open_nothing_and_ours_does_not() {
    let mail = ("SMTP", "the mail");
    let faults = [("POST", "/register"), ("PUT", "/displayname"), ("POST", "/invite"), mail];
    for fault in faults {
        let (linear, ours) = (Stage::new().await, Stage::new().await);
        for stage in [&linear, &ours] {
            stage.employ(&["ann"]).await;
            match fault == mail {
                true => stage.world.mail.break_after_next(),
                false => stage.world.calls.lose_reply(fault.0, fault.1),
            }
        }
        let (kim, admin) = (human(Level::Worker, &[], &["ann"]), administrator(&linear).await);
        let mut tries = 1;
        while create_human(&linear, &admin, &kim, &format!("password-{tries}")).await.is_err() {
            tries += 1;
            assert!(tries < TRIES, "{fault:?}");
        }
        let outcome = ours.settle_human(&kim).await;
        // Whether the mail arrived only a person can find out.
        let is_held = matches!(outcome, Outcome::Held { reason: HeldReason::InDoubt, .. });
        assert!(is_held == (fault == mail) && (is_held || matches!(outcome, Outcome::Resting(_))), "{fault:?}");

        assert_eq!((linear.world.calls.to_lose(), ours.world.calls.to_lose(), tries), (0, 0, 2), "{fault:?}");
        assert!(!linear.world.mail.is_to_break() && !ours.world.mail.is_to_break());
        assert_eq!(mails(&linear).await, if fault == mail { (2, 1) } else { (1, 0) }, "{fault:?}");
        assert_eq!(mails(&ours).await, (1, 1), "{fault:?}");
    }
}
