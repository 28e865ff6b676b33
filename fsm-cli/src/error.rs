//! The errors of the command.
//!
//! Invariant: each text says what happened, to which thing, and what will be accepted instead.

use std::path::PathBuf;

/// Why a command did nothing, or not all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "cannot read the record directory {path}: {source}; give the controller's record directory with `--dir` or FSM_DIR"
    )]
    Directory { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Open(durable_fsm::store::OpenError),
    #[error("a controller has {path} open, so nothing was changed; stop it, then run `{command}`")]
    Running { path: PathBuf, command: String },
    #[error(transparent)]
    Store(#[from] durable_fsm::StoreError),
    #[error("cannot read {path}: {source}; give a file that exists")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{path}: {source}")]
    Graph { path: String, source: durable_fsm::graph::json::ReadError },
    #[error("no resource is called {name}; run `{command}` to list all")]
    NoResource { name: String, command: String },
    #[error("several machines have a resource {name}: {machines}; say which, as in `{command}`")]
    Ambiguous { name: String, machines: String, command: String },
    #[error("no resource was selected; give names, a filter such as `--phase held`, or `--all`")]
    NoSelection,
    #[error("no resource matches the filter; run `{command}` to list all")]
    NothingSelected { command: String },
    #[error("{count} resources would be changed, and there is no terminal to confirm at; run `{command}`")]
    Unconfirmed { count: usize, command: String },
    #[error("cannot read `--fact {0}`; write it as `--fact name=value`")]
    NotAFact(String),
    #[error(transparent)]
    Wish(#[from] durable_fsm::explain::WishError),
    #[error("the graph of {machine} is not in {place}; give its lock file, as in `--graph worker.lock.json`")]
    NoGraph { machine: String, place: &'static str },
    #[error("there are several machines: {machines}; say which, as in `{command}`")]
    SeveralGraphs { machines: String, command: String },
    #[error("cannot read {path} as an export: {why}; give a file that `fsm export` has written")]
    NotAnExport { path: PathBuf, why: String },
    #[error(
        "{count} of the records exist already, such as {example}; nothing was written; import into an empty directory, as in `fsm --dir new import FILE`"
    )]
    Exists { count: usize, example: String },
    #[error("only a controller can ask its provider; use `Runner::verify` in the controller's program")]
    NoProvider,
    #[error("the record needs a new owner; give the uid of the resource with `--uid`")]
    NoUid,
    #[error(
        "records on a cluster are in annotations of their resources; restore the resources, or give `--dir` instead of `--cluster`"
    )]
    ImportToCluster,
    #[cfg(not(feature = "cluster"))]
    #[error(
        "this command was built without Kubernetes; install it with `cargo install durable-fsm-cli --features cluster`"
    )]
    NoCluster,
    #[cfg(feature = "cluster")]
    #[error("cannot reach the cluster: {0}; check KUBECONFIG, or choose with `--context`")]
    Unreachable(String),
    #[cfg(feature = "cluster")]
    #[error("{0}; give the namespace of the controllers with `--controllers`")]
    Machines(String),
    #[cfg(feature = "cluster")]
    #[error("no controller keeps a machine{} here; call `Reconciler::keep_graph` when the controller starts, and look in its namespace with `--controllers`",
        kind.as_ref().map_or_else(String::new, |kind| format!(" for {kind}")))]
    NoMachine { kind: Option<String> },
    #[cfg(feature = "cluster")]
    #[error("cannot list {plural}: {why}; choose another namespace with `--namespace`, or get the right to list them")]
    List { plural: String, why: String },
    #[cfg(feature = "cluster")]
    #[error("{machine} is run for several kinds with resources of the same names; say which with `--kind`")]
    SeveralKinds { machine: String },
    #[error("cannot write the answer: {0}")]
    Output(#[from] std::io::Error),
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
}
