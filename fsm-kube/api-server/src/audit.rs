//! The audit log of a server that was started here.
//!
//! Invariant: a request is in the log before the server acts on it, so a client that has an answer finds the request.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::StartError;

/// Everything that somebody asks for is logged as it arrives; what the server asks of itself is not.
const POLICY: &str = r#"{
  "apiVersion": "audit.k8s.io/v1",
  "kind": "Policy",
  "omitStages": ["ResponseStarted", "ResponseComplete"],
  "rules": [{ "level": "None", "users": ["system:apiserver"] }, { "level": "Metadata" }]
}"#;

/// A request, as the audit log has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Audited {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: String,
    /// The resource, with its subresource: `pods`, `pods/status`.
    pub resource: String,
    /// Its namespace; empty for what has none.
    pub namespace: String,
    /// Its name; empty for a list, a watch or a creation.
    pub name: String,
}

/// Where the log and its policy are.
#[derive(Debug)]
pub(crate) struct AuditLog {
    policy: PathBuf,
    log: PathBuf,
}

impl AuditLog {
    pub(crate) fn create(folder: &Path) -> Result<Self, StartError> {
        let it = Self { policy: folder.join("audit-policy.json"), log: folder.join("audit.log") };
        fs::write(&it.policy, POLICY).map_err(StartError::io(format!("write {}", it.policy.display())))?;
        Ok(it)
    }

    /// What kube-apiserver has to be told.
    pub(crate) fn arguments(&self) -> [String; 2] {
        [format!("--audit-policy-file={}", self.policy.display()), format!("--audit-log-path={}", self.log.display())]
    }

    /// The requests with this user agent, oldest first.
    pub(crate) fn requests_of(&self, agent: &str) -> Result<Vec<Audited>, StartError> {
        let text = match fs::read_to_string(&self.log) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.map_err(StartError::io(format!("read {}", self.log.display())))?,
        };
        // The last line may be half written.
        let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(events.filter(|event| event["userAgent"] == agent).map(|event| audited(&event)).collect())
    }
}

fn audited(event: &Value) -> Audited {
    let of = &event["objectRef"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let resource = match of["subresource"].as_str() {
        Some(subresource) => format!("{}/{subresource}", text(&of["resource"])),
        None => text(&of["resource"]),
    };
    Audited { verb: text(&event["verb"]), resource, namespace: text(&of["namespace"]), name: text(&of["name"]) }
}
