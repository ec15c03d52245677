//! The least and the most that each number of a config and of the builder may be: a runtime made with it does what runtimes do, and
//! ends.

use std::time::Duration;

use corelane::config::{AutoOr, Config, Pin, Steal};
use corelane::io::{AsyncReadExt, AsyncWriteExt};
use corelane::net::{TcpListener, TcpStream};
use corelane::runtime::{Builder, HistogramConfiguration, LogHistogram, Runtime};
use corelane::time::sleep;

/// Spawns, sleeps, talks, blocks and ends.
fn works(rt: &Runtime, name: &str) {
    rt.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let echo = corelane::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let byte = stream.read_u8().await.unwrap();
            sleep(Duration::from_micros(10)).await;
            stream.write_u8(byte).await.unwrap();
        });
        let asks = corelane::spawn(async move {
            let mut stream = TcpStream::connect(addr).await.unwrap();
            stream.write_u8(7).await.unwrap();
            stream.read_u8().await.unwrap()
        });
        let yields: Vec<_> = (0..100).map(|_| corelane::spawn(corelane::task::yield_now())).collect();
        let blocks: Vec<_> = (0..5).map(|n| corelane::task::spawn_blocking(move || n)).collect();
        for task in yields {
            task.await.unwrap();
        }
        for (n, task) in blocks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), n, "{name}");
        }
        assert_eq!(asks.await.unwrap(), 7, "{name}");
        echo.await.unwrap();
        drop(corelane::spawn(sleep(Duration::MAX)));
    });
}

fn each(name: &str, change: impl Fn(&mut Builder)) {
    let flavors = [Builder::new_current_thread(), Builder::new_multi_thread(), Builder::new_sharded()];
    for (mut builder, flavor) in flavors.into_iter().zip(["current_thread", "multi_thread", "sharded"]) {
        let name = format!("{name} {flavor}");
        builder.worker_threads(2).enable_all();
        change(&mut builder);
        works(&builder.build().unwrap_or_else(|error| panic!("{name}: {error}")), &name);
    }
}

fn configs(name: &str, change: impl Fn(&mut Config)) {
    for steal in [Steal::Off, Steal::Llc, Steal::Numa, Steal::All] {
        let mut config = Config::default();
        (config.scheduler.steal, config.placement.pin) = (steal, Pin::None);
        change(&mut config);
        each(&format!("{name} {steal:?}"), |builder| _ = builder.config(config.clone()));
    }
}

#[test]
fn numbers_of_the_config() {
    for us in [10, 100_000] {
        configs(&format!("quantum {us}"), |config| config.scheduler.quantum_us = us);
    }
    for us in [0, 1_000_000] {
        configs(&format!("spin {us}"), |config| config.scheduler.spin_us = AutoOr::Number(us));
    }
    for us in [50, 1_000] {
        configs(&format!("resolution {us}"), |config| config.timer.resolution_us = us);
    }
    for threads in [1, 32_767] {
        configs(&format!("max_threads {threads}"), |config| config.blocking.max_threads = threads);
    }
    for ms in [0, 86_400_000] {
        configs(&format!("keep_alive {ms}"), |config| config.blocking.keep_alive_ms = ms);
    }
}

#[test]
fn numbers_of_the_builder() {
    for val in [1, u32::MAX] {
        each("event_interval", |builder| _ = builder.event_interval(val));
        each("global_queue_interval", |builder| _ = builder.global_queue_interval(val));
    }
    for val in [1, usize::MAX] {
        each("max_blocking_threads", |builder| _ = builder.max_blocking_threads(val));
        each("max_io_events_per_tick", |builder| _ = builder.max_io_events_per_tick(val));
        each("max_io_events_per_busy_tick", |builder| _ = builder.max_io_events_per_busy_tick(val));
    }
    for val in [Duration::ZERO, Duration::MAX] {
        each("thread_keep_alive", |builder| _ = builder.thread_keep_alive(val));
    }
    for val in [1 << 18, 1 << 26] {
        each("thread_stack_size", |builder| _ = builder.thread_stack_size(val));
    }
    for val in [1, 100] {
        each("worker_threads", |builder| _ = builder.worker_threads(val));
    }
}

#[test]
fn buckets_of_histograms() {
    let ns = Duration::from_nanos;
    for (width, buckets) in [(ns(1), 1), (ns(1), 1_000), (Duration::MAX, 1), (Duration::MAX, 1_000)] {
        let linear = HistogramConfiguration::linear(width, buckets);
        for buckets in [linear, HistogramConfiguration::log(LogHistogram::default())] {
            each("histogram", |builder| {
                builder.enable_metrics_poll_time_histogram().enable_metrics_schedule_latency_histogram();
                builder.metrics_poll_time_histogram_configuration(buckets.clone());
                builder.metrics_schedule_latency_histogram_configuration(buckets.clone());
            });
        }
    }
}
