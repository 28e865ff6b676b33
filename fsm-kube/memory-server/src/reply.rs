//! The body of an answer.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame};
use serde_json::Value;

use crate::object;
use crate::refusal::Refusal;
use crate::watch::Watch;

/// Bytes at once, or the events of a watch as they come.
pub(crate) enum Reply {
    Bytes(Option<Bytes>),
    Watch(Box<Watch>),
}

impl Reply {
    pub(crate) fn json(status: StatusCode, object: &Value, metadata_only: bool) -> Response<Self> {
        let text = if metadata_only { object::metadata_only(object).to_string() } else { object.to_string() };
        with_status(status, "application/json", Self::Bytes(Some(text.into())))
    }

    pub(crate) fn refusal(refusal: &Refusal) -> Response<Self> {
        let mut response = Self::json(refusal.status_code(), &refusal.to_json(), false);
        if let Some(seconds) = refusal.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// What a real server says of a path that it does not know: not even a `Status`.
    pub(crate) fn unknown_path() -> Response<Self> {
        with_status(
            StatusCode::NOT_FOUND,
            "text/plain; charset=utf-8",
            Self::Bytes(Some("404 page not found\n".into())),
        )
    }

    pub(crate) fn watch(watch: Watch) -> Response<Self> {
        with_status(StatusCode::OK, "application/json", Self::Watch(Box::new(watch)))
    }
}

fn with_status(status: StatusCode, content_type: &'static str, body: Reply) -> Response<Reply> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Bytes(bytes) => Poll::Ready(bytes.take().map(|it| Ok(Frame::data(it)))),
            Self::Watch(watch) => watch.poll_line(context).map(|line| line.map(|it| Ok(Frame::data(it)))),
        }
    }
}
