//! How a server on one core echoes 64-byte messages, under a closed-loop generator on the other core.
//!
//! ```text
//! echo_load [--connections 1,64,1000] [--servers a,b] [--rounds N] [--seconds S]
//! echo_load count SERVER REQUESTS
//! ```
//!
//! Each server runs in a process of its own, whose user time is what the runtime costs: on loopback the kernel is most of a
//! request. Rounds interleave the servers; what is printed are medians over the rounds.
//!
//! The servers `two-…` have two shards, one of them beside the generator, so their times are not to be compared with those of
//! the others. They differ in who gets a connection; `fullest` says how many the fuller shard got.
//!
//! The second form serves that many requests and ends: under callgrind it counts instructions, see `benches/instructions.sh`.
//!
//! - [`generator`]: one thread, epoll through mio, one message in flight a connection
//! - [`servers`]: the same server on each runtime
//! - [`bare`]: the server without a runtime, which shows what the kernel leaves to gain
//! - [`batches`]: the client of the second form

mod bare;
mod batches;
mod generator;
mod servers;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::Duration;

use corelane_benches::{process, say};

use servers::SERVERS;

/// Bytes of a message.
const MESSAGE: usize = 64;

struct Options {
    connections: Vec<usize>,
    servers: Vec<&'static str>,
    rounds: usize,
    window: Duration,
}

const USAGE: &str = "usage: echo_load [--connections 1,64,1000] [--servers a,b] [--rounds N] [--seconds S]
       echo_load count SERVER REQUESTS";

fn main() -> ExitCode {
    process::raise_descriptor_limit();
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let server = |name: &String| SERVERS.iter().find(|(known, ..)| known == name);
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["client", port, requests] => {
            batches::client(port, requests);
            return ExitCode::SUCCESS;
        }
        ["serve" | "count", ..] => {
            if let Some((_, one_core, server)) = arguments.get(1).and_then(server) {
                if *one_core {
                    process::pin(process::two_cores()[1]);
                }
                server();
            }
        }
        _ => {}
    }
    let Some(options) = options(arguments) else {
        let names: Vec<_> = SERVERS.iter().map(|(name, ..)| *name).collect();
        eprintln!("{USAGE}\nservers: {}", names.join(", "));
        return ExitCode::from(2);
    };
    let cores = process::two_cores();
    say!(
        "{:<13} {:>11} {:>9} {:>9} {:>9} {:>12} {:>7}",
        "server",
        "connections",
        "req/s",
        "p50 us",
        "p99 us",
        "user ns/req",
        "fullest"
    );
    for &connections in &options.connections {
        let mut results = vec![Vec::new(); options.servers.len()];
        for _ in 0..options.rounds {
            for (name, results) in options.servers.iter().zip(&mut results) {
                // Started before this thread is pinned, or it would inherit the core.
                let mut server = Server::start(name);
                let port = server.port;
                let window = options.window;
                let sample = std::thread::scope(|scope| {
                    let generator = scope.spawn(|| {
                        process::pin(cores[0]);
                        generator::run(port, connections, window, &mut || server.usage())
                    });
                    generator.join().expect("the generator ends well")
                });
                results.push(sample);
            }
        }
        for (name, results) in options.servers.iter().zip(&results) {
            let of = |f: fn(&generator::Sample) -> f64| median(results.iter().map(f).collect());
            // Summed: the kernel divides a process's time into user and system by its ticks, which is coarse in one window.
            let user: Duration = results.iter().map(|sample| sample.user).sum();
            let requests: usize = results.iter().map(|sample| sample.requests).sum();
            say!(
                "{name:<13} {connections:>11} {:>9.0} {:>9.1} {:>9.1} {:>12.0} {:>7}",
                of(|sample| sample.requests_per_s),
                of(|sample| sample.p50_us),
                of(|sample| sample.p99_us),
                user.as_nanos() as f64 / requests as f64,
                match of(|sample| sample.most as f64) {
                    0.0 => connections as f64,
                    most => most,
                }
            );
        }
    }
    ExitCode::SUCCESS
}

fn options(arguments: Vec<String>) -> Option<Options> {
    let mut options = Options {
        connections: vec![1, 64, 1000],
        servers: SERVERS.iter().map(|(name, ..)| *name).collect(),
        rounds: 5,
        window: Duration::from_secs(1),
    };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let value = arguments.next()?;
        match argument.as_str() {
            "--connections" => {
                options.connections =
                    value.split(',').map(|n| n.parse().ok().filter(|n| *n > 0)).collect::<Option<_>>()?;
            }
            "--servers" => {
                let known = |name| SERVERS.iter().map(|(known, ..)| *known).find(|known| *known == name);
                options.servers = value.split(',').map(known).collect::<Option<_>>()?;
            }
            "--rounds" => options.rounds = value.parse().ok().filter(|n| *n > 0)?,
            "--seconds" => options.window = Duration::try_from_secs_f64(value.parse().ok()?).ok()?,
            _ => return None,
        }
    }
    Some(options)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A server's process. It says its port, then for each line it gets its user time and the connections of its fullest shard;
/// it ends with its input.
struct Server {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    port: u16,
}

impl Server {
    fn start(name: &str) -> Self {
        let program = std::env::current_exe().expect("the program is a file");
        let child =
            Command::new(program).args(["serve", name]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("the program starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let mut server = Self { child, input, output, port: 0 };
        server.port = u16::try_from(server.line()[0]).expect("a port has 16 bits");
        server
    }

    fn usage(&mut self) -> (Duration, u64) {
        let input = self.input.as_mut().expect("open until the end");
        input.write_all(b"\n").expect("the server reads");
        let line = self.line();
        (Duration::from_micros(line[0]), line[1])
    }

    fn line(&mut self) -> Vec<u64> {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the server writes");
        line.split_whitespace().map(|n| n.parse().expect("the server writes numbers")).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}

/// The server's side of that: prints the port, then answers from a thread of its own. If requests are to be counted, has the
/// client started instead.
fn report(port: u16) {
    if let Some("count") = std::env::args().nth(1).as_deref() {
        return batches::start(port, &std::env::args().nth(3).unwrap_or_default());
    }
    say!("{port}");
    std::thread::spawn(|| {
        for _ in std::io::stdin().lines() {
            say!("{} {}", process::cpu_times().0.as_micros(), servers::most());
        }
        std::process::exit(0);
    });
}
