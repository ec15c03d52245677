//! What needs a look inside: kernels without pidfds.

use std::process::{Command, Stdio};

use super::child::Child;
use super::exit::sigchld;
use crate::io::Watch;
use crate::runtime::Builder;

fn without_pidfd(command: &mut Command) -> Child {
    Child::with_watch(command.spawn().unwrap(), false, |_| Watch::new(sigchld()?)).unwrap()
}

#[test]
fn sigchld_tells_of_every_end() {
    let rt = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    rt.block_on(async {
        let tasks: Vec<_> = (0..50)
            .map(|n| {
                crate::spawn(async move {
                    let mut child = without_pidfd(Command::new("sh").args(["-c", &format!("exit {n}")]));
                    child.wait().await.unwrap().code()
                })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), Some(n as i32));
        }
    });
}

#[test]
fn sigchld_of_another_child_is_passed_over() {
    let rt = Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(async {
        let mut waits = without_pidfd(Command::new("cat").stdin(Stdio::piped()));
        let stdin = waits.stdin.take();
        without_pidfd(&mut Command::new("true")).wait().await.unwrap();
        assert_eq!(waits.try_wait().unwrap(), None);
        let end = async {
            crate::task::yield_now().await;
            drop(stdin);
        };
        let (status, ()) = crate::join!(waits.wait(), end);
        assert!(status.unwrap().success());
    });
}

#[test]
fn a_child_that_cannot_be_watched_is_killed() {
    let rt = Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(async {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id();
        let refused = Child::with_watch(child, false, |_| Err(std::io::ErrorKind::Other.into()));
        assert!(refused.is_err());
        while std::path::Path::new(&format!("/proc/{pid}")).exists() {
            std::thread::yield_now();
        }
    });
}
