//! A mail relay that encrypts and asks who mails. Invariant: it takes a login and a mail over an encrypted connection alone.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// `\0mailer\0secret` in Base64: the login that the relay accepts.
const LOGIN: &str = "AUTH PLAIN AG1haWxlcgBzZWNyZXQ=";

pub struct Relay {
    /// `localhost:port`, because certificates are for names.
    pub address: String,
    /// What it was told, each line after whether it came encrypted.
    pub heard: mpsc::UnboundedReceiver<(bool, String)>,
    task: JoinHandle<()>,
}

type Heard = mpsc::UnboundedSender<(bool, String)>;

impl Relay {
    /// Begins a relay whose certificate is signed by the authority that it writes to `ca`. It encrypts at once, or when it is asked to.
    pub async fn start(at_once: bool, ca: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("localhost:{}", listener.local_addr().unwrap().port());
        let acceptor = acceptor(ca);
        let (told, heard) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, told) = (acceptor.clone(), told.clone());
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    if !at_once && !converse(&mut stream, false, true, &told).await {
                        return;
                    }
                    let Ok(encrypted) = acceptor.accept(stream.into_inner()).await else { return };
                    converse(&mut BufReader::new(encrypted), true, at_once, &told).await;
                });
            }
        });
        Self { address, heard, task }
    }

    /// What it was told since.
    pub fn heard(&mut self) -> Vec<(bool, String)> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn acceptor(ca: &Path) -> TlsAcceptor {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(ca, authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Speaks to one client until it goes. True if it asked for encryption.
async fn converse(
    stream: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>,
    is_encrypted: bool,
    greets: bool,
    told: &Heard,
) -> bool {
    let mut is_known = false;
    let mut answer = if greets { "220 relay.hiclaw.test ESMTP\r\n" } else { "" };
    loop {
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return false;
        }
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or_default() == 0 {
            return false;
        }
        let line = line.trim_end().to_owned();
        told.send((is_encrypted, line.clone())).ok();
        let verb = line.split([' ', ':']).next().unwrap_or_default();
        answer = match verb {
            "EHLO" if is_encrypted => "250-relay.hiclaw.test\r\n250 AUTH PLAIN\r\n",
            "EHLO" => "250-relay.hiclaw.test\r\n250 STARTTLS\r\n",
            "STARTTLS" => {
                stream.write_all(b"220 Go ahead\r\n").await.ok();
                return true;
            }
            "AUTH" if is_encrypted && line == LOGIN => {
                is_known = true;
                "235 Authenticated\r\n"
            }
            "AUTH" => "535 Authentication failed\r\n",
            "MAIL" if !is_known => "530 Authentication required\r\n",
            "DATA" => "354 Start mail input\r\n",
            "QUIT" => "221 Bye\r\n",
            // The lines of the mail are not answered, but for the last one.
            "MAIL" | "RCPT" | "." => "250 OK\r\n",
            _ => "",
        };
    }
}
