//! The declarative macros that need no runtime: `select!`, `join!`, `try_join!` and `pin!`.
//!
//! Each is a shell with the documentation; `corelane-macros` writes the expansion. The shell hands over `$crate`,
//! so the macros also work when another crate re-exports them under its own name.
//! Not here: `task_local!`, which belongs to tasks, and `#[main]` and `#[test]`, which are attributes.

mod join;
mod pin;
mod select;
pub mod support;
