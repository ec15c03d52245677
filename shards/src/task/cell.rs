//! The memory of one task: header, then the future or what it left behind.

#![expect(
    unsafe_code,
    reason = "a future and its output share memory; which one is there is the protocols' business"
)]

use std::alloc::Layout;
use std::any::Any;
use std::future::Future;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use crate::util::swallow::swallow;

use super::JoinError;
use super::arena::{ALIGN, MAX_SIZE};
use super::error::Failure;
use super::header::{Header, Home, Kind, Polled, Vtable};
use super::waker;

#[repr(C)]
pub(crate) struct Cell<F: Future> {
    pub header: Header,
    stage: Stage<F>,
}

#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<F::Output>,
    failure: ManuallyDrop<Failure>,
}

impl<F: Future> Cell<F> {
    const LAYOUT: Layout = Layout::new::<Self>();
    pub const FITS_ARENA: bool = Self::LAYOUT.size() <= MAX_SIZE && Self::LAYOUT.align() <= ALIGN;
    pub const SIZE: usize = Self::LAYOUT.size();

    pub const PINNED_ARENA: Vtable = Self::vtable(Kind::Pinned, Home::Arena);
    pub const PINNED_HEAP: Vtable = Self::vtable(Kind::Pinned, Home::Heap);
    pub const MOVABLE_ARENA: Vtable = Self::vtable(Kind::Movable, Home::Arena);
    pub const MOVABLE_HEAP: Vtable = Self::vtable(Kind::Movable, Home::Heap);
    pub const BLOCKING: Vtable = Self::vtable(Kind::Blocking, Home::Heap);

    const fn vtable(kind: Kind, home: Home) -> Vtable {
        Vtable {
            poll: poll::<F>,
            cancel: cancel::<F>,
            take: take::<F>,
            drop_output: drop_output::<F>,
            waker: match (kind, home) {
                (Kind::Pinned, Home::Arena) => &waker::PINNED,
                (Kind::Pinned, Home::Heap) => &waker::PINNED_ON_HEAP,
                (Kind::Movable | Kind::Blocking, _) => &waker::MOVABLE,
            },
            kind,
            home,
            layout: Self::LAYOUT,
        }
    }

    /// Makes a new task there. Part by part: a cell that is put together first and then moved has its future copied twice.
    ///
    /// # Safety
    /// `cell` is valid for writes, and nobody else uses that memory.
    #[inline(always)]
    pub unsafe fn write(cell: *mut Self, header: Header, future: F) {
        // SAFETY: by contract; a union's fields begin where it does.
        unsafe {
            (&raw mut (*cell).header).write(header);
            (&raw mut (*cell).stage).cast::<F>().write(future);
        }
    }
}

/// Where the output of a task in the arena is: no such task asks for more than a word's alignment.
#[inline(always)]
pub(crate) fn arena_output(task: NonNull<Header>) -> NonNull<u8> {
    const { assert!(size_of::<Header>() % ALIGN == 0) };
    // SAFETY: within the task's slot, or at its end.
    unsafe { task.cast::<u8>().add(size_of::<Header>()) }
}

/// # Safety
/// `task` is the header of a `Cell<F>` whose stage the caller may use.
unsafe fn stage<'a, F: Future>(task: NonNull<Header>) -> &'a mut Stage<F> {
    let cell = task.cast::<Cell<F>>().as_ptr();
    // SAFETY: by contract; the header is not part of the borrow.
    unsafe { &mut (*cell).stage }
}

unsafe fn poll<F: Future>(task: NonNull<Header>, cx: &mut Context<'_>) -> Polled {
    // SAFETY: the caller has the right to the future.
    let stage = unsafe { stage::<F>(task) };
    /// Drops the future while its panic unwinds, so that what it holds sees the thread panicking.
    struct Unwinding<'a, F: Future>(&'a mut Stage<F>);
    impl<F: Future> Drop for Unwinding<'_, F> {
        #[cold]
        #[inline(never)]
        fn drop(&mut self) {
            // The first panic is the one to report.
            swallow(|| drop_future(self.0));
        }
    }
    /// Where the future is large its end is left out of line: the registers that its drop needs would be saved for each poll.
    const INLINE: usize = 256;
    let result = catch_unwind(AssertUnwindSafe(|| {
        let unwinding = Unwinding(&mut *stage);
        // SAFETY: the stage holds the future until this function or `cancel` replaces it.
        let future: &mut F = unsafe { &mut unwinding.0.future };
        // SAFETY: the cell does not move, and the future is dropped in place.
        let polled = unsafe { Pin::new_unchecked(future) }.poll(cx);
        // A panic in the future's own drop must not lead to another.
        mem::forget(unwinding);
        match polled {
            Poll::Pending => Polled::Pending,
            Poll::Ready(output) if size_of::<F>() > INLINE => finish_out_of_line(stage, output),
            Poll::Ready(output) => finish(stage, output),
        }
    }));
    result.unwrap_or_else(|panic| fail(stage, panic))
}

#[inline(always)]
fn finish<F: Future>(stage: &mut Stage<F>, output: F::Output) -> Polled {
    drop_future(stage);
    stage.output = ManuallyDrop::new(output);
    Polled::Ready
}

#[inline(never)]
fn finish_out_of_line<F: Future>(stage: &mut Stage<F>, output: F::Output) -> Polled {
    finish(stage, output)
}

#[cold]
#[inline(never)]
fn fail<F: Future>(stage: &mut Stage<F>, panic: Box<dyn Any + Send>) -> Polled {
    stage.failure = ManuallyDrop::new(Some(panic));
    Polled::Failed
}

unsafe fn cancel<F: Future>(task: NonNull<Header>) {
    // SAFETY: the caller has the right to the future.
    let stage = unsafe { stage::<F>(task) };
    let result = catch_unwind(AssertUnwindSafe(|| drop_future(stage)));
    stage.failure = ManuallyDrop::new(result.err());
}

unsafe fn take<F: Future>(task: NonNull<Header>, failed: bool, to: *mut ()) {
    // SAFETY: the caller has the right to the output, and takes it once.
    let stage = unsafe { stage::<F>(task) };
    let result = if failed {
        // SAFETY: the stage holds a failure.
        let failure = unsafe { ManuallyDrop::take(&mut stage.failure) };
        // SAFETY: the caller has a reference to the task.
        Err(JoinError::new(unsafe { task.as_ref() }.id, failure))
    } else {
        // SAFETY: the stage holds the output.
        Ok(unsafe { ManuallyDrop::take(&mut stage.output) })
    };
    // SAFETY: the JoinHandle, which has the same type parameter, passes a pointer to such a place.
    unsafe { to.cast::<Result<F::Output, JoinError>>().write(result) };
}

unsafe fn drop_output<F: Future>(task: NonNull<Header>, failed: bool) {
    // SAFETY: the caller has the right to the output, and drops it once.
    let stage = unsafe { stage::<F>(task) };
    // A panic in the drop of an output that nobody asked for has nowhere to go.
    swallow(|| {
        if failed {
            // SAFETY: the stage holds a failure.
            unsafe { ManuallyDrop::drop(&mut stage.failure) };
        } else {
            // SAFETY: the stage holds the output.
            unsafe { ManuallyDrop::drop(&mut stage.output) };
        }
    });
}

fn drop_future<F: Future>(stage: &mut Stage<F>) {
    // SAFETY: called once in a task's life, while the stage holds the future; what follows puts something else there.
    unsafe { ManuallyDrop::drop(&mut stage.future) };
}
