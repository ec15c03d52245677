//! Calls that wait and give up, as a table.

/// Each row: `{what there is} the call that waits, what it waits for => what is left for others`. The call is polled and dropped
/// once before that comes about, and once after it was woken.
macro_rules! give_up {
    ($($name:ident: {$($there:tt)*} $wait:expr, $comes:expr => $left:expr;)*) => {$(
        #[test]
        #[allow(unused_mut, unused_variables, reason = "rows look alike")]
        fn $name() {
            let rt = corelane::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            // Only a failure takes so long.
            let patience = std::time::Duration::from_secs(60);
            let early = async {
                $($there)*
                let mut early = crate::poll::Hand::new($wait);
                early.waits();
                drop(early);
                let _kept = $comes;
                assert!($left, "given up before it came");
            };
            let late = async {
                $($there)*
                let mut late = crate::poll::Hand::new($wait);
                late.waits();
                let _kept = $comes;
                while late.wakes() == 0 {
                    corelane::task::yield_now().await;
                }
                drop(late);
                assert!($left, "given up after it came");
            };
            rt.block_on(async {
                corelane::time::timeout(patience, early).await.expect("it is lost");
                corelane::time::timeout(patience, late).await.expect("it is lost");
            });
        }
    )*};
}
pub(crate) use give_up;
