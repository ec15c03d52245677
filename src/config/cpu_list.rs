//! Sets of CPUs in the notation the kernel uses for them: `0-7,16`.

use std::fmt;

/// The kernel is built for at most this many CPUs (`NR_CPUS`). The bound keeps a slip of the pen such as
/// `0-4000000000` from filling the memory.
pub(crate) const CPUS_MAX: u32 = 8192;

/// A set of CPU numbers, read and shown in the kernel's list notation: `0-7,16`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CpuList(
    /// Ascending, each once. (No `BTreeSet`: sets are small and built once, and each instance of one is much to compile.)
    Vec<u32>,
);

impl CpuList {
    /// Reads `0-7,16`. An empty text is the empty set, as in the kernel's files.
    ///
    /// `None` when the text is anything else, or names a CPU from 8192 on, which Linux cannot have.
    pub fn parse(text: &str) -> Option<Self> {
        let mut cpus = Vec::new();
        for part in text.split(',').map(str::trim) {
            if part.is_empty() && text.trim().is_empty() {
                break;
            }
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (cpu_number(first)?, cpu_number(last)?);
            if first > last {
                return None;
            }
            cpus.extend(first..=last);
            // A text may name the same CPUs again and again.
            if cpus.len() > 2 * CPUS_MAX as usize {
                cpus = Self::of(cpus).0;
            }
        }
        Some(Self::of(cpus))
    }

    fn of(mut cpus: Vec<u32>) -> Self {
        cpus.sort_unstable();
        cpus.dedup();
        Self(cpus)
    }

    /// The CPUs in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.0.iter().copied()
    }

    /// Whether the CPU is in the set.
    pub fn contains(&self, cpu: u32) -> bool {
        self.0.binary_search(&cpu).is_ok()
    }

    /// How many CPUs the set has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the set has no CPU.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lowest CPU.
    pub fn first(&self) -> Option<u32> {
        self.0.first().copied()
    }

    /// Adds a CPU.
    pub fn insert(&mut self, cpu: u32) {
        if let Err(place) = self.0.binary_search(&cpu) {
            self.0.insert(place, cpu);
        }
    }

    /// The CPUs that are here and not in `other`.
    pub fn without(&self, other: &CpuList) -> CpuList {
        Self(self.iter().filter(|cpu| !other.contains(*cpu)).collect())
    }

    /// The CPUs that are in one of the sets or both.
    pub fn with(&self, other: &CpuList) -> CpuList {
        Self::of([self.0.as_slice(), &other.0].concat())
    }

    /// The CPUs that are in both sets.
    pub fn common(&self, other: &CpuList) -> CpuList {
        Self(self.iter().filter(|cpu| other.contains(*cpu)).collect())
    }
}

impl FromIterator<u32> for CpuList {
    fn from_iter<I: IntoIterator<Item = u32>>(cpus: I) -> Self {
        Self::of(cpus.into_iter().collect())
    }
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.iter().peekable();
        let mut comma = "";
        while let Some(first) = rest.next() {
            let mut last = first;
            while rest.next_if(|next| Some(*next) == last.checked_add(1)).is_some() {
                last += 1;
            }
            write!(f, "{comma}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
            comma = ",";
        }
        Ok(())
    }
}

/// As the text that [`CpuList::parse`] reads.
#[cfg(feature = "serde")]
impl serde::Serialize for CpuList {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for CpuList {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let expected = "a list of CPUs such as \"0-7,16\"";
        let unexpected = || serde::de::Error::invalid_value(serde::de::Unexpected::Str(&text), &expected);
        Self::parse(&text).ok_or_else(unexpected)
    }
}

/// Digits only: `parse` alone would let `+1` through.
fn cpu_number(text: &str) -> Option<u32> {
    let text = text.trim();
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|&cpu| cpu < CPUS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_shows_the_kernels_notation() {
        for (text, shown) in [
            ("", ""),
            ("\n", ""),
            ("0", "0"),
            ("0-0", "0"),
            ("0-3\n", "0-3"),
            ("5,3,9", "3,5,9"),
            ("0,1,2,8-9,4", "0-2,4,8-9"),
            (" 1 - 2 , 4 ", "1-2,4"),
            ("8191", "8191"),
        ] {
            let list = CpuList::parse(text).unwrap_or_else(|| panic!("{text:?} is a list"));
            assert_eq!(list.to_string(), shown, "{text:?}");
        }
        for text in
            ["-", "1-", "-1", "3-1", "1,,2", ",", "a", "+1", "1 2", "0x1", "8192", "0-4000000000", "0-3:1/2"]
        {
            assert_eq!(CpuList::parse(text), None, "{text:?}");
        }
        let again = CpuList::parse("0-8191,".repeat(100).trim_end_matches(',')).unwrap();
        assert_eq!(again.to_string(), "0-8191");
        assert!(again.0.capacity() <= 8 * CPUS_MAX as usize, "{}", again.0.capacity());
        // No kernel has these, and a program may say them all the same.
        assert_eq!(CpuList::from_iter([u32::MAX - 1, u32::MAX]).to_string(), "4294967294-4294967295");
    }
}
