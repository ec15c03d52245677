//! From which NUMA nodes the calling thread takes memory.
//!
//! The kernel has a policy for each thread, and a new thread begins with its parent's. So a worker sets its own first
//! of all, and the threads that it starts follow it: those of the blocking pool too, as far as a task on a shard had them
//! started. One that a thread outside of the shards has started takes memory as that thread does.
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

mod sys {
    use std::io;

    use libc::c_ulong;

    const BITS: u32 = c_ulong::BITS;

    /// As many as kernels are built for at most; they want the bits beyond their own to be zero.
    const NODES_MAX: u32 = 1024;

    /// A bit for each node, from the lowest of the first word on.
    pub(super) type Mask = [c_ulong; (NODES_MAX / BITS) as usize];

    /// What the kernel calls `maxnode`. It takes one from that before it reads so many bits, here all of the mask's.
    pub(super) const MAXNODE: c_ulong = NODES_MAX as c_ulong + 1;

    pub(super) fn mask(nodes: &[u32]) -> io::Result<Mask> {
        let mut mask = [0; (NODES_MAX / BITS) as usize];
        for &node in nodes {
            let word = mask.get_mut((node / BITS) as usize).ok_or(io::ErrorKind::InvalidInput)?;
            *word |= 1 << (node % BITS);
        }
        Ok(mask)
    }

    pub(super) fn interleave(nodes: &[u32]) -> io::Result<()> {
        let mask = mask(nodes)?;
        // SAFETY: the kernel reads `MAXNODE - 1` bits from a mask that has as many, and keeps no pointer to it.
        let result =
            unsafe { libc::syscall(libc::SYS_set_mempolicy, libc::MPOL_INTERLEAVE, mask.as_ptr(), MAXNODE) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

#[cfg(test)]
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
    fn the_mask_has_a_bit_for_each_node() {
        for nodes in [&[0, 1][..], &[0, 63, 64], &[3, 70], &[1023], &[]] {
            let mask = sys::mask(nodes).unwrap();
            let bytes: Vec<u8> = mask.iter().flat_map(|word| word.to_le_bytes()).collect();
            // What the kernel reads, on a machine of 64 bits of either order as words.
            let set = |bit: &u32| bytes[(bit / 8) as usize] >> (bit % 8) & 1 == 1;
            assert_eq!((0..1024).filter(set).collect::<Vec<_>>(), nodes);
            assert_eq!(sys::MAXNODE as usize - 1, size_of_val(&mask) * 8);
        }
        assert_eq!(sys::mask(&[1024]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    /// Of the nodes that are asked for, the kernel takes those that are there: all of the mask has to reach it, and nothing else.
    #[test]
    fn the_kernel_reads_the_nodes_that_are_meant() {
        // `MPOL_F_MEMS_ALLOWED`: the nodes that the thread may use.
        let policy = |flags: libc::c_ulong| {
            let (mut mode, mut mask) = (0, sys::mask(&[]).unwrap());
            // SAFETY: the kernel writes a number, and as many bits as the mask has.
            let result = unsafe {
                libc::syscall(libc::SYS_get_mempolicy, &mut mode, mask.as_mut_ptr(), 1024_u64, 0, flags)
            };
            (result == 0).then_some((mode, mask))
        };
        let Some((_, there)) = policy(1 << 2) else { return println!("skipped: no policies here") };
        let there: Vec<u32> =
            (0..1024).filter(|node| there[*node as usize / 64] >> (node % 64) & 1 == 1).collect();
        println!("nodes {there:?}");
        on_a_thread(move || {
            let nowhere: Vec<u32> = [63, 64, 70, 1023].into_iter().filter(|n| !there.contains(n)).collect();
            let asked: Vec<u32> = there.iter().chain(&nowhere).copied().collect();
            assert_eq!(interleave(&asked, OnError::Fail).unwrap(), None);
            assert_eq!(policy(0), Some((libc::MPOL_INTERLEAVE, sys::mask(&there).unwrap())));
            assert!(interleave(&nowhere, OnError::Fail).is_err(), "a bit was read that was not set");
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
