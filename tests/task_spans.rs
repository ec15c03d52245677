//! What Tokio's console is told of tasks. Runs with `--cfg tokio_unstable` and the feature `tracing`.

#![cfg(all(tokio_unstable, feature = "tracing"))]

use std::fmt::Debug;
use std::future::poll_fn;
use std::ptr;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use corelane::runtime::Builder;
use corelane::task;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Writes all down, a line each.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if ["kind", "task.name", "op", "task.id"].contains(&field.name()) {
            self.0 += &format!(" {}={value:?}", field.name());
        }
    }
}

impl Lines {
    fn add(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tokio::task")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(String::new());
        span.record(&mut fields);
        self.add(format!("{}{}", span.metadata().name(), fields.0));
        Id::from_u64(7)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.add(format!("{}{}", event.metadata().target(), fields.0));
    }

    fn enter(&self, _: &Id) {
        self.add("enter".into());
    }

    fn exit(&self, _: &Id) {
        self.add("exit".into());
    }

    fn try_close(&self, _: Id) -> bool {
        self.add("close".into());
        true
    }
}

/// The table of the waker that a task is polled with.
async fn table() -> usize {
    let table = poll_fn(|cx| Poll::Ready(ptr::from_ref(cx.waker().vtable()).addr()));
    task::spawn(table).await.unwrap()
}

/// One test, since who listens anywhere in the process makes a difference to all of it.
#[test]
fn a_task_is_a_span_and_its_wakers_are_told() {
    let lines = Lines::default();
    let rt = Builder::new_current_thread().build().unwrap();
    let own = rt.block_on(table());
    tracing::subscriber::with_default(lines.clone(), || {
        let kept = Arc::new(Mutex::new(None::<Waker>));
        let task = rt.block_on(async {
            let keep = kept.clone();
            let task = poll_fn(move |cx| {
                let is_first = keep.lock().unwrap().is_none();
                *keep.lock().unwrap() = Some(cx.waker().clone());
                if is_first { Poll::Pending } else { Poll::Ready(()) }
            });
            let task = task::Builder::new().name("answer").spawn(task).unwrap();
            task::yield_now().await;
            task
        });
        let spawned = format!("runtime.spawn kind=task task.name=answer task.id={}", task.id());
        let told = |op: &str| format!("tokio::task::waker op=\"{op}\" task.id=7");
        let [clone, by_ref, wake, drop] =
            ["waker.clone", "waker.wake_by_ref", "waker.wake", "waker.drop"].map(told);
        let [enter, exit, close] = ["enter", "exit", "close"].map(str::to_owned);
        assert_eq!(lines.take(), [spawned, enter.clone(), clone.clone(), exit.clone()]);
        kept.lock().unwrap().as_ref().unwrap().wake_by_ref();
        assert_eq!(lines.take(), [by_ref]);
        rt.block_on(task).unwrap();
        let expected = [enter.clone(), clone, drop, exit.clone(), enter, exit, close];
        assert_eq!(lines.take(), expected);
        // Where nobody listened it had the waker that it has otherwise.
        assert_ne!(rt.block_on(table()), own);
        lines.take();
        // Nobody is left to be woken.
        kept.lock().unwrap().take().unwrap().wake();
        assert_eq!(lines.take(), [wake]);
    });
}
