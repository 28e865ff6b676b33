//! The object store's client: requests signed with SigV4 into their URLs.

use std::time::Duration;

use reqwest::Client;
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials, S3Action as _, UrlStyle};

use super::{ClientError, S3_ACCESS_KEY, S3_BUCKET, S3_SECRET_KEY, checked};

/// An S3 bucket.
#[derive(Debug, Clone)]
pub struct Oss {
    http: Client,
    bucket: Bucket,
    credentials: Credentials,
}

/// How long a signature is good for.
const SIGNED_FOR: Duration = Duration::from_secs(60);

impl Oss {
    pub(super) fn new(http: Client, url: &str) -> Result<Self, ClientError> {
        let address = || ClientError::Address(url.to_owned());
        let endpoint = url.parse().map_err(|_| address())?;
        let bucket = Bucket::new(endpoint, UrlStyle::Path, S3_BUCKET, "us-east-1").map_err(|_| address())?;
        let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
        let key = variable("HICLAW_S3_ACCESS_KEY", S3_ACCESS_KEY);
        let secret = variable("HICLAW_S3_SECRET_KEY", S3_SECRET_KEY);
        Ok(Self { http, bucket, credentials: Credentials::new(key, secret) })
    }

    /// Writes an object, in place of one that is there.
    ///
    /// # Errors
    /// The server's.
    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), ClientError> {
        let url = self.bucket.put_object(Some(&self.credentials), key).sign(SIGNED_FOR);
        checked("oss", self.http.put(url).body(bytes).send().await?).await.map(drop)
    }

    /// Removes an object; one that is not there is removed.
    ///
    /// # Errors
    /// The server's.
    pub async fn delete(&self, key: &str) -> Result<(), ClientError> {
        let url = self.bucket.delete_object(Some(&self.credentials), key).sign(SIGNED_FOR);
        match checked("oss", self.http.delete(url).send().await?).await {
            Err(ClientError::Refused { status, .. }) if status.as_u16() == 404 => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// The keys that begin with a prefix.
    ///
    /// # Errors
    /// The server's.
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, ClientError> {
        let mut action = self.bucket.list_objects_v2(Some(&self.credentials));
        action.with_prefix(prefix.to_owned());
        let response = checked("oss", self.http.get(action.sign(SIGNED_FOR)).send().await?).await?;
        let text = response.text().await?;
        let listed = ListObjectsV2::parse_response(&text).map_err(|error| ClientError::Address(error.to_string()))?;
        Ok(listed.contents.into_iter().map(|object| object.key).collect())
    }
}
