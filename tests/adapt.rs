//! The adapters: libraries written for other traits on this runtime's streams, tasks and timers, without the patch line.

use std::cell::Cell;
use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use corelane::adapt::{Compat, Executor, FromFutures, FromHyper, FromTokio, LocalExecutor, Timer};
use corelane::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use corelane::net::{TcpListener, TcpStream};
use corelane::runtime::Builder;
use corelane::shard::{ShardId, spawn_on};
use corelane::task::spawn_blocking;
use corelane::time::{Duration, Instant};
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, client, server};
use tokio_util::codec::{Framed, FramedRead, FramedWrite, LengthDelimitedCodec};

#[corelane::test]
async fn hyper_serves_http1_on_our_sockets_and_tasks() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = corelane::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = service_fn(async |request: Request<Incoming>| {
            let body = request.into_body().collect().await?.to_bytes();
            // The answer comes from a thread of our blocking pool.
            let reversed =
                spawn_blocking(move || body.iter().rev().copied().collect::<Vec<_>>()).await.unwrap();
            Ok::<_, hyper::Error>(Response::new(Full::<Bytes>::from(reversed)))
        });
        server::conn::http1::Builder::new().timer(Timer).serve_connection(Compat::new(stream), service).await
    });
    let stream = Compat::new(TcpStream::connect(addr).await.unwrap());
    let (mut sender, connection) = client::conn::http1::handshake(stream).await.unwrap();
    let connection = corelane::spawn(connection);
    for (body, reversed) in [("abc".to_owned(), "cba".to_owned()), ("x".repeat(500_000), "x".repeat(500_000))]
    {
        sender.ready().await.unwrap();
        let response = sender.send_request(Request::new(Full::<Bytes>::from(body))).await.unwrap();
        assert!(response.into_body().collect().await.unwrap().to_bytes() == reversed);
    }
    drop(sender);
    connection.await.unwrap().unwrap();
    server.await.unwrap().unwrap();
}

#[test]
fn hyper_serves_http2_with_a_service_that_stays_on_its_shard() {
    Builder::new_sharded().worker_threads(2).enable_all().build().unwrap().block_on(async {
        let (here, there) = duplex(4096);
        let served = spawn_on(ShardId(1), || async {
            let calls = Rc::new(Cell::new(0));
            let counter = calls.clone();
            let service = service_fn(move |_: Request<Incoming>| {
                let calls = counter.clone();
                async move {
                    calls.set(calls.get() + 1);
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(calls.get().to_string())))
                }
            });
            let mut server = server::conn::http2::Builder::new(LocalExecutor);
            server.timer(Timer).serve_connection(Compat::new(there), service).await.unwrap();
            calls.get()
        });
        let (mut sender, connection) =
            client::conn::http2::handshake(Executor, Compat::new(here)).await.unwrap();
        let connection = corelane::spawn(connection);
        for call in 1..=3 {
            let response = sender.send_request(Request::new(Full::<Bytes>::default())).await.unwrap();
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), call.to_string());
        }
        drop(sender);
        connection.await.unwrap().unwrap();
        assert_eq!(served.await.unwrap(), 3);
    });
}

#[corelane::test(start_paused = true)]
async fn hypers_timeouts_are_on_our_clock() {
    let (_silent, stream) = duplex(64);
    let service = service_fn(async |_: Request<Incoming>| Ok::<_, Infallible>(Response::new(String::new())));
    let start = Instant::now();
    let connection = server::conn::http1::Builder::new()
        .timer(Timer)
        .header_read_timeout(Duration::from_secs(5))
        .serve_connection(Compat::new(stream), service);
    assert!(connection.await.unwrap_err().is_timeout());
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[corelane::test(start_paused = true)]
async fn a_timer_is_reset_in_place() {
    use hyper::rt::Timer as _;
    let start = Instant::now();
    let mut sleep = Timer.sleep(Duration::from_secs(1));
    let place = &raw const *sleep as *const ();
    Timer.reset(&mut sleep, Timer.now() + Duration::from_secs(9));
    assert_eq!(place, &raw const *sleep as *const ());
    sleep.await;
    assert_eq!(start.elapsed().as_secs(), 9);
}

#[corelane::test]
async fn codecs_of_tokio_util_take_our_sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let server = corelane::spawn(async move {
        let mut frames = Framed::new(stream, LengthDelimitedCodec::new());
        while let Some(frame) = frames.next().await {
            frames.send(frame.unwrap().freeze()).await.unwrap();
        }
    });
    let (receive, send) = client.into_split();
    let sender = corelane::spawn(async move {
        let mut frames = FramedWrite::new(send, LengthDelimitedCodec::new());
        for len in 0..1_000 {
            frames.feed(Bytes::from(vec![7; len])).await.unwrap();
        }
        SinkExt::<Bytes>::close(&mut frames).await.unwrap();
    });
    let frames = FramedRead::new(receive, LengthDelimitedCodec::new());
    let lens: Vec<_> = frames.map(|frame| frame.unwrap().len()).collect().await;
    assert!(lens.into_iter().eq(0..1_000));
    sender.await.unwrap();
    server.await.unwrap();
}

/// Sends some bytes from one end of a pipe to the other, both ends wrapped.
async fn pass_through<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(wrap: fn(DuplexStream) -> S) {
    let (one, two) = duplex(1_000);
    let (mut one, mut two) = (wrap(one), wrap(two));
    let sent: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
    let expected = sent.clone();
    let sender = corelane::spawn(async move {
        let (front, back) = sent.split_at(60_000);
        one.write_all(front).await.unwrap();
        let first = one.write_vectored(&[IoSlice::new(&[]), IoSlice::new(&back[..10])]).await.unwrap();
        one.write_all(&back[first..]).await.unwrap();
        one.flush().await.unwrap();
        one.shutdown().await.unwrap();
        one
    });
    let mut received = vec![0; 5];
    two.read_exact(&mut received).await.unwrap();
    (&mut two).take(5_000).read_to_end(&mut received).await.unwrap();
    assert_eq!(received.len(), 5_005);
    two.read_to_end(&mut received).await.unwrap();
    assert!(received == expected);
    // Only one direction was shut down.
    two.write_all(b"well received").await.unwrap();
    drop(two);
    let mut answer = String::new();
    sender.await.unwrap().read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "well received");
}

#[corelane::test]
async fn bytes_pass_through_the_wrappers_of_each_crate_in_both_directions() {
    pass_through(FromTokio::new).await;
    pass_through(|stream| FromTokio::new(Compat::new(stream))).await;
    pass_through(|stream| FromHyper::new(Compat::new(stream))).await;
    pass_through(|stream| FromFutures::new(Compat::new(stream))).await;
}

#[test]
fn what_was_read_before_stays_in_the_buffers_of_others() {
    let mut cx = Context::from_waker(Waker::noop());
    let mut memory = [MaybeUninit::uninit(); 8];

    let mut buf = tokio::io::ReadBuf::uninit(&mut memory);
    buf.put_slice(b"ab");
    let read = tokio::io::AsyncRead::poll_read(pin!(Compat::new(&b"cdefghij"[..])), &mut cx, &mut buf);
    assert!(read.is_ready());
    assert_eq!(buf.filled(), b"abcdefgh");

    let mut buf = hyper::rt::ReadBuf::uninit(&mut memory);
    buf.unfilled().put_slice(b"ab");
    let read = hyper::rt::Read::poll_read(pin!(Compat::new(&b"cdefghij"[..])), &mut cx, buf.unfilled());
    assert!(read.is_ready());
    assert_eq!(buf.filled(), b"abcdefgh");
}

#[corelane::test]
async fn errors_pass_through_and_leave_the_buffer_as_it_was() {
    struct Broken;
    impl AsyncRead for Broken {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::Error::other("broken")))
        }
    }
    async fn fails(mut broken: impl AsyncRead + Unpin) {
        let mut buf = b"before".to_vec();
        assert_eq!(broken.read_to_end(&mut buf).await.unwrap_err().to_string(), "broken");
        assert_eq!(buf, b"before");
    }
    fails(FromTokio::new(Compat::new(Broken))).await;
    fails(FromHyper::new(Compat::new(Broken))).await;
    fails(FromFutures::new(Compat::new(Broken))).await;
}
