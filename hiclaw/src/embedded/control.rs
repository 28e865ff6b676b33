//! The socket through which a running controller takes orders: one line of JSON, and one that answers it. Invariant: only the controller's own user
//! reaches it.

use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::orders::{Order, Orders};

/// What a controller answers: what was done, or why nothing was.
type Answer = Result<String, String>;

/// Where the socket is.
pub(super) fn path(state: &Path) -> PathBuf {
    state.join("control.sock")
}

/// Listens at the socket. The caller has locked the records, so a socket that is there belongs to a dead process.
pub(super) fn listen(state: &Path) -> io::Result<UnixListener> {
    let path = path(state);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Takes orders for as long as it is polled.
pub(super) async fn serve(listener: UnixListener, orders: Arc<Orders>) {
    loop {
        // A client that could not be heard may call again.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let orders = Arc::clone(&orders);
        tokio::spawn(async move { drop(answer(stream, &orders).await) });
    }
}

async fn answer(mut stream: UnixStream, orders: &Orders) -> io::Result<()> {
    let (read, mut write) = stream.split();
    let mut line = String::new();
    BufReader::new(read).read_line(&mut line).await?;
    let answer: Answer = match serde_json::from_str::<Order>(&line) {
        Ok(order) => orders.carry_out(&order).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let mut line = serde_json::to_string(&answer)?;
    line.push('\n');
    write.write_all(line.as_bytes()).await
}

/// Gives an order to the controller that runs; none if none does.
pub(super) async fn order(state: &Path, order: &Order) -> io::Result<Option<Answer>> {
    let mut stream = match UnixStream::connect(path(state)).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (read, mut write) = stream.split();
    let mut line = serde_json::to_string(order)?;
    line.push('\n');
    write.write_all(line.as_bytes()).await?;
    let mut answer = String::new();
    BufReader::new(read).read_line(&mut answer).await?;
    Ok(Some(serde_json::from_str(&answer)?))
}
