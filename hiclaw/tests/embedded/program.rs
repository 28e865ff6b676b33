//! The program, in a place of its own among stand-in servers.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use hiclaw::clients::{Clients, Urls};
use hiclaw::servers::World;
use tempfile::TempDir;
use tokio::task::block_in_place;

/// What the stand-in says of itself.
const DOMAIN: &str = "hiclaw.test";

pub struct Site {
    pub clients: Clients,
    urls: Urls,
    smtp: String,
    place: TempDir,
}

impl Site {
    pub fn new(world: &World) -> Self {
        Self::at(world.urls(), world.mail.address().to_string())
    }

    /// Among servers at these addresses.
    pub fn at(urls: Urls, smtp: String) -> Self {
        let clients = Clients::new(&urls, Duration::from_millis(1500)).unwrap();
        let place = tempfile::tempdir().unwrap();
        for kind in ["workers", "teams", "humans"] {
            std::fs::create_dir_all(place.path().join("config").join(kind)).unwrap();
        }
        Self { clients, urls, smtp, place }
    }

    pub fn write(&self, document: &str, text: &str) {
        std::fs::write(self.place.path().join("config").join(document), text).unwrap();
    }

    pub fn remove(&self, document: &str) {
        std::fs::remove_file(self.place.path().join("config").join(document)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hiclaw"));
        command
            .args(arguments)
            .env("HICLAW_MATRIX_URL", &self.urls.matrix)
            .env("HICLAW_HIGRESS_URL", &self.urls.higress)
            .env("HICLAW_DOCKER_URL", &self.urls.docker)
            .env("HICLAW_S3_URL", &self.urls.s3)
            .env("HICLAW_SMTP", &self.smtp)
            .env("HICLAW_HURRY", "15")
            .env("HICLAW_CONFIG", self.place.path().join("config"))
            .env("HICLAW_STATE", self.place.path().join("state"))
            .stdin(Stdio::null());
        if let Some(token) = &self.urls.logins.matrix_admin_token {
            command.env("HICLAW_MATRIX_ADMIN_TOKEN", token);
        }
        command
    }

    /// Runs a command to its end: its code, and all that it said.
    pub fn run(&self, arguments: &[&str]) -> (i32, String) {
        let done = block_in_place(|| self.command(arguments).output()).unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        (done.status.code().unwrap(), text)
    }

    pub fn start(&self, more: &[&str]) -> Daemon {
        let mut command = self.command(&[&["embedded"], more].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = block_in_place(|| lines.next()).unwrap().unwrap();
        assert!(first.starts_with("at work"), "{first}");
        Daemon { child, lines, said: Vec::new() }
    }

    /// The names of all rooms with members.
    pub async fn rooms(&self) -> BTreeSet<String> {
        let (rooms, _) = self.clients.matrix.audit().await.unwrap();
        let rooms = rooms["rooms"].as_array().unwrap().iter();
        rooms.map(|it| it["name"].as_str().unwrap().to_owned()).collect()
    }

    /// The names of all rooms with members, one for each room.
    pub async fn room_names(&self) -> Vec<String> {
        let (rooms, _) = self.clients.matrix.audit().await.unwrap();
        let rooms = rooms["rooms"].as_array().unwrap().iter();
        let mut names: Vec<_> = rooms.map(|it| it["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// The rooms in which somebody is, by name.
    pub async fn rooms_with(&self, user: &str) -> BTreeSet<String> {
        let user = format!("@{user}:{DOMAIN}");
        let (rooms, _) = self.clients.matrix.audit().await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut found = BTreeSet::new();
        for room in rooms["rooms"].as_array().unwrap() {
            let id = room["room_id"].as_str().unwrap();
            let url = format!("{}/_synapse/admin/v1/rooms/{id}/members", self.urls.matrix);
            let members: serde_json::Value = http.get(url).send().await.unwrap().json().await.unwrap();
            if members["members"].as_array().unwrap().iter().any(|it| it == user.as_str()) {
                found.insert(room["name"].as_str().unwrap().to_owned());
            }
        }
        found
    }

    /// The files of all records and of all resources that a controller keeps; its graphs are no resources.
    pub fn records(&self) -> Vec<String> {
        fn walk(at: &Path, found: &mut Vec<String>) {
            for entry in std::fs::read_dir(at).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else if path.extension().is_some_and(|it| it == "json") && !path.to_string_lossy().contains("graph") {
                    found.push(path.to_string_lossy().into_owned());
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.place.path().join("state/records"), &mut found);
        found
    }
}

pub struct Daemon {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
    said: Vec<String>,
}

impl Daemon {
    /// That it has begun: [`Site::start`] has read its first line.
    pub fn is_at_work(&self) {
        assert!(self.child.id() > 0);
    }

    /// Reads what it says until it has said this.
    pub fn until(&mut self, beginning: &str) {
        while !self.said.iter().any(|line| line.starts_with(beginning)) {
            let line =
                block_in_place(|| self.lines.next()).unwrap_or_else(|| panic!("it ended: {:#?}", self.said)).unwrap();
            self.said.push(line);
        }
        // What it says next of this is news.
        self.said.retain(|line| !line.starts_with(beginning));
    }

    /// The rest of the line that it says with this beginning.
    pub fn says(&mut self, beginning: &str) -> String {
        loop {
            if let Some(rest) = self.said.iter().find_map(|line| line.strip_prefix(beginning)) {
                return rest.to_owned();
            }
            let line =
                block_in_place(|| self.lines.next()).unwrap_or_else(|| panic!("it ended: {:#?}", self.said)).unwrap();
            self.said.push(line);
        }
    }

    /// Reads what it says until this is true.
    pub async fn until_async(&mut self, is_true: impl AsyncFn() -> bool) {
        while !is_true().await {
            let line =
                block_in_place(|| self.lines.next()).unwrap_or_else(|| panic!("it ended: {:#?}", self.said)).unwrap();
            self.said.push(line);
        }
    }

    /// Reads what it says until it stands at this crossing; false if it ends without.
    pub fn stands_at(&mut self, crossing: &str) -> bool {
        let wanted = format!("at {crossing}");
        block_in_place(|| self.lines.by_ref().map_while(Result::ok).any(|line| line == wanted))
    }

    /// SIGKILL, of one that may have ended by itself.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; gives the exit code.
    pub fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        // It may say more before it ends, and must not wait for a reader.
        let rest: Vec<_> = block_in_place(|| self.lines.by_ref().map_while(Result::ok).collect());
        assert!(rest.iter().any(|line| line == "drained"), "{rest:?}");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
