//! Texts of providers: no secret, and at most 2 KiB, is recorded, published or logged.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use durable_fsm::{Outcome, text};
use tracing::field::{Field, Visit};
use tracing::span;

use crate::machine::Thing;
use crate::world::{Bench, Fault, Refusal};

/// What must not be found anywhere.
const SECRETS: [&str; 8] =
    ["X-Amz-Signature", "api_key=", "user:pass@", "5ecre7", "hunter2", "Bearer abc", "sess1on", "eyJhbGciOi"];

fn told() -> String {
    let mut text = concat!(
        "PUT https://user:pass@s3.test/bucket/key?X-Amz-Signature=5ecre7&api_key=5ecre7#access_token=5ecre7 failed, ",
        "GET /bucket/key?X-Amz-Signature=5ecre7, api_key=5ecre7, {\"password\": \"hunter2\"}, ",
        "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.5ecre7\n",
        "Authorization: Bearer abc5ecre7\nCookie: id=sess1on; other=sess1on\n",
    )
    .to_owned();
    // And a page of HTML.
    (0..12_000).for_each(|line| writeln!(text, "<p>line {line} of an error page</p>").unwrap());
    text
}

/// Keeps every field of every event, as a log would.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        writeln!(self.0.lock().unwrap(), "{field}={value:?}").unwrap();
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[track_caller]
fn is_safe(whole: &str, what: &str) {
    for secret in SECRETS {
        assert!(!whole.contains(secret), "{what} has {secret}: {whole}");
    }
}

fn message_of<S>(outcome: &Outcome<S>) -> &str {
    match outcome {
        Outcome::Held { message, .. } | Outcome::Blocked { message, .. } => message,
        _ => "",
    }
}

/// Every call that can fail, in every way.
#[tokio::test]
async fn no_text_of_a_provider_is_kept_with_its_secrets_or_as_a_whole_page() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let calls = ["make_account", "lookup_make_room", "make_room", "add_member", "remove_member", "close_room"];
    for call in calls {
        for refusal in [Refusal::Unknown, Refusal::NotApplied, Refusal::Rejected, Refusal::NotOurs] {
            let bench = Bench::new();
            bench.provider.fail_at_length(told());
            bench.provider.will(call, &[Fault::Refused(refusal)]);
            let mut thing = Thing::new("web:1", &["ann"]);
            for _ in 0..20 {
                let outcome = bench.pass(&thing).await;
                let what = format!("{call} {refusal:?}");
                is_safe(message_of(&outcome), &what);
                if let Some(bytes) = bench.bytes(&thing).await {
                    is_safe(std::str::from_utf8(&bytes).unwrap(), &what);
                    // An error stands there once, and again in the message of what it led to.
                    assert!(bytes.len() < 2 * text::LONGEST + 2500, "{what}: {}", bytes.len());
                }
                if bench.provider.all_faults_fired() {
                    break;
                }
                thing.deleting |= matches!(outcome, Outcome::Resting(_));
                bench.clock.advance(outcome.requeue_after().unwrap_or_default());
            }
            assert!(bench.provider.all_faults_fired(), "{call}");
        }
    }
    let log = log.0.lock().unwrap();
    assert!(log.contains("message=attempt failed") && log.contains("s3.test/bucket/key"), "{log}");
    is_safe(&log, "the log");
}
