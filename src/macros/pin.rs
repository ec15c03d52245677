/// Pins futures where they stand, in local variables.
///
/// `pin!(a, b)` replaces each variable by a `Pin<&mut _>` to what it held. `pin! { let a = make(); }` declares and
/// pins in one step. The futures live until the end of the enclosing block and cannot be moved out of it; for one
/// that has to travel use `Box::pin`.
///
/// Unlike [`std::pin::pin!`] this is a statement and takes several at once.
///
/// # Examples
/// A future that is polled by reference more than once has to be pinned first:
/// ```
/// async fn step() {}
/// async fn work() {}
///
/// async fn run() {
///     let work = work();
///     corelane::pin!(work);
///     loop {
///         corelane::select! {
///             _ = &mut work => break,
///             _ = step() => {}
///         }
///     }
/// }
/// ```
/// ```
/// async fn both() -> (u8, u8) {
///     corelane::pin! {
///         let one = async { 1 };
///         let two = async { 2 };
///     }
///     (one.await, two.await)
/// }
/// ```
#[macro_export]
macro_rules! pin {
    ($($name:ident),* $(,)?) => {
        $(
            #[allow(unused_mut)]
            let mut $name = ::core::pin::pin!($name);
        )*
    };
    ($(let $name:ident = $init:expr;)*) => {
        $(
            let $name = $init;
            #[allow(unused_mut)]
            let mut $name = ::core::pin::pin!($name);
        )*
    };
}
