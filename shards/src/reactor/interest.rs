//! What a resource is watched for, and what it was found ready for: the two small sets that users see.

use std::fmt;
use std::ops;

/// What to wait for: one thing, or several joined with `|`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Interest(u8);

impl Interest {
    /// There is something to read, or the other side closed its writing half.
    pub const READABLE: Self = Self(1);
    /// There is room to write, or nothing will be taken any more.
    pub const WRITABLE: Self = Self(1 << 1);
    /// There is out-of-band data, or what else the kernel calls urgent.
    pub const PRIORITY: Self = Self(1 << 2);
    /// There is an error to fetch, as on a socket with an error queue.
    pub const ERROR: Self = Self(1 << 3);

    const NAMES: [(Self, &'static str); 4] = [
        (Self::READABLE, "READABLE"),
        (Self::WRITABLE, "WRITABLE"),
        (Self::PRIORITY, "PRIORITY"),
        (Self::ERROR, "ERROR"),
    ];

    /// Whether readability is waited for.
    pub const fn is_readable(self) -> bool {
        self.has(Self::READABLE)
    }

    /// Whether writability is waited for.
    pub const fn is_writable(self) -> bool {
        self.has(Self::WRITABLE)
    }

    /// Whether urgent data is waited for.
    pub const fn is_priority(self) -> bool {
        self.has(Self::PRIORITY)
    }

    /// Whether errors are waited for.
    pub const fn is_error(self) -> bool {
        self.has(Self::ERROR)
    }

    /// Both sets together.
    #[must_use = "gives a new value and leaves this one as it is"]
    pub const fn add(self, other: Interest) -> Interest {
        Self(self.0 | other.0)
    }

    /// This set without the other's members, or `None` if nothing is left.
    #[must_use = "gives a new value and leaves this one as it is"]
    pub fn remove(self, other: Interest) -> Option<Interest> {
        let left = self.0 & !other.0;
        (left != 0).then_some(Self(left))
    }

    const fn has(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }

    /// The set as a number below 16.
    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    pub(super) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// What the kernel is asked to watch.
    pub(super) fn to_mio(self) -> mio::Interest {
        let parts = [
            self.is_readable().then_some(mio::Interest::READABLE),
            self.is_writable().then_some(mio::Interest::WRITABLE),
            self.is_priority().then_some(mio::Interest::PRIORITY),
        ];
        // Errors are reported whatever is asked for, but something has to be.
        parts.into_iter().flatten().reduce(mio::Interest::add).unwrap_or(mio::Interest::READABLE)
    }

    /// What ends a wait for this: a closed direction does too, since nothing more will come.
    #[inline]
    pub(super) const fn ends_with(self) -> Ready {
        let mut ready = 0;
        if self.is_readable() {
            ready |= Ready::READABLE.0 | Ready::READ_CLOSED.0;
        }
        if self.is_writable() {
            ready |= Ready::WRITABLE.0 | Ready::WRITE_CLOSED.0;
        }
        if self.is_priority() {
            ready |= Ready::PRIORITY.0 | Ready::READ_CLOSED.0;
        }
        if self.is_error() {
            ready |= Ready::ERROR.0;
        }
        Ready(ready)
    }
}

impl ops::BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.add(other)
    }
}

impl ops::BitOrAssign for Interest {
    fn bitor_assign(&mut self, other: Self) {
        *self = self.add(other);
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (_, name) in Self::NAMES.iter().filter(|(one, _)| self.has(*one)) {
            write!(f, "{separator}{name}")?;
            separator = " | ";
        }
        Ok(())
    }
}

/// What a resource was found ready for: a set of states.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ready(u8);

impl Ready {
    /// No state.
    pub const EMPTY: Self = Self(0);
    /// A read should give something.
    pub const READABLE: Self = Self(1);
    /// A write should take something.
    pub const WRITABLE: Self = Self(1 << 1);
    /// Nothing more will come.
    pub const READ_CLOSED: Self = Self(1 << 2);
    /// Nothing more will be taken.
    pub const WRITE_CLOSED: Self = Self(1 << 3);
    /// There is urgent data.
    pub const PRIORITY: Self = Self(1 << 4);
    /// There is an error to fetch.
    pub const ERROR: Self = Self(1 << 5);
    /// Every state.
    pub const ALL: Self = Self((1 << 6) - 1);

    /// Whether no state is in the set.
    pub fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// Whether a read would not block, be it that it finds the end.
    #[inline]
    pub fn is_readable(self) -> bool {
        self.meets(Self::READABLE | Self::READ_CLOSED)
    }

    /// Whether a write would not block, be it that it fails.
    #[inline]
    pub fn is_writable(self) -> bool {
        self.meets(Self::WRITABLE | Self::WRITE_CLOSED)
    }

    /// Whether the reading side is closed.
    pub fn is_read_closed(self) -> bool {
        self.meets(Self::READ_CLOSED)
    }

    /// Whether the writing side is closed.
    pub fn is_write_closed(self) -> bool {
        self.meets(Self::WRITE_CLOSED)
    }

    /// Whether there is urgent data.
    pub fn is_priority(self) -> bool {
        self.meets(Self::PRIORITY)
    }

    /// Whether there is an error to fetch.
    pub fn is_error(self) -> bool {
        self.meets(Self::ERROR)
    }

    /// Whether the sets have a state in common.
    #[inline]
    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The directions that need not wait: bit 0 is reading, bit 1 writing.
    #[inline]
    pub(super) const fn directions(self) -> u8 {
        const {
            assert!(
                Self::READ_CLOSED.0 == Self::READABLE.0 << 2 && Self::WRITE_CLOSED.0 == Self::WRITABLE.0 << 2
            )
        };
        (self.0 | self.0 >> 2) & (Self::READABLE.0 | Self::WRITABLE.0)
    }

    /// Its place among all sets.
    #[inline]
    pub(super) const fn index(self) -> usize {
        (self.0 & Self::ALL.0) as usize
    }

    /// What is closed: bit 0 is reading, bit 1 writing.
    #[inline]
    pub(super) const fn closed(self) -> u64 {
        const { assert!(Self::WRITE_CLOSED.0 == Self::READ_CLOSED.0 << 1) };
        (self.0 as u64 >> Self::READ_CLOSED.0.trailing_zeros()) & 0b11
    }

    /// What most events report: that the resource is readable, writable or both, and nothing else. `None` if there is more to it.
    #[inline(always)]
    pub(super) fn usual(event: &mio::event::Event) -> Option<Self> {
        let bit = |is: bool, one: Self| if is { one.0 } else { 0 };
        let usual = bit(event.is_readable(), Self::READABLE) | bit(event.is_writable(), Self::WRITABLE);
        // The writing side is closed by a hang-up, which closes reading too, or by an error.
        (!(event.is_priority() | event.is_error() | event.is_read_closed())).then_some(Self(usual))
    }

    /// What an event reports.
    pub(super) fn of(event: &mio::event::Event) -> Self {
        let bit = |is: bool, one: Self| if is { one.0 } else { 0 };
        Self(
            bit(event.is_readable(), Self::READABLE)
                | bit(event.is_writable(), Self::WRITABLE)
                | bit(event.is_read_closed(), Self::READ_CLOSED)
                | bit(event.is_write_closed(), Self::WRITE_CLOSED)
                | bit(event.is_priority(), Self::PRIORITY)
                | bit(event.is_error(), Self::ERROR),
        )
    }
}

impl ops::BitOr for Ready {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl ops::BitOrAssign for Ready {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl ops::BitAnd for Ready {
    type Output = Self;

    #[inline]
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl ops::Sub for Ready {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready")
            .field("is_readable", &self.is_readable())
            .field("is_writable", &self.is_writable())
            .field("is_read_closed", &self.is_read_closed())
            .field("is_write_closed", &self.is_write_closed())
            .field("is_error", &self.is_error())
            .field("is_priority", &self.is_priority())
            .finish()
    }
}
