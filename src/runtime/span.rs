//! Tasks as spans of `tracing`, for Tokio's console.
//!
//! Here: the spans of tasks, of `block_on` and of closures that block, and a waker that tells what is done with it. Not here: who asks for
//! them. Threads: any.
//!
//! Without the feature `tracing` and the flag `--cfg tokio_unstable`, which the console asks for, nothing of this is compiled: then
//! `no_span.rs` stands in. The names of spans, events and fields, and their targets, are what the console knows.

#![expect(unsafe_code, reason = "a waker whose clones and drops are told needs a table of its own")]

use std::any::type_name;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use corelane_shards::task::{self, Id};
use pin_project_lite::pin_project;
use tracing::instrument::{Instrument, Instrumented};
use tracing::{trace, trace_span};

use super::hooks::Origin;

/// Whether tasks have spans at all.
pub(super) const ON: bool = true;

pin_project! {
    /// A future with its span, inside of which it is polled and dropped.
    pub(crate) struct Spanned<F> {
        #[pin]
        future: Instrumented<F>,
        // From the first poll on, if somebody listens.
        waker: Option<Arc<ToldWaker>>,
    }
}

/// Gives a task that is about to be spawned its span.
pub(crate) fn of_task<F: Future>(future: F, kind: &'static str, id: Id, origin: &Origin<'_>) -> Spanned<F> {
    let at = origin.at;
    let span = trace_span!(
        target: "tokio::task",
        parent: None,
        "runtime.spawn",
        kind = %kind,
        task.name = %origin.name.unwrap_or_default(),
        task.id = task::number(id),
        size.bytes = size_of::<F>(),
        loc.file = at.file(),
        loc.line = at.line(),
        loc.col = at.column(),
    );
    Spanned { future: future.instrument(span), waker: None }
}

/// Gives the future of a `block_on` its span. It is no task, and has an id of its own in the console only.
pub(super) fn of_root<F: Future>(future: F, origin: &Origin<'_>) -> Spanned<F> {
    of_task(future, "block_on", task::next_id(), origin)
}

/// Gives a closure that is about to be handed to the blocking pool its span.
pub(super) fn of_closure<F: FnOnce() -> R, R>(
    f: F,
    id: Id,
    origin: &Origin<'_>,
) -> impl FnOnce() -> R + use<F, R> {
    let at = origin.at;
    let span = trace_span!(
        target: "tokio::task::blocking",
        "runtime.spawn",
        kind = %"blocking",
        task.name = %origin.name.unwrap_or_default(),
        task.id = task::number(id),
        "fn" = %type_name::<F>(),
        size.bytes = size_of::<F>(),
        loc.file = at.file(),
        loc.line = at.line(),
        loc.col = at.column(),
    );
    move || span.in_scope(f)
}

impl<F: Future> Future for Spanned<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let Some(span) = this.future.span().id().map(|id| id.into_u64()) else {
            return this.future.poll(cx);
        };
        // A task has one waker for all its life.
        let told = this.waker.get_or_insert_with(|| Arc::new(ToldWaker { task: cx.waker().clone(), span }));
        // SAFETY: the table's, and not dropped, so that it costs no count.
        let waker = ManuallyDrop::new(unsafe { Waker::from_raw(raw(Arc::as_ptr(told))) });
        this.future.poll(&mut Context::from_waker(&waker))
    }
}

/// A task's waker. Behind the pointer of an `Arc`, with a count for each waker.
struct ToldWaker {
    task: Waker,
    span: u64,
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

fn raw(told: *const ToldWaker) -> RawWaker {
    RawWaker::new(told.cast(), &TABLE)
}

impl ToldWaker {
    fn tell(&self, op: &'static str) {
        trace!(target: "tokio::task::waker", op, task.id = self.span);
    }
}

/// # Safety
/// As for all of the table: the pointer is `raw`'s.
unsafe fn clone(told: *const ()) -> RawWaker {
    let told = told.cast::<ToldWaker>();
    // SAFETY: the waker that is cloned has a count, or its task's future has.
    unsafe { Arc::increment_strong_count(told) };
    // SAFETY: as above.
    unsafe { &*told }.tell("waker.clone");
    raw(told)
}

unsafe fn wake(told: *const ()) {
    // SAFETY: a waker that is used up gives its count back.
    let told = unsafe { Arc::from_raw(told.cast::<ToldWaker>()) };
    told.tell("waker.wake");
    told.task.wake_by_ref();
}

unsafe fn wake_by_ref(told: *const ()) {
    // SAFETY: as in `clone`.
    let told = unsafe { &*told.cast::<ToldWaker>() };
    told.tell("waker.wake_by_ref");
    told.task.wake_by_ref();
}

unsafe fn drop_waker(told: *const ()) {
    // SAFETY: as in `wake`.
    let told = unsafe { Arc::from_raw(told.cast::<ToldWaker>()) };
    told.tell("waker.drop");
}
