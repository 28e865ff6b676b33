//! The images of a Docker Engine. Invariant: an image is pulled once at a time, and no attempt waits for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Client;
use serde_json::Value;

use super::encoded::url_encoded;
use super::error::{ClientError, checked};

/// A large image on a slow line takes longer than any attempt.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// What became of the pulls of one engine.
#[derive(Debug, Clone, Default)]
pub(super) struct Images(Arc<Mutex<BTreeMap<String, Pull>>>);

#[derive(Debug)]
enum Pull {
    Running,
    Failed(String),
}

impl Images {
    /// Begins to pull this image unless that is under way, and says what the caller has to wait for. If the last pull failed, the error says why.
    ///
    /// The engine gives up a pull whose client is gone. After a crash, the next attempt begins it again, and what has arrived is not sent twice.
    pub(super) fn pull(&self, http: &Client, base: &str, image: &str) -> ClientError {
        let image = image.to_owned();
        let failed = match self.pulls().insert(image.clone(), Pull::Running) {
            Some(Pull::Running) => return ClientError::Pulling(image),
            Some(Pull::Failed(message)) => Some(message),
            None => None,
        };
        let (pulls, request) = (self.clone(), http.post(url(base, &image)).timeout(LONGEST));
        let pulled = image.clone();
        tokio::spawn(async move {
            match finished(request).await {
                Ok(()) => drop(pulls.pulls().remove(&pulled)),
                Err(message) => drop(pulls.pulls().insert(pulled, Pull::Failed(message))),
            }
        });
        match failed {
            Some(message) => ClientError::NotPulled { image, message },
            None => ClientError::Pulling(image),
        }
    }

    fn pulls(&self) -> MutexGuard<'_, BTreeMap<String, Pull>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An image without a tag or a digest is the latest one. Without a tag in the request, the engine would pull all of them.
fn url(base: &str, image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    let tag = if name.contains([':', '@']) { "" } else { "&tag=latest" };
    format!("{base}/images/create?fromImage={}{tag}", url_encoded(image))
}

/// The end of a pull. The engine answers 200 before it begins, so a failure may stand in the text.
async fn finished(request: reqwest::RequestBuilder) -> Result<(), String> {
    let answered = async { Ok::<_, ClientError>(checked("docker", request.send().await?).await?.text().await?) };
    let text = answered.await.map_err(|error| error.to_string())?;
    let mut told = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    match told.find_map(|line| line.get("error").and_then(Value::as_str).map(str::to_owned)) {
        Some(message) => Err(message),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::url;

    #[test]
    fn one_image_is_asked_for() {
        let query = |image| url("http://docker", image).split_once("fromImage=").unwrap().1.to_owned();
        assert_eq!(query("web"), "web&tag=latest");
        assert_eq!(query("web:1"), "web%3A1");
        assert_eq!(query("hub.local:5000/web"), "hub%2Elocal%3A5000%2Fweb&tag=latest");
        assert_eq!(query("web@sha256:0a"), "web%40sha256%3A0a");
    }
}
