//! What the kernel says about this process, on which core a thread runs, and a process for each mode.

#![expect(unsafe_code, reason = "std has no getrusage")]

use std::io::{self, Write as _};
use std::mem::MaybeUninit;
use std::process::{self, Command, ExitCode, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use std::{env, fmt, fs};

use core_affinity::CoreId;

/// The first two cores that the process may use; the same one twice if it has only one.
///
/// Call it before any thread is pinned: a thread sees what its parent was allowed.
pub fn two_cores() -> [usize; 2] {
    static CORES: OnceLock<[usize; 2]> = OnceLock::new();
    *CORES.get_or_init(|| {
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        let first = cores.first().map_or(0, |core| core.id);
        [first, cores.get(1).map_or(first, |core| core.id)]
    })
}

/// Binds this thread, and those it starts from now on, to a core.
///
/// # Panics
///
/// If the kernel refuses: numbers measured elsewhere would be called by the wrong name.
pub fn pin(core: usize) {
    assert!(core_affinity::set_for_current(CoreId { id: core }), "core {core} can't be bound to");
}

/// The CPU time of this process so far: in user mode, and in the kernel.
pub fn cpu_times() -> (Duration, Duration) {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to memory of that type, which the kernel fills.
    let result = unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
    assert_eq!(result, 0, "getrusage knows RUSAGE_SELF");
    // SAFETY: all-zero bytes are a valid `rusage`, and the kernel has written one since.
    let usage = unsafe { usage.assume_init() };
    let duration = |time: libc::timeval| {
        Duration::new(time.tv_sec as u64, u32::try_from(time.tv_usec).unwrap_or(0) * 1_000)
    };
    (duration(usage.ru_utime), duration(usage.ru_stime))
}

/// The memory of this process that is resident, in bytes.
///
/// # Panics
///
/// Where there is no `/proc`.
pub fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has /proc");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
    resident.and_then(|kib| kib.parse::<u64>().ok()).expect("a process has memory") * 1024
}

/// Lets as many descriptors be open as the hard limit allows.
pub fn raise_descriptor_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a valid `rlimit`.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    assert_eq!(result, 0, "getrlimit knows RLIMIT_NOFILE");
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the pointer is to a valid `rlimit`.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    assert_eq!(result, 0, "up to the hard limit is allowed");
}

/// What [`say!`](crate::say) does.
pub fn say(line: fmt::Arguments<'_>) {
    if writeln!(io::stdout(), "{line}").is_err() {
        process::exit(1);
    }
}

/// A mode's name, and what measures it.
pub type Mode = (&'static str, fn(u64) -> String);

/// The life of a program that measures each mode in a process of its own, which does not find the heap that the mode before left:
/// `program [option N]` prints a line for each. With the arguments `MODE N` it measures that one, and prints what comes of it.
///
/// # Panics
///
/// If the program can't be started again, or fails.
pub fn mode_by_mode(
    program: &str,
    (option, default): (&str, u64),
    heading: &str,
    modes: &[Mode],
) -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
    let count = match arguments[..] {
        [] => Some(default),
        [name, count] if name == option => number(count),
        [mode, count] => {
            let found = modes.iter().find(|(name, _)| *name == mode).zip(number(count));
            if let Some(((_, measure), count)) = found {
                say!("{}", measure(count));
                return ExitCode::SUCCESS;
            }
            None
        }
        _ => None,
    };
    let Some(count) = count else {
        eprintln!("usage: {program} [{option} N]");
        return ExitCode::from(2);
    };
    say!("{:<15} {heading}", "mode");
    for (mode, _) in modes {
        say!("{mode:<15} {}", run_self(&[mode, &count.to_string()]).trim_end());
    }
    ExitCode::SUCCESS
}

fn run_self(arguments: &[&str]) -> String {
    let program = env::current_exe().expect("the program is a file");
    let output = Command::new(program).args(arguments).stderr(Stdio::inherit()).output();
    let output = output.expect("the program starts");
    assert!(output.status.success(), "{arguments:?} failed: {}", output.status);
    String::from_utf8(output.stdout).expect("it prints text")
}
