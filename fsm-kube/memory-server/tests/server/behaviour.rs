//! What the memory server does, through a real `kube::Api`. That a real server does the same is checked in `conformance`.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use kube_memory_server::{Invalid, Kind, MemoryServer};
use serde_json::json;

use crate::widgets::{Widgets, annotate, refused, server, widget};

fn merge(patch: serde_json::Value) -> Patch<serde_json::Value> {
    Patch::Merge(patch)
}

#[tokio::test]
async fn an_object_lives_from_create_to_delete() {
    let server = server();
    let api = server.widgets();
    let made = api.create(&PostParams::default(), &widget("one")).await.unwrap();
    assert_eq!((made.metadata.generation, made.namespace().as_deref()), (Some(1), Some("default")));
    let found = api.get("one").await.unwrap();
    assert_eq!((found.uid(), found.resource_version()), (made.uid(), made.resource_version()));
    let status = api.delete("one", &DeleteParams::default()).await.unwrap().right().expect("a Status");
    assert_eq!(status.details.unwrap().uid, made.uid().unwrap());
    assert!(api.get_opt("one").await.unwrap().is_none());
    let again = api.create(&PostParams::default(), &widget("one")).await.unwrap();
    assert_ne!(again.uid(), made.uid());
    let history = server.history();
    assert_eq!(
        history.iter().map(|it| (it.before.is_some(), it.after.is_some())).collect::<Vec<_>>(),
        [(false, true), (true, false), (false, true),]
    );
}

#[tokio::test]
async fn every_write_of_a_version_that_is_not_the_latest_is_a_conflict() {
    let server = server();
    let api = server.widgets();
    let made = api.create(&PostParams::default(), &widget("one")).await.unwrap();
    let old = made.resource_version().unwrap();
    api.patch("one", &PatchParams::default(), &annotate("a", "1")).await.unwrap();
    let params = PatchParams::default();
    let mut whole = made.clone();
    whole.data["spec"]["size"] = json!(2);
    let json_patch = json!([{"op": "replace", "path": "/metadata/resourceVersion", "value": old}]);
    let json_patch = Patch::Json::<()>(serde_json::from_value(json_patch).unwrap());
    let delete = DeleteParams::default()
        .preconditions(kube::api::Preconditions { uid: None, resource_version: Some(old.clone()) });
    let conflict = (409, "Conflict".to_owned(), vec![]);
    assert_eq!(
        refused(api.patch("one", &params, &merge(json!({"metadata": {"resourceVersion": old}}))).await),
        conflict
    );
    assert_eq!(refused(api.patch("one", &params, &json_patch).await), conflict);
    assert_eq!(
        refused(api.patch_status("one", &params, &merge(json!({"metadata": {"resourceVersion": old}}))).await),
        conflict
    );
    assert_eq!(refused(api.replace("one", &PostParams::default(), &whole).await), conflict);
    assert_eq!(refused(api.delete("one", &delete).await), conflict);
    assert_eq!(server.history().len(), 2);
}

#[tokio::test]
async fn a_change_of_nothing_is_no_write_and_only_the_spec_has_generations() {
    let server = server();
    let api = server.widgets();
    api.create(&PostParams::default(), &widget("one")).await.unwrap();
    let params = PatchParams::default();
    let mut version = server.version();
    let rows = [
        (false, json!({"metadata": {"annotations": {"a": "1"}}}), true, 1),
        (false, json!({"metadata": {"annotations": {"a": "1"}}}), false, 1),
        (
            false,
            json!({"metadata": {"generation": 9, "creationTimestamp": "2020-01-01T00:00:00Z", "unknown": 1}}),
            false,
            1,
        ),
        (false, json!({"spec": {"size": 2}}), true, 2),
        (false, json!({"status": {"ready": true}}), false, 2),
        (true, json!({"status": {"ready": true}}), true, 2),
        (true, json!({"spec": {"size": 3}, "metadata": {"annotations": {"b": "1"}, "uid": "other"}}), false, 2),
        (false, json!({"metadata": {"annotations": {"a": null}}}), true, 2),
    ];
    for (is_status, patch, writes, generation) in rows {
        let patch = merge(patch);
        let now = if is_status {
            api.patch_status("one", &params, &patch).await
        } else {
            api.patch("one", &params, &patch).await
        };
        let now = now.unwrap();
        version += u64::from(writes);
        assert_eq!(
            (now.resource_version(), now.metadata.generation),
            (Some(version.to_string()), Some(generation)),
            "{patch:?}"
        );
    }
    let last = api.get_status("one").await.unwrap();
    assert_eq!((&last.data["spec"]["size"], &last.data["status"]["ready"]), (&json!(2), &json!(true)));
    assert!(last.annotations().is_empty());
}

#[tokio::test]
async fn the_last_finalizer_takes_the_object_with_it() {
    let server = server();
    let api = server.widgets();
    let mut one = widget("one");
    one.metadata.finalizers = Some(vec!["a.b/c".to_owned(), "a.b/d".to_owned()]);
    api.create(&PostParams::default(), &one).await.unwrap();
    let marked = api.delete("one", &DeleteParams::default()).await.unwrap().left().expect("the object");
    assert!(marked.metadata.deletion_timestamp.is_some());
    let params = PatchParams::default();
    let added = refused(
        api.patch("one", &params, &merge(json!({"metadata": {"finalizers": ["a.b/c", "a.b/d", "a.b/e"]}}))).await,
    );
    assert_eq!(
        added,
        (422, "Invalid".to_owned(), vec![("FieldValueForbidden".to_owned(), "metadata.finalizers".to_owned())])
    );
    api.patch("one", &params, &merge(json!({"metadata": {"finalizers": ["a.b/d"]}}))).await.unwrap();
    assert!(api.get_opt("one").await.unwrap().is_some());
    let last = api.patch("one", &params, &merge(json!({"metadata": {"finalizers": null}}))).await.unwrap();
    assert!(last.finalizers().is_empty());
    assert!(api.get_opt("one").await.unwrap().is_none());
    let end = server.history().pop().unwrap();
    assert!(end.after.is_none() && end.before.is_some());
}

#[tokio::test]
async fn a_validator_is_asked_also_when_metadata_alone_changes() {
    let server = server();
    let api = server.widgets();
    api.create(&PostParams::default(), &widget("one")).await.unwrap();
    server.validate("widgets.example.com", |object| {
        if object["spec"]["size"].as_u64() > Some(0) { Err(Invalid::new("spec.size", "must be zero")) } else { Ok(()) }
    });
    let invalid = (422, "Invalid".to_owned(), vec![("FieldValueInvalid".to_owned(), "spec.size".to_owned())]);
    assert_eq!(refused(api.patch("one", &PatchParams::default(), &annotate("a", "1")).await), invalid);
    assert_eq!(server.history().len(), 1);
}

#[tokio::test]
async fn lists_are_selected_and_cut_into_pages_of_one_version() {
    let server = server();
    let api = server.widgets();
    for name in ["a", "b", "c", "d", "e"] {
        let mut it = widget(name);
        it.labels_mut().insert("side".to_owned(), if name < "c" { "left" } else { "right" }.to_owned());
        api.create(&PostParams::default(), &it).await.unwrap();
    }
    let names = async |params: ListParams| -> Vec<String> {
        api.list_metadata(&params).await.unwrap().items.into_iter().map(|it| it.name_any()).collect()
    };
    assert_eq!(names(ListParams::default().labels("side=left")).await, ["a", "b"]);
    assert_eq!(names(ListParams::default().fields("metadata.name=d")).await, ["d"]);

    let first = api.list(&ListParams::default().limit(2)).await.unwrap();
    let next = ListParams::default().limit(2).continue_token(first.metadata.continue_.as_ref().unwrap());
    api.delete("c", &DeleteParams::default()).await.unwrap();
    assert_eq!(names(next.clone()).await, ["c", "d"], "a page shows the version of the first");
    server.compact();
    assert_eq!(refused(api.list(&next).await), (410, "Expired".to_owned(), vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_every_change_from_its_version_on_until_its_time_is_over() {
    let server = server();
    let api = server.widgets();
    api.create(&PostParams::default(), &widget("one")).await.unwrap();
    let version = server.version().to_string();
    let watch = api.watch(&WatchParams::default().timeout(30), &version).await.unwrap();
    let changes = async {
        api.patch("one", &PatchParams::default(), &annotate("a", "1")).await.unwrap();
        api.create(&PostParams::default(), &widget("two")).await.unwrap();
        tokio::time::sleep(Duration::from_secs(20)).await;
        api.delete("one", &DeleteParams::default()).await.unwrap();
    };
    let (events, ()) = tokio::join!(watch.map_ok(|it| tell(&it)).try_collect::<Vec<_>>(), changes);
    assert_eq!(events.unwrap(), ["modified one", "added two", "deleted one"]);

    server.compact();
    let late: Vec<_> = api.watch(&WatchParams::default(), &version).await.unwrap().try_collect().await.unwrap();
    assert!(matches!(&late[..], [WatchEvent::Error(status)] if status.code == 410 && status.reason == "Expired"));
}

fn tell(event: &WatchEvent<kube::api::DynamicObject>) -> String {
    match event {
        WatchEvent::Added(it) => format!("added {}", it.name_any()),
        WatchEvent::Modified(it) => format!("modified {}", it.name_any()),
        WatchEvent::Deleted(it) => format!("deleted {}", it.name_any()),
        other => format!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_watcher_of_kube_works_and_survives_a_cut() {
    let server = server();
    let api = server.widgets();
    api.create(&PostParams::default(), &widget("one")).await.unwrap();
    let stream = watcher(api.clone(), watcher::Config::default()).filter_map(async |event| match event {
        Ok(watcher::Event::InitApply(it) | watcher::Event::Apply(it)) => Some(it.name_any()),
        _ => None,
    });
    let mut stream = std::pin::pin!(stream);
    assert_eq!(stream.next().await.unwrap(), "one");
    for (name, break_watches) in [
        ("two", MemoryServer::disconnect_watches as fn(&MemoryServer)),
        ("three", |server| {
            server.compact();
            server.expire_watches();
        }),
    ] {
        let change = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            break_watches(&server);
            api.create(&PostParams::default(), &widget(name)).await.unwrap();
        };
        let seen = async { while stream.next().await.unwrap() != name {} };
        tokio::join!(change, seen);
    }
}

#[tokio::test]
async fn built_in_kinds_are_kept_as_they_are_declared() {
    let lease = Kind::of::<Lease>().without_status().without_generation();
    let server = MemoryServer::new([lease, Kind::of_cluster::<ClusterRole>().without_status().without_generation()]);
    let leases: Api<Lease> = Api::default_namespaced(server.client());
    let one: Lease = serde_json::from_value(json!({
        "metadata": {"name": "one"}, "spec": {"holderIdentity": "me", "renewTime": "2026-01-01T00:00:00.000000Z"},
    }))
    .unwrap();
    let mut made = leases.create(&PostParams::default(), &one).await.unwrap();
    assert_eq!(made.metadata.generation, None);
    made.spec.as_mut().unwrap().holder_identity = Some("you".to_owned());
    let replaced = leases.replace("one", &PostParams::default(), &made).await.unwrap();
    assert_eq!(replaced.spec.unwrap().holder_identity.as_deref(), Some("you"));
    assert_eq!(refused(leases.get_status("one").await).0, 404);

    let roles: Api<ClusterRole> = Api::all(server.client());
    let role = serde_json::from_value(json!({"metadata": {"name": "r"}, "rules": []})).unwrap();
    assert_eq!(roles.create(&PostParams::default(), &role).await.unwrap().namespace(), None);
    assert!(server.object("clusterroles.rbac.authorization.k8s.io", "", "r").is_some());
}

#[tokio::test]
async fn a_snapshot_is_a_world_of_its_own() {
    let server = server();
    let api = server.widgets();
    let made = api.create(&PostParams::default(), &widget("one")).await.unwrap();
    let snapshot = server.snapshot();
    api.delete("one", &DeleteParams::default()).await.unwrap();
    for _ in 0..2 {
        let copy = MemoryServer::restore(&snapshot);
        assert_eq!((copy.version(), copy.history().len()), (made.resource_version().unwrap().parse().unwrap(), 0));
        let there = copy.widgets();
        let patched = there.patch("one", &PatchParams::default(), &annotate("a", "1")).await.unwrap();
        assert_eq!(patched.uid(), made.uid());
        let two = there.create(&PostParams::default(), &widget("two")).await.unwrap();
        assert_ne!(two.uid(), made.uid());
    }
    assert!(server.objects("widgets.example.com").is_empty());
}

/// Explorers make tens of thousands of servers, so one must not cost milliseconds.
#[tokio::test]
async fn a_server_is_cheap() {
    let start = std::time::Instant::now();
    for _ in 0..1_000 {
        let server = server();
        server.widgets().create(&PostParams::default(), &widget("one")).await.unwrap();
        let copy = MemoryServer::restore(&server.snapshot());
        copy.widgets().get("one").await.unwrap();
    }
    let each = start.elapsed() / 1_000;
    assert!(each < Duration::from_millis(5), "two servers and two requests took {each:?}");
}
