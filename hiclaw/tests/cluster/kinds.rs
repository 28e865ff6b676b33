//! Teams and people beside workers, in a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hiclaw::cluster::{
    EMPLOYER, HumanObject, HumanObjectSpec, MemberSpec, ObjectStatus, TeamObject, TeamObjectSpec, WorkerObject,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::stage::{Stage, until_gone};

/// A kind with our status.
trait Told {
    fn status(&self) -> Option<&ObjectStatus>;
}

impl Told for TeamObject {
    fn status(&self) -> Option<&ObjectStatus> {
        self.status.as_ref()
    }
}

impl Told for HumanObject {
    fn status(&self) -> Option<&ObjectStatus> {
        self.status.as_ref()
    }
}

/// Waits until an object is like this, and tells what it is like if that takes too long.
async fn until<K>(api: &Api<K>, name: &str, is_right: impl Fn(&K) -> bool + Send + Sync) -> K
where
    K: kube::Resource + Told + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + Sync + 'static,
{
    let found = await_condition(api.clone(), name, |object: Option<&K>| object.is_some_and(&is_right));
    match tokio::time::timeout(Duration::from_secs(120), found).await {
        Ok(found) => found.unwrap().unwrap(),
        Err(_) => panic!("{name}: {:#?}", api.get(name).await.unwrap().status()),
    }
}

fn has_reason(reason: &str) -> impl Fn(&dyn Told) -> bool {
    move |object| object.status().and_then(|it| it.fsm.as_ref()?.reason.as_deref()) == Some(reason)
}

fn is_ready<K: Told>(object: &K) -> bool {
    let fsm = object.status().and_then(|it| it.fsm.as_ref());
    has_reason("AsDeclared")(object) && fsm.is_some_and(|it| it.state.as_deref() == Some("Ready"))
}

fn named(name: &str) -> MemberSpec {
    MemberSpec { name: name.to_owned(), image: None, model: None, skills: BTreeSet::new() }
}

fn defined(name: &str) -> MemberSpec {
    MemberSpec { image: Some("worker:1".to_owned()), model: Some("qwen".to_owned()), ..named(name) }
}

fn kim() -> HumanObject {
    let spec = HumanObjectSpec {
        display_name: "Kim".to_owned(),
        email: Some("kim@example.com".to_owned()),
        permission_level: 2,
        accessible_teams: ["alpha".to_owned(), "beta".to_owned()].into(),
        accessible_workers: BTreeSet::new(),
    };
    HumanObject::new("kim", spec)
}

impl Stage {
    /// Every room, with the names of those who are in it, but for the administrator.
    async fn rooms(&self) -> BTreeMap<String, BTreeSet<String>> {
        let (rooms, _) = self.clients.matrix.audit().await.unwrap();
        let mut found = BTreeMap::new();
        for room in rooms["rooms"].as_array().unwrap() {
            let id = room["room_id"].as_str().unwrap();
            let url = format!("{}/_synapse/admin/v1/rooms/{id}/members", self.world.urls().matrix);
            let answer: serde_json::Value = reqwest::get(url).await.unwrap().json().await.unwrap();
            let all = answer["members"].as_array().unwrap().iter();
            let names = all.filter_map(|it| it.as_str()?.strip_prefix('@')?.split(':').next());
            let names = names.filter(|name| *name != "admin" && *name != "manager").map(str::to_owned).collect();
            assert_eq!(found.insert(room["name"].as_str().unwrap().to_owned(), names), None, "{room} is there twice");
        }
        found
    }

    async fn room_of(&self, team: &str) -> BTreeSet<String> {
        let prefix = format!("{}_", self.namespace);
        let members = self.rooms().await.remove(&format!("Team: {prefix}{team}")).unwrap_or_default();
        members.iter().map(|it| it.strip_prefix(&prefix).unwrap_or(it).to_owned()).collect()
    }

    /// Waits until these are in a team's room.
    async fn until_in_room(&self, team: &str, wanted: &[&str]) {
        let wanted: BTreeSet<String> = wanted.iter().map(|it| (*it).to_owned()).collect();
        let there = async {
            while self.room_of(team).await != wanted {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(120), there).await;
        assert!(in_time.is_ok(), "{:?} instead of {wanted:?}", self.room_of(team).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_makes_its_workers_a_person_joins_them_and_all_leave_again() {
    let Some(stage) = Stage::start("crew").await else { return };
    let (teams, humans) = (stage.objects::<TeamObject>(), stage.objects::<HumanObject>());
    let controllers = stage.controllers(2);
    // In the wrong order: each waits for what it needs.
    humans.create(&PostParams::default(), &kim()).await.unwrap();
    let spec =
        TeamObjectSpec { description: Some("tests".to_owned()), leader: defined("ann"), workers: vec![named("bob")] };
    teams.create(&PostParams::default(), &TeamObject::new("alpha", spec)).await.unwrap();
    stage.create("bob", "worker:1").await;
    until(&teams, "alpha", is_ready).await;
    until(&humans, "kim", is_ready).await;
    stage.until_in_room("alpha", &["ann", "bob", "kim"]).await;
    assert_eq!(stage.world.mail.taken().len(), 1);
    let ann = stage.workers.get("ann").await.unwrap();
    assert!(ann.annotations().contains_key(EMPLOYER), "{:?}", ann.annotations());
    assert_eq!(ann.spec.image, "worker:1");

    // Another definition of a worker is another worker; one who is not named any more leaves the team, and stays.
    let patch = json!({ "spec": { "leader": { "name": "ann", "image": "worker:2", "model": "qwen" }, "workers": [] } });
    teams.patch("alpha", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    stage.until_in_room("alpha", &["ann", "kim"]).await;
    let follows = |object: Option<&WorkerObject>| object.is_some_and(|it| it.spec.image == "worker:2");
    await_condition(stage.workers.clone(), "ann", follows).await.unwrap();
    assert!(stage.workers.get_opt("bob").await.unwrap().is_some());

    // A person follows a team that comes, and a team a worker that goes.
    let spec = TeamObjectSpec { description: None, leader: named("bob"), workers: Vec::new() };
    teams.create(&PostParams::default(), &TeamObject::new("beta", spec)).await.unwrap();
    stage.until_in_room("beta", &["bob", "kim"]).await;
    until(&teams, "beta", is_ready).await;
    stage.workers.delete("bob", &DeleteParams::default()).await.unwrap();
    stage.until_in_room("beta", &["kim"]).await;
    stage.until_gone("bob").await;
    stage.create("cid", "worker:1").await;

    // A team takes along the members that it has made, and no others.
    teams.delete("alpha", &DeleteParams::default()).await.unwrap();
    until_gone(&teams, "alpha").await;
    stage.until_gone("ann").await;
    let left: Vec<String> =
        stage.workers.list(&ListParams::default()).await.unwrap().iter().map(ResourceExt::name_any).collect();
    assert_eq!(left, ["cid"]);
    assert!(!stage.rooms().await.contains_key("Team: crew_alpha"));

    // A person of the same name is not let into the account of an earlier one.
    humans.delete("kim", &DeleteParams::default()).await.unwrap();
    until_gone(&humans, "kim").await;
    humans.create(&PostParams::default(), &kim()).await.unwrap();
    until(&humans, "kim", |it| has_reason("NotOurs")(it)).await;
    let secrets: Api<Secret> = Api::namespaced(stage.admin.clone(), "hiclaw-system");
    let of_kim = |secret: &&Secret| secret.name_any().starts_with("hiclaw-human.crew.kim.");
    let all = secrets.list(&ListParams::default().labels("hiclaw.io/person")).await.unwrap();
    assert_eq!(all.iter().filter(of_kim).count(), 1, "no password was made for the second one");
    assert_eq!(stage.world.mail.taken().len(), 1);
    humans.delete("kim", &DeleteParams::default()).await.unwrap();
    until_gone(&humans, "kim").await;
    controllers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_somebody_else_is_neither_changed_nor_removed_by_a_team() {
    let Some(stage) = Stage::start("foreign").await else { return };
    let teams = stage.objects::<TeamObject>();
    let controllers = stage.controllers(1);
    stage.create("ann", "theirs:1").await;
    // Half a definition is none, and the server says so.
    let half = MemberSpec { model: None, ..defined("ann") };
    let spec = TeamObjectSpec { description: None, leader: half, workers: Vec::new() };
    let refused = teams.create(&PostParams::default(), &TeamObject::new("half", spec)).await.unwrap_err().to_string();
    assert!(refused.contains("spec.leader"), "{refused}");
    let spec = TeamObjectSpec { description: None, leader: defined("ann"), workers: Vec::new() };
    teams.create(&PostParams::default(), &TeamObject::new("alpha", spec)).await.unwrap();
    let team = until(&teams, "alpha", |it| has_reason("NotOurs")(it)).await;
    let stalled = team.status.unwrap().conditions.into_iter().find(|it| it.type_ == "Stalled").unwrap();
    assert!(stalled.message.contains("a worker ann exists that this team has not made"), "{}", stalled.message);
    teams.delete("alpha", &DeleteParams::default()).await.unwrap();
    until_gone(&teams, "alpha").await;
    assert_eq!(stage.workers.get("ann").await.unwrap().spec.image, "theirs:1");
    controllers.stop().await;
}
