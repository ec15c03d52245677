//! A kernel that refuses.
//!
//! A seccomp filter hands the system calls that a test names to a thread of this process, which has the kernel go on with them or
//! answer with an error. So a call can be refused from the second time on, or for certain arguments, and be allowed again later, which a
//! filter alone can't do: it counts nothing, and stays.
//!
//! The filter is that of the thread which installs it, and of the threads and processes that it starts. The thread that answers was
//! started before, so its own calls go through. It allocates nothing: the thread that waits for its answer may be inside of the
//! allocator.
#![expect(unsafe_code, reason = "installs a filter and answers for the kernel, by pointers")]

use std::io;
use std::mem::zeroed;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use libc::{c_int, c_long};

/// The arguments of a call.
pub type Args = [u64; 6];

/// What is to be refused: a call, all of them or some, with an error.
#[derive(Debug)]
pub struct Fault {
    call: c_long,
    errno: c_int,
    when: fn(&Args) -> bool,
    after: u32,
    times: u32,
    /// How many were made, and how many of them refused.
    made: AtomicU32,
    refused: AtomicU32,
}

impl Fault {
    pub fn of(call: c_long, errno: c_int) -> Self {
        let (made, refused) = (AtomicU32::new(0), AtomicU32::new(0));
        Self { call, errno, when: |_| true, after: 0, times: u32::MAX, made, refused }
    }

    /// Only calls with such arguments count.
    pub fn when(self, when: fn(&Args) -> bool) -> Self {
        Self { when, ..self }
    }

    /// The first so many go through.
    pub fn after(self, after: u32) -> Self {
        Self { after, ..self }
    }

    /// So many are refused, and later ones go through again.
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    fn refuses(&self, call: &libc::seccomp_data) -> bool {
        if c_long::from(call.nr) != self.call || !(self.when)(&call.args) {
            return false;
        }
        let made = self.made.fetch_add(1, Relaxed);
        let refuses = made.checked_sub(self.after).is_some_and(|nth| nth < self.times);
        self.refused.fetch_add(u32::from(refuses), Relaxed);
        refuses
    }
}

/// More are not refused at once: a list that grows would allocate under its lock.
const FAULTS_MAX: usize = 8;

/// What is refused now.
type Faults = Arc<Mutex<Vec<Arc<Fault>>>>;

/// See the module's head.
pub struct Kernel(Faults);

/// A fault is in force until this drops.
#[must_use = "dropped, it is over"]
pub struct Refusal<'a> {
    kernel: &'a Kernel,
    fault: Arc<Fault>,
}

impl Kernel {
    /// Asks for these calls of the calling thread, and of all that it starts, from now on. `None` where the system has no such filters, or
    /// allows none.
    pub fn asked(calls: &[c_long]) -> Option<Self> {
        let faults = Faults::new(Mutex::new(Vec::with_capacity(FAULTS_MAX)));
        let (give, given) = mpsc::channel();
        let known = Arc::clone(&faults);
        thread::Builder::new()
            .name("kernel".into())
            .spawn(move || {
                if let Ok(listener) = given.recv() {
                    answer(listener, &known);
                }
            })
            .expect("nothing is refused yet");
        match install(calls) {
            Ok(listener) => give.send(listener).expect("it waits for that"),
            Err(error) => {
                println!("skipped: this system takes no seccomp filter that asks: {error}");
                return None;
            }
        }
        Some(Self(faults))
    }

    /// Refuses what the fault says until the answer drops.
    pub fn refuse(&self, fault: Fault) -> Refusal<'_> {
        let fault = Arc::new(fault);
        let mut faults = self.0.lock().unwrap();
        assert!(faults.len() < FAULTS_MAX, "no place for another fault");
        faults.push(Arc::clone(&fault));
        Refusal { kernel: self, fault }
    }
}

impl Refusal<'_> {
    /// How many calls were refused.
    pub fn count(&self) -> u32 {
        self.fault.refused.load(Relaxed)
    }
}

impl Drop for Refusal<'_> {
    fn drop(&mut self) {
        let mut faults = self.kernel.0.lock().unwrap();
        let place = faults.iter().position(|other| Arc::ptr_eq(other, &self.fault));
        let fault = faults.swap_remove(place.expect("it is in force"));
        // Freed after the lock is.
        drop(faults);
        drop(fault);
    }
}

/// Gives the file that the calls are asked for through.
fn install(calls: &[c_long]) -> io::Result<RawFd> {
    let step = |code: u32, k: u32, jt: u8| libc::sock_filter { code: code as u16, jt, jf: 0, k };
    let ret = |action| step(libc::BPF_RET | libc::BPF_K, action, 0);
    // The number of the call comes first in what the filter sees. Each comparison that is met jumps to the last step.
    let mut steps = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    steps.extend(
        calls
            .iter()
            .zip((1..=calls.len() as u8).rev())
            .map(|(call, to_last)| step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, *call as u32, to_last)),
    );
    steps.extend([ret(libc::SECCOMP_RET_ALLOW), ret(libc::SECCOMP_RET_USER_NOTIF)]);
    let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: takes no pointers. Who is not root may install filters once it gains no rights any more.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel copies the program, which is as long as it says.
    let listener = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    if listener < 0 { Err(io::Error::last_os_error()) } else { Ok(listener as RawFd) }
}

/// Answers until the process ends.
fn answer(listener: RawFd, faults: &Faults) {
    let ioctl = |request, value: *mut libc::c_void| {
        // SAFETY: the value is what this request takes.
        if unsafe { libc::ioctl(listener, request, value) } == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    loop {
        // SAFETY: plain numbers, which the kernel wants to be zero.
        let mut asked: libc::seccomp_notif = unsafe { zeroed() };
        // Who asked may have been interrupted, and asks again.
        if ioctl(libc::SECCOMP_IOCTL_NOTIF_RECV, (&raw mut asked).cast()).is_err() {
            continue;
        }
        // SAFETY: takes no pointers. Signal 0 only asks whether a thread is this process's.
        let is_ours = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), asked.pid, 0) } == 0;
        let faults = faults.lock().unwrap();
        let fault = faults.iter().filter(|_| is_ours).find(|fault| fault.refuses(&asked.data));
        // SAFETY: plain numbers.
        let mut answer: libc::seccomp_notif_resp = unsafe { zeroed() };
        answer.id = asked.id;
        match fault {
            Some(fault) => answer.error = -fault.errno,
            None => answer.flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        }
        drop(faults);
        let _ = ioctl(libc::SECCOMP_IOCTL_NOTIF_SEND, (&raw mut answer).cast());
    }
}
