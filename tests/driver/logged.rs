//! What is logged, line by line: the level, the fields, and the message.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::LazyLock;

use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

thread_local! {
    /// What this thread has logged since [`logged`] began, if it runs.
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// The one subscriber of this process. With a subscriber for each thread, `tracing` asks the thread that first reaches a line whether
/// any thread wants it, and remembers a "no" for the threads that do.
static SUBSCRIBER: LazyLock<()> = LazyLock::new(|| {
    tracing::subscriber::set_global_default(Registry::default().with(OfThisThread)).expect("it is set here alone");
});

fn push(line: String) {
    LINES.with_borrow_mut(|lines| lines.iter_mut().for_each(|lines| lines.push(line.clone())));
}

struct OfThisThread;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {}={value}", field.name()).unwrap();
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for OfThisThread {
    fn on_new_span(&self, attributes: &tracing::span::Attributes<'_>, id: &tracing::Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let mut line = Line(format!("SPAN {}", span.name()));
        attributes.record(&mut line);
        push(line.0);
    }
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        push(line.0);
    }
}

/// What this logs. It runs on this thread alone.
pub async fn logged(run: impl Future<Output = ()>) -> Vec<String> {
    LazyLock::force(&SUBSCRIBER);
    LINES.set(Some(Vec::new()));
    run.await;
    LINES.take().expect("it is taken here alone")
}
