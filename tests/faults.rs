//! What becomes of a program when the kernel refuses: nothing hangs, nothing is lost, and who asked is told.
//!
//! Each test runs in a process of its own, of which one kind of system call is made to fail (`faults/kernel.rs`). It is to end by
//! itself, in good order: one that hangs fails here by a deadline. Where the system takes no such filter the tests say so, and pass.
#![cfg(target_arch = "x86_64")]

#[path = "faults/building.rs"]
mod building;
#[path = "faults/kernel.rs"]
mod kernel;
#[path = "faults/pool.rs"]
mod pool;
#[path = "faults/process.rs"]
mod process;
#[path = "support/scratch.rs"]
mod scratch;
#[path = "faults/serving.rs"]
mod serving;
#[path = "support/threads.rs"]
mod threads;
#[path = "faults/watch.rs"]
mod watch;

use std::io::Read;
use std::panic::set_hook;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;
use std::{env, thread};

use corelane::runtime::{Builder, Runtime};

/// Names the test that a process is to run.
const VARIABLE: &str = "CORELANE_TEST_FAULT";

/// Tests that run in processes of their own.
macro_rules! alone {
    ($($(#[$about:meta])* fn $name:ident() $body:block)*) => {$(
        $(#[$about])*
        #[test]
        fn $name() {
            let ended = crate::run_alone(concat!(module_path!(), "::", stringify!($name)), || $body);
            if let Some(crate::Ended { status, printed }) = ended {
                assert!(status.success() && printed.contains("1 passed"), "{status}: {printed}");
            }
        }
    )*};
}
pub(crate) use alone;

/// How a process ended, and what it had printed.
struct Ended {
    status: ExitStatus,
    printed: String,
}

/// Runs the body in a process of its own, and says how that ended, in this one. Fails if it does not.
fn run_alone(path: &str, body: impl FnOnce()) -> Option<Ended> {
    let (_, name) = path.split_once("::").expect("a module's path begins with the crate");
    if env::var_os(VARIABLE).is_some_and(|test| test == name) {
        body();
        return None;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(VARIABLE, name).env_remove("CORELANE_CONFIG");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (say, said) = mpsc::channel();
    let pipes: [Box<dyn Read + Send>; 2] =
        [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
    let readers = pipes.map(|mut pipe| {
        let say = say.clone();
        thread::spawn(move || {
            let mut text = Vec::new();
            let read = pipe.read_to_end(&mut text);
            let _ = say.send(());
            read.map(|_| String::from_utf8_lossy(&text).into_owned()).unwrap()
        })
    });
    // Only a failure takes so long.
    let patience = Duration::from_secs(120);
    let in_time = readers.iter().all(|_| said.recv_timeout(patience).is_ok());
    if !in_time {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    let printed = readers.map(|reader| reader.join().unwrap()).concat();
    assert!(in_time, "{name} hangs: {printed}");
    Some(Ended { status, printed })
}

/// All kinds of runtimes, with so many workers where there are any.
fn builders(workers: usize) -> [(&'static str, Builder); 3] {
    [
        ("current_thread", Builder::new_current_thread()),
        ("multi_thread", Builder::new_multi_thread()),
        ("sharded", Builder::new_sharded()),
    ]
    .map(|(name, mut builder)| {
        builder.worker_threads(workers).enable_all();
        (name, builder)
    })
}

fn runtimes(workers: usize) -> impl Iterator<Item = (&'static str, Runtime)> {
    builders(workers).into_iter().map(|(name, mut builder)| (name, builder.build().unwrap()))
}

/// It runs tasks, waits for time and takes bytes as if nothing had been.
fn still_runs(rt: &Runtime) {
    use corelane::io::{AsyncReadExt, AsyncWriteExt};
    use corelane::net::UnixStream;
    use corelane::time::{Duration, sleep};

    let task = rt.spawn(async {
        let (mut a, mut b) = UnixStream::pair().unwrap();
        let reads = corelane::spawn(async move { b.read_u8().await.unwrap() });
        sleep(Duration::from_millis(1)).await;
        a.write_u8(7).await.unwrap();
        reads.await.unwrap()
    });
    assert_eq!(rt.block_on(task).unwrap(), 7);
}

/// How many files this process has open.
fn files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Runs something of which no thread and no file may be left.
fn leaves_nothing<R>(f: impl FnOnce() -> R) -> R {
    let before = (files(), threads::living().count());
    let result = f();
    assert_eq!((files(), threads::living().count()), before, "files and threads");
    result
}

/// What panics have said since.
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn listen_to_panics() {
    set_hook(Box::new(|info| {
        println!("{info}");
        SAID.lock().unwrap().push(info.to_string());
    }));
}

fn said(text: &str) -> usize {
    SAID.lock().unwrap().iter().filter(|said| said.contains(text)).count()
}
