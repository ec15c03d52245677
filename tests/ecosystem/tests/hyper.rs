//! hyper and hyper-util: one connection for many requests, with HTTP/1 and with HTTP/2, and a graceful stop.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use ecosystem::on_each_flavor;
use futures_util::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Sends the body back, in reverse.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let version = request.version();
    let mut body = request.into_body().collect().await.expect("a whole body").to_bytes().to_vec();
    body.reverse();
    Ok(Response::builder().version(version).body(Full::from(body)).unwrap())
}

/// Serves `answer` and counts connections.
async fn serve() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, accepted) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counter = accepted.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut server = auto::Builder::new(TokioExecutor::new());
                server.http1().timer(TokioTimer::new()).http2().timer(TokioTimer::new());
                server.serve_connection(TokioIo::new(stream), service_fn(answer)).await
            });
        }
    });
    (addr, accepted)
}

async fn ask(client: &Client<HttpConnector, Full<Bytes>>, addr: SocketAddr, body: Vec<u8>) -> Bytes {
    let request = Request::post(format!("http://{addr}/")).body(Full::from(body)).unwrap();
    let response = client.request(request).await.unwrap();
    assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
    response.into_body().collect().await.unwrap().to_bytes()
}

#[test]
fn http1_keeps_its_connection_until_told_otherwise() {
    on_each_flavor(async || {
        let (addr, accepted) = serve().await;
        let stream = TokioIo::new(TcpStream::connect(addr).await.unwrap());
        let (mut sender, connection) = http1::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        for (body, reversed, then) in
            [("abc", "cba", "keep-alive"), ("", "", "keep-alive"), ("12", "21", "close")]
        {
            sender.ready().await.unwrap();
            let request =
                Request::post("/").header("connection", then).body(Full::<Bytes>::from(body)).unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_11));
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), reversed);
        }
        connection.await.unwrap().unwrap();
        assert!(sender.is_closed());
        assert_eq!(accepted.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn http2_has_many_requests_under_way_in_one_connection() {
    on_each_flavor(async || {
        let (addr, accepted) = serve().await;
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        assert_eq!(ask(&client, addr, b"first".into()).await, "tsrif");
        // More than the window of a connection holds, so that both sides wait for each other.
        let bodies = join_all((0..32).map(|of| ask(&client, addr, vec![of; 100_000]))).await;
        assert!(bodies.into_iter().eq((0..32).map(|of| vec![of; 100_000])));
        assert_eq!(accepted.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_graceful_stop_lets_the_request_under_way_end() {
    on_each_flavor(async || {
        let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (served, _) = listener.accept().await.unwrap();

        let (here, there) = (arrived.clone(), go_on.clone());
        let service = service_fn(move |_: Request<Incoming>| {
            let (here, there) = (here.clone(), there.clone());
            async move {
                here.notify_one();
                there.notified().await;
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("done")))
            }
        });
        let graceful = GracefulShutdown::new();
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(served), service);
        let connection = tokio::spawn(graceful.watch(connection));

        let (mut sender, client) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let client = tokio::spawn(client);
        let response = tokio::spawn(sender.send_request(Request::new(Full::<Bytes>::default())));
        arrived.notified().await;
        let stop = tokio::spawn(graceful.shutdown());
        tokio::task::yield_now().await;
        assert!(!stop.is_finished());
        go_on.notify_one();
        let body = response.await.unwrap().unwrap().into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "done");
        stop.await.unwrap();
        connection.await.unwrap().unwrap();
        client.await.unwrap().unwrap();
    });
}
