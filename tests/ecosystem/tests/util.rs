//! tokio-util: codecs, cancellation, what bridges streams and readers, and what queues.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use ecosystem::on_each_flavor;
use futures_util::io::AsyncReadExt as _;
use futures_util::{SinkExt, StreamExt, TryStreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::codec::{BytesCodec, Framed, FramedRead, LengthDelimitedCodec, LinesCodec, LinesCodecError};
use tokio_util::compat::TokioAsyncReadCompatExt;
use tokio_util::io::{ReaderStream, StreamReader, SyncIoBridge};
use tokio_util::sync::{CancellationToken, PollSemaphore, PollSender};
use tokio_util::task::{LocalPoolHandle, TaskTracker};
use tokio_util::time::DelayQueue;
use tokio_util::udp::UdpFramed;

#[test]
fn frames_with_their_length_over_tcp() {
    on_each_flavor(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let server = tokio::spawn(async move {
            let mut frames = Framed::new(listener.accept().await.unwrap().0, LengthDelimitedCodec::new());
            while let Some(frame) = frames.next().await {
                frames.send(frame.unwrap().freeze()).await.unwrap();
            }
        });
        let (mut send, receive) = Framed::new(client, LengthDelimitedCodec::new()).split();
        let sender = tokio::spawn(async move {
            for len in 0..2_000 {
                send.feed(Bytes::from(vec![len as u8; len])).await.unwrap();
            }
            send.close().await.unwrap();
        });
        let lens: Vec<_> = receive.map_ok(|frame| frame.len()).try_collect().await.unwrap();
        assert!(lens.into_iter().eq(0..2_000));
        sender.await.unwrap();
        server.await.unwrap();
    });
}

#[test]
fn lines() {
    on_each_flavor(async || {
        let (mut write, read) = duplex(8);
        let writer = tokio::spawn(async move {
            write.write_all(b"one\r\ntwo\na line that is too long\nlast").await.unwrap();
        });
        let mut lines = FramedRead::new(read, LinesCodec::new_with_max_length(10));
        assert_eq!(lines.next().await.unwrap().unwrap(), "one");
        assert_eq!(lines.next().await.unwrap().unwrap(), "two");
        assert!(matches!(lines.next().await, Some(Err(LinesCodecError::MaxLineLengthExceeded))));
        // An error ends the stream once; then it goes on behind the line.
        assert!(lines.next().await.is_none());
        assert_eq!(lines.next().await.unwrap().unwrap(), "last");
        writer.await.unwrap();
    });
}

#[test]
fn datagrams() {
    on_each_flavor(async || {
        let bind = async || UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (one, two) = (bind().await, bind().await);
        let (one_addr, two_addr) = (one.local_addr().unwrap(), two.local_addr().unwrap());
        let (mut one, mut two) =
            (UdpFramed::new(one, BytesCodec::new()), UdpFramed::new(two, BytesCodec::new()));
        one.send((Bytes::from("over here"), two_addr)).await.unwrap();
        let (text, from) = two.next().await.unwrap().unwrap();
        assert_eq!((&text[..], from), (&b"over here"[..], one_addr));
    });
}

#[test]
fn cancellation_reaches_the_children_and_not_the_parent() {
    on_each_flavor(async || {
        let (root, tracker) = (CancellationToken::new(), TaskTracker::new());
        let branch = root.child_token();
        for token in [branch.clone(), branch.child_token()] {
            tracker.spawn(async move { token.run_until_cancelled(std::future::pending::<()>()).await });
        }
        tracker.close();
        assert_eq!(tracker.len(), 2);
        branch.cancel();
        tracker.wait().await;
        assert!(!root.is_cancelled());
        let guard = root.drop_guard_ref();
        drop(guard);
        root.cancelled().await;
    });
}

#[test]
fn readers_and_streams_become_each_other() {
    on_each_flavor(async || {
        let chunks =
            stream::iter(["a ", "few ", "chunks"].map(|chunk| Ok::<_, io::Error>(Bytes::from(chunk))));
        let mut text = String::new();
        StreamReader::new(chunks).read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "a few chunks");
        let chunks: Vec<Bytes> = ReaderStream::with_capacity(text.as_bytes(), 6).try_collect().await.unwrap();
        assert_eq!(chunks, ["a few ", "chunks"]);

        let (mut write, read) = duplex(4);
        let blocking = tokio::task::spawn_blocking(|| io::read_to_string(SyncIoBridge::new(read)));
        write.write_all(b"read by a thread that blocks").await.unwrap();
        drop(write);
        assert_eq!(blocking.await.unwrap().unwrap(), "read by a thread that blocks");

        let (mut write, read) = duplex(4);
        let mut read = read.compat();
        let mut text = String::new();
        let writer = async {
            write.write_all(b"by the futures traits").await.unwrap();
            drop(write);
        };
        tokio::join!(writer, async { read.read_to_string(&mut text).await.unwrap() });
        assert_eq!(text, "by the futures traits");
    });
}

#[test]
fn permits_and_places_that_are_polled_for() {
    on_each_flavor(async || {
        let mut cx = Context::from_waker(Waker::noop());
        let mut semaphore = PollSemaphore::new(Arc::new(Semaphore::new(1)));
        let Poll::Ready(Some(permit)) = semaphore.poll_acquire(&mut cx) else { panic!("one permit is free") };
        assert!(semaphore.poll_acquire(&mut cx).is_pending());
        drop(permit);
        assert!(semaphore.poll_acquire(&mut cx).is_ready());

        let (send, mut receive) = mpsc::channel(1);
        let mut send = PollSender::new(send);
        let sender = tokio::spawn(async move {
            send.send_all(&mut stream::iter(0..100).map(Ok)).await.unwrap();
        });
        for expected in 0..100 {
            assert_eq!(receive.recv().await, Some(expected));
        }
        sender.await.unwrap();
        assert_eq!(receive.recv().await, None);
    });
}

#[test]
fn tasks_that_are_not_send_in_a_pool() {
    on_each_flavor(async || {
        let pool = LocalPoolHandle::new(2);
        let sums = (0..10_u32).map(|of| {
            pool.spawn_pinned(move || async move {
                let local = std::rc::Rc::new(of);
                let theirs = tokio::task::spawn_local({
                    let local = local.clone();
                    async move { *local + 1 }
                });
                *local + theirs.await.unwrap()
            })
        });
        for (of, sum) in sums.collect::<Vec<_>>().into_iter().enumerate() {
            assert_eq!(sum.await.unwrap(), 2 * of as u32 + 1);
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_queue_of_delays() {
    let (start, mut queue) = (Instant::now(), DelayQueue::new());
    queue.insert("last", Duration::from_secs(3600));
    let dropped = queue.insert("dropped", Duration::from_secs(2));
    let moved = queue.insert("moved", Duration::from_secs(9));
    queue.insert("first", Duration::from_millis(5));
    queue.remove(&dropped);
    queue.reset(&moved, Duration::from_secs(1));
    let mut order = Vec::new();
    while let Some(expired) = queue.next().await {
        order.push((expired.into_inner(), start.elapsed().as_secs()));
    }
    assert_eq!(order, [("first", 0), ("moved", 1), ("last", 3600)]);
}
