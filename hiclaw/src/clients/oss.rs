//! The object store's client: requests signed with SigV4 into their URLs.

use std::time::Duration;

use reqwest::Client;
use rusty_s3::actions::ListObjectsV2;
use rusty_s3::{Bucket, Credentials, S3Action as _, UrlStyle};

use super::error::{ClientError, checked};
use super::urls::{S3_BUCKET, Urls};

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
    pub(super) fn new(http: Client, urls: &Urls) -> Result<Self, ClientError> {
        let address = || ClientError::Address(urls.s3.clone());
        let endpoint = urls.s3.parse().map_err(|_| address())?;
        let bucket = Bucket::new(endpoint, UrlStyle::Path, S3_BUCKET, "us-east-1").map_err(|_| address())?;
        let credentials = Credentials::new(urls.logins.s3_access_key.clone(), urls.logins.s3_secret_key.clone());
        Ok(Self { http, bucket, credentials })
    }

    /// Writes an object, in place of one that is there.
    ///
    /// # Errors
    /// The server's.
    pub async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), ClientError> {
        let url = self.bucket.put_object(Some(&self.credentials), key).sign(SIGNED_FOR);
        checked("oss", self.http.put(url).body(bytes).send().await?).await.map(drop)
    }

    /// Reads an object, if it is there.
    ///
    /// # Errors
    /// The server's.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, ClientError> {
        let url = self.bucket.get_object(Some(&self.credentials), key).sign(SIGNED_FOR);
        match checked("oss", self.http.get(url).send().await?).await {
            Err(ClientError::Refused { status, .. }) if status.as_u16() == 404 => Ok(None),
            answer => Ok(Some(answer?.bytes().await?.to_vec())),
        }
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
