//! Starts an example as a user would, and talks to it from outside.

#![allow(dead_code, reason = "each test uses what it needs")]
#![expect(unsafe_code, reason = "limits of another process are set by a system call")]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use std::{env, fs, ptr, thread};

/// No test waits longer than this for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running example.
pub struct Server {
    child: Child,
    pub addr: SocketAddr,
    out: Receiver<String>,
    err: Receiver<String>,
}

/// What an example left behind.
pub struct Left {
    pub code: Option<i32>,
    pub out: Vec<String>,
    pub err: Vec<String>,
}

impl Server {
    /// Starts an example on a port that the system chooses.
    pub fn start(example: &str, args: &[&str]) -> Self {
        let mut command = Command::new(path_of(example));
        command.args(["--addr", "127.0.0.1:0"]).args(args);
        Self::spawn(command)
    }

    /// The same with a limit on open files.
    pub fn start_with_files(limit: u32, example: &str, args: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")]);
        command.arg(path_of(example)).args(["--addr", "127.0.0.1:0"]).args(args);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command
            .env_remove("CORELANE_CONFIG")
            // Large buffers that are freed go back to the system at once, so that `memory` tells what is held.
            .env("MALLOC_MMAP_THRESHOLD_", "65536")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, err) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        let mut server = Self { child, addr: ([0, 0, 0, 0], 0).into(), out, err };
        server.addr = server.expect_out("listening on ").parse().unwrap();
        server
    }

    /// Waits for a line that begins so, and gives its rest.
    pub fn expect_out(&self, start: &str) -> String {
        expect(&self.out, start)
    }

    /// The same for errors.
    pub fn expect_err(&self, start: &str) -> String {
        expect(&self.err, start)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// What ctrl-c does.
    pub fn interrupt(&self) {
        self.signal("INT");
    }

    /// Sends a signal, named as for kill(1).
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// From now on it may open no more files.
    pub fn forbid_files(&self) {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: it reads the limit, which outlives the call, and writes nothing.
        let done =
            unsafe { libc::prlimit(self.child.id() as i32, libc::RLIMIT_NOFILE, &none, ptr::null_mut()) };
        assert_eq!(done, 0, "{}", io::Error::last_os_error());
    }

    /// Stops it in its tracks, until `resume`. The kernel stops its threads one by one.
    pub fn suspend(&self) {
        self.signal("STOP");
        let threads = format!("/proc/{}/task", self.child.id());
        eventually("it stops", || {
            fs::read_dir(&threads).unwrap().all(|thread| {
                fs::read_to_string(thread.unwrap().path().join("stat")).unwrap().contains(") T ")
            })
        });
    }

    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// The CPUs that each of its threads may use, as the kernel writes them.
    pub fn cpus_of_threads(&self) -> Vec<String> {
        let cpus = |thread: io::Result<fs::DirEntry>| {
            let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
            let cpus = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
            cpus.unwrap().to_owned()
        };
        fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().map(cpus).collect()
    }

    /// How many files it has open.
    pub fn files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// How many bytes of memory it has.
    pub fn memory(&self) -> usize {
        self.status("VmRSS:")
    }

    /// How many it had at most.
    pub fn most_memory(&self) -> usize {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let kib = status.lines().find_map(|line| line.strip_prefix(name)?.strip_suffix(" kB"));
        kib.unwrap().trim().parse::<usize>().unwrap() * 1024
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Left {
        let (out, err) = (rest(&self.out), rest(&self.err));
        // Both pipes are closed, so it is ending or gone.
        Left { code: self.child.wait().unwrap().code(), out, err }
    }

    /// Interrupts it and waits.
    pub fn stop(self) -> Left {
        self.interrupt();
        self.wait()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already after a test that went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Left {
    /// It ended well and said so.
    #[track_caller]
    pub fn assert_summary(&self, line: &str) {
        assert_eq!(self.code, Some(0), "out: {:#?}, err: {:#?}", self.out, self.err);
        assert_eq!(self.out.last().map(String::as_str), Some(line), "err: {:#?}", self.err);
    }
}

/// Runs an example to its end: exit code, output, errors.
pub fn run(example: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(path_of(example)).args(args).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Looks until it is so.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        thread::yield_now();
    }
}

/// Sends bytes and expects these back.
#[track_caller]
pub fn exchange(stream: &mut TcpStream, sent: &[u8], expected: &[u8]) {
    stream.write_all(sent).unwrap();
    let mut answer = vec![0; expected.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

/// The other side closes, and sends nothing before. A single `read` could be interrupted, since the stream has a timeout.
#[track_caller]
pub fn ends(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.escape_ascii().to_string(), "");
}

/// Closes the sending side and reads the rest.
pub fn finish(mut stream: TcpStream) -> Vec<u8> {
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    rest
}

/// Closes a connection the rude way.
pub fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Examples are beside the folder of the tests, built by the same `cargo test`.
pub fn path_of(example: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let path = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join(example);
    assert!(path.exists(), "{} is missing: run `cargo build --examples` with this profile", path.display());
    path
}

fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            if tell.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    lines
}

#[track_caller]
fn expect(lines: &Receiver<String>, start: &str) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Some(rest) = line.strip_prefix(start) {
                    return rest.into();
                }
            }
            Err(error) => panic!("no line {start:?}: {error}"),
        }
    }
}

fn rest(lines: &Receiver<String>) -> Vec<String> {
    let end = Instant::now() + PATIENCE;
    let mut rest = Vec::new();
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => rest.push(line),
            Err(RecvTimeoutError::Disconnected) => return rest,
            Err(RecvTimeoutError::Timeout) => panic!("does not end: {rest:#?}"),
        }
    }
}
