//! What all clients, watches and handles of one server share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::event::SeenEvent;
use crate::fault::{Delivery, Fault};
use crate::request::Seen;
use crate::state::State;
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
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
