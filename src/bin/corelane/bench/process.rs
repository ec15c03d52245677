//! Processes and threads: on which CPUs they run, what they cost, and the server's as a child of this one.

#![expect(unsafe_code, reason = "std has no limits of descriptors and no wait shorter than a millisecond")]

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use corelane::config::CpuList;
use corelane::topology::pin;
use mio::Poll;

/// Lets this thread, and those it starts from now on, run on these CPUs alone.
pub fn bind(cpus: &[u32]) -> Result<(), String> {
    pin::pin(cpus).map_err(|error| {
        let list: CpuList = cpus.iter().copied().collect();
        format!("cannot run on CPUs {list}: {error}")
    })
}

/// Waits until the poll has events, with the precision of the kernel's timers: `epoll_wait` counts in milliseconds.
pub fn wait_readable(poll: &Poll, at_most: Duration) {
    let mut fd = libc::pollfd { fd: poll.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let time = libc::timespec {
        tv_sec: at_most.as_secs() as libc::time_t,
        tv_nsec: at_most.subsec_nanos() as libc::c_long,
    };
    // SAFETY: both pointers are to values that outlive the call, and no set of signals is given. Its result is not needed: whoever
    // waited looks at the events.
    unsafe { libc::ppoll(&raw mut fd, 1, &raw const time, ptr::null()) };
}

/// Lets so many descriptors be open, and some more.
pub fn allow_descriptors(connections: usize) -> Result<(), String> {
    let wanted = connections as u64 + 64;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a limit.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 || limit.rlim_max < wanted {
        return Err(format!(
            "{connections} connections need {wanted} descriptors, and {} may be open: raise `ulimit -n`",
            limit.rlim_max
        ));
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the pointer is to a limit.
    match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } {
        0 => Ok(()),
        _ => Err(format!("cannot raise the limit of descriptors: {}", io::Error::last_os_error())),
    }
}

/// The server's process. It ends when this is dropped, and when this process ends, since it reads its input.
pub struct ServerProcess {
    child: Child,
    pub port: SocketAddr,
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub user: Duration,
    pub system: Duration,
    pub resident_bytes: u64,
}

impl ServerProcess {
    /// Runs `corelane bench serve` with these arguments, and waits until it listens.
    pub fn start(arguments: &[String]) -> Result<Self, String> {
        let program =
            std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        let mut command = Command::new(program);
        command.args(["bench", "serve"]).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        // What is compared is told on the command line and in no other way.
        for variable in ["CORELANE_CONFIG", "CORELANE_FLAVOR", "TOKIO_WORKER_THREADS"] {
            command.env_remove(variable);
        }
        let child = command.spawn().map_err(|error| format!("cannot start the server: {error}"))?;
        let mut server = Self { child, port: (Ipv4Addr::LOCALHOST, 0).into() };
        let mut line = String::new();
        if let Some(output) = server.child.stdout.take() {
            // An error leaves the line empty, as the end does.
            let _ = BufReader::new(output).read_line(&mut line);
        }
        match line.trim().parse() {
            Ok(port) => server.port.set_port(port),
            Err(_) => {
                let status =
                    server.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
                return Err(format!("the server does not start: {status}"));
            }
        }
        Ok(server)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How the process ended, if it has or is about to. One that was killed closes its sockets when it is ending already; one that
    /// gives up may close them some moments before.
    pub fn ended(&mut self) -> Option<String> {
        const MOMENTS: Duration = Duration::from_millis(500);
        let until = Instant::now() + MOMENTS;
        loop {
            if is_ending(&self.read("stat")) {
                let status = self.child.wait();
                return Some(status.map_or_else(|error| error.to_string(), |status| status.to_string()));
            }
            if Instant::now() >= until {
                return None;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.id())).unwrap_or_default()
    }

    pub fn usage(&self) -> Usage {
        usage(&self.read("stat"), &self.read("status")).unwrap_or_default()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a process that nobody has waited for is on its way out or dead: `PF_EXITING` among its flags.
fn is_ending(stat: &str) -> bool {
    const EXITING: u32 = 4;
    field(stat, 9).and_then(|flags| flags.parse::<u32>().ok()).is_some_and(|flags| flags & EXITING != 0)
}

/// A field of a process's `stat` behind its name, counted from 1.
fn field(stat: &str, number: usize) -> Option<&str> {
    // The name may have spaces and brackets in it. The third field follows it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(number - 3)
}

/// From the two files in proc. Nothing of a process that is gone.
fn usage(stat: &str, status: &str) -> Option<Usage> {
    /// The kernel tells times in hundredths of a second on every machine, whatever it counts in.
    const TICK: Duration = Duration::from_millis(10);
    let time = |number| Some(TICK * field(stat, number)?.parse().ok()?);
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = resident.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(Usage { user: time(14)?, system: time(15)?, resident_bytes: kib * 1024 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_behind_any_name() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 3 0 100";
        let found = usage(stat, "Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t1\n").unwrap();
        assert_eq!((found.user, found.system), (Duration::from_millis(1500), Duration::from_millis(250)));
        assert_eq!(found.resident_bytes, 2 << 20);
        assert!(usage("", "").is_none());
    }

    #[test]
    fn a_process_that_is_killed_says_so_before_it_closes_its_files() {
        let of = |pid: u32| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        assert!(!is_ending(&of(std::process::id())) && !is_ending(""));
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        assert!(!is_ending(&of(child.id())));
        child.kill().unwrap();
        io::Read::read_to_end(child.stdout.as_mut().unwrap(), &mut Vec::new()).unwrap();
        assert!(is_ending(&of(child.id())));
        child.wait().unwrap();
    }
}
