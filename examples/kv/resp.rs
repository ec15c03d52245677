//! RESP2 requests, as Redis clients send them: an array of bulk strings, or a line of words.
//!
//! Here: where a request's arguments lie in a buffer that grows at its end. The parser keeps its place, so a request that
//! comes in a thousand pieces is looked at once. Not here: what requests mean.

use std::fmt;
use std::ops::Range;

/// How much a request may have.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one argument.
    pub bulk: usize,
    /// Arguments.
    pub args: usize,
    /// Bytes of the request as a whole.
    pub request: usize,
}

/// Bytes of a line, that is of an inline request or a length. As in Redis.
pub const LINE_MAX: usize = 64 * 1024;

/// Arguments for which a parser keeps room between two requests.
const ARGS_KEPT: usize = 4096;

/// What the peer sent is no request. The text is Redis's where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    ArrayLength,
    BulkLength,
    /// Stands where `$` should.
    NoBulk(u8),
    NoLineEnd,
    LongLine,
    LongRequest,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ArrayLength => f.write_str("invalid multibulk length"),
            Self::BulkLength => f.write_str("invalid bulk length"),
            Self::NoBulk(byte) => write!(f, "expected '$', got '{}'", byte.escape_ascii()),
            Self::NoLineEnd => f.write_str("expected CRLF after a bulk string"),
            Self::LongLine => f.write_str("too big inline request"),
            Self::LongRequest => f.write_str("too big request"),
        }
    }
}

/// A parser in the middle of a request, or before one.
pub struct Parser {
    limits: Limits,
    /// Bytes of this request that are done with.
    at: usize,
    /// Bytes from there in which no line ends.
    searched: usize,
    state: State,
    args: Vec<Range<usize>>,
}

#[derive(Clone, Copy)]
enum State {
    Start,
    /// So many arguments are left, and the length of the next one is to come.
    Length(usize),
    /// So many are left, and the next one, of that length, is to come.
    Bulk(usize, usize),
}

impl Parser {
    pub fn new(limits: Limits) -> Self {
        Self { limits, at: 0, searched: 0, state: State::Start, args: Vec::new() }
    }

    /// Goes on with a request that starts at the beginning of `input`. Gives its length in bytes once it is there
    /// as a whole; then [`args`](Self::args) says where its arguments are, which may be none. `input` may have grown since the
    /// last call, or the request been moved to the front.
    pub fn parse(&mut self, input: &[u8]) -> Result<Option<usize>, ProtocolError> {
        loop {
            let left = match self.state {
                State::Start => {
                    self.args.clear();
                    self.args.shrink_to(ARGS_KEPT);
                    match input.first() {
                        None => return Ok(None),
                        Some(b'*') => {
                            let Some(line) = self.line(input)? else { return Ok(None) };
                            let count = number(&input[line.start + 1..line.end]);
                            match count.ok_or(ProtocolError::ArrayLength)? {
                                // An array of none, or no array: nothing is asked.
                                ..=0 => 0,
                                count if count as u64 > self.limits.args as u64 => {
                                    return Err(ProtocolError::ArrayLength);
                                }
                                count => count as usize,
                            }
                        }
                        Some(_) => {
                            let Some(line) = self.line(input)? else { return Ok(None) };
                            let start = line.start;
                            self.args
                                .extend(words(&input[line]).map(|word| word.start + start..word.end + start));
                            0
                        }
                    }
                }
                State::Length(left) => {
                    match input.get(self.at) {
                        None => return Ok(None),
                        Some(b'$') => {}
                        Some(&byte) => return Err(ProtocolError::NoBulk(byte)),
                    }
                    let Some(line) = self.line(input)? else { return Ok(None) };
                    let len =
                        number(&input[line.start + 1..line.end]).and_then(|len| usize::try_from(len).ok());
                    let len = len.filter(|&len| len <= self.limits.bulk).ok_or(ProtocolError::BulkLength)?;
                    if self.at + len > self.limits.request {
                        return Err(ProtocolError::LongRequest);
                    }
                    self.state = State::Bulk(left, len);
                    continue;
                }
                State::Bulk(left, len) => {
                    let end = self.at + len;
                    let Some(line_end) = input.get(end..end + 2) else { return Ok(None) };
                    if line_end != b"\r\n" {
                        return Err(ProtocolError::NoLineEnd);
                    }
                    self.args.push(self.at..end);
                    self.at = end + 2;
                    left - 1
                }
            };
            if left > 0 {
                self.state = State::Length(left);
                continue;
            }
            self.state = State::Start;
            return Ok(Some(std::mem::take(&mut self.at)));
        }
    }

    /// Where the arguments of the request are that was parsed last.
    pub fn args(&self) -> &[Range<usize>] {
        &self.args
    }

    /// How long the request is at least that is being parsed, as far as it says: room for that many bytes spares growing.
    pub fn expects(&self) -> usize {
        match self.state {
            State::Bulk(_, len) => self.at + len + 2,
            _ => 0,
        }
    }

    /// The line that starts here, without its end, once its end is there.
    fn line(&mut self, input: &[u8]) -> Result<Option<Range<usize>>, ProtocolError> {
        let from = self.at + self.searched;
        let Some(len) = input[from..].iter().position(|&byte| byte == b'\n') else {
            self.searched = input.len() - self.at;
            return if self.searched > LINE_MAX { Err(ProtocolError::LongLine) } else { Ok(None) };
        };
        let (start, end) = (self.at, from + len);
        if end - start > LINE_MAX {
            return Err(ProtocolError::LongLine);
        }
        self.at = end + 1;
        self.searched = 0;
        let has_return = end > start && input[end - 1] == b'\r';
        Ok(Some(start..end - usize::from(has_return)))
    }
}

/// A whole number as the protocol writes it: digits, perhaps a minus, nothing else.
pub fn number(text: &[u8]) -> Option<i64> {
    // `parse` takes a plus too.
    if text.first() == Some(&b'+') {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Words of an inline request. Quotes mean nothing.
fn words(line: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + line[at..].iter().position(|byte| !byte.is_ascii_whitespace())?;
        let len = line[start..].iter().position(u8::is_ascii_whitespace);
        at = len.map_or(line.len(), |len| start + len);
        Some(start..at)
    })
}
