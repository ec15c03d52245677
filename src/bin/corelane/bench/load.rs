//! The load generator: a thread for each of its CPUs, with a share of the connections, an epoll and a schedule of its own.
//!
//! It is not built on a runtime, or what it measures would be part of what it is. Where the server does not use its CPUs, a
//! thread looks for events all the time instead of sleeping: a wake-up by the kernel takes longer than many an answer.
//!
//! - *Open loop*: requests are sent when they are due, whether or not earlier ones are answered.
//! - *Closed loop*: so many requests are under way at any time. An answer makes room for the next request: on the same connection,
//!   or, with a skew, on one that is drawn. A window in which none came begins anew, so that there is something to tell.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::connection::Connection;
use super::histogram::Record;
use super::process;
use super::protocol::Server;
use super::schedule::{Arrivals, Part, Rng, Schedule, Skew, Work};

#[derive(Clone, Debug)]
pub struct Load {
    pub to: SocketAddr,
    pub server: Server,
    pub connections: usize,
    pub skew: Skew,
    pub work: Option<Work>,
    pub pace: Pace,
    pub warm_up: Duration,
    pub window: Duration,
    pub seed: u64,
    pub cpus: Vec<u32>,
    /// The server uses other CPUs.
    pub alone: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Requests a second.
    Open { rate: f64, arrivals: Arrivals },
    /// Requests under way on each connection, or, with a skew, for each.
    Closed { pipeline: usize },
}

/// Moments of a run at which the caller may look at the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Connected,
    WindowBegins,
    WindowEnds,
}

/// What the generator saw.
#[derive(Debug)]
pub struct Seen {
    pub record: Record,
    /// The part of the time that its busiest thread had something to do.
    pub busy: f64,
}

/// How long answers may take once nothing is sent any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// Loads the server.
///
/// # Errors
///
/// If a connection is lost, an answer wrong, or one missing.
pub fn run(load: &Load, mut at: impl FnMut(Moment)) -> Result<Seen, String> {
    let threads = load.cpus.len().min(load.connections);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let starts: Vec<_> = (0..threads)
            .map(|index| {
                let (start, started) = mpsc::channel();
                let (tell, stop) = (tell.clone(), &stop);
                scope.spawn(move || {
                    let result = Generator::new(load, index, threads).and_then(|mut generator| {
                        let _ = tell.send(Ok(None));
                        // It is the other end's thread that ends the run where no start comes.
                        let Ok(start) = started.recv() else { return Ok(None) };
                        generator.drive(start, stop).map(Some)
                    });
                    let _ = tell.send(result);
                });
                start
            })
            .collect();
        drop(tell);
        let result = conduct(load, &starts, &told, &mut at);
        if result.is_err() {
            // Relaxed: nothing is published by it.
            stop.store(true, Ordering::Relaxed);
        }
        drop(starts);
        let mut seen = result?.into_iter();
        let mut all = seen.next().expect("there is a thread");
        for one in seen {
            all.record.add(&one.record);
            all.busy = all.busy.max(one.busy);
        }
        match all.record.requests - all.record.answered_requests() {
            0 => Ok(all),
            missing => Err(format!("{missing} of {} requests are without an answer", all.record.requests)),
        }
    })
}

/// Has the threads begin at the same time, and tells of the moments, until all have ended or one has failed.
fn conduct(
    load: &Load,
    starts: &[Sender<Instant>],
    told: &Receiver<Result<Option<Seen>, String>>,
    at: &mut impl FnMut(Moment),
) -> Result<Vec<Seen>, String> {
    for _ in starts {
        told.recv().map_err(|_| "the generator has ended")??;
    }
    at(Moment::Connected);
    let start = Instant::now();
    for thread in starts {
        // One that has ended has told why.
        let _ = thread.send(start);
    }
    let mut seen = Vec::new();
    let mut wait = |until: Instant| loop {
        match told.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(result) => match result {
                Ok(one) => seen.extend(one),
                Err(error) => return Err(error),
            },
            // The time has come, or there is nobody left to wait for.
            Err(_) => return Ok(()),
        }
    };
    let window = start + load.warm_up;
    wait(window)?;
    at(Moment::WindowBegins);
    wait(window + load.window)?;
    at(Moment::WindowEnds);
    // Each thread gives up by itself.
    for result in told {
        seen.extend(result?);
    }
    if seen.len() == starts.len() { Ok(seen) } else { Err("the generator has ended without a result".into()) }
}

struct Generator<'a> {
    load: &'a Load,
    poll: Poll,
    connections: Vec<Connection>,
    part: Part,
    /// In the open loop.
    schedule: Option<Schedule>,
    rng: Rng,
    record: Record,
    start: Instant,
    under_way: usize,
    idle_ns: u64,
    scratch: Vec<u8>,
    /// Connections with something to be written.
    unwritten: Vec<usize>,
}

impl<'a> Generator<'a> {
    fn new(load: &'a Load, index: usize, threads: usize) -> Result<Self, String> {
        process::bind(&load.cpus[index..=index])?;
        let part = Part::new(load.skew, load.connections, index, threads);
        let mut rng = Rng::new(load.seed << 16 | index as u64);
        let poll = Poll::new().map_err(|error| format!("cannot make an epoll: {error}"))?;
        let connect = |i: usize| {
            Connection::new(load.server, load.to, (i * threads + index) as u64, poll.registry(), Token(i))
        };
        let connections = (0..part.connections).map(connect).collect::<Result<_, _>>()?;
        let schedule = match load.pace {
            Pace::Open { rate, arrivals } => Some(Schedule::new(rate * part.share, arrivals, &mut rng)),
            Pace::Closed { .. } => None,
        };
        let ns = |duration: Duration| duration.as_nanos() as u64;
        let window: Range<u64> = ns(load.warm_up)..ns(load.warm_up + load.window);
        Ok(Self {
            load,
            poll,
            connections,
            part,
            schedule,
            rng,
            record: Record::new(window),
            start: Instant::now(),
            under_way: 0,
            idle_ns: 0,
            scratch: vec![0; 64 * 1024],
            unwritten: Vec::new(),
        })
    }

    fn now_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn drive(&mut self, start: Instant, stop: &AtomicBool) -> Result<Seen, String> {
        self.start = start;
        let mut events = Events::with_capacity(1024);
        if let Pace::Closed { pipeline } = self.load.pace {
            (0..self.connections.len() * pipeline).for_each(|i| self.push(i / pipeline, self.now_ns()));
            self.flush()?;
        }
        let mut now = self.now_ns();
        loop {
            let end_ns = self.record.end_ns();
            if now >= end_ns && !self.is_due_before(end_ns) && self.under_way == 0 {
                break;
            }
            // Relaxed: nothing is published by it.
            if stop.load(Ordering::Relaxed) {
                return Err("another thread has failed".into());
            }
            self.send_due(now)?;
            now = self.wait(&mut events)?;
            // After a look: it may have been kept from looking all the while.
            if events.is_empty() && now > end_ns + PATIENCE.as_nanos() as u64 {
                return Err(format!(
                    "{} requests are without an answer {} s after the end of the window",
                    self.under_way,
                    PATIENCE.as_secs()
                ));
            }
            for event in events.iter() {
                now = self.serve(event.token().0)?;
                // Between two answers, or a full batch would make requests late.
                self.send_due(now)?;
            }
        }
        let busy = 1.0 - self.idle_ns as f64 / now.max(1) as f64;
        Ok(Seen { record: self.record.clone(), busy })
    }

    /// Waits for events, or until the next request is due. Gives the time after it.
    fn wait(&mut self, events: &mut Events) -> Result<u64, String> {
        let before = self.now_ns();
        if !self.load.alone {
            let until = self.schedule.as_ref().map_or(u64::MAX, Schedule::next_ns);
            // Not longer, so that the end of the window and of the run are seen.
            let left = Duration::from_nanos(until.saturating_sub(before)).min(Duration::from_millis(10));
            process::wait_readable(&self.poll, left);
        }
        match self.poll.poll(events, Some(Duration::ZERO)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            result => result.map_err(|error| format!("cannot wait for events: {error}"))?,
        }
        let now = self.now_ns();
        if events.is_empty() || !self.load.alone {
            self.idle_ns += now - before;
        }
        Ok(now)
    }

    /// Whether the schedule has requests left, be they late: whoever leaves those out makes the server look better.
    fn is_due_before(&self, end_ns: u64) -> bool {
        self.schedule.as_ref().is_some_and(|schedule| schedule.next_ns() < end_ns)
    }

    /// Sends what the schedule says.
    fn send_due(&mut self, now: u64) -> Result<(), String> {
        let end_ns = self.record.end_ns();
        while let Some(schedule) = &mut self.schedule {
            // What is due after the window would measure the end of the load.
            let Some(due) = schedule.due(now.min(end_ns - 1), &mut self.rng) else { break };
            let to = self.part.pick(&mut self.rng);
            self.push_due(to, due, now);
        }
        self.flush()
    }

    fn push(&mut self, to: usize, now: u64) {
        self.push_due(to, now, now);
    }

    fn push_due(&mut self, to: usize, due: u64, now: u64) {
        let work_ns = self.load.work.map_or(0, |work| work.draw(&mut self.rng));
        self.record.sent(due, now);
        self.under_way += 1;
        if self.connections[to].push(due, work_ns) {
            self.unwritten.push(to);
        }
    }

    fn flush(&mut self) -> Result<(), String> {
        while let Some(to) = self.unwritten.pop() {
            self.connections[to].flush()?;
        }
        Ok(())
    }

    /// Takes the answers on a connection, and in the closed loop sends the next requests. Gives the time of the answers.
    fn serve(&mut self, from: usize) -> Result<u64, String> {
        self.connections[from].flush()?;
        loop {
            let (mut answers, mut now) = (0, 0);
            let (record, start, closed) = (&mut self.record, self.start, self.schedule.is_none());
            let more = self.connections[from].read(&mut self.scratch, |due| {
                if answers == 0 {
                    now = start.elapsed().as_nanos() as u64;
                    if closed {
                        record.begin_anew_if_empty(now);
                    }
                }
                answers += 1;
                record.answered(due, now);
            })?;
            self.under_way -= answers;
            if answers > 0 && closed && now < record.end_ns() {
                for _ in 0..answers {
                    let to = match self.load.skew {
                        Skew::Even => from,
                        _ => self.part.pick(&mut self.rng),
                    };
                    self.push(to, now);
                }
                self.flush()?;
            }
            if !more {
                return Ok(if answers > 0 { now } else { self.now_ns() });
            }
        }
    }
}
