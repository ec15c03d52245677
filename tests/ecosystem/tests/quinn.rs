//! quinn: many streams in one QUIC connection, datagrams, and a close with a reason.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use ecosystem::{on_each_flavor, tls};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, ServerConfig};
use tokio::task::JoinSet;

struct Ends {
    server: Connection,
    client: Connection,
    endpoints: [Endpoint; 2],
}

impl Ends {
    async fn connect() -> Self {
        let (server, client) = tls();
        let server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(server).unwrap()));
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listens = Endpoint::server(server, here).unwrap();
        let mut connects = Endpoint::client(here).unwrap();
        connects.set_default_client_config(ClientConfig::new(Arc::new(
            QuicClientConfig::try_from(client).unwrap(),
        )));
        let connecting = connects.connect(listens.local_addr().unwrap(), "localhost").unwrap();
        let accepting = async { listens.accept().await.unwrap().await };
        let (server, client) = tokio::try_join!(accepting, connecting).unwrap();
        Self { server, client, endpoints: [listens, connects] }
    }

    async fn close(self) {
        self.client.close(7_u8.into(), b"done");
        let ConnectionError::ApplicationClosed(close) = self.server.closed().await else {
            panic!("not closed")
        };
        assert_eq!((close.error_code, &close.reason[..]), (7_u8.into(), &b"done"[..]));
        for endpoint in self.endpoints {
            endpoint.wait_idle().await;
        }
    }
}

#[test]
fn streams() {
    on_each_flavor(async || {
        let ends = Ends::connect().await;
        let server = ends.server.clone();
        let echo = tokio::spawn(async move {
            while let Ok((mut send, mut receive)) = server.accept_bi().await {
                tokio::spawn(async move {
                    send.write_all(&receive.read_to_end(200_000).await.unwrap()).await.unwrap();
                    send.finish().unwrap();
                });
            }
        });
        let mut tasks = JoinSet::new();
        for of in 0..64_u8 {
            let client = ends.client.clone();
            tasks.spawn(async move {
                let (mut send, mut receive) = client.open_bi().await.unwrap();
                let body = vec![of; 20_000];
                send.write_all(&body).await.unwrap();
                send.finish().unwrap();
                receive.read_to_end(200_000).await.unwrap() == body
            });
        }
        assert_eq!(tasks.join_all().await, [true; 64]);
        ends.close().await;
        echo.await.unwrap();
    });
}

#[test]
fn datagrams() {
    on_each_flavor(async || {
        let ends = Ends::connect().await;
        for text in ["one", "two"] {
            ends.client.send_datagram_wait(Bytes::from(text)).await.unwrap();
            assert_eq!(ends.server.read_datagram().await.unwrap(), text);
        }
        ends.close().await;
    });
}
