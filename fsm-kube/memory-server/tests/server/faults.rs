//! What each fault does: to the store, and to the one who asked.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kube::ResourceExt;
use kube::api::{DynamicObject, ListParams, PatchParams, PostParams, WatchEvent, WatchParams};
use kube_memory_server::{Delivery, EventType, Fault, MemoryServer, Refusal, Seen, Verb, When};
use tokio::time::{Instant, timeout};

use crate::widgets::{WIDGETS, Widgets, annotate, refused, server, widget};

/// A server with a widget, whose patches have this fault.
async fn faulty(fault: Fault) -> MemoryServer {
    let server = server();
    server.widgets().create(&PostParams::default(), &widget("one")).await.unwrap();
    server.on_request(move |seen| if seen.verb == Verb::Patch { fault.clone() } else { Fault::None });
    server
}

async fn patch(server: &MemoryServer, value: &str) -> Result<DynamicObject, kube::Error> {
    server.widgets().patch("one", &PatchParams::default(), &annotate("mark", value)).await
}

/// The annotation as it is stored.
fn stored(server: &MemoryServer) -> Option<String> {
    let object = server.object(WIDGETS, "default", "one").unwrap();
    object["metadata"]["annotations"]["mark"].as_str().map(str::to_owned)
}

fn lost(result: Result<DynamicObject, kube::Error>) -> ErrorKind {
    let error = match result {
        Err(kube::Error::Service(error)) => error,
        other => panic!("no answer was expected, not {other:?}"),
    };
    error.downcast_ref::<std::io::Error>().expect("an error of the connection").kind()
}

#[tokio::test]
async fn what_is_lost_is_served_or_not_and_the_client_cannot_tell() {
    let rows = [
        (Fault::RefuseConnection, ErrorKind::ConnectionRefused, None),
        (Fault::LoseRequest, ErrorKind::ConnectionReset, None),
        (Fault::LoseReply, ErrorKind::ConnectionReset, Some("1".to_owned())),
        (Fault::ServeLate(When::Told), ErrorKind::ConnectionReset, None),
    ];
    for (fault, kind, expected) in rows {
        let server = faulty(fault.clone()).await;
        assert_eq!((lost(patch(&server, "1").await), stored(&server)), (kind, expected), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_late_is_served_when_it_was_said() {
    // At the second further request, before it.
    let server = faulty(Fault::ServeLate(When::Requests(2))).await;
    lost(patch(&server, "1").await);
    server.stop_faults();
    for expected in [None, Some("1"), Some("1")] {
        let found = server.widgets().get("one").await.unwrap();
        assert_eq!(found.annotations().get("mark").map(String::as_str), expected);
    }
    // At a time, although there is no request meanwhile.
    let server = faulty(Fault::ServeLate(When::After(Duration::from_secs(7)))).await;
    lost(patch(&server, "1").await);
    tokio::time::sleep(Duration::from_millis(6_999)).await;
    assert_eq!((stored(&server), server.late()), (None, 1));
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!((stored(&server).as_deref(), server.late()), (Some("1"), 0));
    // When told, in the order of arrival, and late means as the world is then: a stale version is a conflict.
    let server = faulty(Fault::ServeLate(When::Told)).await;
    lost(patch(&server, "1").await);
    lost(patch(&server, "2").await);
    assert_eq!((server.serve_late(), stored(&server).as_deref()), (2, Some("2")));
    let version = server.version().to_string();
    let guarded = kube::api::Patch::Merge(
        serde_json::json!({"metadata": {"resourceVersion": version, "annotations": {"mark": "3"}}}),
    );
    server.widgets().patch("one", &PatchParams::default(), &guarded).await.unwrap_err();
    server.stop_faults();
    patch(&server, "4").await.unwrap();
    assert_eq!((server.serve_late(), stored(&server).as_deref()), (1, Some("4")));
}

#[tokio::test(start_paused = true)]
async fn what_is_slow_is_served_even_if_no_client_waits() {
    let (before, after) = (Duration::from_secs(5), Duration::from_secs(3));
    let server = faulty(Fault::Slow(before, after)).await;
    let start = Instant::now();
    patch(&server, "1").await.unwrap();
    assert_eq!(start.elapsed(), before + after);
    timeout(Duration::from_secs(1), patch(&server, "2")).await.unwrap_err();
    assert_eq!(stored(&server).as_deref(), Some("1"));
    tokio::time::sleep(before).await;
    assert_eq!(stored(&server).as_deref(), Some("2"));

    let server = faulty(Fault::Hang).await;
    timeout(Duration::from_secs(3_600), patch(&server, "1")).await.unwrap_err();
    assert_eq!(stored(&server), None);

    let server = faulty(Fault::HangReply).await;
    timeout(Duration::from_secs(3_600), patch(&server, "1")).await.unwrap_err();
    assert_eq!(stored(&server).as_deref(), Some("1"));
}

#[tokio::test]
async fn somebody_else_is_faster_than_the_request_that_a_hook_decides_on() {
    let server = server();
    let one = server.widgets().create(&PostParams::default(), &widget("one")).await.unwrap();
    let label = serde_json::json!({"metadata": {"labels": {"edited": "meanwhile"}}});
    let (it, patch) = (server.clone(), label.clone());
    server.on_request(move |_| {
        it.merge("other", WIDGETS, "default", "one", &patch).unwrap();
        Fault::None
    });
    let guarded = serde_json::json!({"metadata": {"resourceVersion": one.resource_version(), "labels": {"mine": "1"}}});
    let refused_patch = server.widgets().patch("one", &PatchParams::default(), &kube::api::Patch::Merge(guarded)).await;
    assert_eq!(refused(refused_patch).0, 409);
    let last = server.history().pop().unwrap();
    assert_eq!((&*last.client, last.verb, last.request), ("other", Verb::Patch, 2));
    server.stop_faults();
    assert_eq!(server.merge("other", WIDGETS, "default", "two", &label).unwrap_err().code, 404);
}

#[tokio::test]
async fn a_refusal_is_answered_as_given_and_nothing_is_served() {
    let rows = [
        (Refusal::forbidden(), 403, "Forbidden"),
        (Refusal::conflict(), 409, "Conflict"),
        (Refusal::expired(), 410, "Expired"),
        (Refusal::invalid("spec.size", "too small"), 422, "Invalid"),
        (Refusal::too_many_requests(3), 429, "TooManyRequests"),
        (Refusal::internal_error(), 500, "InternalError"),
        (Refusal::unavailable(), 503, "ServiceUnavailable"),
        (Refusal::new(418, "Teapot", "short and stout"), 418, "Teapot"),
    ];
    for (refusal, code, reason) in rows {
        let server = faulty(Fault::Answer(refusal)).await;
        let (found, text, causes) = refused(patch(&server, "1").await);
        assert_eq!((found, text.as_str(), stored(&server)), (code, reason, None));
        assert_eq!(causes.len(), usize::from(code == 422));
    }
    let server = faulty(Fault::Answer(Refusal::too_many_requests(3))).await;
    let Err(kube::Error::Api(status)) = patch(&server, "1").await else { panic!("not refused") };
    assert_eq!(status.details.unwrap().retry_after_seconds, 3);
}

#[tokio::test]
async fn stripped_annotations_are_not_stored_and_the_answer_is_200() {
    let server = faulty(Fault::strip_annotations("ma")).await;
    let answer = patch(&server, "1").await.unwrap();
    assert_eq!((answer.annotations().get("mark"), stored(&server)), (None, None));
    let other = annotate("other", "1");
    server.widgets().patch("one", &PatchParams::default(), &other).await.unwrap();
    assert_eq!(server.object(WIDGETS, "default", "one").unwrap()["metadata"]["annotations"]["other"], "1");
}

#[tokio::test]
async fn a_stale_read_is_the_world_as_it_was() {
    let server = server();
    let api = server.widgets();
    api.create(&PostParams::default(), &widget("one")).await.unwrap();
    let then = server.version();
    patch(&server, "1").await.unwrap();
    api.create(&PostParams::default(), &widget("two")).await.unwrap();
    server.on_request(move |seen| if seen.verb.is_write() { Fault::None } else { Fault::ReadAt(then) });
    let one = api.get("one").await.unwrap();
    assert_eq!((one.resource_version(), one.annotations().len()), (Some(then.to_string()), 0));
    assert_eq!(refused(api.get("two").await).0, 404);
    let list = api.list(&ListParams::default()).await.unwrap();
    assert_eq!((list.items.len(), list.metadata.resource_version), (1, Some(then.to_string())));
    // A write decides by what is, not by what was read.
    patch(&server, "2").await.unwrap();
    assert_eq!(stored(&server).as_deref(), Some("2"));
}

#[tokio::test]
async fn the_hooks_see_who_asks_for_what_and_every_write() {
    let server = server();
    let (seen, writes) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let note = seen.clone();
    server.on_request(move |it: &Seen| {
        let name = it.name.clone().unwrap_or_default();
        note.lock().unwrap().push(format!("{} {} {} {} {name}", it.sequence, it.client, it.verb, it.kind));
        Fault::None
    });
    let note = writes.clone();
    server.on_write(move |it| note.lock().unwrap().push((it.request, it.version, it.verb, it.client.to_string())));
    let (mine, theirs) = (server.widgets_as("mine"), server.widgets_as("theirs"));
    mine.create(&PostParams::default(), &widget("one")).await.unwrap();
    theirs.get("one").await.unwrap();
    theirs
        .patch_status("one", &PatchParams::default(), &kube::api::Patch::Merge(serde_json::json!({"status": {"a": 1}})))
        .await
        .unwrap();
    mine.patch("one", &PatchParams::default(), &annotate("a", "1")).await.unwrap();
    mine.patch("one", &PatchParams::default(), &annotate("a", "1")).await.unwrap();
    assert_eq!(
        *seen.lock().unwrap(),
        [
            "0 mine create widgets.example.com ",
            "1 theirs get widgets.example.com one",
            "2 theirs patch widgets.example.com one",
            "3 mine patch widgets.example.com one",
            "4 mine patch widgets.example.com one",
        ]
    );
    let first = server.history()[0].version;
    assert_eq!(
        *writes.lock().unwrap(),
        [
            (0, first, Verb::Create, "mine".to_owned()),
            (2, first + 1, Verb::Patch, "theirs".to_owned()),
            (3, first + 2, Verb::Patch, "mine".to_owned()),
        ]
    );
    assert_eq!(server.history()[1].subresource.as_deref(), Some("status"));
}

/// What a watch from the beginning tells of one, changed twice, and two, made between, with these fates of its events.
async fn told(fates: &[Delivery]) -> Vec<String> {
    let server = server();
    let api = server.widgets();
    let fates = fates.to_vec();
    let mut count = 0;
    server.on_event(move |_| {
        count += 1;
        fates.get(count - 1).copied().unwrap_or(Delivery::Deliver)
    });
    let version = server.version().to_string();
    let watch = api.watch(&WatchParams::default().timeout(1), &version).await.unwrap();
    api.create(&PostParams::default(), &widget("one")).await.unwrap();
    patch(&server, "1").await.unwrap();
    api.create(&PostParams::default(), &widget("two")).await.unwrap();
    patch(&server, "2").await.unwrap();
    let tell = |event: WatchEvent<DynamicObject>| match event {
        WatchEvent::Added(it) => format!("+{}{}", it.name_any(), mark(&it)),
        WatchEvent::Modified(it) => format!("~{}{}", it.name_any(), mark(&it)),
        WatchEvent::Error(status) => status.code.to_string(),
        other => format!("{other:?}"),
    };
    watch.map_ok(tell).try_collect().await.unwrap()
}

fn mark(object: &DynamicObject) -> String {
    object.annotations().get("mark").cloned().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn events_are_dropped_merged_and_cut() {
    use Delivery::{Deliver, Disconnect, Drop, Expire, Merge};
    let rows: [(&[Delivery], &[&str]); 6] = [
        (&[], &["+one", "~one1", "+two", "~one2"]),
        (&[Drop], &["~one1", "+two", "~one2"]),
        (&[Merge], &["+one1", "+two", "~one2"]),
        (&[Merge, Merge], &["+two", "+one2"]),
        (&[Deliver, Disconnect], &["+one"]),
        (&[Deliver, Expire], &["+one", "410"]),
    ];
    for (fates, expected) in rows {
        assert_eq!(told(fates).await, expected, "{fates:?}");
    }
}

/// An object that was removed and made again while its events were held back was changed, as far as the watch can tell.
#[tokio::test(start_paused = true)]
async fn a_merge_hides_a_life() {
    let server = server();
    let api = server.widgets();
    let first = api.create(&PostParams::default(), &widget("one")).await.unwrap();
    server.on_event(|seen| if seen.event == EventType::Deleted { Delivery::Merge } else { Delivery::Deliver });
    let watch = api.watch(&WatchParams::default().timeout(1), &server.version().to_string()).await.unwrap();
    api.delete("one", &kube::api::DeleteParams::default()).await.unwrap();
    let second = api.create(&PostParams::default(), &widget("one")).await.unwrap();
    let events: Vec<_> = watch.try_collect().await.unwrap();
    let [WatchEvent::Modified(object)] = &events[..] else { panic!("{events:?}") };
    assert!(object.uid() == second.uid() && object.uid() != first.uid());
}

/// The same requests lead to the same bytes, with faults and time and all.
#[tokio::test(start_paused = true)]
async fn it_is_deterministic() {
    let run = async || {
        let server = faulty(Fault::ServeLate(When::After(Duration::from_secs(2)))).await;
        let watch = server.widgets().watch(&WatchParams::default().timeout(9), "0").await.unwrap();
        for value in ["1", "2", "3"] {
            lost(patch(&server, value).await);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let events: Vec<_> = watch.map(|it| format!("{it:?}")).collect().await;
        (events, format!("{:?}", server.objects(WIDGETS)))
    };
    let first = run().await;
    assert_eq!(first.0.len(), 4);
    assert_eq!(run().await, first);
}
