//! From which NUMA nodes the calling thread takes memory.
//!
//! The kernel has a policy for each thread, and a new thread begins with its parent's. So a worker sets its own first
//! of all, and the threads that it starts, those of the blocking pool for instance, follow it.
#![expect(unsafe_code, reason = "a mask of nodes goes to the kernel by pointer")]

use std::io;

use crate::config::{CpuList, OnError};

/// Has the calling thread take memory from these nodes, page by page in turn. Without nodes it does nothing.
///
/// A refusal is an error with `fail`, otherwise a warning for the caller to print (`warn`) or keep (`degrade`).
///
/// # Errors
///
/// With `fail`, when the kernel refuses: some containers forbid the call, some kernels know no nodes.
pub fn interleave(nodes: &[u32], on_error: OnError) -> io::Result<Option<String>> {
    if nodes.is_empty() {
        return Ok(None);
    }
    let Err(error) = sys::interleave(nodes) else { return Ok(None) };
    let list: CpuList = nodes.iter().copied().collect();
    let message = format!("memory is not interleaved over nodes {list}: {error}");
    if on_error == OnError::Fail { Err(io::Error::new(error.kind(), message)) } else { Ok(Some(message)) }
}

#[cfg(target_os = "linux")]
mod sys {
    use std::io;

    use libc::c_ulong;

    const BITS: u32 = c_ulong::BITS;

    /// As many as kernels are built for at most; they want the bits beyond their own to be zero.
    const NODES_MAX: u32 = 1024;

    pub(super) fn interleave(nodes: &[u32]) -> io::Result<()> {
        let mut mask: [c_ulong; (NODES_MAX / BITS) as usize] = [0; (NODES_MAX / BITS) as usize];
        for &node in nodes {
            let word = mask.get_mut((node / BITS) as usize).ok_or(io::ErrorKind::InvalidInput)?;
            *word |= 1 << (node % BITS);
        }
        // The kernel takes one from the number of bits before it reads them, here all of the mask's.
        let bits = c_ulong::from(NODES_MAX) + 1;
        // SAFETY: the kernel reads `bits - 1` bits from a mask that has as many, and keeps no pointer to it.
        let result =
            unsafe { libc::syscall(libc::SYS_set_mempolicy, libc::MPOL_INTERLEAVE, mask.as_ptr(), bits) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

#[cfg(not(target_os = "linux"))]
mod sys {
    use std::io;

    pub(super) fn interleave(_: &[u32]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{fs, thread};

    use super::*;

    fn on_a_thread<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
        thread::spawn(test).join().unwrap()
    }

    #[test]
    fn a_thread_interleaves_or_says_why_not() {
        on_a_thread(|| {
            assert_eq!(interleave(&[], OnError::Fail).unwrap(), None);
            let maps = || fs::read_to_string("/proc/thread-self/numa_maps").unwrap_or_default();
            match interleave(&[0], OnError::Warn).unwrap() {
                // Kernels without nodes have no such file.
                None => assert!(maps().is_empty() || maps().contains(" interleave:0 "), "{}", maps()),
                Some(warning) => {
                    assert!(warning.starts_with("memory is not interleaved over nodes 0: "), "{warning}");
                    assert!(!maps().contains(" interleave:0 "));
                }
            }
        });
    }

    #[test]
    fn a_node_that_is_not_there_is_refused() {
        for node in [1023, 1024, u32::MAX] {
            let refused = on_a_thread(move || interleave(&[node], OnError::Fail)).unwrap_err();
            let text = format!("memory is not interleaved over nodes {node}: ");
            assert!(refused.to_string().starts_with(&text), "{refused}");
            for on_error in [OnError::Warn, OnError::Degrade] {
                assert!(on_a_thread(move || interleave(&[node], on_error)).unwrap().is_some());
            }
        }
    }
}
