//! redis: many commands in one connection, a transaction, a pop that waits, and messages to subscribers.

use ecosystem::{on_each_flavor, server};
use futures_util::StreamExt;
use redis::{AsyncCommands, Client, pipe};
use tokio::task::JoinSet;

fn client() -> Client {
    Client::open(server("ECOSYSTEM_REDIS")).unwrap()
}

#[test]
fn many_tasks_share_a_connection() {
    on_each_flavor(async || {
        let mut redis = client().get_multiplexed_async_connection().await.unwrap();
        let () = redis.del("shared").await.unwrap();
        let mut tasks = JoinSet::new();
        for _ in 0..100 {
            let mut redis = redis.clone();
            tasks.spawn(async move { redis.incr::<_, _, u32>("shared", 1).await.unwrap() });
        }
        let mut counts = tasks.join_all().await;
        counts.sort();
        assert!(counts.into_iter().eq(1..=100));
        assert_eq!(redis.get::<_, u32>("shared").await.unwrap(), 100);
    });
}

#[test]
fn a_transaction_in_a_pipeline() {
    on_each_flavor(async || {
        let mut redis = client().get_multiplexed_async_connection().await.unwrap();
        let mut pipe = pipe();
        pipe.atomic()
            .set("one", vec![b'x'; 300_000])
            .ignore()
            .append("one", "y")
            .getrange("one", 299_998, -1);
        let (len, end): (usize, String) = pipe.query_async(&mut redis).await.unwrap();
        assert_eq!((len, end.as_str()), (300_001, "xxy"));
        let wrong = redis.incr::<_, _, u32>("one", 1).await.unwrap_err();
        assert!(wrong.to_string().contains("not an integer"), "{wrong}");
    });
}

#[test]
fn a_pop_that_waits_for_a_push() {
    on_each_flavor(async || {
        let mut waits = client().get_multiplexed_async_connection().await.unwrap();
        let mut pushes = client().get_multiplexed_async_connection().await.unwrap();
        let popped = tokio::spawn(async move { waits.blpop::<_, (String, String)>("jobs", 0.0).await });
        let () = pushes.rpush("jobs", "work").await.unwrap();
        assert_eq!(popped.await.unwrap().unwrap(), ("jobs".into(), "work".into()));
    });
}

#[test]
fn subscribers() {
    on_each_flavor(async || {
        let mut subscriber = client().get_async_pubsub().await.unwrap();
        let channel = format!("news of {:?}", tokio::runtime::Handle::current().runtime_flavor());
        subscriber.subscribe(&channel).await.unwrap();
        let mut redis = client().get_multiplexed_async_connection().await.unwrap();
        for number in 0..10 {
            assert_eq!(redis.publish::<_, _, u32>(&channel, number).await.unwrap(), 1);
        }
        let received: Vec<_> = subscriber.into_on_message().take(10).collect().await;
        assert!(received.into_iter().map(|message| message.get_payload::<u32>().unwrap()).eq(0..10));
    });
}
