/// Runs several futures on the current task until all are done, and returns their outputs as a tuple.
///
/// ```text
/// join!(future, future, …)            join!(biased; future, future, …)
/// ```
/// Anything that converts into a future is accepted. All of them are polled by one task, so they take turns and
/// never run in parallel: a future that blocks its thread blocks them all. Spawn tasks and join their handles where
/// that matters.
///
/// Each wake polls every future that is not done. To be fair, each time begins one future further on. With `biased;`
/// it begins with the first every time, which makes the order predictable and leaves fairness to the caller. A
/// future is dropped as soon as it is done.
///
/// # Cancel safety
/// Dropping the whole drops the futures that are not done, and the outputs of those that are.
///
/// # Examples
/// ```
/// async fn user() -> &'static str { "ada" }
/// async fn visits() -> u32 { 3 }
///
/// async fn page() -> String {
///     let (user, visits) = corelane::join!(user(), visits());
///     format!("{user} was here {visits} times")
/// }
/// ```
#[macro_export]
macro_rules! join {
    ($($tokens:tt)*) => { $crate::macros_support::__join!($crate::macros_support; $($tokens)*) };
}

/// Runs several fallible futures on the current task until all have succeeded or one has failed.
///
/// Like [`join!`], with futures that return `Result`s with one type of error. The outcome is `Ok` with a tuple of
/// all values, or the first `Err`, at which the futures still running are dropped.
///
/// # Cancel safety
/// As for [`join!`]. A failure cancels the others where they last returned `Pending`.
///
/// # Examples
/// ```
/// async fn read(name: &str) -> Result<String, std::num::ParseIntError> { Ok(name.into()) }
/// async fn parse(text: &str) -> Result<u32, std::num::ParseIntError> { text.parse() }
///
/// async fn load() -> Result<(), std::num::ParseIntError> {
///     let (name, number) = corelane::try_join!(read("limit"), parse("17"))?;
///     println!("{name} = {number}");
///     Ok(())
/// }
/// ```
#[macro_export]
macro_rules! try_join {
    ($($tokens:tt)*) => { $crate::macros_support::__try_join!($crate::macros_support; $($tokens)*) };
}
