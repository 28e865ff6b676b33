//! A headless Chromium, driven by WebDriver. It ends with the test, however the test ends, and keeps nothing.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Keys, as WebDriver names them.
pub const TAB: char = '\u{e004}';
pub const ENTER: char = '\u{e007}';
pub const ESCAPE: char = '\u{e00c}';

/// The width of a phone and of a desk, in pixels.
pub const WIDTHS: [u32; 2] = [360, 1440];

/// Kills a browser and its driver when standard input ends. Only the test holds the other end of that pipe, and the kernel closes it with the test.
const WATCHER: &str = "cat > /dev/null; kill -KILL $1 $2 2> /dev/null";

/// For how long a condition is waited for, in milliseconds.
const PATIENCE: u32 = 20_000;

pub struct Chromium {
    http: Client,
    session: String,
    driver: Child,
    watcher: Child,
    _profile: TempDir,
}

/// Whether the two programs are there. They are installed by root on Debian; elsewhere the test fails, unless it is to be left out.
pub fn is_there() -> bool {
    if std::env::var_os("DURABLE_FSM_SKIP_BROWSER").is_some_and(|value| value == "1") {
        // Not captured by the test harness.
        let _ = writeln!(std::io::stderr(), "SKIPPED: the page in a browser (DURABLE_FSM_SKIP_BROWSER=1)");
        return false;
    }
    // Every test asks at the same time, and only one program may install packages at once.
    static ARE_THERE: LazyLock<bool> = LazyLock::new(|| {
        let answers =
            |program: &str| Command::new(program).arg("--version").output().is_ok_and(|it| it.status.success());
        let are_there = || answers("chromium") && answers("chromedriver");
        are_there() || {
            install();
            are_there()
        }
    });
    assert!(
        *ARE_THERE,
        "chromium or chromedriver is missing: install chromium and chromium-driver, or set DURABLE_FSM_SKIP_BROWSER=1 to leave this test out"
    );
    true
}

fn install() {
    let root = Command::new("id").arg("-u").output().is_ok_and(|it| it.stdout == b"0\n");
    if root {
        let packages = "chromium chromium-driver fonts-dejavu-core";
        let script = format!("apt-get -qq update && apt-get -qq install --no-install-recommends {packages}");
        let mut apt = Command::new("sh");
        let _ = apt.args(["-c", &script]).env("DEBIAN_FRONTEND", "noninteractive").output();
    }
}

impl Chromium {
    pub async fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("chromedriver");
        let mut driver = command.arg("--port=0").stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            let (_, port) = line.split_once("successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        let port = port.expect("chromedriver says its port");
        // It goes on to write, and must not wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        let http = Client::builder().no_proxy().build().unwrap();
        let data = format!("--user-data-dir={}", profile.path().display());
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--no-proxy-server",
            "--force-device-scale-factor=1",
            &data,
        ];
        let wanted = json!({ "browserName": "chrome", "goog:chromeOptions": { "args": args },
            "timeouts": { "script": PATIENCE + 5000 } });
        let base = format!("http://127.0.0.1:{port}/session");
        let body = json!({ "capabilities": { "alwaysMatch": wanted } });
        let answer: Value = http.post(&base).json(&body).send().await.unwrap().json().await.unwrap();
        let told = &answer["value"];
        let id_and_process = (told["sessionId"].as_str(), told["capabilities"]["goog:processID"].as_u64());
        let (Some(id), Some(browser)) = id_and_process else {
            driver.kill().unwrap();
            panic!("no session: {answer}");
        };
        let mut watcher = Command::new("sh");
        watcher.args(["-c", WATCHER, "sh", &browser.to_string(), &driver.id().to_string()]);
        let watcher = watcher.stdin(Stdio::piped()).spawn().unwrap();
        Self { http, session: format!("{base}/{id}"), driver, watcher, _profile: profile }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let request = self.http.post(format!("{}/{path}", self.session)).json(&body);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(answer["value"].get("error").is_none(), "{path}: {}", answer["value"]["message"]);
        answer["value"].clone()
    }

    pub async fn open(&self, url: &str) {
        self.post("url", json!({ "url": url })).await;
    }

    /// The value of a JavaScript expression.
    pub async fn value(&self, expression: &str) -> Value {
        self.post("execute/sync", json!({ "script": format!("return ({expression});"), "args": [] })).await
    }

    pub async fn text(&self, expression: &str) -> String {
        let value = self.value(expression).await;
        value.as_str().unwrap_or_else(|| panic!("{expression} is {value}")).to_owned()
    }

    /// Waits until a JavaScript expression is true. It is looked at whenever the document changes.
    pub async fn until(&self, expression: &str) {
        let script = format!(
            "return new Promise((resolve) => {{
                const check = () => {{ if ({expression}) {{ observer.disconnect(); resolve(true); }} }};
                const observer = new MutationObserver(check);
                observer.observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
                setTimeout(() => resolve(false), {PATIENCE});
                check();
            }});"
        );
        let came = self.post("execute/sync", json!({ "script": script, "args": [] })).await;
        if came != json!(true) {
            let page = self.value("document.body.innerText").await;
            panic!("{expression} does not come true: {}", page.as_str().unwrap_or_default());
        }
    }

    /// Presses keys, one after the other.
    pub async fn press(&self, keys: impl IntoIterator<Item = char>) {
        let press = |key: char| [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })];
        let actions: Vec<Value> = keys.into_iter().flat_map(press).collect();
        self.post("actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] })).await;
    }

    /// Presses Tab until an element has the focus, which also has to be visible.
    pub async fn tab_to(&self, selector: &str) {
        for _ in 0..60 {
            self.press([TAB]).await;
            let is_there = format!("document.activeElement.matches({})", json!(selector));
            if self.value(&is_there).await == json!(true) {
                let outline = "getComputedStyle(document.activeElement)";
                let seen = format!("{outline}.outlineStyle !== 'none' && parseFloat({outline}.outlineWidth) >= 2");
                assert_eq!(self.value(&seen).await, json!(true), "the focus on {selector} is not visible");
                return;
            }
        }
        panic!("Tab does not reach {selector}");
    }

    /// Shows the page as wide as this, in a scheme.
    pub async fn look(&self, width: u32, scheme: &str) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.command("Emulation.setEmulatedMedia", scheme).await;
    }

    async fn command(&self, name: &str, params: Value) -> Value {
        self.post("goog/cdp/execute", json!({ "cmd": name, "params": params })).await
    }

    /// The names and roles of what may be used or seen, as assistive technology is told them.
    pub async fn accessible(&self) -> Vec<(String, String)> {
        let tree = self.command("Accessibility.getFullAXTree", json!({})).await;
        let nodes = tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] != json!(true));
        let field = |node: &Value, name: &str| node[name]["value"].as_str().unwrap_or_default().to_owned();
        nodes.map(|node| (field(node, "role"), field(node, "name"))).collect()
    }

    /// Keeps a picture of the whole page in the directory of `DURABLE_FSM_SCREENSHOTS`, if that is set. The file is PNG in Base64.
    pub async fn keep(&self, name: &str) {
        let Some(folder) = std::env::var_os("DURABLE_FSM_SCREENSHOTS") else { return };
        let shot = self.command("Page.captureScreenshot", json!({ "captureBeyondViewport": true })).await;
        let path = std::path::Path::new(&folder).join(format!("{name}.png.base64"));
        std::fs::write(path, shot["data"].as_str().unwrap()).unwrap();
    }

    /// What the browser has complained about, such as a breach of the Content-Security-Policy.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", json!({ "type": "browser" })).await;
        let lines = log.as_array().unwrap().iter().map(|line| line["message"].as_str().unwrap().to_owned());
        lines.collect()
    }

    pub async fn close(self) {
        let closed = self.http.delete(&self.session).send().await.unwrap();
        assert!(closed.status().is_success());
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
        let _ = self.driver.wait();
    }
}
