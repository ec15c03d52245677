//! The servers on Corelane: sharded, stealing, or as a config file says.

use corelane as rt;
use corelane::adapt::Compat as HyperIo;
use corelane::net::TcpListener;
use corelane::runtime::{Builder, LocalOptions};
use corelane::shard;

use super::*;

#[path = "tasks.rs"]
#[allow(clippy::duplicate_mod, reason = "the same servers on two crates are the point")]
mod tasks;

pub fn sharded(workers: usize, app: &Arc<App>) -> io::Result<()> {
    Builder::new_sharded().worker_threads(workers).enable_all().build()?.block_on(listen(true, app))
}

pub fn stealing(workers: usize, app: &Arc<App>) -> io::Result<()> {
    Builder::new_multi_thread().worker_threads(workers).enable_all().build()?.block_on(listen(false, app))
}

pub fn config(config: Config, app: &Arc<App>) -> io::Result<()> {
    let flavor = config.runtime.flavor;
    let mut builder = Builder::from_config(config);
    builder.enable_all();
    match flavor {
        Flavor::CurrentThread => builder.build_local(LocalOptions::default())?.block_on(listen(true, app)),
        _ => builder.build()?.block_on(listen(flavor == Flavor::Sharded, app)),
    }
}

async fn listen(stays: bool, app: &Arc<App>) -> io::Result<()> {
    let listeners = if stays {
        TcpListener::bind_sharded(ANY_PORT).await?
    } else {
        vec![TcpListener::bind(ANY_PORT).await?]
    };
    let at = listeners[0].local_addr()?;
    let mut tasks = Vec::new();
    for (id, listener) in shard::ids().zip(listeners) {
        let app = Arc::clone(app);
        tasks.push(match stays {
            true => shard::spawn_on(id, move || tasks::accept(listener, app, true)),
            false => rt::spawn(tasks::accept(listener, app, false)),
        });
    }
    report(at)?;
    for task in tasks {
        task.await??;
    }
    Ok(())
}
