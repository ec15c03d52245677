//! axum: routes behind a middleware, a websocket, and a graceful stop.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{Path, Request, State};
use axum::http::HeaderValue;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{any, get};
use axum::{Json, Router};
use ecosystem::on_each_flavor;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio_tungstenite::tungstenite;

/// Says in the response that it was here, after the handler awaited.
async fn stamp(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    response.headers_mut().insert("x-path", HeaderValue::from_str(&path).unwrap());
    response
}

/// Answers each text in upper case.
async fn shout(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            let Message::Text(text) = message else { continue };
            socket.send(Message::Text(text.to_uppercase().into())).await.unwrap();
        }
    })
}

fn app() -> Router {
    Router::new()
        .route("/twice/{number}", get(async |Path(number): Path<u32>| Json(json!({ "twice": number * 2 }))))
        .route("/shout", any(shout))
        .layer(from_fn(stamp))
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, app).into_future());
    addr
}

#[test]
fn a_route_behind_a_middleware() {
    on_each_flavor(async || {
        let addr = serve(app()).await;
        let response = reqwest::get(format!("http://{addr}/twice/21")).await.unwrap();
        assert_eq!(response.headers()["x-path"], "/twice/21");
        assert_eq!(response.json::<Value>().await.unwrap(), json!({ "twice": 42 }));
        let response = reqwest::get(format!("http://{addr}/twice/many")).await.unwrap();
        assert_eq!(response.status(), 400);
    });
}

#[test]
fn a_websocket() {
    on_each_flavor(async || {
        let addr = serve(app()).await;
        let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{addr}/shout")).await.unwrap();
        for text in ["hello", "again"] {
            socket.send(tungstenite::Message::text(text)).await.unwrap();
            assert_eq!(
                socket.next().await.unwrap().unwrap(),
                tungstenite::Message::text(text.to_uppercase())
            );
        }
        socket.close(None).await.unwrap();
        assert!(matches!(socket.next().await, Some(Ok(tungstenite::Message::Close(_)))));
    });
}

#[test]
fn a_graceful_stop_lets_the_request_under_way_end() {
    on_each_flavor(async || {
        let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let app = Router::new()
            .route(
                "/",
                get(async |State((arrived, go_on)): State<(Arc<Notify>, Arc<Notify>)>| {
                    arrived.notify_one();
                    go_on.notified().await;
                    "done"
                }),
            )
            .with_state((arrived.clone(), go_on.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let server = axum::serve(listener, app).with_graceful_shutdown(async { stopped.await.unwrap() });
        let server = tokio::spawn(server.into_future());

        let response = tokio::spawn(reqwest::get(url.clone()));
        arrived.notified().await;
        stop.send(()).unwrap();
        go_on.notify_one();
        assert_eq!(response.await.unwrap().unwrap().text().await.unwrap(), "done");
        server.await.unwrap().unwrap();
        assert!(reqwest::get(url).await.unwrap_err().is_connect());
    });
}
