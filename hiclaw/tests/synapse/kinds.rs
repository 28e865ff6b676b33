//! All three kinds on a real homeserver: a controller is killed at crossings of their machines, and the next one goes on. Invariant: each run has a namespace
//! of its own, because the name of an account is taken forever.

use std::collections::{BTreeMap, BTreeSet};

use hiclaw::clients::Urls;
use hiclaw::servers::World;

use crate::audit::Audit;
use crate::program::Site;
use crate::server::Synapse;

const DOCUMENTS: [(&str, &str); 4] = [
    (
        "humans/kim.yaml",
        "spec: { displayName: Kim, email: kim@example.com, permissionLevel: 2, accessibleTeams: [alpha] }",
    ),
    ("teams/alpha.yaml", "spec: { description: d, leader: ann, workers: [bob] }"),
    ("workers/ann.yaml", "spec: { image: 'img:1', model: qwen, skills: [search] }"),
    ("workers/bob.yaml", "spec: { image: 'img:1', model: qwen, skills: [search] }"),
];

/// What a controller does when it is killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Forward,
    Deletion,
}

/// Kills a controller at one crossing in so many.
pub fn run(stride: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let synapse = Synapse::start().await.unwrap();
        let (forward, back, whole) = undisturbed(&synapse).await;
        let all = forward.iter().map(|it| (Way::Forward, it)).chain(back.iter().map(|it| (Way::Deletion, it)));
        let (mut kills, mut missed) = (BTreeMap::<&str, usize>::new(), 0);
        for (number, (way, crossing)) in all.step_by(stride).enumerate() {
            if kill_at(&synapse, number + 1, way, crossing, &whole).await {
                *kills.entry(crossing.split(' ').next().unwrap_or_default()).or_default() += 1;
            } else {
                missed += 1;
            }
        }
        println!("{} crossings; killed at {kills:?}, {missed} did not come again", forward.len() + back.len());
        assert_eq!(kills.len(), 3, "each machine had its kills: {kills:?}");
        assert!(missed * 4 <= kills.values().sum::<usize>(), "{missed} of {kills:?} did not come");
    });
}

/// The rooms of a namespace with who is in them, in words that are the same for every namespace.
type Rooms = Vec<(String, BTreeMap<String, String>)>;

/// One run: a controller's place among stand-ins, with a real homeserver.
struct Run<'s> {
    synapse: &'s Synapse,
    site: Site,
    namespace: String,
    _world: World,
}

impl<'s> Run<'s> {
    async fn new(synapse: &'s Synapse, number: usize) -> Self {
        let world = World::start().await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut urls = Urls { matrix: synapse.url(), ..world.urls() };
        urls.logins.matrix_admin_token = Some(synapse.admin_token(&http).await.unwrap());
        let site = Site::at(urls, world.mail.address().to_string());
        Self { synapse, site, namespace: format!("run{number}"), _world: world }
    }

    fn write_all(&self) {
        for (path, spec) in DOCUMENTS {
            let name = path.split(['/', '.']).nth(1).unwrap();
            self.site.write(path, &format!("metadata: {{ name: {name}, namespace: {} }}\n{spec}\n", self.namespace));
        }
    }

    fn remove_all(&self) {
        DOCUMENTS.iter().for_each(|(path, _)| self.site.remove(path));
    }

    async fn rooms(&self) -> Rooms {
        let here = format!("{}_", self.namespace);
        let plain = |text: &str| text.replace(&here, "");
        let rooms = Audit::of(self.synapse).await.rooms.into_iter().filter(|(name, _)| name.contains(&here));
        let mut rooms: Rooms = rooms
            .map(|(name, members)| (plain(&name), members.iter().map(|(user, it)| (plain(user), it.clone())).collect()))
            .collect();
        rooms.sort();
        rooms
    }

    /// That nothing is left but accounts, which stay taken.
    async fn assert_gone(&self, at: &str) {
        assert_eq!(self.rooms().await, [], "{at}");
        assert_eq!(Audit::of(self.synapse).await.devices_of(&format!("{}_", self.namespace)), 0, "{at}");
        assert_eq!(self.site.run(&["sweep"]).1, "0 orphans; nothing was removed\n", "{at}");
        assert!(self.site.records().is_empty(), "{at}: {:?}", self.site.records());
    }
}

/// The crossings of a run without kills, forward and back, and the rooms that it makes.
async fn undisturbed(synapse: &Synapse) -> (Vec<String>, Vec<String>, Rooms) {
    let run = Run::new(synapse, 0).await;
    run.write_all();
    let (code, forward) = run.site.run(&["embedded", "--once", "--crossings"]);
    assert_eq!(code, 0, "{forward}");
    let rooms = run.rooms().await;
    let names: Vec<_> = rooms.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["Leader: ann of alpha", "Team: alpha", "Worker: ann", "Worker: bob"]);
    run.remove_all();
    let (code, back) = run.site.run(&["embedded", "--once", "--crossings"]);
    assert_eq!(code, 0, "{back}");
    run.assert_gone("undisturbed").await;
    (crossings(&forward), crossings(&back), rooms)
}

fn crossings(said: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let of = said.lines().filter_map(|line| line.strip_prefix("cross "));
    of.filter(|it| seen.insert(it.to_string())).map(str::to_owned).collect()
}

/// Kills a controller at one crossing, lets the next one finish, and asks Synapse what there is, before and after deletion. Gives whether it was killed: a
/// crossing of one run need not come in another.
async fn kill_at(synapse: &Synapse, number: usize, way: Way, crossing: &str, whole: &Rooms) -> bool {
    let run = Run::new(synapse, number).await;
    let (site, at) = (&run.site, format!("{way:?} {crossing}"));
    run.write_all();
    if way == Way::Deletion {
        assert_eq!(site.run(&["embedded", "--once"]).0, 0, "{at}");
        run.remove_all();
    }
    let mut controller = site.start(&["--stop-at", crossing, "--once"]);
    let killed = controller.stands_at(crossing);
    controller.kill();
    let (code, said) = site.run(&["embedded", "--once"]);
    if way == Way::Forward {
        // A mail in doubt waits for a person, and nothing else does.
        if code == 5 {
            let held = format!("human {}/kim is held: `send_invitation`", run.namespace);
            assert!(said.contains(&held), "{at}: {said}");
            let resolve = ["resolve", "human", "kim", "--namespace", &run.namespace, "not-applied"];
            assert_eq!(site.run(&resolve).0, 0, "{at}");
            assert_eq!(site.run(&["embedded", "--once"]).0, 0, "{at}");
        } else {
            assert_eq!(code, 0, "{at}: {said}");
        }
        assert_eq!(&run.rooms().await, whole, "{at}");
        run.remove_all();
        assert_eq!(site.run(&["embedded", "--once"]).0, 0, "{at}");
    } else {
        assert_eq!(code, 0, "{at}: {said}");
    }
    run.assert_gone(&at).await;
    killed
}
