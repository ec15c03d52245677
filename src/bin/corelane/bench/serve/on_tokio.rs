//! The servers on Tokio: on its multi-thread runtime, or on a LocalRuntime a worker.

use hyper_util::rt::TokioIo as HyperIo;
use tokio as rt;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalRuntime};

use super::*;

#[path = "tasks.rs"]
#[allow(clippy::duplicate_mod, reason = "the same servers on two crates are the point")]
mod tasks;

pub fn multi_thread(workers: usize, app: &Arc<App>) -> io::Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    let app = Arc::clone(app);
    runtime.block_on(async {
        // A task of its own: the future in `block_on` is scheduled differently.
        let accepts = rt::spawn(async {
            let listener = TcpListener::bind(ANY_PORT).await?;
            report(listener.local_addr()?)?;
            tasks::accept(listener, app, false).await
        });
        accepts.await?
    })
}

pub fn local(workers: usize, cpus: &[u32], app: &Arc<App>) -> io::Result<()> {
    let first = reuseport(ANY_PORT.into())?;
    let at = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..workers {
        listeners.push(reuseport(at)?);
    }
    report(at)?;
    thread::scope(|scope| {
        let threads: Vec<_> = listeners
            .into_iter()
            .zip(cpus.iter().cycle())
            .map(|(listener, &cpu)| {
                scope.spawn(move || {
                    process::bind(&[cpu]).map_err(io::Error::other)?;
                    LocalRuntime::new()?.block_on(async {
                        let listener = TcpListener::from_std(listener)?;
                        rt::task::spawn_local(tasks::accept(listener, Arc::clone(app), true)).await?
                    })
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(io::Error::other("a worker has panicked")))
        })
    })
}
