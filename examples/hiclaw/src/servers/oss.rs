//! The object store: a real S3 server in process, on a directory that goes with it, with real signatures.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;

use super::listener::{Calls, Listener};
use crate::clients::{S3_ACCESS_KEY, S3_BUCKET, S3_SECRET_KEY};

/// The object store.
pub struct Oss {
    pub(crate) listener: Listener,
    _directory: TempDir,
}

impl Oss {
    pub(super) async fn start(calls: &Calls) -> std::io::Result<Self> {
        let directory = tempfile::tempdir()?;
        std::fs::create_dir(directory.path().join(S3_BUCKET))?;
        let files =
            s3s_fs::FileSystem::new(directory.path()).map_err(|error| std::io::Error::other(format!("{error:?}")))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(S3_ACCESS_KEY, S3_SECRET_KEY));
        let router = Router::new().fallback(handle).with_state(builder.build());
        Ok(Self { listener: Listener::start("oss", calls, router).await?, _directory: directory })
    }

    /// Takes the store down: connections are refused.
    pub async fn stop(&mut self) {
        self.listener.stop().await;
    }

    /// Brings the store up again, with all that it has.
    ///
    /// # Errors
    /// The port was taken meanwhile.
    pub async fn resume(&mut self) -> std::io::Result<()> {
        self.listener.resume().await
    }
}

async fn handle(State(mut service): State<S3Service>, request: Request) -> Response {
    match tower_service::Service::<Request>::call(&mut service, request).await {
        Ok(response) => response.map(Body::new),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:?}")).into_response(),
    }
}
