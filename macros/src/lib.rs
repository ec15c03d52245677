//! Procedural macros of the Corelane runtime. Use them through the runtime's own crate.
//!
//! Here: `#[main]` and `#[test]`, once with Corelane's defaults and once with Tokio's for the crate that
//! stands in for it, and the expansions behind `select!`, `join!` and `try_join!`.
//! Not here: anything that runs. Expansions name the runtime's public builder, and the futures' macros name
//! the runtime crate's hidden support module.

mod args;
mod concurrent;
mod entry;
mod select;
#[cfg(test)]
mod tests;

use args::Macro;
use proc_macro::TokenStream;

/// Runs an `async fn` on a new runtime.
///
/// The function becomes an ordinary one: it builds a runtime with all drivers enabled, runs its body to the
/// end, and shuts the runtime down. It may return whatever a function may return; if it is the program's
/// `main`, whatever `main` may return.
///
/// | argument | meaning |
/// |---|---|
/// | `flavor = "sharded"` | the default: a shard a core, and the calling thread is shard 0 |
/// | `flavor = "multi_thread"` | shards that share `Send` tasks by stealing |
/// | `flavor = "current_thread"` | everything on the calling thread |
/// | `flavor = "local"` | the same on a `LocalRuntime`, where `spawn_local` needs no `LocalSet` |
/// | `worker_threads = N` | number of shards, for `sharded` and `multi_thread`; not 0 |
/// | `config = "file.toml"` | config file, relative to the current directory when the program runs |
/// | `start_paused = true` | the clock starts paused, for `current_thread` and `local` |
/// | `unhandled_panic = "ignore"` or `"shutdown_runtime"` | what a task's panic does, same flavors |
/// | `name = "…"` | name of the runtime |
/// | `crate = "path"` | where the runtime's crate is found; the default is `::corelane` |
///
/// # Panics
/// The function panics if the runtime cannot be built, for instance because the config file cannot be read.
///
/// # Examples
/// ```ignore (the runtime's crate depends on this one)
/// #[corelane::main]
/// async fn main() -> std::io::Result<()> {
///     let listener = corelane::net::TcpListener::bind("127.0.0.1:8080").await?;
///     println!("listening on {}", listener.local_addr()?);
///     Ok(())
/// }
///
/// #[corelane::main(flavor = "multi_thread", worker_threads = 4, config = "server.toml")]
/// async fn serve() {}
/// ```
#[proc_macro_attribute]
pub fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(Macro::MAIN, args.into(), item.into()).into()
}

/// Runs an `async fn` as a unit test, on a runtime of its own.
///
/// Takes the arguments of [`macro@main`]; the default flavor is `current_thread`. Attributes such as
/// `#[should_panic]` and `#[ignore]` keep their meaning.
///
/// # Examples
/// ```ignore (the runtime's crate depends on this one)
/// #[corelane::test(start_paused = true)]
/// async fn an_hour_passes_at_once() {
///     corelane::time::sleep(std::time::Duration::from_secs(3600)).await;
/// }
/// ```
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(Macro::TEST, args.into(), item.into()).into()
}

/// [`macro@main`] with Tokio's defaults: the `multi_thread` flavor, and whatever `tokio` names where it is used.
#[proc_macro_attribute]
pub fn tokio_main(args: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(Macro::TOKIO_MAIN, args.into(), item.into()).into()
}

/// [`macro@test`] with Tokio's default path: whatever `tokio` names where it is used.
#[proc_macro_attribute]
pub fn tokio_test(args: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(Macro::TOKIO_TEST, args.into(), item.into()).into()
}

/// Expansion of `select!`: path of the support module, `;`, what the user wrote.
#[doc(hidden)]
#[proc_macro]
pub fn __select(input: TokenStream) -> TokenStream {
    select::expand(input.into()).into()
}

/// Expansion of `join!`: path of the support module, `;`, what the user wrote.
#[doc(hidden)]
#[proc_macro]
pub fn __join(input: TokenStream) -> TokenStream {
    concurrent::expand(concurrent::Until::AllDone, input.into()).into()
}

/// Expansion of `try_join!`: path of the support module, `;`, what the user wrote.
#[doc(hidden)]
#[proc_macro]
pub fn __try_join(input: TokenStream) -> TokenStream {
    concurrent::expand(concurrent::Until::FirstError, input.into()).into()
}
