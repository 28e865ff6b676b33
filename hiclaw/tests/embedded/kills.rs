//! SIGKILL of the controller at crossings of all three machines. One in so many; `HICLAW_EMBEDDED_KILLS=1` takes every one.

use std::collections::{BTreeMap, BTreeSet};

use hiclaw::servers::World;
use tokio::task::JoinSet;

use crate::program::Site;
use crate::{set, write_all};

const STRIDE: usize = 12;
const AT_ONCE: usize = 4;

/// What a controller does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Forward,
    Deletion,
}

fn remove_all(site: &Site) {
    for document in ["humans/kim.yaml", "teams/alpha.yaml", "workers/ann.yaml", "workers/bob.yaml"] {
        site.remove(document);
    }
}

fn crossings(said: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let of = said.lines().filter_map(|line| line.strip_prefix("cross "));
    of.filter(|it| seen.insert(it.to_string())).map(str::to_owned).collect()
}

/// Kills a controller at one crossing, lets the next one finish, and asks what there is, before and after deletion. Gives whether it was killed: a crossing
/// of one run need not come in another.
async fn kill_at(way: Way, crossing: &str) -> bool {
    let world = World::start().await.unwrap();
    let site = Site::new(&world);
    write_all(&site);
    if way == Way::Deletion {
        assert_eq!(site.run(&["embedded", "--once"]).0, 0);
        remove_all(&site);
    }
    let mut daemon = site.start(&["--stop-at", crossing, "--once"]);
    let killed = daemon.stands_at(crossing);
    daemon.kill();
    let (code, said) = site.run(&["embedded", "--once"]);
    if way == Way::Forward {
        // A mail in doubt waits for a person, and nothing else does.
        if code == 5 {
            assert!(said.contains("human default/kim is held: `send_invitation`"), "{crossing}: {said}");
            assert_eq!(site.run(&["resolve", "human", "kim", "not-applied"]).0, 0);
            assert_eq!(site.run(&["embedded", "--once"]).0, 0);
        } else {
            assert_eq!(code, 0, "{crossing}: {said}");
        }
        let once = ["Leader: ann of alpha", "Team: alpha", "Worker: ann", "Worker: bob"];
        assert_eq!(site.room_names().await, once, "{crossing}");
        assert_eq!(site.rooms_with("kim").await, set(&["Team: alpha", "Worker: ann", "Worker: bob"]), "{crossing}");
        assert_eq!(site.clients.docker.all().await.unwrap().len(), 2, "{crossing}");
        assert_eq!(site.run(&["sweep"]).1, "0 orphans; nothing was removed\n", "{crossing}");
        remove_all(&site);
        assert_eq!(site.run(&["embedded", "--once"]).0, 0, "{crossing}");
    } else {
        assert_eq!(code, 0, "{crossing}: {said}");
    }
    assert_eq!(site.room_names().await, Vec::<String>::new(), "{crossing}");
    assert_eq!(site.run(&["sweep"]).1, "0 orphans; nothing was removed\n", "{crossing}");
    assert!(site.records().is_empty(), "{crossing}: {:?}", site.records());
    killed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 12)]
async fn a_kill_at_any_crossing_of_the_three_machines_is_survived() {
    let stride = std::env::var("HICLAW_EMBEDDED_KILLS").map_or(STRIDE, |it| it.parse().unwrap());
    let world = World::start().await.unwrap();
    let site = Site::new(&world);
    write_all(&site);
    let forward = crossings(&site.run(&["embedded", "--once", "--crossings"]).1);
    remove_all(&site);
    let back = crossings(&site.run(&["embedded", "--once", "--crossings"]).1);
    let all = forward.iter().map(|it| (Way::Forward, it)).chain(back.iter().map(|it| (Way::Deletion, it)));
    let mut plan = all.step_by(stride).map(|(way, it)| (way, it.clone()));
    let (mut running, mut kills, mut missed) = (JoinSet::new(), BTreeMap::<String, usize>::new(), 0);
    loop {
        while running.len() < AT_ONCE
            && let Some((way, crossing)) = plan.next()
        {
            running.spawn(async move { (kill_at(way, &crossing).await, crossing) });
        }
        let Some(done) = running.join_next().await else { break };
        let (killed, crossing) = done.unwrap();
        if killed {
            *kills.entry(crossing.split(' ').next().unwrap().to_owned()).or_default() += 1;
        } else {
            missed += 1;
        }
    }
    println!("{} crossings; killed at {kills:?}, {missed} did not come again", forward.len() + back.len());
    assert_eq!(kills.len(), 3, "each machine had its kills");
    assert!(missed * 4 <= kills.values().sum::<usize>(), "{missed} of {kills:?} did not come");
}
