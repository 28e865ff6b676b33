//! Stops a controller that has not begun yet.
//!
//! Invariant: a controller whose cache was never filled has begun no pass, so nothing is lost if it is dropped.

use kube::runtime::reflector::{Lookup, Store};

/// Returns when `stop` completes and the cache was never filled. If the cache was filled, it never returns, because the controller then ends by itself.
///
/// The cache stays empty if the API server cannot be reached, or refuses to list the objects. A [`kube::runtime::Controller`] reacts to `graceful_shutdown_on` only after
/// its first list. Without one, the program keeps running until it is killed. To prevent that, race this function with the controller:
///
/// ```
/// # async fn f<K>(cache: kube::runtime::reflector::Store<K>, controller: impl Future<Output = ()>, stop: impl Future<Output = ()>)
/// # where K: 'static + Clone + kube::Resource<DynamicType = ()> {
/// tokio::select! {
///     () = controller => {}
///     () = durable_fsm_kube::stopped_before_it_began(cache, stop) => {}
/// }
/// # }
/// ```
pub async fn stopped_before_it_began<K>(cache: Store<K>, stop: impl Future<Output = ()>)
where
    K: 'static + Clone + Lookup,
    K::DynamicType: std::hash::Hash + Eq + Clone,
{
    stop.await;
    tokio::select! {
        // First, because a filled cache means that the controller heeds the stop by itself.
        biased;
        _ = cache.wait_until_ready() => std::future::pending().await,
        () = std::future::ready(()) => {}
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::runtime::reflector;
    use kube::runtime::watcher::Event;

    use super::*;

    #[tokio::test]
    async fn a_controller_without_a_list_ends_when_it_is_stopped() {
        let (cache, _writer) = reflector::store::<ConfigMap>();
        stopped_before_it_began(cache.clone(), std::future::ready(())).await;
        assert_eq!(stopped_before_it_began(cache, std::future::pending()).now_or_never(), None);
    }

    #[tokio::test]
    async fn a_controller_that_has_begun_ends_by_itself() {
        let (cache, mut writer) = reflector::store::<ConfigMap>();
        writer.apply_watcher_event(&Event::Init);
        writer.apply_watcher_event(&Event::InitDone);
        assert_eq!(stopped_before_it_began(cache, std::future::ready(())).now_or_never(), None);
    }
}
