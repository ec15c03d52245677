//! tokio-tungstenite: a websocket's messages, and its end from either side.

use ecosystem::on_each_flavor;
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_async, connect_async};

async fn pair() -> (WebSocketStream<TcpStream>, WebSocketStream<MaybeTlsStream<TcpStream>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let server = async { accept_async(listener.accept().await.unwrap().0).await };
    let (server, client) = tokio::join!(server, connect_async(url));
    (server.unwrap(), client.unwrap().0)
}

#[test]
fn an_echo() {
    on_each_flavor(async || {
        let (server, mut client) = pair().await;
        let server = tokio::spawn(async {
            let (mut send, mut receive) = server.split();
            while let Some(Ok(message)) = receive.next().await {
                if message.is_text() || message.is_binary() {
                    send.send(message).await.unwrap();
                }
            }
        });
        let messages = [Message::text("hello"), Message::binary(vec![7; 1_000_000]), Message::text("")];
        for message in messages {
            client.send(message.clone()).await.unwrap();
            assert!(client.next().await.unwrap().unwrap() == message);
        }
        client.send(Message::Ping("are you there".into())).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("are you there".into()));
        client.close(None).await.unwrap();
        assert!(client.next().await.unwrap().unwrap().is_close());
        assert!(client.next().await.is_none());
        server.await.unwrap();
    });
}

#[test]
fn the_server_says_why_it_closes() {
    on_each_flavor(async || {
        let (mut server, mut client) = pair().await;
        let frame = CloseFrame { code: CloseCode::Away, reason: "maintenance".into() };
        let server = tokio::spawn(async move {
            server.close(Some(frame)).await.unwrap();
            while server.next().await.is_some() {}
        });
        let Some(Ok(Message::Close(Some(frame)))) = client.next().await else { panic!("no close frame") };
        assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Away, "maintenance"));
        assert!(client.next().await.is_none());
        server.await.unwrap();
    });
}
