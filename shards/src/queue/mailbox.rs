//! The mailbox: how other threads hand tasks to a shard.
//!
//! Here: the many-producer list and its drain. Not here: who may push (a task's MAILED bit, [`crate::task`]), waking a
//! sleeper (`park`). Threads: `push` from any; `drain` and `close` by the owning shard.
//!
//! A push is Treiber's ("Systems programming: coping with parallelism", 1986): the link lives in the task, so it
//! neither allocates nor fails. The owner takes the whole list with one swap and turns it around, so there is no pop and no
//! ABA: a node is pushed again only after the owner has taken it off.
//!
//! The push is a SeqCst read-modify-write of `head` and the sleeper's second look a SeqCst load of it: together with the
//! sleep word's accesses, SeqCst too, that is the store-buffering pattern whose bad outcome SeqCst excludes. See `park`.
//!
//! Closing swaps in a sentinel that no push replaces. A pusher that meets it keeps the task.

#![expect(unsafe_code, reason = "follows the links of nodes that the list owns")]

use std::ptr::{self, NonNull};

use crate::loom::atomic::AtomicPtr;
use crate::loom::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};

/// What can be mailed.
pub(crate) trait Node: Sized {
    /// The link, which belongs to the mailbox from `push` until `drain` hands the node out.
    fn link(&self) -> &AtomicPtr<Self>;
}

/// See the module's head.
#[derive(Debug)]
pub(crate) struct Mailbox<N> {
    head: AtomicPtr<N>,
}

/// The mailbox is closed; the node was not taken.
#[derive(Debug)]
pub(crate) struct Closed;

fn closed<N>() -> *mut N {
    ptr::without_provenance_mut(usize::MAX)
}

impl<N: Node> Mailbox<N> {
    pub fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Hands a node over. After success the caller must not touch it unless something else keeps it alive.
    ///
    /// # Safety
    /// The node is in no list, nobody else pushes it, and it stays valid until it has been drained.
    pub unsafe fn push(&self, node: NonNull<N>) -> Result<(), Closed> {
        // Relaxed: the compare-exchange orders; a stale head only costs a round.
        let mut head = self.head.load(Relaxed);
        loop {
            if head == closed() {
                // Acquire: what the owner did before it closed, that is complete all tasks, is visible to the caller.
                let _ = self.head.load(Acquire);
                return Err(Closed);
            }
            // SAFETY: valid by contract. Relaxed: published by the compare-exchange.
            unsafe { node.as_ref() }.link().store(head, Relaxed);
            // SeqCst: publishes the node to `drain`'s Acquire and is one half of the sleep protocol.
            match self.head.compare_exchange_weak(head, node.as_ptr(), SeqCst, Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => head = now,
            }
        }
    }

    /// Whether something waits; one relaxed load for the owner to look with between polls.
    #[inline(always)]
    pub fn has_mail(&self) -> bool {
        !self.head.load(Relaxed).is_null()
    }

    /// The sleeper's second look, after it announced its sleep.
    pub fn has_mail_before_sleep(&self) -> bool {
        crate::loom::seq_cst();
        // SeqCst: pairs with the push; see the module's head.
        !self.head.load(SeqCst).is_null()
    }

    /// Takes everything, oldest first. `f` may let the node be pushed again at once.
    pub fn drain(&self, f: impl FnMut(NonNull<N>)) {
        if self.has_mail() && self.head.load(Relaxed) != closed() {
            // AcqRel: Acquire pairs with the push.
            hand_out(self.head.swap(ptr::null_mut(), AcqRel), f);
        }
    }

    /// Refuses all pushes from now on, and takes what is there.
    pub fn close(&self, f: impl FnMut(NonNull<N>)) {
        // SeqCst: Acquire pairs with the push, Release with the Acquire of one that fails.
        let head = self.head.swap(closed(), SeqCst);
        if head != closed() {
            hand_out(head, f);
        }
    }
}

fn hand_out<N: Node>(mut newest: *mut N, mut f: impl FnMut(NonNull<N>)) {
    let mut oldest = ptr::null_mut();
    while let Some(node) = NonNull::new(newest) {
        // SAFETY: the nodes of a list taken off belong to the owner. Relaxed: the swap was the Acquire.
        let link = unsafe { node.as_ref() }.link();
        newest = link.load(Relaxed);
        link.store(oldest, Relaxed);
        oldest = node.as_ptr();
    }
    while let Some(node) = NonNull::new(oldest) {
        // SAFETY: as above; read before `f` gives the node away.
        oldest = unsafe { node.as_ref() }.link().load(Relaxed);
        f(node);
    }
}
