//! The future that lends out a reader's buffer for as long as the reader was borrowed.
#![expect(unsafe_code, reason = "the compiler rejects a borrow that is returned on one path only")]

use std::future::Future;
use std::io;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::AsyncBufRead;

pin_project! {
    /// Waits for the buffer to hold something. Gives its borrow away when it is ready.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct FillBuf<'a, R: ?Sized> {
        reader: Option<&'a mut R>,
        #[pin]
        _pin: PhantomPinned,
    }
}

impl<'a, R: ?Sized> FillBuf<'a, R> {
    pub(super) fn new(reader: &'a mut R) -> Self {
        FillBuf { reader: Some(reader), _pin: PhantomPinned }
    }
}

impl<'a, R: AsyncBufRead + ?Sized + Unpin> Future for FillBuf<'a, R> {
    type Output = io::Result<&'a [u8]>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let slot = self.project().reader;
        let reader = slot.take().expect("`fill_buf` polled after completion");
        match Pin::new(&mut *reader).poll_fill_buf(cx) {
            Poll::Ready(Ok(data)) => {
                let data: *const [u8] = data;
                // SAFETY: `data` is borrowed from `*reader`, which is borrowed exclusively for `'a`. `slot` is
                // empty now, so nothing can reach the reader before `'a` ends.
                Poll::Ready(Ok(unsafe { &*data }))
            }
            Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
            Poll::Pending => {
                *slot = Some(reader);
                Poll::Pending
            }
        }
    }
}
