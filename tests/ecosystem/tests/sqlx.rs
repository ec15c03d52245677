//! sqlx: pools of connections to SQLite, which blocks threads, and to PostgreSQL, which is reached through a socket.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ecosystem::{on_each_flavor, server};
use futures_util::TryStreamExt;
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};
use tokio::task::JoinSet;

#[test]
fn sqlite() {
    on_each_flavor(async || {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("sqlite");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let options = SqliteConnectOptions::from_str("sqlite:").unwrap().filename(folder.join("db"));
        let options = options.create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
        // They write one after the other, and who waits for the others is not served in turn.
        let options = options.synchronous(SqliteSynchronous::Off).busy_timeout(Duration::from_secs(60));
        let pool = SqlitePool::connect_with(options).await.unwrap();
        sqlx::query("create table orders (id integer primary key, amount integer)")
            .execute(&pool)
            .await
            .unwrap();

        let mut tasks = JoinSet::new();
        for amount in 1..=50 {
            let pool = pool.clone();
            tasks.spawn(async move {
                let insert = sqlx::query("insert into orders (amount) values (?)").bind(amount);
                insert.execute(&pool).await.unwrap().rows_affected()
            });
        }
        assert_eq!(tasks.join_all().await.into_iter().sum::<u64>(), 50);

        let mut rolled_back = pool.begin().await.unwrap();
        sqlx::query("delete from orders").execute(&mut *rolled_back).await.unwrap();
        drop(rolled_back);
        let sum: i64 = sqlx::query_scalar("select sum(amount) from orders").fetch_one(&pool).await.unwrap();
        assert_eq!(sum, 1275);
        let rows =
            sqlx::query_scalar::<_, i64>("select amount from orders order by amount desc").fetch(&pool);
        assert!(rows.try_collect::<Vec<_>>().await.unwrap().into_iter().eq((1..=50).rev()));
        pool.close().await;
    });
}

#[test]
fn postgres() {
    on_each_flavor(async || {
        let pool =
            PgPoolOptions::new().max_connections(3).connect(&server("ECOSYSTEM_POSTGRES")).await.unwrap();
        let mut tasks = JoinSet::new();
        for number in 0..30_i32 {
            let pool = pool.clone();
            tasks.spawn(async move {
                sqlx::query_scalar::<_, i32>("select $1 * 2").bind(number).fetch_one(&pool).await.unwrap()
            });
        }
        let mut doubled = tasks.join_all().await;
        doubled.sort();
        assert!(doubled.into_iter().eq((0..30).map(|number| number * 2)));

        let mut listener = PgListener::connect_with(&pool).await.unwrap();
        listener.listen("sqlx_news").await.unwrap();
        sqlx::query("select pg_notify('sqlx_news', 'hello')").execute(&pool).await.unwrap();
        assert_eq!(listener.recv().await.unwrap().payload(), "hello");
        drop(listener);
        pool.close().await;
    });
}
