//! What Tokio's console is told of tasks. Runs with `--cfg tokio_unstable` and the feature `tracing`.

#![cfg(all(tokio_unstable, feature = "tracing"))]

use std::any::type_name_of_val;
use std::fmt::Debug;
use std::future::poll_fn;
use std::ptr;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use corelane::runtime::Builder;
use corelane::task::{self, JoinSet, LocalSet};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Writes down what is told of tasks, a line each, and where spans come from.
#[derive(Clone, Default)]
struct Lines {
    tasks: Arc<Mutex<Vec<String>>>,
    spans: Arc<Mutex<Vec<String>>>,
}

const TASK: u64 = 7;
const OTHER: u64 = 8;

struct Fields(String);

/// What and where a span is of.
struct Place(String);

impl Visit for Place {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if ["kind", "task.name", "loc.file", "loc.line", "fn"].contains(&field.name()) {
            self.0 += &format!(" {value:?}");
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if ["kind", "task.name", "op", "task.id"].contains(&field.name()) {
            self.0 += &format!(" {}={value:?}", field.name());
        }
    }
}

impl Lines {
    fn add(&self, id: &Id, line: &str) {
        if id.into_u64() == TASK {
            self.tasks.lock().unwrap().push(line.to_owned());
        }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.tasks.lock().unwrap())
    }

    fn take_spans(&self) -> Vec<String> {
        std::mem::take(&mut *self.spans.lock().unwrap())
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tokio::task")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(String::new());
        span.record(&mut fields);
        let id = Id::from_u64(if fields.0.contains("kind=task") { TASK } else { OTHER });
        self.add(&id, &format!("{}{}", span.metadata().name(), fields.0));
        let mut place = Place(span.metadata().target().to_owned());
        span.record(&mut place);
        self.spans.lock().unwrap().push(place.0);
        id
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let line = format!("{}{}", event.metadata().target(), fields.0);
        if line.ends_with(&format!(" task.id={TASK}")) {
            self.add(&Id::from_u64(TASK), &line);
        }
    }

    fn enter(&self, id: &Id) {
        self.add(id, "enter");
    }

    fn exit(&self, id: &Id) {
        self.add(id, "exit");
    }

    fn try_close(&self, id: Id) -> bool {
        self.add(&id, "close");
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
#[expect(clippy::async_yields_async, reason = "the task is awaited later")]
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
        let told = |op: &str| format!("tokio::task::waker op=\"{op}\" task.id={TASK}");
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
        lines.take_spans();
        every_kind_of_task_is_shown(&lines);
    });
}

fn every_kind_of_task_is_shown(lines: &Lines) {
    let span = |line: u32, target: &str, what: &str| format!("{target} {what} {:?} {line}", file!());
    let rt = Builder::new_current_thread().build().unwrap();
    let handle = rt.handle().clone();
    let set = LocalSet::new();
    let block_on = span(line!() + 1, "tokio::task", "block_on ");
    let expected = set.block_on(&rt, async {
        let mut joined = JoinSet::new();
        let name = |name| task::Builder::new().name(name);
        let from = line!();
        joined.spawn(async {});
        joined.build_task().name("a").spawn(async {}).unwrap();
        joined.build_task().name("b").spawn_on(async {}, &handle).unwrap();
        joined.spawn_local(async {});
        joined.build_task().name("c").spawn_local(async {}).unwrap();
        joined.build_task().name("d").spawn_local_on(async {}, &set).unwrap();
        name("e").spawn_local(async {}).unwrap().await.unwrap();
        name("f").spawn_local_on(async {}, &set).unwrap().await.unwrap();
        let spawned = [
            ("task", ""),
            ("task", "a"),
            ("task", "b"),
            ("local", ""),
            ("local", "c"),
            ("local", "d"),
            ("local", "e"),
            ("local", "f"),
        ];
        let spawned = (1..).zip(spawned);
        let spawned =
            spawned.map(|(n, (kind, name))| span(from + n, "tokio::task", &format!("{kind} {name}")));
        let mut expected: Vec<_> = [block_on].into_iter().chain(spawned).collect();
        let from = line!();
        joined.spawn_blocking(nothing);
        joined.build_task().name("g").spawn_blocking(nothing).unwrap();
        joined.build_task().name("h").spawn_blocking_on(nothing, &handle).unwrap();
        name("i").spawn_blocking(nothing).unwrap().await.unwrap();
        handle.spawn_blocking(nothing).await.unwrap();
        let closure = |name| format!("blocking {name} {}", type_name_of_val(&nothing));
        let closures = (1..).zip(["", "g", "h", "i", ""].map(closure));
        expected.extend(closures.map(|(n, closure)| span(from + n, "tokio::task::blocking", &closure)));
        joined.join_all().await;
        expected
    });
    assert_eq!(lines.take_spans(), expected);
    let line = line!() + 1;
    handle.block_on(async {});
    assert_eq!(lines.take_spans(), [span(line, "tokio::task", "block_on ")]);
}

fn nothing() {}
