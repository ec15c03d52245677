//! What requests mean: which shards to ask, and how the answers read.
//!
//! Here: from a request's arguments to ops in the shards' batches, and from their replies to bytes, in the order of the
//! requests. Not here: doing anything.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

use crate::resp::number;
use crate::store::{Batch, Only, Op, Reply, empty};

/// The answers of a batch of requests, complete or yet to come.
pub struct Answers {
    /// What each shard is asked.
    pub batches: Vec<Batch>,
    answers: Vec<Answer>,
    /// Replies that answers consist of: shard, and number in its batch.
    parts: Vec<(usize, usize)>,
    /// How many answers are written, and how many parts.
    written: (usize, usize),
    /// Answers that need no shard, as they are sent.
    text: Vec<u8>,
    quits: bool,
}

enum Answer {
    /// A place in `text`.
    Ready(Range<usize>),
    /// Places in `parts`.
    One(usize),
    Array(Range<usize>),
    Sum(Range<usize>),
    Info(Range<usize>),
}

/// What INFO tells of a shard besides its keys.
pub struct ShardInfo {
    pub connections: u64,
    pub commands: u64,
}

type Args<'a> = &'a [&'a [u8]];

impl Answers {
    pub fn new(shards: usize) -> Self {
        Self {
            batches: (0..shards).map(|_| Batch::default()).collect(),
            answers: Vec::new(),
            parts: Vec::new(),
            written: (0, 0),
            text: Vec::new(),
            quits: false,
        }
    }

    pub fn clear(&mut self) {
        self.batches.iter_mut().for_each(Batch::clear);
        empty(&mut self.answers);
        empty(&mut self.parts);
        self.written = (0, 0);
        empty(&mut self.text);
        self.quits = false;
    }

    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether the last request was to close the connection.
    pub fn quits(&self) -> bool {
        self.quits
    }

    /// Takes a request. `home` says which shard owns a key.
    pub fn ask(&mut self, request: &[u8], args: &[Range<usize>], home: impl Fn(&[u8]) -> usize) {
        let args: Vec<&[u8]> = args.iter().map(|range| &request[range.clone()]).collect();
        let Some((name, rest)) = args.split_first() else { return };
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let wrong_count = || Err(format!("ERR wrong number of arguments for '{name}' command"));
        let first_part = self.parts.len();
        let answer = match (name.as_str(), rest) {
            ("ping", []) => Ok(self.ready(b"+PONG\r\n")),
            ("ping" | "echo", [text]) => {
                let start = self.text.len();
                bulk(&mut self.text, text);
                Ok(Answer::Ready(start..self.text.len()))
            }
            ("get", [key]) => Ok(self.one(home(key), |batch| Op::Get { key: batch.put(key) })),
            ("incr", [key]) => Ok(self.one(home(key), |batch| Op::Incr { key: batch.put(key) })),
            ("set", [key, value, options @ ..]) => set_options(options).map(|(ttl, only)| {
                self.one(home(key), |batch| Op::Set {
                    key: batch.put(key),
                    value: batch.put(value),
                    ttl,
                    only,
                })
            }),
            ("mget", keys @ [_, ..]) => {
                keys.iter().for_each(|key| self.part(home(key), |batch| Op::Get { key: batch.put(key) }));
                Ok(Answer::Array(first_part..self.parts.len()))
            }
            ("del", keys @ [_, ..]) => {
                keys.iter().for_each(|key| self.part(home(key), |batch| Op::Del { key: batch.put(key) }));
                Ok(Answer::Sum(first_part..self.parts.len()))
            }
            ("exists", keys @ [_, ..]) => {
                keys.iter().for_each(|key| self.part(home(key), |batch| Op::Exists { key: batch.put(key) }));
                Ok(Answer::Sum(first_part..self.parts.len()))
            }
            ("info", _) => {
                (0..self.batches.len()).for_each(|shard| self.part(shard, |_| Op::Count));
                Ok(Answer::Info(first_part..self.parts.len()))
            }
            // Clients ask, and do without.
            ("command", _) => Ok(self.ready(b"*0\r\n")),
            ("config", [get, _, ..]) if get.eq_ignore_ascii_case(b"get") => Ok(self.ready(b"*0\r\n")),
            ("config", [_, ..]) => Err("ERR unknown subcommand: expected CONFIG GET".into()),
            ("quit", _) => {
                self.quits = true;
                Ok(self.ready(b"+OK\r\n"))
            }
            ("ping" | "echo" | "get" | "set" | "incr" | "mget" | "del" | "exists" | "config", _) => {
                wrong_count()
            }
            _ => Err(unknown(&name, rest)),
        };
        let answer = answer.unwrap_or_else(|error| self.ready(format!("-{error}\r\n").as_bytes()));
        self.answers.push(answer);
    }

    fn ready(&mut self, text: &[u8]) -> Answer {
        let start = self.text.len();
        self.text.extend_from_slice(text);
        Answer::Ready(start..self.text.len())
    }

    fn one(&mut self, shard: usize, op: impl FnOnce(&mut Batch) -> Op) -> Answer {
        self.part(shard, op);
        Answer::One(self.parts.len() - 1)
    }

    fn part(&mut self, shard: usize, op: impl FnOnce(&mut Batch) -> Op) {
        let batch = &mut self.batches[shard];
        let op = op(batch);
        self.parts.push((shard, batch.push(op)));
    }

    /// Writes the answers as far as the shards have replied, after those that are written. True if these are all; otherwise the
    /// shard that has not replied has room again.
    pub fn write(&mut self, out: &mut Vec<u8>, info: impl Fn() -> Vec<ShardInfo>) -> bool {
        while let Some(answer) = self.answers.get(self.written.0) {
            let parts = match answer {
                Answer::Ready(text) => {
                    out.extend_from_slice(&self.text[text.clone()]);
                    0..0
                }
                Answer::One(part) => *part..part + 1,
                Answer::Array(parts) | Answer::Sum(parts) | Answer::Info(parts) => parts.clone(),
            };
            // Numbers, for which a shard has room if it has for the first.
            let is_summed = matches!(answer, Answer::Sum(_) | Answer::Info(_));
            if is_summed && self.numbers(&parts).any(|number| number.is_none()) {
                return false;
            }
            match answer {
                Answer::Sum(_) => line(out, b':', self.numbers(&parts).flatten().sum::<i64>()),
                Answer::Info(_) => bulk(out, self.info(&parts, &info()).as_bytes()),
                Answer::Ready(_) | Answer::One(_) | Answer::Array(_) => {}
            }
            let is_array = matches!(answer, Answer::Array(_));
            for part in parts.start.max(self.written.1)..parts.end {
                let (shard, index) = self.parts[part];
                let batch = &mut self.batches[shard];
                let Some(reply) = batch.reply(index) else { return false };
                if is_array && part == parts.start {
                    line(out, b'*', parts.len());
                }
                if !is_summed {
                    write_reply(out, reply, batch);
                }
                batch.written(index);
                self.written.1 = part + 1;
            }
            self.written.0 += 1;
        }
        true
    }

    /// `None` for what was not done yet.
    fn numbers(&self, parts: &Range<usize>) -> impl Iterator<Item = Option<i64>> {
        parts.clone().map(|part| {
            let (shard, index) = self.parts[part];
            self.batches[shard].reply(index).map(|reply| match reply {
                Reply::Number(number) => *number,
                _ => 0,
            })
        })
    }

    fn info(&self, parts: &Range<usize>, shards: &[ShardInfo]) -> String {
        let mut text = format!(
            "# Server\r\nserver:corelane kv\r\nprocess_id:{}\r\n# Clients\r\nconnected_clients:{}\r\n# Stats\r\n\
             total_commands_processed:{}\r\n# Shards\r\n",
            std::process::id(),
            shards.iter().map(|shard| shard.connections).sum::<u64>(),
            shards.iter().map(|shard| shard.commands).sum::<u64>(),
        );
        for (id, (keys, shard)) in self.numbers(parts).flatten().zip(shards).enumerate() {
            let ShardInfo { connections, commands } = shard;
            // Writing to a string does not fail.
            let _ = write!(text, "shard{id}:keys={keys},connections={connections},commands={commands}\r\n");
        }
        text
    }
}

/// What follows SET's value.
fn set_options(mut options: Args<'_>) -> Result<(Option<Duration>, Option<Only>), String> {
    let (mut ttl, mut only) = (None, None);
    while let [option, rest @ ..] = options {
        options = rest;
        let unit_ms = match option.to_ascii_lowercase().as_slice() {
            b"nx" if only.is_none_or(|only| only == Only::IfMissing) => {
                only = Some(Only::IfMissing);
                continue;
            }
            b"xx" if only.is_none_or(|only| only == Only::IfThere) => {
                only = Some(Only::IfThere);
                continue;
            }
            b"ex" if ttl.is_none() => 1000,
            b"px" if ttl.is_none() => 1,
            _ => return Err("ERR syntax error".into()),
        };
        let [time, rest @ ..] = options else { return Err("ERR syntax error".into()) };
        options = rest;
        let time = number(time).ok_or("ERR value is not an integer or out of range")?;
        let ms = time.checked_mul(unit_ms).filter(|&ms| ms > 0);
        let ms = ms.ok_or("ERR invalid expire time in 'set' command")?;
        ttl = Some(Duration::from_millis(ms.unsigned_abs()));
    }
    Ok((ttl, only))
}

fn unknown(name: &str, args: Args<'_>) -> String {
    // Not more of it than a line, and nothing that would end the line.
    let shown = |text: &str| text.chars().filter(|c| !c.is_control()).take(128).collect::<String>();
    let args = args.iter().take(8).map(|arg| format!("'{}' ", shown(&String::from_utf8_lossy(arg))));
    format!("ERR unknown command '{}', with args beginning with: {}", shown(name), args.collect::<String>())
}

fn write_reply(out: &mut Vec<u8>, reply: &Reply, batch: &Batch) {
    match reply {
        Reply::Done => out.extend_from_slice(b"+OK\r\n"),
        Reply::Nothing => out.extend_from_slice(b"$-1\r\n"),
        Reply::Number(number) => line(out, b':', number),
        Reply::Error(error) => line(out, b'-', error),
        Reply::Text(text) => bulk(out, batch.text(text)),
    }
}

fn line(out: &mut Vec<u8>, kind: u8, value: impl std::fmt::Display) {
    // Writing to a vector does not fail.
    let _ = std::io::Write::write_fmt(out, format_args!("{}{value}\r\n", kind as char));
}

fn bulk(out: &mut Vec<u8>, text: &[u8]) {
    line(out, b'$', text.len());
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}
