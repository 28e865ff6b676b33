//! Where the page listens. Invariant: an address that other computers reach needs a token, and a socket of the file system is its user's alone.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use axum::{Extension, Router};
use tokio::net::TcpListener;

use crate::admin::Admin;
use crate::guard::Local;

/// Why the page does not listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// Other computers reach the address, and there is no token.
    #[error("{0} can be reached from other computers; set a token with `Admin::token`, or listen on 127.0.0.1")]
    NeedsToken(SocketAddr),
    /// The address or socket cannot be used.
    #[error("cannot listen on {place}: {source}; choose another place")]
    Io {
        /// The address or socket.
        place: String,
        /// Why not.
        source: io::Error,
    },
}

/// A page that listens, and answers when it is served.
#[derive(Debug)]
#[must_use = "the page answers only while it is served"]
pub struct Bound {
    socket: Socket,
    router: Router,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener),
}

impl Admin {
    /// Listens on an address: one of loopback, or any if there is a token.
    ///
    /// # Errors
    /// [`BindError::NeedsToken`], or the address cannot be used.
    pub async fn bind(self, address: SocketAddr) -> Result<Bound, BindError> {
        let is_local = address.ip().is_loopback();
        if !is_local && self.guard.token.is_none() {
            return Err(BindError::NeedsToken(address));
        }
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|source| BindError::Io { place: address.to_string(), source })?;
        let router = self.router();
        let router = if is_local { router.layer(Extension(Local)) } else { router };
        Ok(Bound { socket: Socket::Tcp(listener), router })
    }

    /// Listens on a socket in the file system, which only the user of this process may open. A socket that a dead process has left is replaced. Reach it with
    /// `ssh -L 8081:/run/tenants/admin.sock host`, or `curl --unix-socket`.
    ///
    /// # Errors
    /// [`BindError::Io`] if another process listens there, something else has the name, or the socket cannot be made.
    #[cfg(unix)]
    pub fn bind_unix(self, path: impl AsRef<std::path::Path>) -> Result<Bound, BindError> {
        let path = path.as_ref();
        let listener = private(path).map_err(|source| BindError::Io { place: path.display().to_string(), source })?;
        Ok(Bound { socket: Socket::Unix(listener), router: self.router().layer(Extension(Local)) })
    }
}

/// A socket that only this user can open. Its mode is set before the file gets its name. Other users can therefore not open it in between.
#[cfg(unix)]
fn private(path: &std::path::Path) -> io::Result<tokio::net::UnixListener> {
    use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
    match std::fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => return Err(ErrorKind::AlreadyExists.into()),
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => return Err(ErrorKind::AddrInUse.into()),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut name = path.file_name().ok_or(ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}", std::process::id()));
    let folder = path.with_file_name(name);
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let inside = folder.join("s");
    let listener = tokio::net::UnixListener::bind(&inside).and_then(|listener| {
        std::fs::set_permissions(&inside, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&inside, path)?;
        Ok(listener)
    });
    // It is empty by now, unless the bind has failed half-way.
    drop(std::fs::remove_dir_all(&folder));
    listener
}

impl Bound {
    /// The address, with the port that was chosen; none for a socket in the file system.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Socket::Unix(_) => None,
        }
    }

    /// Answers for as long as it is polled.
    ///
    /// # Errors
    /// The listener failed for good.
    pub async fn serve(self) -> io::Result<()> {
        match self.socket {
            Socket::Tcp(listener) => axum::serve(listener, self.router).await,
            #[cfg(unix)]
            Socket::Unix(listener) => axum::serve(listener, self.router).await,
        }
    }
}
