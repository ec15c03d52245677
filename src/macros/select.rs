/// Waits for the first of several futures, runs its handler, and drops the others.
///
/// ```text
/// select! {
///     biased;                                           optional
///     pattern = future => handler,
///     pattern = future, if condition => handler,        up to 64 branches
///     else => handler,                                  optional, last
/// }
/// ```
/// What happens, in this order:
/// 1. The conditions are evaluated. Where one is false the branch is disabled.
/// 2. The expressions after `=` are evaluated, those of disabled branches too; all that a disabled branch is spared
///    is being polled. Anything that converts into a future is accepted.
/// 3. The futures of the enabled branches are polled, again at each wake.
/// 4. If one is ready and its output matches the branch's pattern, all futures are dropped, the handler runs, and its
///    value is the value of the whole. All handlers have one type.
/// 5. If the output does not match, that branch is disabled and the others go on.
/// 6. When no branch is left, the `else` handler runs.
///
/// Handlers run in the function around the macro: `?`, `return`, `break` and `.await` work, and a handler may use what
/// the futures had borrowed, mutably too. A handler that is a block needs no comma.
///
/// # Fairness
/// Every poll begins at a random branch, so that no branch that is always ready starves those after it. With
/// `biased;` polling goes from top to bottom. That saves the random number and makes the order predictable; a branch
/// that is ready all the time then has to stand below those it could starve. Polling is part of the task's
/// cooperative budget: a loop over branches that are always ready still lets other tasks run.
///
/// # Cancel safety
/// The branches that lose are dropped where they last returned `Pending`. In a loop this is harmless only if
/// the futures are cancel safe, that is, keep no progress in themselves: receiving from a channel and accepting a
/// connection are, reading an exact number of bytes is not. To keep a future's progress, [`pin!`](crate::pin!) it
/// outside the loop and write `&mut future` in the branch, with a condition that is false once it is done.
///
/// # Panics
/// When no branch is left and there is no `else`.
///
/// # Examples
/// ```
/// use std::future::Future;
///
/// async fn first(a: impl Future<Output = u32>, b: impl Future<Output = Option<u32>>) -> u32 {
///     corelane::select! {
///         value = a => value,
///         Some(value) = b => value,
///     }
/// }
/// ```
/// A condition takes a finished future out of a loop:
/// ```
/// async fn both(a: impl Future<Output = u32>, b: impl Future<Output = u32>) -> u32 {
///     corelane::pin!(a, b);
///     let (mut left, mut right) = (None, None);
///     loop {
///         corelane::select! {
///             value = &mut a, if left.is_none() => left = Some(value),
///             value = &mut b, if right.is_none() => right = Some(value),
///             else => return left.unwrap_or(0) + right.unwrap_or(0),
///         }
///     }
/// }
/// # use std::future::Future;
/// ```
#[macro_export]
macro_rules! select {
    ($($tokens:tt)*) => { $crate::macros_support::__select!($crate::macros_support; $($tokens)*) };
}
