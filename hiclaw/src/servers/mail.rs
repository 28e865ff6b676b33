//! A mail server. It takes every mail that it is handed, also the same one again, and if the connection breaks after the mail was handed over,
//! the sender does not know that it was taken.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::listener::{Call, Calls};

/// The mail server.
pub struct Mail {
    address: SocketAddr,
    state: Shared,
    task: JoinHandle<()>,
}

type Shared = Arc<Mutex<Office>>;

#[derive(Default)]
struct Office {
    taken: Vec<(String, String)>,
    to_break: bool,
    refused: Option<String>,
}

impl Mail {
    pub(super) async fn start(calls: &Calls) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, state, calls) = (listener.local_addr()?, Shared::default(), calls.clone());
        let office = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (office, calls) = (office.clone(), calls.clone());
                // A connection that breaks is the client's concern.
                tokio::spawn(async move { drop(converse(stream, &office, &calls).await) });
            }
        });
        Ok(Self { address, state, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The mails that it has taken: to whom, and the text with its headers.
    #[must_use]
    pub fn taken(&self) -> Vec<(String, String)> {
        lock(&self.state).taken.clone()
    }

    /// Takes the next mail, and breaks the connection in place of an answer.
    pub fn break_after_next(&self) {
        lock(&self.state).to_break = true;
    }

    /// Whether the connection is still to break.
    #[must_use]
    pub fn is_to_break(&self) -> bool {
        lock(&self.state).to_break
    }

    /// Refuses mail to this address from now on.
    pub fn refuse(&self, address: &str) {
        lock(&self.state).refused = Some(address.to_owned());
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(state: &Shared) -> MutexGuard<'_, Office> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection, as RFC 5321 has it.
async fn converse(stream: TcpStream, office: &Shared, calls: &Calls) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 mail.hiclaw.test ESMTP\r\n").await?;
    let mut to = String::new();
    while let Some(line) = lines.next_line().await? {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" | "HELO" => "250 mail.hiclaw.test",
            "MAIL" | "RSET" | "NOOP" => "250 OK",
            "RCPT" => {
                line.split(['<', '>']).nth(1).unwrap_or_default().clone_into(&mut to);
                if lock(office).refused.as_deref() == Some(&to) { "550 No such user here" } else { "250 OK" }
            }
            "DATA" => {
                writer.write_all(b"354 Start mail input\r\n").await?;
                let mut text = String::new();
                while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                    text.push_str(line.strip_prefix('.').unwrap_or(&line));
                    text.push('\n');
                }
                calls.add(Call { server: "mail", method: "DATA".to_owned(), path: to.clone(), status: 250 });
                let mut office = lock(office);
                office.taken.push((to.clone(), text));
                if std::mem::take(&mut office.to_break) {
                    return Ok(());
                }
                "250 OK"
            }
            "QUIT" => {
                writer.write_all(b"221 Bye\r\n").await?;
                return Ok(());
            }
            _ => "502 Command not implemented",
        };
        writer.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}
