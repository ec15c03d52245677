//! The keys and values of the kv server, in parts with a lock each.
//!
//! `examples/kv` gives each shard a part and sends requests to its owner, which only Corelane can do. A map in parts is what
//! programs on either runtime have; with as many parts it is hardly ever waited for.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::resp::Limits;

/// Whatever is asked fits the buffer of a connection.
pub const LIMITS: Limits = Limits { bulk: 256, args: 3, request: 1024 };

const PARTS: usize = 64;

type Part = HashMap<Box<[u8]>, Box<[u8]>>;

pub struct Store {
    parts: [Mutex<Part>; PARTS],
    hasher: RandomState,
}

impl Default for Store {
    fn default() -> Self {
        Self { parts: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() }
    }
}

impl Store {
    /// Appends the answer to a request with these arguments.
    pub fn answer(&self, request: &[u8], args: &[Range<usize>], out: &mut Vec<u8>) {
        let arg = |i: usize| &request[args[i].clone()];
        match args.len() {
            2 if arg(0).eq_ignore_ascii_case(b"get") => self.with(arg(1), |part| match part.get(arg(1)) {
                Some(value) => {
                    out.extend_from_slice(format!("${}\r\n", value.len()).as_bytes());
                    out.extend_from_slice(value);
                    out.extend_from_slice(b"\r\n");
                }
                None => out.extend_from_slice(b"$-1\r\n"),
            }),
            3 if arg(0).eq_ignore_ascii_case(b"set") => {
                self.with(arg(1), |part| part.insert(arg(1).into(), arg(2).into()));
                out.extend_from_slice(b"+OK\r\n");
            }
            _ => out.extend_from_slice(b"-ERR expected GET key or SET key value\r\n"),
        }
    }

    fn with<T>(&self, key: &[u8], f: impl FnOnce(&mut Part) -> T) -> T {
        let at = self.hasher.hash_one(key) as usize % PARTS;
        // A part is whole whenever it is unlocked.
        f(&mut self.parts[at].lock().unwrap_or_else(PoisonError::into_inner))
    }
}
