//! Child processes.

#![expect(unsafe_code, reason = "kills a process group, and uses `pre_exec`")]

use std::future::Future;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::pin::pin;
use std::process::Stdio;
use std::task::{Context, Waker};

use corelane::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use corelane::process::{Child, ChildStdout, Command};
use corelane::runtime::{Builder, Runtime};

const FLAVORS: [fn() -> Builder; 3] =
    [Builder::new_current_thread, Builder::new_multi_thread, Builder::new_sharded];

fn rt() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// A child that ends when its standard input does.
fn waiting() -> Command {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// The state of a process; none if there is none, not even a zombie.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Until the process is gone from the system's list.
fn until_reaped(pid: u32) {
    while Path::new(&format!("/proc/{pid}")).exists() {
        std::thread::yield_now();
    }
}

#[test]
fn ends_are_told_on_every_flavor() {
    for flavor in FLAVORS {
        flavor().worker_threads(2).enable_all().build().unwrap().block_on(async {
            let tasks: Vec<_> = (0..40)
                .map(|n| {
                    corelane::spawn(async move {
                        let mut child = sh(&format!("exit {n}")).spawn().unwrap();
                        let status = child.wait().await.unwrap();
                        assert_eq!(child.wait().await.unwrap(), status, "each time anew");
                        assert_eq!(child.try_wait().unwrap(), Some(status));
                        assert_eq!(child.id(), None);
                        status.code()
                    })
                })
                .collect();
            for (n, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.await.unwrap(), Some(n as i32));
            }
        });
    }
}

#[test]
fn input_and_output_go_through_pipes() {
    rt().block_on(async {
        let mut child = waiting().spawn().unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        // More than a pipe holds, so that both wait for the child.
        let sent: Vec<u8> = (0..1_000_000u32).map(|n| n as u8).collect();
        let expected = sent.clone();
        let writer = corelane::spawn(async move {
            stdin.write_all(&sent).await.unwrap();
            stdin.shutdown().await.unwrap();
        });
        let mut got = Vec::new();
        stdout.read_to_end(&mut got).await.unwrap();
        writer.await.unwrap();
        assert!(got == expected);
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn output_and_status_start_at_once_and_need_no_command_afterwards() {
    rt().block_on(async {
        let output = sh("echo out; echo err >&2; exit 3").output();
        let status = sh("echo nobody reads this; exit 4").stdout(Stdio::piped()).status();
        let output = output.await.unwrap();
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
        assert_eq!(output.status.code(), Some(3));
        // Killed by SIGPIPE if it was late to write.
        let status = status.await.unwrap();
        assert!(status.code() == Some(4) || status.signal() == Some(libc::SIGPIPE), "{status}");
        assert_eq!(Command::new("/no/such/program").status().await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn waiting_closes_the_childs_input() {
    rt().block_on(async {
        let mut child = waiting().spawn().unwrap();
        assert!(child.wait().await.unwrap().success());
        assert!(child.stdin.is_none());
    });
}

#[test]
fn a_wait_that_is_dropped_loses_nothing() {
    rt().block_on(async {
        let mut child = waiting().spawn().unwrap();
        let stdin = child.stdin.take();
        for _ in 0..3 {
            corelane::select! {
                biased;
                _ = child.wait() => panic!("it has not ended"),
                _ = corelane::task::yield_now() => {}
            }
        }
        assert_eq!(child.try_wait().unwrap(), None);
        drop(stdin);
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn a_tree_is_killed_and_leaves_no_zombie() {
    rt().block_on(async {
        let script = "sleep 1000 & echo $!; (sleep 1000 & echo $!; wait) & echo $!; wait";
        let mut child = sh(script).process_group(0).stdout(Stdio::piped()).spawn().unwrap();
        let pid = child.id().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut tree = Vec::new();
        for _ in 0..3 {
            tree.push(lines.next_line().await.unwrap().unwrap().parse::<u32>().unwrap());
        }
        // SAFETY: no pointers.
        assert_eq!(unsafe { libc::kill(-(pid as i32), libc::SIGKILL) }, 0);
        assert_eq!(lines.next_line().await.unwrap(), None, "all of them had the pipe");
        let status = child.wait().await.unwrap();
        assert_eq!(status.signal(), Some(libc::SIGKILL));
        assert_eq!(state(pid), None);
        for pid in tree {
            // It closed the pipe on its way out. Who takes over orphans on this system reaps it when it gets to it.
            while !matches!(state(pid), None | Some('Z' | 'X')) {
                std::thread::yield_now();
            }
        }
    });
}

#[test]
fn kill_waits_and_may_come_late() {
    rt().block_on(async {
        let mut child = waiting().spawn().unwrap();
        let pid = child.id().unwrap();
        child.kill().await.unwrap();
        assert_eq!(state(pid), None, "reaped");
        assert_eq!(child.wait().await.unwrap().signal(), Some(libc::SIGKILL));
        child.start_kill().unwrap();
        child.kill().await.unwrap();
    });
}

/// What this process has open of its own: other tests come and go meanwhile, so this runs in a process by itself.
#[test]
fn a_thousand_children_in_a_row_leave_no_descriptor_and_no_zombie() {
    const ALONE: &str = "CORELANE_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["a_thousand_children_in_a_row", "--nocapture"]).env(ALONE, "yes");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    rt().block_on(async {
        let once = async |n: usize| match n % 4 {
            0 => assert!(Command::new("true").status().await.unwrap().success()),
            1 => assert_eq!(sh("echo x").output().await.unwrap().stdout, b"x\n"),
            2 => {
                let mut child = waiting().spawn().unwrap();
                child.kill().await.unwrap();
            }
            _ => {
                let mut child = waiting().spawn().unwrap();
                drop(child.stdin.take());
                assert!(child.wait_with_output().await.unwrap().status.success());
            }
        };
        for n in 0..4 {
            once(n).await;
        }
        let before = descriptors();
        for n in 0..1_000 {
            once(n).await;
        }
        assert_eq!(descriptors(), before);
        // SAFETY: no pointer but to a number that it may write.
        let dead = unsafe { libc::waitpid(-1, &mut 0, libc::WNOHANG) };
        assert_eq!(dead, -1, "no child is left, not even a dead one");
    });
}

/// A shutdown waits for none of them and loses none of them.
#[test]
fn a_runtime_is_shut_down_while_tasks_wait_for_children() {
    for flavor in FLAVORS {
        let rt = flavor().worker_threads(2).enable_all().build().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        for n in 0..6 {
            let tell = tell.clone();
            rt.spawn(async move {
                let mut child = waiting().kill_on_drop(true).spawn().unwrap();
                tell.send(child.id().unwrap()).unwrap();
                let _stdin = child.stdin.take();
                if n % 2 == 0 {
                    child.wait().await.map(drop)
                } else {
                    child.wait_with_output().await.map(drop)
                }
            });
        }
        let pids: Vec<_> = rt.block_on(async {
            let mut pids = Vec::new();
            while pids.len() < 6 {
                pids.extend(told.try_iter());
                corelane::task::yield_now().await;
            }
            pids
        });
        drop(rt);
        pids.into_iter().for_each(until_reaped);
    }
}

#[test]
fn a_dropped_child_runs_on_and_is_reaped() {
    rt().block_on(async {
        let mut child = waiting().spawn().unwrap();
        let (pid, mut stdin, mut stdout) =
            (child.id().unwrap(), child.stdin.take().unwrap(), child.stdout.take().unwrap());
        drop(child);
        stdin.write_all(b"still there?").await.unwrap();
        let mut answer = [0; 12];
        stdout.read_exact(&mut answer).await.unwrap();
        drop(stdin);
        until_reaped(pid);
    });
}

#[test]
fn a_dropped_child_is_reaped_without_any_runtime() {
    let mut pids = Vec::new();
    let mut inputs = Vec::new();
    for flavor in FLAVORS {
        let rt = flavor().worker_threads(1).enable_all().build().unwrap();
        rt.block_on(async {
            for _ in 0..5 {
                let mut child = waiting().spawn().unwrap();
                pids.push(child.id().unwrap());
                inputs.push(child.stdin.take().unwrap().into_owned_fd().unwrap());
            }
        });
    }
    for pid in &pids {
        assert!(matches!(state(*pid), Some('S' | 'R' | 'D')), "{:?}", state(*pid));
    }
    // In an order that is not theirs.
    while let Some(input) = inputs.pop() {
        drop(input);
        until_reaped(pids.pop().unwrap());
    }
}

#[test]
fn kill_on_drop_kills_and_reaps() {
    rt().block_on(async {
        let mut command = waiting();
        command.kill_on_drop(true);
        assert!(command.get_kill_on_drop());
        let mut child = command.spawn().unwrap();
        let (pid, _stdin, mut stdout) =
            (child.id().unwrap(), child.stdin.take(), child.stdout.take().unwrap());
        drop(child);
        assert_eq!(stdout.read(&mut [0]).await.unwrap(), 0, "the end, since the child is dead");
        until_reaped(pid);
    });
}

#[test]
fn an_aborted_task_takes_its_child_along() {
    let rt = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    rt.block_on(async {
        let (tell, told) = std::sync::mpsc::channel();
        let task = corelane::spawn(async move {
            let mut child = Command::new("sleep").arg("1000").kill_on_drop(true).spawn().unwrap();
            tell.send(child.id().unwrap()).unwrap();
            child.wait().await
        });
        let pid = corelane::task::spawn_blocking(move || told.recv().unwrap()).await.unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        until_reaped(pid);
    });
}

#[test]
fn a_child_is_waited_for_where_it_is_polled_not_where_it_was_started() {
    let idle = rt();
    let mut child = idle.block_on(async { waiting().spawn().unwrap() });
    let stdin = child.stdin.take().unwrap().into_owned_fd().unwrap();
    {
        let _entered = idle.enter();
        assert!(pin!(child.wait()).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let end = std::thread::spawn(move || drop(stdin));
    assert!(rt().block_on(child.wait()).unwrap().success(), "the first runtime is driven by nobody");
    end.join().unwrap();
}

#[test]
fn waiting_ends_with_the_runtime() {
    let rt = rt();
    let handle = rt.handle().clone();
    let mut child = rt.block_on(async { waiting().kill_on_drop(true).spawn().unwrap() });
    let _stdin = child.stdin.take();
    drop(rt);
    assert!(handle.block_on(child.wait()).is_err());
    child.start_kill().unwrap();
    let mut elsewhere = self::rt().block_on(async move {
        child.wait().await.unwrap();
        child
    });
    assert_eq!(elsewhere.try_wait().unwrap().unwrap().signal(), Some(libc::SIGKILL));
}

#[test]
fn one_childs_output_is_anothers_input() {
    rt().block_on(async {
        let mut first = sh("echo b; echo a").stdout(Stdio::piped()).spawn().unwrap();
        let passed: Stdio = first.stdout.take().unwrap().try_into().unwrap();
        let sorted = Command::new("sort").stdin(passed).output().await.unwrap();
        assert_eq!(sorted.stdout, b"a\nb\n");
        assert!(first.wait().await.unwrap().success());
    });
}

#[test]
fn pipes_of_the_standard_library_are_taken_over_and_given_back() {
    rt().block_on(async {
        let mut std = std::process::Command::new("echo").arg("hi").stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = ChildStdout::from_std(std.stdout.take().unwrap()).unwrap();
        let blocks = |fd: i32| {
            // SAFETY: no pointers.
            unsafe { libc::fcntl(fd, libc::F_GETFL) & libc::O_NONBLOCK == 0 }
        };
        assert!(!blocks(stdout.as_raw_fd()));
        let mut got = String::new();
        stdout.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "hi\n");
        assert!(blocks(stdout.into_owned_fd().unwrap().as_raw_fd()));
        std.wait().unwrap();
    });
}

#[test]
fn a_command_is_passed_on_as_it_was_set() {
    rt().block_on(async {
        let mut command = Command::new("sh");
        command.arg0("me").args(["-c", "echo $0 $A $B ${HOME-none}; pwd; cat"]).current_dir("/");
        command.env_clear().env("A", "1").envs([("B", "2"), ("C", "3")]).env_remove("C").stdin(Stdio::null());
        assert_eq!(command.as_std().get_program(), "sh");
        assert_eq!(command.as_std().get_args().count(), 2);
        let output = command.output().await.unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "me 1 2 none\n/\n");

        let mut command = sh("true");
        // SAFETY: does nothing but fail.
        unsafe { command.pre_exec(|| Err(std::io::Error::from_raw_os_error(libc::EDOM))) };
        assert_eq!(command.spawn().unwrap_err().raw_os_error(), Some(libc::EDOM));

        let std: std::process::Command = sh("true").into_std();
        assert!(Command::from(std).status().await.unwrap().success());
    });
}

#[test]
fn a_function_may_start_the_process() {
    rt().block_on(async {
        let mut command = sh("echo $NAME");
        command.stdout(Stdio::piped()).kill_on_drop(true);
        let child = command.spawn_with(|command| command.env("NAME", "given late").spawn()).unwrap();
        assert_eq!(child.wait_with_output().await.unwrap().stdout, b"given late\n");
        let refused = command.spawn_with(|_| Err(ErrorKind::Unsupported.into()));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
    });
}

#[test]
fn a_broken_pipe_is_an_error() {
    rt().block_on(async {
        let mut child = sh("exec <&-; echo closed; read x < /dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut closed = [0; 7];
        child.stdout.as_mut().unwrap().read_exact(&mut closed).await.unwrap();
        // Children that other tests fork just now hold the pipe's other end until they exec.
        let stdin = child.stdin.as_mut().unwrap();
        let error = loop {
            if let Err(error) = stdin.write_all(&[0; 4096]).await {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        child.wait().await.unwrap();
    });
}

#[test]
fn without_a_runtime_or_its_io_it_panics_and_starts_nothing() {
    let text = |rt: Option<Runtime>| {
        let _entered = rt.as_ref().map(Runtime::enter);
        let started = std::panic::catch_unwind(|| -> std::io::Result<Child> {
            Command::new("/no/such/program").spawn()
        });
        *started.unwrap_err().downcast::<String>().unwrap()
    };
    assert!(text(None).starts_with("there is no reactor running"));
    assert!(text(Some(Builder::new_current_thread().build().unwrap())).contains("IO is disabled"));
}

#[test]
fn a_child_runs_where_the_pool_does_and_not_on_a_shards_cpu() {
    let mask = |status: String| {
        let line = status.lines().find(|line| line.starts_with("Cpus_allowed_list")).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    let own = move || mask(std::fs::read_to_string("/proc/thread-self/status").unwrap());
    for new in FLAVORS {
        let rt = new().enable_all().build().unwrap();
        let (before, child, after, pool) = rt
            .block_on(rt.spawn(async move {
                let before = own();
                let child = sh("cat /proc/self/status").output().await.unwrap();
                let child = mask(String::from_utf8(child.stdout).unwrap());
                (before, child, own(), corelane::task::spawn_blocking(own).await.unwrap())
            }))
            .unwrap();
        assert_eq!(child, pool);
        assert_eq!(before, after, "the shard stays where it was");
    }
}
