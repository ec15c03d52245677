//! What hyper asks of a runtime: streams, an executor, timers.
#![expect(unsafe_code, reason = "another crate's read buffer lends memory that may be uninitialized")]

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time;

use ::hyper::rt;

use super::{Compat, wrapper};
use crate::io::{AsyncRead, AsyncWrite, ReadBuf, delegate, poll_read_into};
use crate::time::{Duration, Instant, Sleep, sleep, sleep_until};

impl<T: AsyncRead> rt::Read for Compat<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // SAFETY: nothing writes uninitialized bytes through a `ReadBuf`. Its safe methods cannot, and callers of the others
        // promise not to.
        let room = unsafe { buf.as_mut() };
        let read = ready!(poll_read_into(self.project().inner, cx, &mut ReadBuf::uninit(room)))?;
        // SAFETY: `poll_read_into` counts bytes at the front of this room that were filled, and so initialized.
        unsafe { buf.advance(read) };
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite> rt::Write for Compat<T> {
    delegate!(AsyncWrite, self => self.project().inner, &self.inner);
}

wrapper! {
    /// A stream that has hyper's `Read` or `Write`, such as a connection that was upgraded, under this crate's traits.
    FromHyper
}

impl<T: rt::Read> AsyncRead for FromHyper<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut room = rt::ReadBuf::new(buf.initialize_unfilled());
        ready!(self.project().inner.poll_read(cx, room.unfilled()))?;
        let read = room.filled().len();
        buf.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl<T: rt::Write> AsyncWrite for FromHyper<T> {
    delegate!(AsyncWrite as rt::Write, self => self.project().inner, &self.inner);
}

/// Has hyper's futures run as tasks, by [`spawn`](crate::spawn).
///
/// # Examples
///
/// An HTTP/2 server of one connection:
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// # use hyper::{Request, Response, body::Incoming, service::service_fn};
/// use corelane::adapt::{Compat, Executor, Timer};
/// use hyper::server::conn::http2;
///
/// # let answer = service_fn(|_: Request<Incoming>| async { Ok::<_, std::io::Error>(Response::new(String::new())) });
/// let listener = corelane::net::TcpListener::bind("127.0.0.1:8080").await?;
/// let (stream, _) = listener.accept().await?;
/// http2::Builder::new(Executor).timer(Timer).serve_connection(Compat::new(stream), answer).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Executor;

impl<F> rt::Executor<F> for Executor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        crate::spawn(future);
    }
}

/// Has hyper's futures run as tasks that stay on this shard, by [`spawn_local`](crate::task::spawn_local), so that services
/// need not be `Send`.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalExecutor;

impl<F> rt::Executor<F> for LocalExecutor
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        crate::task::spawn_local(future);
    }
}

/// Has hyper's timeouts on this runtime's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timer;

impl rt::Sleep for Sleep {}

impl rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(sleep(duration))
    }

    fn sleep_until(&self, deadline: time::Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(sleep_until(deadline.into()))
    }

    fn now(&self) -> time::Instant {
        Instant::now().into_std()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn rt::Sleep>>, deadline: time::Instant) {
        match sleep.as_mut().downcast_mut_pin::<Sleep>() {
            Some(sleep) => sleep.reset(deadline.into()),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}
