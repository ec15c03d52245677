//! tower: a service behind a buffer, with a limit on calls at once, on calls per second, and on the time of one.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ecosystem::on_each_flavor;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

#[test]
fn a_buffer_in_front_of_a_concurrency_limit() {
    on_each_flavor(async || {
        let (now, three) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(3)));
        let double = service_fn(move |number: u32| {
            let (now, three) = (now.clone(), three.clone());
            async move {
                assert!(now.fetch_add(1, Ordering::Relaxed) < 3);
                three.wait().await;
                now.fetch_sub(1, Ordering::Relaxed);
                Ok::<_, Infallible>(number * 2)
            }
        });
        let service = ServiceBuilder::new().buffer(4).concurrency_limit(3).service(double);
        let mut calls = JoinSet::new();
        for number in 0..51 {
            let service = service.clone();
            calls.spawn(async move { service.oneshot(number).await.unwrap() });
        }
        assert_eq!(calls.join_all().await.into_iter().sum::<u32>(), 2550);
    });
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit() {
    let now = service_fn(async |start: Instant| Ok::<_, Infallible>(start.elapsed().as_secs()));
    let mut service = ServiceBuilder::new().rate_limit(2, Duration::from_secs(10)).service(now);
    let (start, mut seconds) = (Instant::now(), Vec::new());
    for _ in 0..5 {
        seconds.push(service.ready().await.unwrap().call(start).await.unwrap());
    }
    assert_eq!(seconds, [0, 0, 10, 10, 20]);
}

#[tokio::test(start_paused = true)]
async fn a_timeout() {
    let wait = service_fn(async |seconds| {
        sleep(Duration::from_secs(seconds)).await;
        Ok::<_, Infallible>(())
    });
    let service = ServiceBuilder::new().timeout(Duration::from_secs(5)).service(wait);
    assert!(service.clone().oneshot(4).await.is_ok());
    let error = service.oneshot(6).await.unwrap_err();
    assert!(error.is::<tower::timeout::error::Elapsed>(), "{error}");
}
