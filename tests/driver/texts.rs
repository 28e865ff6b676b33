//! Texts of providers: no secret, and at most 2 KiB, is recorded, published or logged.

use std::fmt::Write as _;

use durable_fsm::{Outcome, text};

use crate::logged::logged;
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

#[tokio::test]
async fn no_text_of_a_provider_is_kept_with_its_secrets_or_as_a_whole_page() {
    let log = logged(every_call_fails_in_every_way()).await.join("\n");
    assert!(log.contains("message=attempt failed") && log.contains("s3.test/bucket/key"), "{log}");
    is_safe(&log, "the log");
}

async fn every_call_fails_in_every_way() {
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
}
