//! The standard streams. This program starts itself, as [`role`], to have some of its own.

#![expect(unsafe_code, reason = "exchanges the standard output")]

use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Stdio, exit};
use std::time::Duration;

use corelane::io::{self, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use corelane::process::Command;
use corelane::runtime::{Builder, Runtime};

const ROLE: &str = "CORELANE_TEST_ROLE";

fn rt() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn play(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["role", "--exact", "--nocapture"]).env(ROLE, role).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Not a test of its own: what the others start. It ends the process, so that only its own lines are written.
#[test]
fn role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let code = match role.as_str() {
        "echo" => rt().block_on(echo()),
        "full" => rt().block_on(fails(std::fs::File::create("/dev/full").unwrap().into())),
        "gone" => rt().block_on(fails(closed_pipe())),
        "late" => {
            rt().block_on(async { io::stdout().write_all(b"\n> late\n").await }).unwrap();
            0
        }
        "leave" => {
            let rt = rt();
            rt.spawn(async { io::stdin().read_u8().await });
            rt.block_on(corelane::task::yield_now());
            rt.shutdown_background();
            9
        }
        _ => panic!("no such role"),
    };
    exit(code);
}

/// On a line of its own: with one CPU the harness has begun one with the test's name.
async fn say(line: &str) {
    let mut out = io::stdout();
    out.write_all(format!("\n> {line}\n").as_bytes()).await.unwrap();
    out.flush().await.unwrap();
}

async fn echo() -> i32 {
    let mut lines = BufReader::new(io::stdin()).lines();
    let timer = corelane::spawn(async {
        corelane::time::sleep(Duration::from_millis(1)).await;
        say("tick").await;
    });
    while let Some(line) = lines.next_line().await.unwrap() {
        say(&line).await;
    }
    timer.await.unwrap();
    say("end").await;
    0
}

/// One that nobody reads.
fn closed_pipe() -> OwnedFd {
    let (_, gone) = std::os::unix::net::UnixStream::pair().unwrap();
    gone.into()
}

/// Standard output fails; standard error says how. It is exchanged only here, since the test harness writes to it too.
async fn fails(instead: OwnedFd) -> i32 {
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::dup2(instead.as_raw_fd(), 1) }, 1);
    let mut out = io::stdout();
    out.write_all(b"x").await.unwrap();
    let error = out.flush().await.unwrap_err();
    let mut err = io::stderr();
    err.write_all(format!("> {:?}\n", error.kind()).as_bytes()).await.unwrap();
    err.flush().await.unwrap();
    out.flush().await.unwrap();
    0
}

/// The lines that the role wrote, without those of the test harness.
fn said(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().filter_map(|line| Some(line.strip_prefix("> ")?.to_owned())).collect()
}

#[test]
fn a_slow_standard_input_holds_nobody_up() {
    rt().block_on(async {
        let mut child = play("echo").stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = async || loop {
            let line = lines.next_line().await.unwrap().expect("more lines");
            if let Some(said) = line.strip_prefix("> ") {
                return said.to_owned();
            }
        };
        assert_eq!(next().await, "tick", "a timer runs though nothing is read yet");
        for line in ["one", "two", "three"] {
            stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
            assert_eq!(next().await, line);
        }
        drop(stdin);
        assert_eq!(next().await, "end");
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn an_empty_and_a_closed_standard_input_are_at_their_end() {
    rt().block_on(async {
        let output = play("echo").output().await.unwrap();
        assert_eq!(said(&output.stdout).last().unwrap(), "end");

        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$0\" role --exact --nocapture <&-"]).arg(std::env::current_exe().unwrap());
        let output = shell.env(ROLE, "echo").output().await.unwrap();
        assert_eq!(said(&output.stdout).last().unwrap(), "end");
        assert!(output.status.success());
    });
}

#[test]
fn an_output_that_takes_no_more_is_told_by_flush() {
    rt().block_on(async {
        for (role, kind) in [("full", ErrorKind::StorageFull), ("gone", ErrorKind::BrokenPipe)] {
            let output = play(role).output().await.unwrap();
            assert_eq!(said(&output.stderr), [format!("{kind:?}")]);
            assert!(output.status.success());
        }
    });
}

#[test]
fn what_was_taken_is_written_though_the_runtime_ends() {
    rt().block_on(async {
        let output = play("late").output().await.unwrap();
        assert_eq!(said(&output.stdout), ["late"]);
    });
}

#[test]
fn a_runtime_can_be_left_while_standard_input_is_read() {
    rt().block_on(async {
        let mut child = play("leave").stdin(Stdio::piped()).spawn().unwrap();
        let _open = child.stdin.take();
        assert_eq!(child.wait().await.unwrap().code(), Some(9));
    });
}

const _: fn() = || {
    fn is<T: Send + Sync + Unpin + std::fmt::Debug + std::os::fd::AsFd + std::os::fd::AsRawFd>() {}
    is::<io::Stdin>();
    is::<io::Stdout>();
    is::<io::Stderr>();
};
