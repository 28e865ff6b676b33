//! The embedded controller as a process: documents that come, change and go, signals, and what is asked beside it.

mod kills;
mod program;

use std::collections::BTreeSet;

use hiclaw::servers::World;
use program::Site;

const WORKER: &str = "spec: { image: 'img:1', model: qwen, skills: [search] }\n";
const HUMAN: &str =
    "spec: { displayName: Kim, email: kim@example.com, permissionLevel: 2, accessibleTeams: [alpha] }\n";

fn document(name: &str, spec: &str) -> String {
    format!("apiVersion: hiclaw.io/v1beta1\nkind: Any\nmetadata: {{ name: {name} }}\n{spec}")
}

async fn begin() -> (World, Site) {
    let world = World::start().await.unwrap();
    let site = Site::new(&world);
    (world, site)
}

/// Two workers, a team of them, and a person who may reach the team.
fn write_all(site: &Site) {
    site.write("humans/kim.yaml", &document("kim", HUMAN));
    site.write("teams/alpha.yaml", &document("alpha", "spec: { description: d, leader: ann, workers: [bob] }\n"));
    site.write("workers/ann.yaml", &document("ann", WORKER));
    site.write("workers/bob.yaml", &document("bob", WORKER));
}

fn set(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_come_change_and_go_for_all_kinds() {
    let (world, site) = begin().await;
    write_all(&site);
    let mut daemon = site.start(&[]);
    let all = set(&["Team: alpha", "Worker: ann", "Worker: bob"]);
    daemon.until_async(async || site.rooms_with("kim").await == all && world.mail.taken().len() == 1).await;

    // Another description and a worker less: the person who reaches the team's workers loses that one.
    site.write("teams/alpha.yaml", &document("alpha", "spec: { description: e, leader: ann, workers: [] }\n"));
    daemon.until_async(async || site.rooms_with("kim").await == set(&["Team: alpha", "Worker: ann"])).await;

    site.remove("teams/alpha.yaml");
    site.remove("humans/kim.yaml");
    daemon.until("team default/alpha is gone");
    daemon.until("human default/kim is gone");
    site.remove("workers/ann.yaml");
    site.remove("workers/bob.yaml");
    daemon.until("worker default/ann is gone");
    daemon.until("worker default/bob is gone");
    assert_eq!(site.rooms().await, set(&[]));
    assert_eq!(site.clients.oss.list("").await.unwrap(), Vec::<String>::new());
    assert_eq!(daemon.terminate(), Some(0));
    assert!(site.records().is_empty(), "{:?}", site.records());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_is_killed_or_told_to_stop_goes_on_with_what_was_removed_meanwhile() {
    let (_world, site) = begin().await;
    write_all(&site);
    // A mail that is on its way when the controller is killed waits for a person.
    site.write("humans/kim.yaml", &document("kim", &HUMAN.replace("email: kim@example.com, ", "")));
    let mut daemon = site.start(&[]);
    daemon.until("worker default/ann is Ready");
    daemon.kill();
    let mut daemon = site.start(&[]);
    daemon.until("team default/alpha is Ready");
    assert_eq!(daemon.terminate(), Some(0));
    site.remove("teams/alpha.yaml");
    site.remove("humans/kim.yaml");
    site.remove("workers/ann.yaml");
    site.remove("workers/bob.yaml");
    assert_eq!(site.run(&["embedded", "--once"]).0, 0);
    assert_eq!(site.rooms().await, set(&[]));
    assert!(site.records().is_empty(), "{:?}", site.records());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exit_code_says_how_it_ended() {
    let (world, site) = begin().await;
    site.write("workers/ann.yaml", &document("ann", WORKER));
    assert_eq!(site.run(&["embedded", "--once"]).0, 0);

    world.mail.refuse("kim@example.com");
    site.write("humans/kim.yaml", &document("kim", HUMAN));
    assert_eq!(site.run(&["embedded", "--once"]).0, 4, "blocked");

    site.clients.matrix.register("bob", "theirs", "registration-token").await.unwrap();
    site.write("workers/bob.yaml", &document("bob", WORKER));
    assert_eq!(site.run(&["embedded", "--once"]).0, 5, "held, and blocked too");

    let daemon = site.start(&[]);
    daemon.is_at_work();
    let (code, text) = site.run(&["embedded", "--once"]);
    assert_eq!((code, text.contains("another controller")), (3, true), "{text}");
    assert_eq!(site.run(&["embedded", "--config", "/nowhere"]).0, 2);
    assert_eq!(daemon.terminate(), Some(0), "blocked and held do not keep it from stopping");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_serves_the_metrics_that_the_controller_in_a_cluster_has() {
    let (_world, site) = begin().await;
    site.write("workers/ann.yaml", &document("ann", WORKER));
    let mut daemon = site.start(&["--serve", "127.0.0.1:0"]);
    let place = daemon.says("health and metrics are at ");
    daemon.until("worker default/ann is Ready");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| http.get(format!("{place}{path}")).send().await.unwrap().text().await.unwrap();
    assert_eq!(get("/healthz").await, "ok");
    let metrics = get("/metrics").await;
    for line in [
        r#"durable_fsm_resources{machine="hiclaw.io/worker",state="Ready",condition="Ready",reason="AsDeclared"} 1"#,
        r#"durable_fsm_attempts_total{machine="hiclaw.io/worker",transition="create_room",action="run",class="ok"} 1"#,
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line} is not in {metrics}");
    }
    assert_eq!(daemon.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_asks_beside_the_controller_and_without_it() {
    let (world, site) = begin().await;
    site.write("workers/ann.yaml", &document("ann", WORKER));
    world.mail.break_after_next();
    site.write("humans/kim.yaml", &document("kim", HUMAN));
    let mut daemon = site.start(&[]);
    daemon.until("human default/kim is held");
    daemon.until("worker default/ann is Ready");
    let (code, table) = site.run(&["get"]);
    assert!(code == 0 && table.contains("held") && table.contains("ready"), "{table}");
    let (_, drawing) = site.run(&["describe", "worker", "ann"]);
    assert!(drawing.contains("RoomCreated") && drawing.contains("room_id"), "{drawing}");
    assert_eq!(site.run(&["retry", "human", "kim"]).0, 1, "it was not looked up");
    assert_eq!(site.run(&["resolve", "human", "nobody", "not-applied"]).0, 1);
    let (code, text) = site.run(&["resolve", "human", "kim", "not-applied"]);
    assert_eq!(code, 0, "{text}");
    daemon.until("human default/kim is Ready");
    assert_eq!(world.mail.taken().len(), 2);
    assert_eq!(site.run(&["pause", "worker", "ann"]).0, 0);
    daemon.until("worker default/ann is paused");
    assert_eq!(daemon.terminate(), Some(0));

    let (code, text) = site.run(&["resume", "worker", "ann"]);
    assert!(code == 0 && text.contains("Ready"), "without a controller: {text}");
    let (code, text) = site.run(&["release", "worker", "ann"]);
    assert!(code == 0 && text.contains("create_room"), "{text}");
    assert_eq!(site.run(&["describe", "worker", "ann"]).0, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_finds_what_no_record_knows_of_and_nothing_else() {
    let (_world, site) = begin().await;
    write_all(&site);
    assert_eq!(site.run(&["embedded", "--once"]).0, 0);
    let (code, text) = site.run(&["sweep"]);
    assert_eq!((code, text.as_str()), (0, "0 orphans; nothing was removed\n"));

    assert_eq!(site.run(&["release", "worker", "bob"]).0, 0);
    let (_, text) = site.run(&["sweep"]);
    for part in
        ["room ", "consumer   worker-bob", "allow list worker-bob on default", "agents/bob/openclaw.json", "container "]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("ann"), "{text}");
    assert_eq!(site.run(&["sweep"]).1, text, "looking changes nothing");
    let (_, removed) = site.run(&["sweep", "--delete"]);
    assert!(removed.contains("removed"), "{removed}");
    assert!(site.run(&["sweep"]).1.starts_with("0 orphans"));
    assert_eq!(site.rooms().await, set(&["Team: alpha", "Leader: ann of alpha", "Worker: ann"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_team_makes_whom_it_defines_and_leaves_whom_it_names() {
    let (_world, site) = begin().await;
    let team = |model: &str| {
        let ann = format!("{{ name: ann, image: 'img:1', model: {model}, skills: [] }}");
        document("alpha", &format!("spec: {{ leader: {ann}, workers: [bob] }}\n"))
    };
    site.write("teams/alpha.yaml", &team("qwen"));
    site.write("workers/bob.yaml", &document("bob", WORKER));
    assert_eq!(site.run(&["embedded", "--once"]).0, 0);
    let all = ["Leader: ann of alpha", "Team: alpha", "Worker: ann", "Worker: bob"];
    assert_eq!(site.room_names().await, all);

    site.write("teams/alpha.yaml", &team("qwen-max"));
    assert_eq!(site.run(&["embedded", "--once"]).0, 0);
    let config = site.clients.oss.get("agents/ann/openclaw.json").await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&config).contains("qwen-max"));

    // Another team may name her, and may not define her.
    site.write("teams/beta.yaml", &team("qwen").replace("alpha", "beta"));
    assert_eq!(site.run(&["embedded", "--once"]).0, 5, "not beta's");
    site.remove("teams/beta.yaml");
    site.remove("teams/alpha.yaml");
    assert_eq!(site.run(&["embedded", "--once"]).0, 0);
    assert_eq!(site.room_names().await, ["Worker: bob"]);
}
