//! Large futures and closures go to the heap before they are handed on. A spawn is a few calls deep, and without optimization each
//! of them has a copy of its arguments on the stack: the main future of a server, of some hundred KiB, would overflow it.

/// Whether a future or closure goes to the heap. With optimization most of the copies are not made, and a box of its own is
/// slower for what is only a few KiB.
pub(crate) const fn is_large<F>() -> bool {
    size_of::<F>() > if cfg!(debug_assertions) { 2 << 10 } else { 16 << 10 }
}

/// Does something with a variable, which is boxed before if its type is large.
macro_rules! boxed_if_large {
    ($variable:ident: $F:ty, $pin:path => $do:expr) => {
        if const { $crate::runtime::large::is_large::<$F>() } {
            let $variable = $pin($variable);
            $do
        } else {
            $do
        }
    };
    ($future:ident: $F:ty => $do:expr) => {
        $crate::runtime::large::boxed_if_large!($future: $F, Box::pin => $do)
    };
}
pub(crate) use boxed_if_large;
