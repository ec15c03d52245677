//! Keeps notes: `POST /notes` takes a text and answers with its number, `GET /notes/{number}` gives it back. Ends on ctrl-c or SIGTERM
//! when the requests under way are answered.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::RwLock;

type Notes = Arc<RwLock<Vec<String>>>;

async fn add(State(notes): State<Notes>, text: String) -> (StatusCode, String) {
    let mut notes = notes.write().await;
    notes.push(text);
    (StatusCode::CREATED, format!("{}", notes.len() - 1))
}

async fn show(State(notes): State<Notes>, Path(number): Path<usize>) -> Result<String, StatusCode> {
    notes.read().await.get(number).cloned().ok_or(StatusCode::NOT_FOUND)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let app = Router::new()
        .route("/notes", post(add))
        .route("/notes/{number}", get(show))
        .with_state(Notes::default());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let runtime = std::any::type_name::<tokio::runtime::Runtime>();
    println!("http://{} on {runtime}", listener.local_addr()?);

    let mut terminate = signal(SignalKind::terminate())?;
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        })
        .await
}
