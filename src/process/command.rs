//! What to run.

#![expect(unsafe_code, reason = "passes on what the standard library has as unsafe")]

use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, ExitStatus, Output, Stdio};

use crate::runtime::{beside_the_shards, context};

use super::Child;

/// What to run, and how. The standard library's [`Command`](std::process::Command), whose processes are waited for without
/// blocking.
///
/// Without being told otherwise the process gets the standard streams, the environment and the directory of this one, and
/// keeps running when its [`Child`] is dropped.
///
/// # Examples
///
/// ```no_run
/// use corelane::process::Command;
///
/// # async fn example() -> std::io::Result<()> {
/// let status = Command::new("tar").args(["-cf", "all.tar", "."]).current_dir("site").status().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Command {
    std: process::Command,
    kill_on_drop: bool,
}

impl Command {
    /// Runs a program: a path, or a name that is looked for in the directories of `PATH`.
    pub fn new<S: AsRef<OsStr>>(program: S) -> Command {
        process::Command::new(program).into()
    }

    /// The standard library's command in it.
    pub fn as_std(&self) -> &process::Command {
        &self.std
    }

    /// The standard library's command in it, to be changed.
    pub fn as_std_mut(&mut self) -> &mut process::Command {
        &mut self.std
    }

    /// Goes on with the standard library's command. It does not know of [`kill_on_drop`](Self::kill_on_drop).
    pub fn into_std(self) -> process::Command {
        self.std
    }

    /// Adds an argument. It is passed as it is: there is no shell that takes it apart.
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.std.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<I, S>(&mut self, args: I) -> &mut Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.std.args(args);
        self
    }

    /// What the process is told to be its own name, its argument 0, in place of the program's.
    pub fn arg0<S>(&mut self, arg: S) -> &mut Command
    where
        S: AsRef<OsStr>,
    {
        self.std.arg0(arg);
        self
    }

    /// Sets a variable of the environment.
    pub fn env<K, V>(&mut self, key: K, val: V) -> &mut Command
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.env(key, val);
        self
    }

    /// Sets variables of the environment.
    pub fn envs<I, K, V>(&mut self, vars: I) -> &mut Command
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.envs(vars);
        self
    }

    /// Leaves out a variable of the environment.
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Command {
        self.std.env_remove(key);
        self
    }

    /// Leaves out all of this process's environment, and what was set so far.
    pub fn env_clear(&mut self) -> &mut Command {
        self.std.env_clear();
        self
    }

    /// The directory that the process starts in. Whether the program's path, if it is relative, counts from there is up to the
    /// system.
    pub fn current_dir<P: AsRef<Path>>(&mut self, dir: P) -> &mut Command {
        self.std.current_dir(dir);
        self
    }

    /// What the process reads: this one's standard input, unless told otherwise.
    pub fn stdin<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.std.stdin(cfg);
        self
    }

    /// Where the process writes: this one's standard output, unless told otherwise.
    pub fn stdout<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.std.stdout(cfg);
        self
    }

    /// Where the process writes errors: this one's standard error, unless told otherwise.
    pub fn stderr<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.std.stderr(cfg);
        self
    }

    /// Whether the process is killed when its [`Child`] is dropped before it was found to have ended. Not, unless told so.
    ///
    /// This is the way to have the end of a task or future, by an abort or a timeout, end the process too. Processes that it
    /// has started live on: see [`process_group`](Self::process_group).
    pub fn kill_on_drop(&mut self, kill_on_drop: bool) -> &mut Command {
        self.kill_on_drop = kill_on_drop;
        self
    }

    /// What [`kill_on_drop`](Self::kill_on_drop) has set.
    pub fn get_kill_on_drop(&self) -> bool {
        self.kill_on_drop
    }

    /// Has the process be another user's. Groups beside the main one are given up if this one is root's.
    pub fn uid(&mut self, id: u32) -> &mut Command {
        self.std.uid(id);
        self
    }

    /// Has the process be in another group.
    pub fn gid(&mut self, id: u32) -> &mut Command {
        self.std.gid(id);
        self
    }

    /// Has the process be in a process group, a new one of its own number for 0. A signal can be sent to all of a group, so a
    /// process that is 0 here can be ended with all that it has started, by `kill` with its number made negative.
    pub fn process_group(&mut self, pgroup: i32) -> &mut Command {
        self.std.process_group(pgroup);
        self
    }

    /// Has a closure called in the process, after `fork` and before `exec`. If it fails so does starting.
    ///
    /// # Safety
    ///
    /// There the closure is in a copy of this process that has one thread, whatever the others were doing: locks may be held
    /// for ever. It may only do what a signal handler may: no allocating, and nothing of the runtime.
    pub unsafe fn pre_exec<F>(&mut self, f: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: the caller promises the same.
        unsafe { self.std.pre_exec(f) };
        self
    }

    /// Starts the process.
    ///
    /// # Errors
    ///
    /// What the system says: `NotFound` if there is no such program.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, or of one whose I/O is enabled.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use corelane::process::Command;
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let mut child = Command::new("sleep").arg("1").kill_on_drop(true).spawn()?;
    /// child.wait().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.spawn_with(|std| beside_the_shards(|| std.spawn()))
    }

    /// As [`spawn`](Self::spawn), with the process started by a function that is given the standard library's command. On a shard that
    /// is bound to a CPU the process is bound to it too, unless the function sees to that.
    ///
    /// # Errors
    ///
    /// What the function says.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, or of one whose I/O is enabled.
    #[track_caller]
    pub fn spawn_with(
        &mut self,
        with: impl FnOnce(&mut process::Command) -> io::Result<process::Child>,
    ) -> io::Result<Child> {
        // Panics now rather than with a process at hand.
        let _ = context::io_mesh()?;
        Child::new(with(&mut self.std)?, self.kill_on_drop)
    }

    /// Starts the process now, and waits for its end. Pipes, if there are any, are closed.
    ///
    /// If the future is dropped the process keeps running, unless [`kill_on_drop`](Self::kill_on_drop) was set.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, or of one whose I/O is enabled.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// let is_there = corelane::process::Command::new("true").status().await?.success();
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + use<> {
        let child = self.spawn();
        async {
            let mut child = child?;
            // What it writes nobody reads.
            drop((child.stdin.take(), child.stdout.take(), child.stderr.take()));
            child.wait().await
        }
    }

    /// Starts the process now, waits for its end, and reads what it writes meanwhile.
    ///
    /// If the future is dropped the process keeps running, unless [`kill_on_drop`](Self::kill_on_drop) was set.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, or of one whose I/O is enabled.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> std::io::Result<()> {
    /// let name = corelane::process::Command::new("uname").output().await?.stdout;
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + use<> {
        self.std.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = self.spawn();
        async { child?.wait_with_output().await }
    }
}

impl From<process::Command> for Command {
    fn from(std: process::Command) -> Command {
        Command { std, kill_on_drop: false }
    }
}
