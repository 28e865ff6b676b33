//! Mails over encrypted connections: the controller sends a password or a mail only after it has checked whom it speaks to.

use std::path::Path;
use std::time::Duration;

use durable_fsm::{Class, Classify as _};
use hiclaw::clients::{Letter, MailError};
use hiclaw::post::{Post, PostError, SmtpTls};

use crate::relay::Relay;

const LETTER: Letter<'static> =
    Letter { to: "a@example.com", message_id: "<1@hiclaw>", subject: "s", text: "the text\n" };

fn post(relay: &Relay, tls: SmtpTls, ca: Option<&Path>, password: &str) -> Post {
    Post {
        smtp: relay.address.clone(),
        smtp_tls: tls,
        smtp_ca: ca.map(Path::to_owned),
        smtp_user: Some("mailer".to_owned()),
        smtp_password: Some(password.to_owned()),
        mail_from: "hiclaw@example.com".to_owned(),
    }
}

async fn send(post: &Post) -> Result<(), MailError> {
    post.mail(Duration::from_secs(5)).unwrap().send(&LETTER).await
}

fn is_there(heard: &[(bool, String)], line: &str) -> bool {
    heard.iter().any(|(_, it)| it.starts_with(line))
}

#[tokio::test]
async fn a_mail_and_its_login_are_sent_encrypted() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    for (tls, at_once) in [(SmtpTls::Starttls, false), (SmtpTls::Tls, true)] {
        let mut relay = Relay::start(at_once, &ca).await;
        send(&post(&relay, tls, Some(&ca), "secret")).await.unwrap();
        let heard = relay.heard();
        assert!(is_there(&heard, "AUTH") && is_there(&heard, "MAIL") && is_there(&heard, "the text"), "{heard:?}");
        let bare: Vec<_> = heard.iter().filter(|(is_encrypted, _)| !is_encrypted).map(|(_, line)| &**line).collect();
        assert_eq!(bare, if at_once { vec![] } else { vec!["EHLO hiclaw", "STARTTLS"] });
    }
}

#[tokio::test]
async fn a_relay_that_cannot_be_trusted_is_told_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (ca, other) = (folder.path().join("ca.pem"), folder.path().join("other.pem"));
    drop(Relay::start(true, &other).await);
    for (tls, at_once) in [(SmtpTls::Starttls, false), (SmtpTls::Tls, true)] {
        let mut relay = Relay::start(at_once, &ca).await;
        for trusted in [None, Some(other.as_path())] {
            let error = send(&post(&relay, tls, trusted, "secret")).await.unwrap_err();
            assert!(matches!(error, MailError::Unencrypted(_)), "{error:?}");
            assert_eq!(error.classify(), Class::NOT_APPLIED);
        }
        let heard = relay.heard();
        assert!(!is_there(&heard, "AUTH") && !is_there(&heard, "MAIL"), "{heard:?}");
    }
}

#[tokio::test]
async fn a_relay_that_does_not_offer_encryption_is_told_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let world = hiclaw::servers::World::start().await.unwrap();
    let mut bare = post(&Relay::start(true, &ca).await, SmtpTls::Starttls, Some(&ca), "secret");
    bare.smtp = world.mail.address().to_string();
    let error = send(&bare).await.unwrap_err();
    assert!(matches!(error, MailError::Unencrypted(_)), "{error:?}");
    assert!(world.mail.taken().is_empty());
}

#[tokio::test]
async fn a_refused_login_is_no_doubt_about_the_mail() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let mut relay = Relay::start(true, &ca).await;
    let error = send(&post(&relay, SmtpTls::Tls, Some(&ca), "guessed")).await.unwrap_err();
    assert!(matches!(error, MailError::LoggedOut(_)), "{error:?}");
    assert_eq!(error.classify(), Class::NOT_APPLIED);
    assert!(!format!("{error:?} {error}").contains("guessed"));
    assert!(!is_there(&relay.heard(), "MAIL"));
    let mut nameless = post(&relay, SmtpTls::Tls, Some(&ca), "");
    (nameless.smtp_user, nameless.smtp_password) = (None, None);
    let error = send(&nameless).await.unwrap_err();
    assert!(matches!(error, MailError::Unaccepted(_)), "{error:?}");
}

#[tokio::test]
async fn a_wrong_setting_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let relay = Relay::start(true, &ca).await;
    let refused = |post: Post| post.mail(Duration::from_secs(5)).unwrap_err();
    assert!(matches!(refused(post(&relay, SmtpTls::None, None, "secret")), PostError::Bare));
    let missing = folder.path().join("missing.pem");
    assert!(matches!(refused(post(&relay, SmtpTls::Tls, Some(&missing), "secret")), PostError::Certificates { .. }));
    assert!(!format!("{:?}", post(&relay, SmtpTls::Tls, None, "secret")).contains("secret"));
}
