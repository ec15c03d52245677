//! tonic: calls of each kind, an error, and a deadline. `build.rs` defines the service.

use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use ecosystem::on_each_flavor;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status, Streaming};

mod generated {
    include!(concat!(env!("OUT_DIR"), "/ecosystem.Numbers.rs"));
}
use generated::numbers_client::NumbersClient;
use generated::numbers_server::{Numbers, NumbersServer};

#[derive(Clone, PartialEq, prost::Message)]
pub struct Number {
    #[prost(int64, tag = "1")]
    value: i64,
}

/// Never answers what zero is, doubled.
struct Arithmetic;

type Numbered = Pin<Box<dyn Stream<Item = Result<Number, Status>> + Send>>;

#[tonic::async_trait]
impl Numbers for Arithmetic {
    type CountStream = Numbered;
    type RunningSumStream = Numbered;

    async fn double(&self, request: Request<Number>) -> Result<Response<Number>, Status> {
        match request.into_inner().value {
            0 => pending().await,
            value => value.checked_mul(2).map(|value| Response::new(Number { value })),
        }
        .ok_or_else(|| Status::out_of_range("too large"))
    }

    async fn sum(&self, request: Request<Streaming<Number>>) -> Result<Response<Number>, Status> {
        let sum = request.into_inner().try_fold(0, async |sum, number| Ok(sum + number.value));
        Ok(Response::new(Number { value: sum.await? }))
    }

    async fn count(&self, request: Request<Number>) -> Result<Response<Numbered>, Status> {
        let numbers = (1..=request.into_inner().value).map(|value| Ok(Number { value }));
        Ok(Response::new(stream::iter(numbers).boxed()))
    }

    async fn running_sum(&self, request: Request<Streaming<Number>>) -> Result<Response<Numbered>, Status> {
        let mut sum = 0;
        let sums = request.into_inner().map_ok(move |number| {
            sum += number.value;
            Number { value: sum }
        });
        Ok(Response::new(sums.boxed()))
    }
}

async fn with_server(program: impl AsyncFnOnce(NumbersClient<Channel>)) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::from_shared(format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::builder()
        .add_service(NumbersServer::new(Arithmetic))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async { stopped.await.unwrap() });
    let server = tokio::spawn(server);
    program(NumbersClient::new(endpoint.connect().await.unwrap())).await;
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}

fn numbers(of: impl IntoIterator<Item = i64>) -> Vec<Number> {
    of.into_iter().map(|value| Number { value }).collect()
}

#[test]
fn unary() {
    on_each_flavor(async || {
        with_server(async |mut client| {
            assert_eq!(client.double(Number { value: 21 }).await.unwrap().into_inner().value, 42);
            let status = client.double(Number { value: i64::MAX }).await.unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::OutOfRange, "too large"));
            let mut late = Request::new(Number { value: 0 });
            late.set_timeout(Duration::from_millis(10));
            // Whose timer is first, the client's or the server's, is left open.
            let code = client.double(late).await.unwrap_err().code();
            assert!(matches!(code, Code::Cancelled | Code::DeadlineExceeded), "{code:?}");
        })
        .await;
    });
}

#[test]
fn streaming() {
    on_each_flavor(async || {
        with_server(async |mut client| {
            let sum = client.sum(stream::iter(numbers(1..=10_000))).await.unwrap().into_inner();
            assert_eq!(sum.value, 50_005_000);
            let counted = client.count(Number { value: 10_000 }).await.unwrap().into_inner();
            assert_eq!(counted.try_collect::<Vec<_>>().await.unwrap(), numbers(1..=10_000));
        })
        .await;
    });
}

#[test]
fn both_sides_stream_and_each_waits_for_the_other() {
    on_each_flavor(async || {
        with_server(async |mut client| {
            let (send, receive) = tokio::sync::mpsc::channel(1);
            let receive = tokio_stream::wrappers::ReceiverStream::new(receive);
            let mut sums = client.running_sum(receive).await.unwrap().into_inner();
            for (value, sum) in [(1, 1), (2, 3), (3, 6)] {
                send.send(Number { value }).await.unwrap();
                assert_eq!(sums.message().await.unwrap(), Some(Number { value: sum }));
            }
            drop(send);
            assert_eq!(sums.message().await.unwrap(), None);
        })
        .await;
    });
}
