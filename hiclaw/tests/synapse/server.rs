//! Synapse from PyPI, on a loopback port. Invariant: only the very process that was started here is ever killed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const VERSION: &str = "1.163.2";
pub const TOKEN: &str = "registration-token";
pub const ADMIN_PASSWORD: &str = "admin-password";

pub struct Synapse {
    python: PathBuf,
    place: TempDir,
    port: u16,
    process: Option<Child>,
}

impl Synapse {
    /// Starts one with an administrator, a manager and a registration token.
    pub async fn start() -> io::Result<Self> {
        let python = installed()?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut synapse = Self { python, place: tempfile::tempdir()?, port, process: None };
        synapse.configure()?;
        synapse.resume().await?;
        for (name, password, more) in
            [("admin", ADMIN_PASSWORD, "--admin"), ("manager", "manager-password", "--no-admin")]
        {
            let mut register = Command::new(synapse.python.with_file_name("register_new_matrix_user"));
            let config = synapse.file("homeserver.yaml");
            register.args(["-u", name, "-p", password, more, "-c"]).arg(config).arg(synapse.url());
            succeeded(&mut register)?;
        }
        let http = reqwest::Client::builder().no_proxy().build().map_err(io::Error::other)?;
        let url = format!("{}/_synapse/admin/v1/registration_tokens/new", synapse.url());
        let token = synapse.admin_token(&http).await?;
        let made = http.post(url).bearer_auth(token).json(&serde_json::json!({ "token": TOKEN })).send().await;
        made.and_then(reqwest::Response::error_for_status).map_err(io::Error::other)?;
        Ok(synapse)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A token of the administrator.
    pub async fn admin_token(&self, http: &reqwest::Client) -> io::Result<String> {
        let identifier = serde_json::json!({ "type": "m.id.user", "user": "admin" });
        let body = serde_json::json!({ "type": "m.login.password", "identifier": identifier, "password": ADMIN_PASSWORD, "device_id": "test" });
        let url = format!("{}/_matrix/client/v3/login", self.url());
        let answer = http.post(url).json(&body).send().await.map_err(io::Error::other)?;
        let answer: serde_json::Value = answer.json().await.map_err(io::Error::other)?;
        Ok(answer["access_token"].as_str().unwrap_or_default().to_owned())
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> io::Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.kill()?;
        process.wait().map(drop)
    }

    /// Starts it again, with all that its database knows, and waits until it answers.
    pub async fn resume(&mut self) -> io::Result<()> {
        let log = File::create(self.file("stderr"))?;
        let mut command = Command::new(&self.python);
        command.args(["-m", "synapse.app.homeserver", "-c"]).arg(self.file("homeserver.yaml"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn()?);
        let http = reqwest::Client::builder().no_proxy().build().map_err(io::Error::other)?;
        let (url, begun) = (format!("{}/_matrix/client/versions", self.url()), Instant::now());
        while !http.get(&url).send().await.is_ok_and(|it| it.status().is_success()) {
            if begun.elapsed() > Duration::from_secs(120) {
                return Err(io::Error::other(fs::read_to_string(self.file("stderr"))?));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn configure(&self) -> io::Result<()> {
        let (place, port) = (self.place.path().display(), self.port);
        let many = "{per_second: 10000, burst_count: 10000}";
        let text = format!(
            "server_name: hiclaw.test
pid_file: {place}/homeserver.pid
signing_key_path: {place}/signing.key
media_store_path: {place}/media
report_stats: false
listeners: [{{port: {port}, bind_addresses: ['127.0.0.1'], type: http, tls: false, resources: [{{names: [client], compress: false}}]}}]
database: {{name: sqlite3, args: {{database: {place}/homeserver.db}}}}
registration_shared_secret: shared-secret
macaroon_secret_key: macaroon
form_secret: form
enable_registration: true
registration_requires_token: true
trusted_key_servers: []
suppress_key_server_warning: true
federation_domain_whitelist: []
bcrypt_rounds: 4
user_directory: {{enabled: false}}
presence: {{enabled: false}}
rc_room_creation: {many}
rc_registration: {many}
rc_message: {many}
rc_login: {{address: {many}, account: {many}, failed_attempts: {many}}}
rc_joins: {{local: {many}, remote: {many}}}
rc_invites: {{per_room: {many}, per_user: {many}, per_issuer: {many}}}
"
        );
        fs::write(self.file("homeserver.yaml"), text)?;
        let mut keys = Command::new(&self.python);
        keys.args(["-m", "synapse.app.homeserver", "--generate-keys", "-c"]).arg(self.file("homeserver.yaml"));
        succeeded(keys.current_dir(self.place.path()))
    }
}

impl Drop for Synapse {
    fn drop(&mut self) {
        // One that is gone cannot be killed.
        drop(self.kill());
    }
}

fn succeeded(command: &mut Command) -> io::Result<()> {
    let done = command.stdin(Stdio::null()).output()?;
    if done.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{command:?}: {}", String::from_utf8_lossy(&done.stderr))))
}

/// The interpreter of an environment with Synapse in it, which is made once for all tests of this user.
fn installed() -> io::Result<PathBuf> {
    let home = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    let cache = home.unwrap_or_else(std::env::temp_dir).join("durable-fsm");
    fs::create_dir_all(&cache)?;
    let lock = File::create(cache.join(format!("synapse-{VERSION}.lock")))?;
    lock.lock()?;
    let environment = cache.join(format!("synapse-{VERSION}"));
    let (python, done) = (environment.join("bin/python"), environment.join("complete"));
    if !done.exists() {
        succeeded(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
        let package = format!("matrix-synapse=={VERSION}");
        succeeded(Command::new(&python).args(["-m", "pip", "--quiet", "install", &package]))?;
        File::create(done)?;
    }
    Ok(python)
}
