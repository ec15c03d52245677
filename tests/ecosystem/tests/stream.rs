//! tokio-stream: what makes streams of channels, sockets, timers and lines, and what combines them.

use std::time::Duration;

use ecosystem::on_each_flavor;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, interval, sleep};
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_stream::wrappers::*;
use tokio_stream::{StreamExt, StreamMap, pending};

#[test]
fn channels() {
    on_each_flavor(async || {
        let (send, receive) = mpsc::channel(2);
        let sender = tokio::spawn(async move {
            for number in 0..1_000 {
                send.send(number).await.unwrap();
            }
        });
        let even =
            ReceiverStream::new(receive).filter(|number| number % 2 == 0).fold(0, |sum, number| sum + number);
        assert_eq!(even.await, 249_500);
        sender.await.unwrap();

        let (send, receive) = broadcast::channel(2);
        for number in 1..=3 {
            send.send(number).unwrap();
        }
        drop(send);
        let received: Vec<_> = BroadcastStream::new(receive).collect().await;
        assert_eq!(received, [Err(BroadcastStreamRecvError::Lagged(1)), Ok(2), Ok(3)]);

        let (send, receive) = watch::channel("first");
        let mut values = WatchStream::new(receive);
        assert_eq!(values.next().await, Some("first"));
        send.send("second").unwrap();
        send.send("third").unwrap();
        assert_eq!(values.next().await, Some("third"));
        drop(send);
        assert_eq!(values.next().await, None);
    });
}

#[test]
fn sockets_and_lines() {
    on_each_flavor(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let clients = tokio::spawn(async move {
            for text in ["one\ntwo\n", "three\n"] {
                TcpStream::connect(addr).await.unwrap().write_all(text.as_bytes()).await.unwrap();
            }
        });
        let mut lines = Vec::new();
        let mut connections = TcpListenerStream::new(listener).take(2);
        while let Some(connection) = connections.next().await {
            let of_it = LinesStream::new(BufReader::new(connection.unwrap()).lines());
            lines.extend(of_it.collect::<Result<Vec<_>, _>>().await.unwrap());
        }
        assert_eq!(lines, ["one", "two", "three"]);
        clients.await.unwrap();
    });
}

#[test]
fn signals() {
    on_each_flavor(async || {
        let mut signals = SignalStream::new(signal(SignalKind::user_defined1()).unwrap());
        let own = std::process::id().to_string();
        let kill = tokio::process::Command::new("kill").args(["-USR1", &own]).status();
        assert!(kill.await.unwrap().success());
        assert_eq!(signals.next().await, Some(()));
    });
}

#[tokio::test(start_paused = true)]
async fn time() {
    let start = Instant::now();
    let ticks = IntervalStream::new(interval(Duration::from_secs(10))).take(3);
    let seconds: Vec<_> = ticks.map(|tick| (tick - start).as_secs()).collect().await;
    assert_eq!(seconds, [0, 10, 20]);

    let mut silent = std::pin::pin!(pending::<()>().timeout(Duration::from_secs(5)));
    assert!(silent.next().await.unwrap().is_err());
    assert_eq!(start.elapsed().as_secs(), 25);

    let (send, receive) = mpsc::channel(8);
    tokio::spawn(async move {
        for number in 0..5 {
            send.send(number).await.unwrap();
            sleep(Duration::from_secs(4)).await;
        }
    });
    let chunks = ReceiverStream::new(receive).chunks_timeout(3, Duration::from_secs(6));
    assert_eq!(chunks.collect::<Vec<_>>().await, [vec![0, 1], vec![2, 3], vec![4]]);

    let before = Instant::now();
    assert_eq!(
        tokio_stream::iter(0..3).throttle(Duration::from_secs(1)).collect::<Vec<_>>().await,
        [0, 1, 2]
    );
    // It waits behind the last one too.
    assert_eq!(before.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_map_of_streams() {
    let every = |seconds| IntervalStream::new(interval(Duration::from_secs(seconds))).skip(1).take(2);
    let mut map = StreamMap::new();
    map.insert("three", every(3));
    map.insert("four", every(4));
    let mut order = Vec::new();
    while let Some((name, _)) = map.next().await {
        order.push(name);
    }
    assert_eq!(order, ["three", "four", "three", "four"]);
}
