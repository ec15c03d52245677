//! tokio-rustls: a megabyte each way at once, and a certificate for another name.

use std::io::ErrorKind;
use std::sync::Arc;

use ecosystem::{on_each_flavor, tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

type Ends = (std::io::Result<server::TlsStream<TcpStream>>, std::io::Result<client::TlsStream<TcpStream>>);

async fn connect_to(name: &'static str) -> Ends {
    let (server, client) = tls();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let (acceptor, connector) = (TlsAcceptor::from(Arc::new(server)), TlsConnector::from(Arc::new(client)));
    tokio::join!(acceptor.accept(accepted), connector.connect(ServerName::try_from(name).unwrap(), stream))
}

#[test]
fn a_megabyte_each_way_at_once() {
    on_each_flavor(async || {
        let (server, client) = connect_to("localhost").await;
        let ((from_client, to_client), (from_server, to_server)) =
            (split(server.unwrap()), split(client.unwrap()));
        let down = tokio::spawn(send(to_client, b's'));
        let up = tokio::spawn(send(to_server, b'c'));
        let received = tokio::spawn(receive(from_client));
        assert!(receive(from_server).await == vec![b's'; 1_000_000]);
        assert!(received.await.unwrap() == vec![b'c'; 1_000_000]);
        tokio::try_join!(down, up).unwrap();
    });
}

async fn send(mut to: impl AsyncWriteExt + Unpin, byte: u8) {
    to.write_all(&vec![byte; 1_000_000]).await.unwrap();
    to.shutdown().await.unwrap();
}

async fn receive(mut from: impl AsyncReadExt + Unpin) -> Vec<u8> {
    let mut all = Vec::new();
    from.read_to_end(&mut all).await.unwrap();
    all
}

#[test]
fn a_certificate_for_another_name() {
    on_each_flavor(async || {
        let (_, client) = connect_to("example.com").await;
        let error = client.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains("certificate"), "{error}");
    });
}
