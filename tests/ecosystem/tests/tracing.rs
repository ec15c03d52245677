//! tracing: a span goes with its task over every await and onto whatever thread.

use std::io::Write;
use std::sync::{Arc, Mutex};

use ecosystem::on_each_flavor;
use tokio::task::{JoinSet, yield_now};
use tracing::{Instrument, info, info_span, instrument};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[instrument]
async fn serve(id: u32) {
    for step in 0..3 {
        yield_now().await;
        query(step).await;
    }
    tokio::spawn(async { info!("detached") }.in_current_span()).await.unwrap();
}

#[instrument(skip_all)]
async fn query(step: u32) {
    let waited = tokio::task::spawn_blocking(|| 1).await.unwrap();
    info!(step, waited);
}

#[test]
fn spans_follow_their_tasks() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_writer(move || writer.clone()).without_time().with_ansi(false).init();
    on_each_flavor(async || {
        let mut tasks = JoinSet::new();
        for id in 0..20 {
            tasks.spawn(serve(id).instrument(info_span!("app")));
        }
        tasks.join_all().await;
        let lines = String::from_utf8(std::mem::take(&mut *log.0.lock().unwrap())).unwrap();
        for id in 0..20 {
            let span = format!(" INFO app:serve{{id={id}}}:");
            let of_it: Vec<_> = lines.lines().filter_map(|line| line.strip_prefix(&span)).collect();
            let steps = (0..3).map(|step| format!("query: tracing: step={step} waited=1"));
            let expected: Vec<_> = steps.chain([" tracing: detached".to_owned()]).collect();
            assert_eq!(of_it, expected, "{lines}");
        }
        assert_eq!(lines.lines().count(), 20 * 4);
    });
}
