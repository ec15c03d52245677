//! Places that are held: the promise that a send will not wait.

use std::fmt;
use std::iter::FusedIterator;
use std::mem::ManuallyDrop;
use std::num::NonZeroUsize;

use super::bounded::Sender;
use super::chan::Tx;
use crate::sync::kind::Threads;

/// One place in a channel, from [`Sender::reserve`] or [`Sender::try_reserve`].
///
/// Dropped without [`send`](Self::send), it gives the place back.
pub struct Permit<'a, T> {
    tx: &'a Tx<T, Threads>,
}

impl<'a, T> Permit<'a, T> {
    pub(super) fn new(tx: &'a Tx<T, Threads>) -> Self {
        Self { tx }
    }
}

impl<T> Permit<'_, T> {
    /// Sends into the place. Never waits and never fails: a receiver that was closed meanwhile still takes the value; if it
    /// was dropped, so is the value.
    #[inline]
    pub fn send(self, value: T) {
        ManuallyDrop::new(self).tx.chan().send_held(value);
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.tx.chan().give_back(1);
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}

/// Several places in a channel, from [`Sender::reserve_many`] or [`Sender::try_reserve_many`]; gives a [`Permit`] for each.
///
/// Dropped, it gives back those it did not hand out.
pub struct PermitIterator<'a, T> {
    tx: &'a Tx<T, Threads>,
    left: usize,
}

impl<'a, T> PermitIterator<'a, T> {
    pub(super) fn new(tx: &'a Tx<T, Threads>, left: usize) -> Self {
        Self { tx, left }
    }
}

impl<'a, T> Iterator for PermitIterator<'a, T> {
    type Item = Permit<'a, T>;

    fn next(&mut self) -> Option<Permit<'a, T>> {
        self.left = NonZeroUsize::new(self.left)?.get() - 1;
        Some(Permit::new(self.tx))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for PermitIterator<'_, T> {}
impl<T> FusedIterator for PermitIterator<'_, T> {}

impl<T> Drop for PermitIterator<'_, T> {
    fn drop(&mut self) {
        self.tx.chan().give_back(self.left);
    }
}

impl<T> fmt::Debug for PermitIterator<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitIterator").field("left", &self.left).finish_non_exhaustive()
    }
}

/// One place in a channel together with the sender, from [`Sender::reserve_owned`] or [`Sender::try_reserve_owned`].
///
/// Dropped without [`send`](Self::send), it gives the place back and drops the sender.
pub struct OwnedPermit<T> {
    /// There until the place is used or given back.
    sender: Option<Sender<T>>,
}

impl<T> OwnedPermit<T> {
    pub(super) fn new(sender: Sender<T>) -> Self {
        Self { sender: Some(sender) }
    }

    fn sender(&self) -> &Sender<T> {
        self.sender.as_ref().expect("there until the permit is consumed")
    }

    fn into_sender(mut self) -> Sender<T> {
        self.sender.take().expect("there until the permit is consumed")
    }

    /// Sends into the place, as [`Permit::send`] does, and gives the sender back.
    pub fn send(self, value: T) -> Sender<T> {
        let sender = self.into_sender();
        sender.tx.chan().send_held(value);
        sender
    }

    /// Gives the place back without a value, and the sender.
    pub fn release(self) -> Sender<T> {
        let sender = self.into_sender();
        sender.tx.chan().give_back(1);
        sender
    }

    /// Whether both are for the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.sender().same_channel(other.sender())
    }

    /// Whether the sender is of the same channel.
    pub fn same_channel_as_sender(&self, sender: &Sender<T>) -> bool {
        self.sender().same_channel(sender)
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.tx.chan().give_back(1);
        }
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit").finish_non_exhaustive()
    }
}
