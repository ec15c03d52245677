//! reqwest against axum: bodies in both directions, many requests at once, and a timeout.

use std::future::{IntoFuture, pending};
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use bytes::Bytes;
use ecosystem::on_each_flavor;
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

async fn serve() -> String {
    let app = Router::new()
        .route("/sum", post(async |Json(numbers): Json<Vec<u64>>| Json(numbers.iter().sum::<u64>())))
        .route("/echo", post(async |body: Body| body))
        .route("/never", get(pending::<()>));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, app).into_future());
    url
}

#[test]
fn json_there_and_back() {
    on_each_flavor(async || {
        let (client, url) = (Client::new(), serve().await);
        let mut sums = JoinSet::new();
        for upto in 0..50_u64 {
            let numbers = client.post(format!("{url}/sum")).json(&(0..=upto).collect::<Vec<_>>());
            sums.spawn(async move { (upto, numbers.send().await.unwrap().json::<u64>().await.unwrap()) });
        }
        for (upto, sum) in sums.join_all().await {
            assert_eq!(sum, upto * (upto + 1) / 2);
        }
        let wrong =
            client.post(format!("{url}/sum")).json(&json!({ "no": Value::Null })).send().await.unwrap();
        assert_eq!(wrong.status(), 422);
    });
}

#[test]
fn a_body_that_streams_both_ways() {
    on_each_flavor(async || {
        let chunks = (0..64_u8).map(|of| Ok::<_, std::io::Error>(Bytes::from(vec![of; 10_000])));
        let body = reqwest::Body::wrap_stream(stream::iter(chunks).then(async |chunk| {
            tokio::task::yield_now().await;
            chunk
        }));
        let response = Client::new().post(format!("{}/echo", serve().await)).body(body).send().await.unwrap();
        let echoed = response.bytes_stream().try_fold(Vec::new(), async |mut all, chunk| {
            all.extend_from_slice(&chunk);
            Ok(all)
        });
        let expected: Vec<u8> = (0..64).flat_map(|of| vec![of; 10_000]).collect();
        assert!(echoed.await.unwrap() == expected);
    });
}

#[test]
fn a_timeout() {
    on_each_flavor(async || {
        let client = Client::builder().timeout(Duration::from_millis(10)).build().unwrap();
        assert!(client.get(format!("{}/never", serve().await)).send().await.unwrap_err().is_timeout());
    });
}
