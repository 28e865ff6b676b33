use std::io;
use std::path::PathBuf;

/// Why there is no API server, or why it is not in the state asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No server could be found or made.
    #[error(
        "there is no Kubernetes API server to test with: {0}\n\
         Do one of these:\n\
         - set KUBECONFIG to use a server that runs (objects and CRDs will be made in it)\n\
         - set KUBEBUILDER_ASSETS to a folder that holds `etcd` and `kube-apiserver`\n\
         - run on Debian 12 as root, or with dpkg-dev installed, where the two are built once\n\
         - set DURABLE_FSM_SKIP_KUBE=1 to leave these tests out"
    )]
    NoServer(String),
    /// A kubeconfig could not be used.
    #[error("the kubeconfig cannot be used; mend it, or unset KUBECONFIG to have a server started")]
    Kubeconfig(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A file or process could not be handled.
    #[error("cannot {what}; check that the temporary folder can be written to and has 1 GB free")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// Keys or certificates could not be made.
    #[error("cannot make the server's certificates; this is a defect of kube-api-server")]
    Certificates(#[from] rcgen::Error),
    /// A program ended while the server was starting.
    #[error("{program} ended at start with {status}; the end of its log:\n{log}")]
    Died {
        /// Which one: `etcd` or `kube-apiserver`.
        program: &'static str,
        /// Its exit status, as a shell tells it.
        status: String,
        /// The last lines that it wrote.
        log: String,
    },
    /// The server runs and does not become ready.
    #[error(
        "the API server is not ready after {seconds} s ({last}); is the machine overloaded? The end of the logs in {folder}:\n{log}"
    )]
    NotReady {
        /// How long was waited, in seconds.
        seconds: u64,
        /// What the last look said.
        last: String,
        /// Where the logs are.
        folder: PathBuf,
        /// The last lines of them.
        log: String,
    },
    /// The server was not started here, so it is not ours to stop, restart or make users for.
    #[error("the server of KUBECONFIG is not ours to {0}; unset KUBECONFIG to have one started")]
    NotOurs(&'static str),
}

impl StartError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
