//! tokio-postgres: queries in a pipeline, a transaction, copies, notifications, and a query that is cancelled.

use std::future::poll_fn;
use std::pin::pin;

use bytes::Bytes;
use ecosystem::{on_each_flavor, server};
use futures_util::future::try_join_all;
use futures_util::{SinkExt, TryStreamExt};
use tokio::sync::mpsc;
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, NoTls, connect};

async fn client() -> Client {
    let (client, connection) = connect(&server("ECOSYSTEM_POSTGRES"), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[test]
fn queries_in_a_pipeline() {
    on_each_flavor(async || {
        let client = client().await;
        let add = client.prepare("select $1::int4 + $2::int4").await.unwrap();
        let sums = (0..100_i32).map(|number| {
            let (client, add) = (&client, &add);
            async move { client.query_one(add, &[&number, &1]).await.map(|row| row.get::<_, i32>(0)) }
        });
        assert!(try_join_all(sums).await.unwrap().into_iter().eq(1..=100));
        let error = client.query_one("select 1 / $1::int4", &[&0]).await.unwrap_err();
        assert_eq!(error.code(), Some(&SqlState::DIVISION_BY_ZERO));
    });
}

#[test]
fn copies_and_a_transaction() {
    on_each_flavor(async || {
        let mut client = client().await;
        client.batch_execute("create temporary table numbers (number int4)").await.unwrap();
        let transaction = client.transaction().await.unwrap();
        transaction.execute("insert into numbers values (7)", &[]).await.unwrap();
        drop(transaction);

        let mut sink = pin!(client.copy_in("copy numbers from stdin").await.unwrap());
        for number in 0..10_000 {
            sink.feed(Bytes::from(format!("{number}\n"))).await.unwrap();
        }
        assert_eq!(sink.finish().await.unwrap(), 10_000);
        let rows =
            client.copy_out("copy (select number from numbers order by number) to stdout").await.unwrap();
        let text = rows.map_ok(|row| row.to_vec()).try_concat().await.unwrap();
        let expected: String = (0..10_000).map(|number| format!("{number}\n")).collect();
        assert!(text == expected.as_bytes());
    });
}

#[test]
fn notifications() {
    on_each_flavor(async || {
        let (client, mut connection) = connect(&server("ECOSYSTEM_POSTGRES"), NoTls).await.unwrap();
        let (send, mut receive) = mpsc::unbounded_channel();
        let driver = tokio::spawn(async move {
            while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notification(notification) = message.unwrap() {
                    send.send(notification.payload().to_owned()).unwrap();
                }
            }
        });
        let channel = format!("news_{:?}", tokio::runtime::Handle::current().runtime_flavor());
        client.batch_execute(&format!("listen {channel}; notify {channel}, 'hello'")).await.unwrap();
        assert_eq!(receive.recv().await.unwrap(), "hello");
        drop(client);
        driver.await.unwrap();
    });
}

#[test]
fn a_query_that_is_cancelled() {
    on_each_flavor(async || {
        let client = client().await;
        let backend: i32 = client.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
        let cancel = client.cancel_token();
        let waits = tokio::spawn(async move { client.batch_execute("select pg_sleep(600)").await });
        // The server forgets a cancellation that comes before the query does.
        let other = self::client().await;
        let runs = "select count(*) from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'";
        while other.query_one(runs, &[&backend]).await.unwrap().get::<_, i64>(0) == 0 {}
        cancel.cancel_query(NoTls).await.unwrap();
        assert_eq!(waits.await.unwrap().unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
    });
}
