//! A process that was started.

use std::future::poll_fn;
use std::process::{self, ExitStatus, Output};
use std::task::{Context, Poll, ready};
use std::{fmt, io};

use crate::io::{AsyncRead, AsyncReadExt, Watch};

use super::exit;
use super::orphans;
use super::stdio::{ChildStderr, ChildStdin, ChildStdout};

/// A process that was started by [`Command::spawn`](super::Command::spawn).
///
/// It keeps running when this is dropped, unless [`kill_on_drop`](super::Command::kill_on_drop) was set. It is reaped when it
/// ends, whether or not somebody waits for it; who cares when, waits.
///
/// It belongs to no runtime: [`wait`](Self::wait) works in any.
#[derive(Debug)]
pub struct Child {
    state: State,
    /// What the child reads, if that was [`piped`](std::process::Stdio::piped). Take it, to drop it when all is written.
    pub stdin: Option<ChildStdin>,
    /// What the child writes, if that was [`piped`](std::process::Stdio::piped).
    pub stdout: Option<ChildStdout>,
    /// What the child writes for errors, if that was [`piped`](std::process::Stdio::piped).
    pub stderr: Option<ChildStderr>,
}

enum State {
    Running(Running, Watch),
    Ended(ExitStatus),
}

/// Dropped, the process is somebody else's to reap.
struct Running {
    /// Taken by the drop only.
    child: Option<process::Child>,
    kill_on_drop: bool,
}

impl Running {
    fn child(&mut self) -> &mut process::Child {
        self.child.as_mut().expect("only the drop takes it")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            if self.kill_on_drop {
                // It may have ended, which is all that is wanted.
                let _ = child.kill();
            }
            orphans::adopt(child);
        }
    }
}

impl Child {
    /// # Errors
    ///
    /// What the system says; the child is killed then.
    #[track_caller]
    pub(super) fn new(child: process::Child, kill_on_drop: bool) -> io::Result<Self> {
        Self::with_watch(child, kill_on_drop, exit::watch)
    }

    #[track_caller]
    pub(super) fn with_watch(
        mut child: process::Child,
        kill_on_drop: bool,
        watch: impl FnOnce(u32) -> io::Result<Watch>,
    ) -> io::Result<Self> {
        let pid = child.id();
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // Who gets an error knows of no process, so there must be none.
        let mut running = Running { child: Some(child), kill_on_drop: true };
        let watch = watch(pid)?;
        let stdin = stdin.map(ChildStdin::from_std).transpose()?;
        let stdout = stdout.map(ChildStdout::from_std).transpose()?;
        let stderr = stderr.map(ChildStderr::from_std).transpose()?;
        running.kill_on_drop = kill_on_drop;
        Ok(Self { state: State::Running(running, watch), stdin, stdout, stderr })
    }

    /// The number of the process. None once it was found to have ended: the system may give the number to another.
    pub fn id(&self) -> Option<u32> {
        match &self.state {
            State::Running(running, _) => running.child.as_ref().map(process::Child::id),
            State::Ended(_) => None,
        }
    }

    /// Kills the process, by `SIGKILL`, without waiting for its end. Processes that it started live on. Nothing is done once it was
    /// found to have ended.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn start_kill(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Running(running, _) => running.child().kill(),
            State::Ended(_) => Ok(()),
        }
    }

    /// Kills the process, by `SIGKILL`, and waits for its end.
    ///
    /// # Cancel safety
    ///
    /// If this is dropped early the process is killed all the same.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use corelane::process::Command;
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let mut child = Command::new("sleep").arg("1000").spawn()?;
    /// child.kill().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn kill(&mut self) -> io::Result<()> {
        self.start_kill()?;
        self.wait().await.map(drop)
    }

    /// Waits for the process to end, and says how it did, each time anew.
    ///
    /// Drops `stdin` first, so that the process does not wait for more. It does not read what the process writes: one
    /// that fills its pipes waits for that. See [`wait_with_output`](Self::wait_with_output).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when this is dropped, but `stdin`.
    ///
    /// # Errors
    ///
    /// What the system says: if something else in this process has reaped the child, for instance. And when the runtime is
    /// shut down.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use corelane::process::Command;
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let status = Command::new("false").spawn()?.wait().await?;
    /// assert_eq!(status.code(), Some(1));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        poll_fn(|cx| self.poll_wait(cx)).await
    }

    /// See `exit`.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ExitStatus>> {
        loop {
            if let Some(status) = self.try_wait()? {
                return Poll::Ready(Ok(status));
            }
            if let State::Running(_, watch) = &mut self.state {
                ready!(watch.poll(cx))?;
            }
        }
    }

    /// How the process ended, if it has.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(child: &mut corelane::process::Child) -> std::io::Result<()> {
    /// match child.try_wait()? {
    ///     Some(status) => println!("{status}"),
    ///     None => println!("still running"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = match &mut self.state {
            State::Running(running, _) => running.child().try_wait()?,
            State::Ended(status) => return Ok(Some(*status)),
        };
        if let Some(status) = status {
            self.state = State::Ended(status);
        }
        Ok(status)
    }

    /// Waits for the process to end, and meanwhile reads what it writes to the pipes that are still here.
    ///
    /// # Cancel safety
    ///
    /// If this is dropped early, what was read is lost and the child is dropped.
    ///
    /// # Errors
    ///
    /// What the system says of the process or the pipes.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use corelane::process::Command;
    /// use std::process::Stdio;
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let child = Command::new("date").stdout(Stdio::piped()).spawn()?;
    /// let date = child.wait_with_output().await?.stdout;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        let (stdout, stderr) = (self.stdout.take(), self.stderr.take());
        let (status, stdout, stderr) =
            crate::try_join!(self.wait(), read_to_end(stdout), read_to_end(stderr))?;
        Ok(Output { status, stdout, stderr })
    }
}

async fn read_to_end(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut all).await?;
    }
    Ok(all)
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Running(running, _) => f.debug_tuple("Running").field(&running.child).finish(),
            State::Ended(status) => f.debug_tuple("Ended").field(status).finish(),
        }
    }
}
