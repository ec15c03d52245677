//! Binds threads to CPUs, and checks that they are.
//!
//! core_affinity does what it can express: one CPU below 1024. A group of CPUs, or a machine with more of them, goes
//! to the kernel through libc. Either way the mask is read back, because the kernel quietly narrows a mask to the
//! cpuset instead of refusing it. Another thread than the calling one is always bound through libc.
#![expect(unsafe_code, reason = "affinity masks go to and from the kernel by pointer")]

use std::io;
use std::sync::OnceLock;

use super::ShardPlan;
use crate::config::{CpuList, OnError};

/// The CPUs the process was allowed when this was first called; `None` where the system does not tell.
///
/// What the system tells is about the calling thread, and pinning changes it. So it is read once, by the first
/// runtime before it pins a thread, and remembered for the process.
pub fn allowed() -> Option<&'static CpuList> {
    static ALLOWED: OnceLock<Option<CpuList>> = OnceLock::new();
    ALLOWED.get_or_init(current).as_ref()
}

/// The CPUs the calling thread may run on now; `None` where the system does not tell.
pub fn current() -> Option<CpuList> {
    // core_affinity's mask ends at 1024 CPUs, and the kernel fails a call whose mask is shorter than its own.
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let cpus: CpuList = cores.iter().filter_map(|core| u32::try_from(core.id).ok()).collect();
    if cpus.is_empty() { sys::get(Tid::CALLING).ok() } else { Some(cpus) }
}

/// Binds the calling thread to these CPUs. With none it does nothing.
///
/// # Errors
///
/// When the kernel refuses, or gives the thread other CPUs than these, which is what it does when some lie outside
/// of the cpuset.
pub fn pin(cpus: &[u32]) -> io::Result<()> {
    let done = match *cpus {
        [] => return Ok(()),
        [cpu] if cpu < CORE_AFFINITY_CPUS => {
            core_affinity::set_for_current(core_affinity::CoreId { id: cpu as usize })
        }
        _ => false,
    };
    // A refusal of core_affinity has no reason; asking again through libc gives the kernel's.
    if !done {
        sys::set(Tid::CALLING, cpus)?;
    }
    verify(Tid::CALLING, cpus)
}

fn verify(thread: Tid, cpus: &[u32]) -> io::Result<()> {
    let wanted: CpuList = cpus.iter().copied().collect();
    match sys::get(thread) {
        Ok(got) if got != wanted => Err(io::Error::other(format!(
            "asked for cpus {wanted}, the kernel gave {got}; is there a cpuset?"
        ))),
        _ => Ok(()),
    }
}

/// A thread of this process by the kernel's number. The number is given to another thread, perhaps of another process, once
/// the thread has ended: who keeps one must know that it has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tid(i32);

impl Tid {
    /// To the kernel this means whoever calls.
    pub const CALLING: Self = Self(0);

    /// The calling thread.
    pub fn current() -> Self {
        sys::current()
    }

    /// The process's first thread, which has the process's number.
    pub fn main() -> Self {
        Self(std::process::id() as i32)
    }

    /// The CPUs it may run on now.
    pub fn cpus(self) -> Option<CpuList> {
        sys::get(self).ok()
    }

    /// As [`pin`], of this thread.
    pub fn pin(self, cpus: &[u32]) -> io::Result<()> {
        sys::set(self, cpus)?;
        verify(self, cpus)
    }
}

#[cfg(all(test, not(loom)))]
impl Tid {
    /// A thread that there is not.
    pub fn fake(number: i32) -> Self {
        Self(number)
    }
}

/// Binds the calling thread as the plan says for this shard, and treats a refusal as `on_error` says: an error with
/// `fail`, otherwise a warning for the caller to print (`warn`) or keep (`degrade`). The thread is then bound to the
/// shard's group, and if that is refused, too, it stays where it was.
///
/// # Errors
///
/// As for [`pin`], with `fail` only.
pub fn pin_shard(shard: &ShardPlan, on_error: OnError) -> io::Result<Option<String>> {
    if shard.cpus.is_empty() {
        return Ok(None);
    }
    let before = current().unwrap_or_default();
    bind(shard, on_error, &before.iter().collect::<Vec<_>>(), pin)
}

/// As [`pin_shard`], by whatever `pin` is, of a thread that is left with `before` if it can be bound to neither.
pub(crate) fn bind(
    shard: &ShardPlan,
    on_error: OnError,
    before: &[u32],
    mut pin: impl FnMut(&[u32]) -> io::Result<()>,
) -> io::Result<Option<String>> {
    let Err(error) = pin(&shard.cpus) else { return Ok(None) };
    let list = |cpus: &[u32]| cpus.iter().copied().collect::<CpuList>();
    let message = format!("shard {} is not bound to cpus {}: {error}", shard.id, list(&shard.cpus));
    if on_error == OnError::Fail {
        return Err(io::Error::new(error.kind(), message));
    }
    if !shard.group.is_empty() && shard.group != shard.cpus && pin(&shard.group).is_ok() {
        return Ok(Some(format!("{message}; it is bound to its group, cpus {}", list(&shard.group))));
    }
    // A mask that the kernel narrowed may be one CPU, and another shard's: better the one from before.
    let _ = pin(before);
    Ok(Some(format!("{message}; it is not bound")))
}

/// The CPUs core_affinity can express: it writes beyond its mask's end, and panics, from here on.
const CORE_AFFINITY_CPUS: u32 = 1024;

mod sys {
    use std::io;
    use std::mem::size_of_val;

    use libc::c_ulong;

    use super::Tid;
    use crate::config::{CPUS_MAX, CpuList};

    const BITS: u32 = c_ulong::BITS;

    /// One bit for every CPU a kernel can have: a shorter mask is refused on a machine with more.
    const NO_CPUS: [c_ulong; (CPUS_MAX / BITS) as usize] = [0; (CPUS_MAX / BITS) as usize];

    pub(super) fn current() -> Tid {
        // SAFETY: it takes nothing and can't fail.
        Tid(unsafe { libc::gettid() })
    }

    pub(super) fn get(thread: Tid) -> io::Result<CpuList> {
        let mut mask = NO_CPUS;
        // SAFETY: the kernel writes at most as many bytes as it is told the mask has, all of them valid as integers.
        // The mask is aligned as cpu_set_t is, which is an array of the same integers.
        let result =
            unsafe { libc::sched_getaffinity(thread.0, size_of_val(&mask), mask.as_mut_ptr().cast()) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        let words = (0..).step_by(BITS as usize).zip(mask).filter(|(_, word)| *word != 0);
        let bits = |(first, word): (u32, c_ulong)| {
            (0..BITS).filter(move |bit| word >> bit & 1 == 1).map(move |bit| first + bit)
        };
        Ok(words.flat_map(bits).collect())
    }

    pub(super) fn set(thread: Tid, cpus: &[u32]) -> io::Result<()> {
        let mut mask = NO_CPUS;
        for &cpu in cpus {
            let word = mask.get_mut((cpu / BITS) as usize).ok_or(io::ErrorKind::InvalidInput)?;
            *word |= 1 << (cpu % BITS);
        }
        // SAFETY: the kernel reads as many bytes as it is told the mask has. Aligned as in `get`.
        let result = unsafe { libc::sched_setaffinity(thread.0, size_of_val(&mask), mask.as_ptr().cast()) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of a shard's binding when the kernel refuses, and all that it was asked for.
    fn bound(on_error: OnError, refused: &[&[u32]]) -> (Result<Option<String>, String>, Vec<Vec<u32>>) {
        let shard = ShardPlan { id: 1, cpus: vec![2], group: vec![2, 3], reason: String::new() };
        let mut asked = Vec::new();
        let result = bind(&shard, on_error, &[0, 1, 2, 3], |cpus| {
            asked.push(cpus.to_vec());
            let eperm = io::Error::from(io::ErrorKind::PermissionDenied);
            if refused.contains(&cpus) { Err(eperm) } else { Ok(()) }
        });
        (result.map_err(|error| error.to_string()), asked)
    }

    #[test]
    fn a_refusal_degrades_from_core_to_group_to_none() {
        let (core, group, before) = (vec![2], vec![2, 3], vec![0, 1, 2, 3]);
        let refused = "shard 1 is not bound to cpus 2: permission denied";
        for on_error in [OnError::Warn, OnError::Degrade] {
            assert_eq!(bound(on_error, &[]), (Ok(None), vec![core.clone()]));
            let message = format!("{refused}; it is bound to its group, cpus 2-3");
            assert_eq!(bound(on_error, &[&[2]]), (Ok(Some(message)), vec![core.clone(), group.clone()]));
            let message = format!("{refused}; it is not bound");
            let asked = vec![core.clone(), group.clone(), before.clone()];
            assert_eq!(bound(on_error, &[&[2], &[2, 3]]), (Ok(Some(message.clone())), asked.clone()));
            assert_eq!(bound(on_error, &[&[2], &[2, 3], &[0, 1, 2, 3]]), (Ok(Some(message)), asked));
        }
        assert_eq!(bound(OnError::Fail, &[&[2]]), (Err(refused.into()), vec![core]));
    }

    #[test]
    fn a_group_that_was_refused_is_not_asked_for_twice() {
        let shard = ShardPlan { id: 0, cpus: vec![2, 3], group: vec![2, 3], reason: String::new() };
        let mut asked = Vec::new();
        let result = bind(&shard, OnError::Degrade, &[0, 1], |cpus| {
            asked.push(cpus.to_vec());
            Err(io::ErrorKind::InvalidInput.into())
        });
        assert!(result.unwrap().is_some_and(|message| message.ends_with("; it is not bound")));
        assert_eq!(asked, [[2, 3], [0, 1]]);
    }
}
