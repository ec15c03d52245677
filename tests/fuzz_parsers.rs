//! Parsers against what nobody meant to write, from seeds. Each test says what it holds the answer against.

#![expect(unsafe_code, reason = "keeps the promise of bytes that were written")]

use std::collections::BTreeSet;
use std::fs;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};

use corelane::config::{Config, CpuList};
use corelane::io::ReadBuf;
use corelane::topology::{Plan, Topology};
use corelane_shards::util::Rng;

#[path = "support/fuzz.rs"]
mod fuzz;

#[expect(dead_code, reason = "the example uses all of it")]
#[path = "../examples/kv/resp.rs"]
mod resp;

/// A folder that is gone when the test is.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("corelane-fuzz-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.below(from.len() as u32) as usize]
}

/// Changes, drops and repeats bytes.
fn spoil(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..=rng.below(4) {
        let at = rng.below(bytes.len() as u32 + 1) as usize;
        match rng.below(4) {
            0 => bytes.insert(at, rng.below(256) as u8),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => {
                bytes[at] = *pick(rng, b"\"'[]{}=,.#\n\r\t -_09azAZ\\\x00\x80\xff\xc3\xa9")
            }
            _ => {
                let tail = bytes[at..].to_vec();
                bytes.extend_from_slice(&tail[..tail.len().min(64)]);
            }
        }
    }
}

/// A file of any bytes is a config, or an error with a place that is in the file.
#[test]
fn a_config_file_of_any_bytes() {
    let folder = Folder::new("config");
    let path = folder.0.join("runtime.toml");
    let good = Config::default().to_string().into_bytes();
    let (mut read, mut broken) = (0, 0);
    for seed in 0..2_000 {
        let mut rng = Rng::new(seed);
        let mut bytes = good.clone();
        if rng.below(8) == 0 {
            bytes = (0..rng.below(200)).map(|_| rng.below(256) as u8).collect();
        }
        spoil(&mut rng, &mut bytes);
        fs::write(&path, &bytes).unwrap();
        let config = Config::from_file(&path);
        fuzz::check_config(&bytes, &config);
        if config.is_ok() { read += 1 } else { broken += 1 }
    }
    assert!(read > 30 && broken > 300, "{read} read, {broken} broken: the seeds test little");
}

/// A list of CPUs against a set, and against a second reading of the notation.
#[test]
fn lists_of_cpus() {
    for seed in 0..20_000 {
        let mut rng = Rng::new(seed);
        let (mut text, mut set) = (String::new(), BTreeSet::new());
        for n in 0..rng.below(6) {
            let first = if rng.below(8) == 0 { 8192 - rng.below(3) } else { rng.below(70) };
            let last = first + rng.below(5).saturating_sub(2);
            text += if n == 0 { "" } else { [",", ", ", " ,"][rng.below(3) as usize] };
            text += &if last == first { first.to_string() } else { format!("{first}-{last}") };
            set.extend(first..=last);
        }
        text += ["", "\n", " "][rng.below(3) as usize];
        let fits = set.last().is_none_or(|last| *last < 8192);
        let list = CpuList::parse(&text);
        assert_eq!(
            list.as_ref().map(|list| list.iter().collect()),
            fits.then_some(set),
            "seed {seed}: {text:?}"
        );
        if let Some(list) = list {
            assert_eq!(CpuList::parse(&list.to_string()), Some(list), "seed {seed}: shown and read back");
        }
        // Anything: an answer, and if it is a list then one of what stands there.
        let soup: String =
            (0..rng.below(12)).map(|_| char::from(*pick(&mut rng, b"0123456789--,, \n+xa"))).collect();
        if let Some(list) = CpuList::parse(&soup) {
            let numbers: Vec<u32> = soup.split([',', '-']).filter_map(|n| n.trim().parse().ok()).collect();
            assert!(
                list.first().is_none_or(|first| numbers.iter().min() == Some(&first)),
                "seed {seed}: {soup:?}"
            );
            assert!(
                list.iter().last().is_none_or(|last| numbers.iter().max() == Some(&last)),
                "seed {seed}: {soup:?}"
            );
        }
    }
}

/// Trees of files with whatever in them: a topology, with a warning for each file that made no sense, and a plan or an error.
#[test]
fn a_machine_of_any_files() {
    const FILES: &[&str] = &[
        "sys/devices/system/cpu/online",
        "sys/devices/system/cpu/offline",
        "sys/devices/system/cpu/cpu0/topology/core_id",
        "sys/devices/system/cpu/cpu0/topology/physical_package_id",
        "sys/devices/system/cpu/cpu1/topology/core_cpus_list",
        "sys/devices/system/cpu/cpu1/cache/index3/level",
        "sys/devices/system/cpu/cpu1/cache/index3/shared_cpu_list",
        "sys/devices/system/node/node0/cpulist",
        "proc/self/status",
        "proc/self/cgroup",
        "proc/self/mountinfo",
        "sys/fs/cgroup/a/cpu.max",
        "sys/fs/cgroup/cpu.max",
        "sys/fs/cgroup/a/cpuset.cpus.effective",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us",
    ];
    const TEXTS: &[&str] = &[
        "0-3",
        "0,2",
        "1",
        "-1",
        "max 100000",
        "150000 100000",
        "0 100000",
        "1 18446744073709551615",
        "18446744073709551615 1",
        "Cpus_allowed_list:\t0-2",
        "Cpus_allowed_list:",
        "0::/a",
        "0::/../a\n4:cpu,cpuset:/",
        "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup rw",
        "32 23 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu",
    ];
    let folder = Folder::new("machine");
    let configs: Vec<Config> =
        ["", "[placement]\nquota = \"warn\"", "[placement]\nshards = 3\non_error = \"fail\""]
            .map(|text| Config::parse("c", text).unwrap())
            .into();
    let (mut plans, mut errors) = (0, 0);
    for seed in 0..600 {
        let mut rng = Rng::new(seed);
        fs::remove_dir_all(&folder.0).unwrap();
        fs::create_dir_all(&folder.0).unwrap();
        for file in FILES {
            let mut text = pick(&mut rng, TEXTS).as_bytes().to_vec();
            match rng.below(6) {
                0 => continue,
                1 => spoil(&mut rng, &mut text),
                _ => {}
            }
            folder.write(file, &text);
        }
        let topology = Topology::read(&folder.0);
        assert!(topology.quota.as_ref().is_none_or(|quota| quota.period_us > 0), "seed {seed}");
        match Plan::new(&topology, pick(&mut rng, &configs)) {
            Ok(plan) => {
                plans += 1;
                assert!(!plan.shards.is_empty(), "seed {seed}: {plan}");
            }
            Err(error) => {
                errors += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(plans > 40 && errors > 4, "{plans} plans, {errors} errors: the seeds test little");
}

/// Machines that nobody builds, and configs with words that mean something.
#[test]
fn a_plan_for_any_machine() {
    const LINES: &[&str] = &[
        "[placement]\n",
        "shards = 3\n",
        "cpus = \"1-4\"\n",
        "cpus = \"numa:0.core:0-1\"\n",
        "cpus = \"llc:all.pu:0\"\n",
        "isolated = \"prefer\"\n",
        "isolated = \"only\"\n",
        "drop = [\"node:1\", \"core:0\"]\n",
        "reserve = 1\n",
        "kind = \"performance\"\n",
        "smt = \"all\"\n",
        "group_by = \"numa\"\n",
        "order = \"spread\"\n",
        "quota = \"warn\"\n",
        "pin = \"group\"\n",
        "pin = \"none\"\n",
        "on_error = \"fail\"\n",
        "memory = \"interleave\"\n",
    ];
    const SECTIONS: &[&str] = &[
        "",
        "[blocking]\ncpus = \"siblings\"\n",
        "[blocking]\ncpus = \"package:0\"\n",
        "[[shard]]\nid = 0\ncpus = \"core:0\"\n",
        "[listen]\nsteering = \"incoming-cpu\"\n",
    ];
    let (mut plans, mut errors, mut unread) = (0, 0, 0);
    for seed in 0..4_000 {
        let mut rng = Rng::new(seed);
        let mut bytes: Vec<u8> = (0..20 + rng.below(200)).map(|_| 1 + rng.below(255) as u8).collect();
        bytes.push(0);
        let mut lines: BTreeSet<usize> =
            (0..rng.below(5)).map(|_| rng.below(LINES.len() as u32) as usize).collect();
        lines.insert(0);
        lines.iter().for_each(|at| bytes.extend(LINES[*at].bytes()));
        bytes.extend(pick(&mut rng, SECTIONS).bytes());
        match fuzz::check_plan(&bytes) {
            Some(true) => plans += 1,
            Some(false) => errors += 1,
            None => unread += 1,
        }
    }
    assert!(
        plans > 500 && errors > 200,
        "{plans} plans, {errors} errors, {unread} not read: the seeds test little"
    );
}

/// `cpu.max` against a second reading of it: two numbers, or `max` and a number.
#[test]
fn quotas() {
    let folder = Folder::new("quota");
    folder.write("proc/self/cgroup", b"0::/");
    folder.write("proc/self/mountinfo", b"31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup rw");
    let numbers = [
        "0",
        "1",
        "100000",
        "18446744073709551615",
        "18446744073709551616",
        "max",
        "-1",
        "",
        "x",
        "1.5",
        "250000",
    ];
    for seed in 0..2_000 {
        let mut rng = Rng::new(seed);
        let (quota, period) = (*pick(&mut rng, &numbers), *pick(&mut rng, &numbers));
        let text = format!("{quota}{}{period}", pick(&mut rng, &[" ", " ", " ", "", "\t"]));
        folder.write("sys/fs/cgroup/cpu.max", text.as_bytes());
        let topology = Topology::read(&folder.0);
        let halves: Vec<&str> = text.trim().split(' ').collect();
        let period: Option<u64> = halves.get(1).and_then(|n| n.parse().ok()).filter(|n| *n > 0);
        let read: Option<u64> = halves[0].parse().ok();
        let makes_sense = halves.len() == 2 && period.is_some() && (read.is_some() || halves[0] == "max");
        let found = topology.quota.as_ref().map(|quota| (quota.quota_us, quota.period_us));
        let expected = if makes_sense { read.zip(period) } else { None };
        assert_eq!(found, expected, "seed {seed}: {text:?}");
        assert_eq!(
            topology.warnings.iter().any(|w| w.contains("cpu.max")),
            !makes_sense,
            "seed {seed}: {text:?}"
        );
        assert_eq!(
            topology.quota.is_some_and(|quota| Path::new(&quota.file).ends_with("cpu.max")),
            found.is_some()
        );
    }
}

/// Requests of a key-value client: in any pieces the same as whole, and of any bytes an answer that stays within the bytes.
#[test]
fn requests_in_any_pieces() {
    let limits = resp::Limits { bulk: 40, args: 6, request: 150 };
    type Found = (Vec<Vec<Vec<u8>>>, Option<resp::ProtocolError>);
    fn parse(limits: resp::Limits, input: &[u8], mut piece: impl FnMut() -> usize) -> Found {
        let (mut parser, mut buffer, mut requests) = (resp::Parser::new(limits), Vec::new(), Vec::new());
        let mut rest = input;
        loop {
            match parser.parse(&buffer) {
                Ok(Some(len)) => {
                    requests.push(parser.args().iter().map(|arg| buffer[arg.clone()].to_vec()).collect());
                    assert!(len > 0 && parser.args().iter().all(|arg| arg.end <= len));
                    buffer.drain(..len);
                }
                Ok(None) if rest.is_empty() => return (requests, None),
                Ok(None) => {
                    let (now, later) = rest.split_at(piece().clamp(1, rest.len()));
                    buffer.extend_from_slice(now);
                    rest = later;
                }
                Err(error) => return (requests, Some(error)),
            }
        }
    }
    let (mut good, mut bad) = (0, 0);
    for seed in 0..20_000 {
        let mut rng = Rng::new(seed);
        let (mut input, mut expected): (Vec<u8>, Vec<Vec<Vec<u8>>>) = Default::default();
        for _ in 0..=rng.below(4) {
            let args: Vec<Vec<u8>> = (0..=rng.below(4))
                .map(|_| (0..rng.below(12)).map(|_| *pick(&mut rng, b"ab\r\n$*0\x00\xff ")).collect())
                .collect();
            input.extend(format!("*{}\r\n", args.len()).into_bytes());
            for arg in &args {
                input.extend(format!("${}\r\n", arg.len()).into_bytes());
                input.extend_from_slice(arg);
                input.extend_from_slice(b"\r\n");
            }
            expected.push(args);
        }
        let spoiled = rng.below(2) == 0;
        if spoiled {
            spoil(&mut rng, &mut input);
        }
        let whole = parse(limits, &input, || usize::MAX);
        if !spoiled {
            assert_eq!(whole, (expected, None), "seed {seed}: {}", input.escape_ascii());
        }
        let max = 1 + rng.below(9);
        let pieces = parse(limits, &input, || 1 + rng.below(max) as usize);
        assert_eq!(pieces, whole, "seed {seed}: {}", input.escape_ascii());
        if whole.1.is_none() { good += 1 } else { bad += 1 }
    }
    assert!(good > 5_000 && bad > 1_000, "{good} good, {bad} bad: the seeds test little");
}

/// A read buffer against three numbers and a vector of bytes.
#[test]
fn read_buffers() {
    for seed in 0..10_000 {
        let mut rng = Rng::new(seed);
        let capacity = rng.below(12) as usize;
        let mut memory = vec![MaybeUninit::<u8>::uninit(); capacity];
        let mut bytes: Vec<u8> = (0..capacity as u8).map(|n| 200 + n).collect();
        let from_bytes = rng.below(2) == 0;
        // What the bytes up to `initialized` are.
        let (mut known, mut filled) = (if from_bytes { bytes.clone() } else { Vec::new() }, 0);
        let mut buf = if from_bytes { ReadBuf::new(&mut bytes) } else { ReadBuf::uninit(&mut memory) };
        for step in 0..20 {
            let n = rng.below(capacity as u32 + 2) as usize;
            match rng.below(7) {
                0 if n <= capacity - filled => {
                    let data: Vec<u8> = (0..n).map(|_| rng.below(256) as u8).collect();
                    buf.put_slice(&data);
                    set(&mut known, filled, &data);
                    filled += n;
                }
                1 if n <= capacity - filled => {
                    let part = buf.initialize_unfilled_to(n);
                    assert_eq!(part.len(), n);
                    part.iter_mut().for_each(|byte| *byte = step);
                    set(&mut known, filled, &vec![step; n]);
                }
                2 if filled + n <= known.len() => {
                    buf.advance(n);
                    filled += n;
                }
                3 if n <= known.len() => {
                    buf.set_filled(n);
                    filled = n;
                }
                4 if rng.below(3) == 0 => {
                    buf.clear();
                    filled = 0;
                }
                5 => {
                    let mut taken = buf.take(n);
                    assert_eq!((taken.capacity(), taken.filled().len()), (n.min(capacity - filled), 0));
                    let len = taken.capacity();
                    taken.put_slice(&vec![step; len]);
                    // The bytes are there, and only a promise tells the outer buffer of those that were not before.
                    if rng.below(2) == 0 {
                        promise(&mut buf, len);
                        set(&mut known, filled, &vec![step; len]);
                    } else {
                        known.iter_mut().skip(filled).take(len).for_each(|byte| *byte = step);
                    }
                }
                _ => {}
            }
            assert_eq!(buf.filled(), &known[..filled], "seed {seed}");
            assert_eq!(buf.initialized(), known, "seed {seed}");
            assert_eq!((buf.capacity(), buf.remaining()), (capacity, capacity - filled), "seed {seed}");
        }
    }
}

/// Writes into a vector that grows as far as it is written.
fn set(known: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    known.resize(known.len().max(at + bytes.len()), 0);
    known[at..at + bytes.len()].copy_from_slice(bytes);
}

fn promise(buf: &mut ReadBuf<'_>, len: usize) {
    // SAFETY: the caller wrote these bytes.
    unsafe { buf.assume_init(len) };
}
