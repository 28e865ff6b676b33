//! The way of a request through the server.

use std::io;
use std::sync::Arc;

use http::{Response, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;

use crate::address::Address;
use crate::fault::{Fault, When};
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::{Request, Verb};
use crate::shared::{Shared, lock};
use crate::state::State;
use crate::watch::Watch;

/// How large a request may be, in bytes.
const BODY_LIMIT: usize = 3 * 1024 * 1024;

impl Shared {
    /// One request from one client, from its arrival to its answer.
    pub(crate) async fn answer(
        self: Arc<Self>,
        client: Arc<str>,
        request: http::Request<Body>,
    ) -> Result<Response<Reply>, io::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let Some(address) = Address::parse(head.uri.path(), &self.state().kinds) else {
            return Ok(Reply::unknown_path());
        };
        let mut request = Request::new(client, &head.method, address, &head.uri, &head.headers, body);
        let fault = {
            let mut hook = lock(&self.request_hook);
            self.serve_due();
            let seen = self.state().arrive(&mut request);
            hook.as_mut().map_or(Fault::None, |hook| hook(&seen))
        };
        let lost =
            || Err(io::Error::new(io::ErrorKind::ConnectionReset, "the connection to the memory server was lost"));
        match fault {
            Fault::None => Ok(self.serve(&request)),
            Fault::RefuseConnection => {
                Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the memory server refused the connection"))
            }
            Fault::LoseRequest => lost(),
            Fault::LoseReply => {
                drop(self.serve(&request));
                lost()
            }
            Fault::ServeLate(when) => {
                self.postpone(request, when);
                lost()
            }
            Fault::Hang => std::future::pending().await,
            Fault::HangReply => {
                drop(self.serve(&request));
                std::future::pending().await
            }
            Fault::Slow(before, after) => {
                // A task of its own: a request on its way arrives, whether or not the client still waits.
                let served = tokio::spawn(async move {
                    tokio::time::sleep(before).await;
                    let response = self.serve(&request);
                    tokio::time::sleep(after).await;
                    response
                });
                served.await.map_err(|error| match error.try_into_panic() {
                    // A hook's; the one who asked is to see it.
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(error) => io::Error::other(error),
                })
            }
            Fault::Answer(refusal) => Ok(Reply::refusal(&refusal)),
            Fault::Change(_) => {
                assert!(
                    request.verb.is_write(),
                    "a {} changes nothing, so it cannot be given Fault::Change",
                    request.verb
                );
                request.fault = fault;
                Ok(self.serve(&request))
            }
            Fault::ReadAt(_) => {
                let can = matches!(request.verb, Verb::Get | Verb::List);
                assert!(can, "a {} reads no older version, so it cannot be given Fault::ReadAt", request.verb);
                request.fault = fault;
                Ok(self.serve(&request))
            }
        }
    }

    fn postpone(self: &Arc<Self>, request: Request, when: When) {
        let mut state = self.state();
        match when {
            When::Requests(further) => state.late.push((Some(request.sequence + further), request)),
            When::Told => state.late.push((None, request)),
            When::After(time) => {
                let number = request.sequence;
                state.late.push((None, request));
                let shared = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    let found = {
                        let mut state = shared.state();
                        let place = state.late.iter().position(|(_, it)| it.sequence == number);
                        place.map(|place| state.late.remove(place))
                    };
                    if let Some((_, request)) = found {
                        drop(shared.serve(&request));
                    }
                });
            }
        }
    }

    /// Serves the late requests whose turn is before the one that arrives.
    fn serve_due(self: &Arc<Self>) {
        let due: Vec<_> = {
            let mut state = self.state();
            let now = state.requests;
            state.late.extract_if(.., |(due, _)| due.is_some_and(|due| due <= now)).collect()
        };
        for (_, request) in due {
            drop(self.serve(&request));
        }
    }

    /// Does what is asked, durably, and says what came of it.
    pub(crate) fn serve(self: &Arc<Self>, request: &Request) -> Response<Reply> {
        self.serve_or_refuse(request).unwrap_or_else(|refusal| Reply::refusal(&refusal))
    }

    pub(crate) fn serve_or_refuse(self: &Arc<Self>, request: &Request) -> Result<Response<Reply>, Refusal> {
        let (result, writes) = self.change(|state| {
            let before = state.content.log().len();
            let result = act(state, self, request);
            let writes: Vec<_> = state.content.log()[before..].iter().map(|(_, write)| write.clone()).collect();
            (result, writes)
        });
        if let Some(hook) = lock(&self.write_hook).as_mut() {
            writes.iter().for_each(|write| hook(write));
        }
        result
    }
}

/// Does what is asked, or refuses it.
fn act(state: &mut State, shared: &Arc<Shared>, request: &Request) -> Result<Response<Reply>, Refusal> {
    if request.body.len() > BODY_LIMIT {
        let message = format!("Request entity too large: limit is {BODY_LIMIT}");
        return Err(Refusal::new(413, "RequestEntityTooLarge", message));
    }
    let untouched = request.is_dry_run().then(|| state.content.clone());
    let answer = match request.verb {
        Verb::Watch => return Ok(Reply::watch(Watch::open(shared.clone(), state, request)?)),
        Verb::Get => state.get(request),
        Verb::List => state.list(request).map(Arc::new),
        Verb::Create => state.create(request),
        Verb::Replace => state.replace(request),
        Verb::Patch => state.patch(request),
        Verb::Delete => state.delete(request),
        Verb::DeleteCollection => state.delete_collection(request).map(Arc::new),
    };
    if let Some(untouched) = untouched {
        state.content = untouched;
    }
    let code = if request.verb == Verb::Create { StatusCode::CREATED } else { StatusCode::OK };
    answer.map(|object| Reply::json(code, &object, request.metadata_only))
}
