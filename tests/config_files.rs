//! Config files as a whole: the ones in `config/`, writing and reading back, and where a file is looked for.

#[path = "support/machine.rs"]
mod machine;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs, process};

use corelane::config::{
    AutoOr, BlockingCpus, Config, CpuList, Cpus, Domain, Flavor, GroupBy, Isolated, Kind, Memory, OnError,
    Order, Pin, Place, QuotaPolicy, Reload, ShardSettings, Smt, Steal, Steering, keys, shard_keys,
};
use corelane::topology::Plan;
use machine::{Machine, Shape};

fn shipped(name: &str) -> Config {
    Config::from_file(Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name))
        .unwrap_or_else(|e| panic!("{e}"))
}

/// What `config/default.toml` must be: the table of keys, with its reasons as comments.
fn default_file() -> String {
    let mut text = String::from(
        "# Corelane's defaults: every key with what it does, what it takes, and why the default is what it is.\n\
         # A file needs only the keys it changes. CORELANE_CONFIG names it when the program does not.\n",
    );
    let mut section = "";
    for key in keys() {
        if key.section != section {
            section = key.section;
            text += &format!("\n[{section}]");
        }
        for line in key.doc {
            text += &format!("\n#{line}");
        }
        text += &format!("\n# Takes {}.\n{} = {}\n", key.accepts(), key.name, key.value(&Config::default()));
    }
    text += "\n# What is told for single shards, once for each. There is none by default; both keys must be there.\n#[[shard]]";
    for key in shard_keys() {
        for line in key.doc {
            text += &format!("\n#{line}");
        }
        text += &format!("\n# Takes {}.\n#{} = {}\n", key.accepts(), key.name, key.value(&Config::default()));
    }
    text
}

#[test]
fn default_toml_is_the_table_of_keys() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/default.toml");
    let expected = default_file();
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{} differs from the table of keys; it must be:\n{expected}", path.display());
    assert_eq!(shipped("default.toml"), Config::default());
}

#[test]
fn each_shipped_file_says_what_it_is_for() {
    let latency = shipped("latency.toml");
    assert_eq!((latency.runtime.flavor, latency.placement.pin), (Flavor::Sharded, Pin::Core));
    assert_eq!(latency.placement.on_error, OnError::Fail);
    let throughput = shipped("throughput.toml");
    assert_eq!((throughput.runtime.flavor, throughput.scheduler.steal), (Flavor::MultiThread, Steal::All));
    assert_eq!(throughput.placement.smt, Smt::All);
    let container = shipped("container.toml");
    assert_eq!((container.placement.quota, container.placement.pin), (QuotaPolicy::Cap, Pin::None));
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("config")).unwrap();
    for file in files {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        Config::from_file(&path).unwrap_or_else(|error| panic!("{error}"));
        let text = fs::read_to_string(&path).unwrap();
        let mut lines = text.lines().zip(text.lines().skip(1));
        let bare = lines.find(|(before, line)| {
            line.contains(" = ") && !line.starts_with('#') && !before.starts_with('#')
        });
        assert_eq!(bare, None, "{} has a key without a comment", path.display());
    }
}

#[test]
fn the_latency_file_keeps_the_first_core_and_other_threads_off_the_shards() {
    let config = shipped("latency.toml");
    for (packages, cores, threads) in [(1, 2, 1), (1, 4, 2), (2, 8, 2)] {
        let machine = Machine::of(Shape { packages, nodes: 1, llcs: 2, cores, threads });
        let topology = machine.read();
        let plan = Plan::new(&topology, &config).unwrap_or_else(|error| panic!("{error}"));
        let core_of = |id: u32| topology.cpus.iter().find(|cpu| cpu.id == id).unwrap().siblings.clone();
        let others = plan.blocking_cpus.iter().chain(&[0]).map(|&id| core_of(id)).collect::<Vec<_>>();
        for shard in &plan.shards {
            assert!(!others.contains(&core_of(shard.cpus[0])), "{plan}");
        }
        assert_eq!(plan.shards.len() as u32, packages * 2 * cores - 1, "{plan}");
    }
}

#[test]
fn what_is_written_reads_back() {
    let mut config = Config::default();
    assert_eq!(Config::parse("default", &config.to_string()), Ok(config.clone()));
    config.runtime.flavor = Flavor::MultiThread;
    config.placement.shards = AutoOr::Number(3);
    config.placement.cpus = Cpus::List(CpuList::parse("0-7,16").unwrap().into());
    config.placement.drop = vec![Domain::Cpu(0), Domain::Core(1), Domain::Llc(2), Domain::Node(3)];
    config.placement.smt = Smt::All;
    config.placement.isolated = Isolated::Prefer;
    config.placement.reserve = 2;
    config.placement.kind = Kind::Efficiency;
    config.placement.group_by = GroupBy::Package;
    config.placement.order = Order::Spread;
    config.placement.memory = Memory::Interleave;
    config.placement.watch = true;
    config.placement.reload = Reload::Sighup;
    for (id, cpus) in [(3, "8-11"), (0, "2")] {
        config.shard.push(ShardSettings { id, cpus: CpuList::parse(cpus).unwrap().into() });
    }
    config.placement.quota = QuotaPolicy::Ignore;
    config.placement.pin = Pin::Group;
    config.placement.on_error = OnError::Warn;
    // Written out, `off` wins over what multi_thread has by default.
    config.scheduler.steal = Steal::Off;
    config.scheduler.place = Place::Local;
    config.scheduler.quantum_us = 10;
    config.scheduler.spin_us = AutoOr::Number(0);
    config.timer.resolution_us = 50;
    config.blocking.max_threads = 1;
    config.blocking.keep_alive_ms = 0;
    config.blocking.cpus = BlockingCpus::List(CpuList::parse("8191").unwrap().into());
    config.listen.steering = Steering::IncomingCpu;
    let text = config.to_string();
    assert_eq!(Config::parse("changed", &text), Ok(config.clone()));
    // Each key was changed, so none is forgotten above.
    let same: Vec<_> = keys().iter().filter(|k| k.value(&config) == k.value(&Config::default())).collect();
    assert!(same.iter().all(|k| k.name == "steal"), "not changed: {same:?}");
    for cpus in [BlockingCpus::Any, BlockingCpus::Siblings] {
        config.blocking.cpus = cpus;
        assert_eq!(Config::parse("pool", &config.to_string()), Ok(config.clone()));
    }
}

#[test]
fn each_bound_of_a_range_is_accepted() {
    for (section, key, low, high) in [
        ("placement", "shards", "1", "8192"),
        ("placement", "reserve", "0", "1024"),
        ("scheduler", "quantum_us", "10", "100_000"),
        ("scheduler", "spin_us", "0", "0xF_42_40"),
        ("timer", "resolution_us", "50", "1000"),
        ("blocking", "max_threads", "1", "32767"),
        ("blocking", "keep_alive_ms", "0", "+86_400_000"),
    ] {
        for value in [low, high] {
            let text = format!("[{section}]\n{key} = {value}\n");
            Config::parse("bounds", &text).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

#[test]
fn multi_thread_steals_unless_the_file_says_otherwise() {
    let parse = |text| Config::parse("steal", text).unwrap();
    assert_eq!(parse("").scheduler.steal, Steal::Off);
    assert_eq!(parse("[runtime]\nflavor = \"multi_thread\"").scheduler.steal, Steal::All);
    assert_eq!(
        parse("[scheduler]\nsteal = \"off\"\n[runtime]\nflavor = \"multi_thread\"").scheduler.steal,
        Steal::Off
    );
}

#[test]
fn an_unreadable_file_is_an_error_without_a_place() {
    let error = Config::from_file("/nonexistent/conf.toml").unwrap_err();
    assert_eq!((error.file(), error.line(), error.column()), ("/nonexistent/conf.toml", None, None));
    assert_eq!(
        error.to_string(),
        "/nonexistent/conf.toml: cannot read the file: No such file or directory (os error 2); expected a readable \
         TOML file"
    );
}

#[test]
fn a_file_has_an_end() {
    let file = Scratch::new("long.toml", b"");
    fs::File::options().write(true).open(&file.0).unwrap().set_len((1 << 24) + 1).unwrap();
    let error = Config::from_file(&file.0).unwrap_err();
    let message = "cannot read the file: it has more than 16777216 bytes; expected a readable TOML file";
    assert_eq!(error.message(), message);
}

#[test]
fn a_file_that_is_not_utf8_says_where() {
    let file = Scratch::new("utf8.toml", b"[timer]\n# gr\xC3\xBC\xC3\x9Fe \xFF\n");
    let error = Config::from_file(&file.0).unwrap_err();
    assert_eq!((error.line(), error.column()), (Some(2), Some(9)));
    assert_eq!(error.message(), "not valid TOML: expected UTF-8 text");
}

/// Runs in a process of its own, with the variable as the tests below set it.
#[test]
fn child_prints_what_the_environment_names() {
    if env::var_os("CORELANE_TEST_CHILD").is_some() {
        match Config::from_env() {
            Ok(None) => println!("child: none"),
            Ok(Some(config)) => println!("child: quantum {}", config.scheduler.quantum_us),
            Err(error) => println!("child: {error}"),
        }
    }
}

#[test]
fn the_environment_names_the_file() {
    let child = |path: Option<&Path>| {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "child_prints_what_the_environment_names", "--nocapture"]);
        command.env("CORELANE_TEST_CHILD", "1").env_remove("CORELANE_CONFIG");
        if let Some(path) = path {
            command.env("CORELANE_CONFIG", path);
        }
        let Output { stdout, .. } = command.output().unwrap();
        let stdout = String::from_utf8(stdout).unwrap();
        let start = stdout.find("child: ").unwrap_or_else(|| panic!("no answer in {stdout}"));
        stdout[start..].lines().next().unwrap_or_default().to_owned()
    };
    let file = Scratch::new("env.toml", b"[scheduler]\nquantum_us = 77\n");
    assert_eq!(child(None), "child: none");
    assert_eq!(child(Some(&file.0)), "child: quantum 77");
    assert_eq!(
        child(Some(Path::new("/nonexistent/conf.toml"))),
        "child: CORELANE_CONFIG=/nonexistent/conf.toml: cannot read the file: No such file or directory (os error 2); \
         name a readable file or unset CORELANE_CONFIG"
    );
}

/// A file that is gone when the test is.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, content: &[u8]) -> Self {
        let path = env::temp_dir().join(format!("corelane-{}-{name}", process::id()));
        fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
