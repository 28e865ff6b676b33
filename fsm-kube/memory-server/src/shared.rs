//! What all clients, watches and handles of one server share, and the way of a request through it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use http::Response;
use http_body_util::BodyExt;
use kube::client::Body;

use crate::address::Address;
use crate::fault::{Delivery, Fault, When};
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::request::{Request, Seen, Verb};
use crate::state::State;
use crate::watch::SeenEvent;
use crate::write::Write;

pub(crate) type RequestHook = Box<dyn FnMut(&Seen) -> Fault + Send>;
pub(crate) type EventHook = Box<dyn FnMut(&SeenEvent) -> Delivery + Send>;
pub(crate) type WriteHook = Box<dyn FnMut(&Write) + Send>;

pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    pub(crate) request_hook: Mutex<Option<RequestHook>>,
    pub(crate) event_hook: Mutex<Option<EventHook>>,
    pub(crate) write_hook: Mutex<Option<WriteHook>>,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// What becomes of an event.
    pub(crate) fn delivery(&self, event: &SeenEvent) -> Delivery {
        lock(&self.event_hook).as_mut().map_or(Delivery::Deliver, |hook| hook(event))
    }

    /// Changes the state and lets open watches look.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        result
    }

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
            let result = state.serve(self, request);
            let writes: Vec<_> = state.content.log()[before..].iter().map(|(_, write)| write.clone()).collect();
            (result, writes)
        });
        if let Some(hook) = lock(&self.write_hook).as_mut() {
            writes.iter().for_each(|write| hook(write));
        }
        result
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
