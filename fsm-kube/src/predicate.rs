//! Decides which changes of an object trigger a pass.
//!
//! Invariant: no change that a pass would act on is filtered out. Of the controller's own writes, only those pass that add or remove the record, the finalizer or a request. Where objects have
//! no generation, all pass.

use std::hash::{DefaultHasher, Hash, Hasher};

use kube::Resource;

use crate::names::Names;
use crate::verb::Verb;

/// A predicate for `kube::runtime::WatchStreamExt::predicate_filter`. It lets an event pass if one of these has changed: the object's identity, its generation, its
/// deletion timestamp, a request of an operator, or the presence of record and finalizer.
///
/// Two of the controller's own writes pass: the first, which adds record and finalizer, and one that removes a request that was carried out. Each leads to one pass more, which
/// is a no-op. A changed record or status does not pass.
///
/// Objects of some built-in kinds have no generation. There each change passes, because any may be one of the spec.
///
/// kube's own `predicates::generation` would hide the requests.
pub fn predicate<K: Resource>(names: Names) -> impl Fn(&K) -> Option<u64> + Clone {
    let verbs: Vec<String> = Verb::ALL.iter().map(|verb| names.verb(*verb)).collect();
    move |object: &K| {
        let metadata = object.meta();
        let annotation = |key: &str| metadata.annotations.as_ref().and_then(|all| all.get(key));
        let mut hasher = DefaultHasher::new();
        metadata.uid.hash(&mut hasher);
        match metadata.generation {
            Some(generation) => generation.hash(&mut hasher),
            None => metadata.resource_version.hash(&mut hasher),
        }
        metadata.deletion_timestamp.is_some().hash(&mut hasher);
        annotation(names.record()).is_some().hash(&mut hasher);
        metadata.finalizers.iter().flatten().any(|it| it == names.finalizer()).hash(&mut hasher);
        for verb in &verbs {
            annotation(verb).hash(&mut hasher);
        }
        Some(hasher.finish())
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::ResourceExt as _;

    use super::predicate;
    use crate::names::Names;
    use crate::verb::Verb;

    #[test]
    fn what_matters_wakes_up_and_our_own_writes_do_not() {
        let names = Names::of("test.io/thing").unwrap();
        let (record, retry) = (names.record().to_owned(), names.verb(Verb::Retry));
        let property = predicate::<ConfigMap>(names);
        let mut object = ConfigMap::default();
        object.metadata.generation = Some(1);
        object.annotations_mut().insert(record.clone(), "1".to_owned());
        let before = property(&object);

        let change = |change: &dyn Fn(&mut ConfigMap)| {
            let mut changed = object.clone();
            change(&mut changed);
            property(&changed) != before
        };
        assert!(!change(&|it| drop(it.annotations_mut().insert(record.clone(), "2".to_owned()))));
        assert!(!change(&|it| drop(it.labels_mut().insert("a".to_owned(), "b".to_owned()))));
        assert!(!change(&|it| it.metadata.resource_version = Some("7".to_owned())));
        assert!(change(&|it| it.metadata.generation = Some(2)));
        assert!(change(&|it| it.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH))));
        assert!(change(&|it| drop(it.annotations_mut().insert(retry.clone(), String::new()))));
        assert!(change(&|it| drop(it.annotations_mut().remove(&record))));
        assert!(change(&|it| it.finalizers_mut().push("test.io/thing-cleanup".to_owned())));
    }

    #[test]
    fn without_a_generation_every_version_wakes_up() {
        let property = predicate::<ConfigMap>(Names::of("test.io/thing").unwrap());
        let version = |version: &str| {
            let mut object = ConfigMap::default();
            object.metadata.resource_version = Some(version.to_owned());
            property(&object)
        };
        assert_eq!(version("7"), version("7"));
        assert_ne!(version("7"), version("8"));
    }
}
