//! Every way to get a config file wrong, and the exact words it is answered with.

use corelane::config::Config;

/// Broken files, each with its error. `conf.toml` is the name they are given.
const BROKEN: &[(&str, &str)] = &[
    // Numbers: wrong sign, out of range, wrong type.
    (
        "[scheduler]\nquantum_us = -5\n",
        "conf.toml:2:14: [scheduler] quantum_us = -5: expected a whole number of microseconds from 10 to 100000",
    ),
    (
        "[scheduler]\nquantum_us = 9\n",
        "conf.toml:2:14: [scheduler] quantum_us = 9: expected a whole number of microseconds from 10 to 100000",
    ),
    (
        "[scheduler]\nquantum_us = 100_001\n",
        "conf.toml:2:14: [scheduler] quantum_us = 100_001: expected a whole number of microseconds from 10 to 100000",
    ),
    (
        "[scheduler]\nquantum_us = 100.0\n",
        "conf.toml:2:14: [scheduler] quantum_us = 100.0: expected a whole number of microseconds from 10 to 100000",
    ),
    (
        "[scheduler]\nquantum_us = \"100\"\n",
        "conf.toml:2:14: [scheduler] quantum_us = \"100\": expected a whole number of microseconds from 10 to 100000",
    ),
    (
        "[scheduler]\nquantum_us = 99999999999999999999\n",
        "conf.toml:2:14: [scheduler] quantum_us = 99999999999999999999: expected a whole number of microseconds from \
         10 to 100000",
    ),
    (
        "[scheduler]\n# comment\n\n  spin_us =   \"always\"\n",
        "conf.toml:4:15: [scheduler] spin_us = \"always\": expected \"auto\" or a whole number of microseconds from 0 \
         to 1000000",
    ),
    (
        "[scheduler]\nspin_us = true\n",
        "conf.toml:2:11: [scheduler] spin_us = true: expected \"auto\" or a whole number of microseconds from 0 to \
         1000000",
    ),
    (
        "[scheduler]\nspin_us = -1\n",
        "conf.toml:2:11: [scheduler] spin_us = -1: expected \"auto\" or a whole number of microseconds from 0 to \
         1000000",
    ),
    (
        "[timer]\nresolution_us = 49\n",
        "conf.toml:2:17: [timer] resolution_us = 49: expected a whole number of microseconds from 50 to 1000",
    ),
    (
        "[timer]\nresolution_us = 1001\n",
        "conf.toml:2:17: [timer] resolution_us = 1001: expected a whole number of microseconds from 50 to 1000",
    ),
    (
        "[timer]\nresolution_us = 0x1\n",
        "conf.toml:2:17: [timer] resolution_us = 0x1: expected a whole number of microseconds from 50 to 1000",
    ),
    (
        "[blocking]\nmax_threads = 0\n",
        "conf.toml:2:15: [blocking] max_threads = 0: expected a whole number of threads from 1 to 32767",
    ),
    (
        "[blocking]\nkeep_alive_ms = 86_400_001\n",
        "conf.toml:2:17: [blocking] keep_alive_ms = 86_400_001: expected a whole number of milliseconds from 0 to \
         86400000",
    ),
    (
        "[blocking]\nkeep_alive_ms = 1979-05-27\n",
        "conf.toml:2:17: [blocking] keep_alive_ms = 1979-05-27: expected a whole number of milliseconds from 0 to \
         86400000",
    ),
    (
        "[placement]\nshards = 0\n",
        "conf.toml:2:10: [placement] shards = 0: expected \"auto\" or a whole number of shards from 1 to 8192",
    ),
    (
        "[placement]\nshards = 8193\n",
        "conf.toml:2:10: [placement] shards = 8193: expected \"auto\" or a whole number of shards from 1 to 8192",
    ),
    (
        "[placement]\nshards = \"Auto\"\n",
        "conf.toml:2:10: [placement] shards = \"Auto\": expected \"auto\" or a whole number of shards from 1 to 8192",
    ),
    // Words.
    (
        "[runtime]\nflavor = \"multi-thread\"\n",
        "conf.toml:2:10: [runtime] flavor = \"multi-thread\": expected \"sharded\", \"multi_thread\" or \
         \"current_thread\"",
    ),
    (
        "[placement]\npin = \"cores\"\n",
        "conf.toml:2:7: [placement] pin = \"cores\": expected \"core\", \"group\" or \"none\"",
    ),
    (
        "[placement]\npin = false\n",
        "conf.toml:2:7: [placement] pin = false: expected \"core\", \"group\" or \"none\"",
    ),
    (
        "[placement]\nquota = 2\n",
        "conf.toml:2:9: [placement] quota = 2: expected \"cap\", \"cap-up\", \"warn\" or \"ignore\"",
    ),
    (
        "[placement]\non_error = \"panic\"\n",
        "conf.toml:2:12: [placement] on_error = \"panic\": expected \"fail\", \"warn\" or \"degrade\"",
    ),
    (
        "[placement]\nsmt = \"one_per_core\"\n",
        "conf.toml:2:7: [placement] smt = \"one_per_core\": expected \"all\" or \"one-per-core\"",
    ),
    (
        "[scheduler]\nsteal = true\n",
        "conf.toml:2:9: [scheduler] steal = true: expected \"off\", \"llc\", \"numa\" or \"all\"",
    ),
    (
        "[scheduler]\nplace = \"\"\n",
        "conf.toml:2:9: [scheduler] place = \"\": expected \"balanced\" or \"local\"",
    ),
    // Lists of CPUs and parts of the machine.
    (
        "[placement]\ncpus = \"7-0\"\n",
        "conf.toml:2:8: [placement] cpus = \"7-0\": expected \"allowed\" or a list of CPUs such as \"0-7,16\" or \"core:0-3\"",
    ),
    (
        "[placement]\ncpus = \"\"\n",
        "conf.toml:2:8: [placement] cpus = \"\": expected \"allowed\" or a list of CPUs such as \"0-7,16\" or \"core:0-3\"",
    ),
    (
        "[placement]\ncpus = \"0,,1\"\n",
        "conf.toml:2:8: [placement] cpus = \"0,,1\": expected \"allowed\" or a list of CPUs such as \"0-7,16\" or \"core:0-3\"",
    ),
    (
        "[placement]\ncpus = \"0-4000000000\"\n",
        "conf.toml:2:8: [placement] cpus = \"0-4000000000\": expected \"allowed\" or a list of CPUs such as \"0-7,16\" or \"core:0-3\"",
    ),
    (
        "[placement]\ncpus = \"numa:0.socket:1\"\n",
        "conf.toml:2:16: [placement] cpus = \"numa:0.socket:1\": no level is called \"socket\"; expected llc, core or pu",
    ),
    // However it is quoted; with an escape in it, all of it.
    (
        "[placement]\ncpus = \"\"\"numa:0.socket:1\"\"\"\n",
        "conf.toml:2:18: [placement] cpus = \"\"\"numa:0.socket:1\"\"\": no level is called \"socket\"; expected llc, core \
         or pu",
    ),
    (
        "[placement]\ncpus = '''numa:0.socket:1'''\n",
        "conf.toml:2:18: [placement] cpus = '''numa:0.socket:1''': no level is called \"socket\"; expected llc, core or pu",
    ),
    (
        "[placement]\ncpus = \"\"\"\r\nnuma:0.socket:1\"\"\"\n",
        "conf.toml:3:8: [placement] cpus = \"\"\"…: no level is called \"socket\"; expected llc, core or pu",
    ),
    (
        "[placement]\ncpus = \"numa:0.s\\u006fcket:1\"\n",
        "conf.toml:2:8: [placement] cpus = \"numa:0.s\\u006fcket:1\": no level is called \"socket\"; expected llc, core or \
         pu",
    ),
    // Parts are written again as they were.
    (
        "[placement]\ncpus = \"\"\"core:0\n core:1\"\"\"\n",
        "conf.toml:2:17: [placement] cpus = \"\"\"core:0…: '\\n' has no meaning here; expected a space or a comma",
    ),
    (
        "[placement]\ncpus = \"core:0\u{a0}\"\n",
        "conf.toml:2:15: [placement] cpus = \"core:0\u{a0}\": '\\u{a0}' has no meaning here; expected a space or a comma",
    ),
    (
        "[blocking]\ncpus = \"0:1\"\n",
        "conf.toml:2:9: [blocking] cpus = \"0:1\": no level is called \"0\"; expected package, numa, llc, core or pu",
    ),
    (
        "[placement]\ncpus = \"pu:0 core:0.llc:1\"\n",
        "conf.toml:2:21: [placement] cpus = \"pu:0 core:0.llc:1\": \"llc\" is not a part of \"core\"; expected pu",
    ),
    (
        "[placement]\ncpus = \"core:0,pu:0.pu:0\"\n",
        "conf.toml:2:21: [placement] cpus = \"core:0,pu:0.pu:0\": \"pu\" is not a part of \"pu\"; expected nothing \
         after \"pu\"",
    ),
    (
        "[[shard]]\nid = 0\ncpus = \"numa:0.core\"\n",
        "conf.toml:3:16: [[shard]] cpus = \"numa:0.core\": \"core\" has no index; expected core:0, core:0-3 or core:all",
    ),
    (
        "[placement]\ncpus = \"numa:0.core:3-1\"\n",
        "conf.toml:2:21: [placement] cpus = \"numa:0.core:3-1\": \"3-1\" is no index; expected \"all\", or numbers from 0 \
         such as 0-3,8",
    ),
    (
        "[placement]\ncpus = \"core:\"\n",
        "conf.toml:2:14: [placement] cpus = \"core:\": \"\" is no index; expected \"all\", or numbers from 0 such as 0-3,8",
    ),
    (
        "[placement]\ncpus = \"core:0..pu:0\"\n",
        "conf.toml:2:16: [placement] cpus = \"core:0..pu:0\": no level is called \"\"; expected pu",
    ),
    (
        "[placement]\ncpus = '''core:x'''\n",
        "conf.toml:2:16: [placement] cpus = '''core:x''': \"x\" is no index; expected \"all\", or numbers from 0 such as \
         0-3,8",
    ),
    (
        "[placement]\ncpus = [\n  0,\n  1,\n]\n",
        "conf.toml:2:8: [placement] cpus = […: expected \"allowed\" or a list of CPUs such as \"0-7,16\" or \"core:0-3\"",
    ),
    (
        "[blocking]\ncpus = \"sibling\"\n",
        "conf.toml:2:8: [blocking] cpus = \"sibling\": expected \"rest\", \"any\", \"siblings\" or a list of CPUs such \
         as \"0-7,16\" or \"core:0-3\"",
    ),
    (
        "[placement]\ndrop = \"cpu:0\"\n",
        "conf.toml:2:8: [placement] drop = \"cpu:0\": expected an array of \"cpu:N\", \"core:N\", \"llc:N\" or \
         \"node:N\"",
    ),
    (
        "[placement]\ndrop = [\"cpu:0\", \"numa:1\"]\n",
        "conf.toml:2:18: [placement] drop = \"numa:1\": expected an array of \"cpu:N\", \"core:N\", \"llc:N\" or \
         \"node:N\"",
    ),
    (
        "[placement]\ndrop = [\n    \"cpu:0\",\n    \"cpu:0-3\",\n]\n",
        "conf.toml:4:5: [placement] drop = \"cpu:0-3\": expected an array of \"cpu:N\", \"core:N\", \"llc:N\" or \
         \"node:N\"",
    ),
    (
        "[placement]\ndrop = [0]\n",
        "conf.toml:2:9: [placement] drop = 0: expected an array of \"cpu:N\", \"core:N\", \"llc:N\" or \"node:N\"",
    ),
    (
        "[placement]\ndrop = [\"cpu:\"]\n",
        "conf.toml:2:9: [placement] drop = \"cpu:\": expected an array of \"cpu:N\", \"core:N\", \"llc:N\" or \
         \"node:N\"",
    ),
    // Unknown keys.
    (
        "[scheduler]\nquantum = 100\n",
        "conf.toml:2:1: unknown key `quantum` in [scheduler]; did you mean `quantum_us`? accepted: steal, place, \
         quantum_us, spin_us",
    ),
    (
        "[scheduler]\nspin_ms = 1\n",
        "conf.toml:2:1: unknown key `spin_ms` in [scheduler]; did you mean `spin_us`? accepted: steal, place, \
         quantum_us, spin_us",
    ),
    (
        "[blocking]\nMax-Threads = 4\n",
        "conf.toml:2:1: unknown key `Max-Threads` in [blocking]; did you mean `max_threads`? accepted: max_threads, \
         keep_alive_ms, cpus",
    ),
    (
        "[runtime]\nworker_threads = 4\n",
        "conf.toml:2:1: unknown key `worker_threads` in [runtime]; accepted: flavor",
    ),
    (
        "[runtime]\npin = \"core\"\n",
        "conf.toml:2:1: unknown key `pin` in [runtime]; did you mean `pin` in [placement]? accepted: flavor",
    ),
    (
        "[timer]\ncpus = \"0\"\n",
        "conf.toml:2:1: unknown key `cpus` in [timer]; did you mean `cpus` in [placement], [blocking] or [[shard]]? accepted: \
         resolution_us",
    ),
    (
        "[placement]\n\"\" = 1\n",
        "conf.toml:2:1: unknown key `` in [placement]; accepted: shards, cpus, isolated, drop, reserve, kind, smt, \
         group_by, order, quota, pin, on_error, memory, watch, reload",
    ),
    (
        "shards = 4\n",
        "conf.toml:1:1: unknown key `shards` outside of the sections; did you mean `shards` in [placement]? accepted \
         sections: runtime, placement, scheduler, timer, blocking, listen, shard",
    ),
    (
        "colour = \"blue\"\n",
        "conf.toml:1:1: unknown key `colour` outside of the sections; accepted sections: runtime, placement, \
         scheduler, timer, blocking, listen, shard",
    ),
    // A name may have characters that a terminal obeys, and no end.
    (
        "[timer]\n\"\\u001b[31m\" = 1\n",
        "conf.toml:2:1: unknown key `\\u{1b}[31m` in [timer]; accepted: resolution_us",
    ),
    (
        "\"\\u0007\" = 1\n",
        "conf.toml:1:1: unknown key `\\u{7}` outside of the sections; accepted sections: runtime, placement, scheduler, \
         timer, blocking, listen, shard",
    ),
    (
        "[\"a\\nb\"]\n",
        "conf.toml:1:2: unknown section [a…]; accepted sections: runtime, placement, scheduler, timer, blocking, listen, \
         shard",
    ),
    (
        "[timer]\n000000000011111111112222222222333333333344444444445555555555666 = 1\n",
        "conf.toml:2:1: unknown key `000000000011111111112222222222333333333344444444445555555555…` in [timer]; accepted: \
         resolution_us",
    ),
    // A byte order mark is no column.
    (
        "\u{feff}timer = 1\n",
        "conf.toml:1:1: `timer` must be a section: expected [timer] on a line of its own",
    ),
    // Unknown sections, and sections that are none.
    (
        "[schedular]\nquantum_us = 100\n",
        "conf.toml:1:2: unknown section [schedular]; did you mean [scheduler]? accepted sections: runtime, placement, \
         scheduler, timer, blocking, listen, shard",
    ),
    (
        "[timer]\n\n[network]\n",
        "conf.toml:3:2: unknown section [network]; accepted sections: runtime, placement, scheduler, timer, blocking, listen, shard",
    ),
    (
        "placement = 3\n",
        "conf.toml:1:1: `placement` must be a section: expected [placement] on a line of its own",
    ),
    (
        "[[placement]]\nshards = 3\n",
        "conf.toml:1:3: `placement` must be a section: expected [placement] on a line of its own",
    ),
    (
        "[placement.pin]\n",
        "conf.toml:1:1: [placement] pin = [placement.pin]: expected \"core\", \"group\" or \"none\"",
    ),
    // The words of placement.
    (
        "[placement]\nisolated = \"yes\"\n",
        "conf.toml:2:12: [placement] isolated = \"yes\": expected \"ignore\", \"prefer\" or \"only\"",
    ),
    (
        "[placement]\nisolated = \"2-3\"\n",
        "conf.toml:2:12: [placement] isolated = \"2-3\": expected \"ignore\", \"prefer\" or \"only\"",
    ),
    (
        "[placement]\nkind = \"p-core\"\n",
        "conf.toml:2:8: [placement] kind = \"p-core\": expected \"any\", \"performance\" or \"efficiency\"",
    ),
    (
        "[placement]\nkind = [\"performance\"]\n",
        "conf.toml:2:8: [placement] kind = [\"performance\"]: expected \"any\", \"performance\" or \"efficiency\"",
    ),
    (
        "[placement]\ngroup_by = \"l3\"\n",
        "conf.toml:2:12: [placement] group_by = \"l3\": expected \"none\", \"llc\", \"numa\" or \"package\"",
    ),
    (
        "[placement]\ngroup_by = \"node\"\n",
        "conf.toml:2:12: [placement] group_by = \"node\": expected \"none\", \"llc\", \"numa\" or \"package\"",
    ),
    (
        "[placement]\norder = \"scatter\"\n",
        "conf.toml:2:9: [placement] order = \"scatter\": expected \"pack\" or \"spread\"",
    ),
    ("[placement]\norder = 1\n", "conf.toml:2:9: [placement] order = 1: expected \"pack\" or \"spread\""),
    (
        "[placement]\nmemory = \"bind\"\n",
        "conf.toml:2:10: [placement] memory = \"bind\": expected \"local\", \"interleave\" or \"none\"",
    ),
    ("[placement]\nwatch = \"yes\"\n", "conf.toml:2:9: [placement] watch = \"yes\": expected true or false"),
    ("[placement]\nwatch = 1\n", "conf.toml:2:9: [placement] watch = 1: expected true or false"),
    (
        "[placement]\nreload = true\n",
        "conf.toml:2:10: [placement] reload = true: expected \"off\" or \"sighup\"",
    ),
    (
        "[placement]\nmemory = 0\n",
        "conf.toml:2:10: [placement] memory = 0: expected \"local\", \"interleave\" or \"none\"",
    ),
    (
        "[placement]\nreserve = -1\n",
        "conf.toml:2:11: [placement] reserve = -1: expected a whole number of cores from 0 to 1024",
    ),
    (
        "[placement]\nreserve = 1025\n",
        "conf.toml:2:11: [placement] reserve = 1025: expected a whole number of cores from 0 to 1024",
    ),
    (
        "[placement]\nreserve = \"0-1\"\n",
        "conf.toml:2:11: [placement] reserve = \"0-1\": expected a whole number of cores from 0 to 1024",
    ),
    (
        "[placement]\nreserved = 1\n",
        "conf.toml:2:1: unknown key `reserved` in [placement]; did you mean `reserve`? accepted: shards, cpus, \
         isolated, drop, reserve, kind, smt, group_by, order, quota, pin, on_error, memory, watch, reload",
    ),
    (
        "[scheduler]\nmemory = \"local\"\n",
        "conf.toml:2:1: unknown key `memory` in [scheduler]; did you mean `memory` in [placement]? accepted: steal, \
         place, quantum_us, spin_us",
    ),
    // Single shards.
    ("[shard]\nid = 0\n", "conf.toml:1:2: `shard` must be a list: expected [[shard]] for each shard"),
    ("shard = 0\n", "conf.toml:1:1: `shard` must be a list: expected [[shard]] for each shard"),
    ("shard = [0]\n", "conf.toml:1:1: `shard` must be a list: expected [[shard]] for each shard"),
    (
        "[[shards]]\nid = 0\n",
        "conf.toml:1:3: unknown section [shards]; did you mean [[shard]]? accepted sections: runtime, placement, \
         scheduler, timer, blocking, listen, shard",
    ),
    (
        "[[shard]]\ncpus = \"0\"\n",
        "conf.toml:1:1: [[shard]] has no `id`: expected the number of a shard, from 0 to 8191",
    ),
    (
        "[timer]\n\n[[shard]]\nid = 0\n",
        "conf.toml:3:1: [[shard]] has no `cpus`: expected a list of CPUs such as \"0-7,16\" or \"core:0-3\"",
    ),
    (
        "[[shard]]\nid = \"0\"\ncpus = \"0\"\n",
        "conf.toml:2:6: [[shard]] id = \"0\": expected the number of a shard, from 0 to 8191",
    ),
    (
        "[[shard]]\nid = 8192\ncpus = \"0\"\n",
        "conf.toml:2:6: [[shard]] id = 8192: expected the number of a shard, from 0 to 8191",
    ),
    (
        "[[shard]]\nid = 0\ncpus = 2\n",
        "conf.toml:3:8: [[shard]] cpus = 2: expected a list of CPUs such as \"0-7,16\" or \"core:0-3\"",
    ),
    (
        "[[shard]]\nid = 0\ncpus = \"\"\n",
        "conf.toml:3:8: [[shard]] cpus = \"\": expected a list of CPUs such as \"0-7,16\" or \"core:0-3\"",
    ),
    (
        "[[shard]]\nid = 0\ncpus = \"allowed\"\n",
        "conf.toml:3:8: [[shard]] cpus = \"allowed\": expected a list of CPUs such as \"0-7,16\" or \"core:0-3\"",
    ),
    (
        "[[shard]]\nid = 0\ncpus = \"0\"\n[[shard]]\nid = 0\ncpus = \"1\"\n",
        "conf.toml:5:6: [[shard]] id = 0: there is one for this shard above; expected it once",
    ),
    (
        "[[shard]]\nid = 0\ncpu = \"0\"\n",
        "conf.toml:3:1: unknown key `cpu` in [[shard]]; did you mean `cpus`? accepted: id, cpus",
    ),
    (
        "[[shard]]\nid = 0\ncpus = \"0\"\npin = \"core\"\n",
        "conf.toml:4:1: unknown key `pin` in [[shard]]; did you mean `pin` in [placement]? accepted: id, cpus",
    ),
    (
        "[placement]\nid = 0\n",
        "conf.toml:2:1: unknown key `id` in [placement]; did you mean `id` in [[shard]]? accepted: shards, cpus, \
         isolated, drop, reserve, kind, smt, group_by, order, quota, pin, on_error, memory, watch, reload",
    ),
    (
        "[listen]\nsteering = \"least-loaded\"\n",
        "conf.toml:2:12: [listen] steering = \"least-loaded\": expected \"reuseport\", \"incoming-cpu\" or \
         \"least-connections\"",
    ),
    ("[listen]\nbacklog = 128\n", "conf.toml:2:1: unknown key `backlog` in [listen]; accepted: steering"),
    // Not TOML: the place and the first words are ours, the rest is the parser's.
    ("[placement\n", "conf.toml:1:11: not valid TOML: unclosed table, expected `]`"),
    (
        "[placement]\npin = core\n",
        "conf.toml:2:7: not valid TOML: string values must be quoted, expected literal string",
    ),
    ("[placement]\npin = \"core\"\npin = \"none\"\n", "conf.toml:3:1: not valid TOML: duplicate key"),
    ("[timer]\n[timer]\n", "conf.toml:2:2: not valid TOML: duplicate key"),
    (
        "[placement]\nshards =\n",
        "conf.toml:2:9: not valid TOML: string values must be quoted, expected literal string",
    ),
    // The topmost error is the one that is shown, and columns count characters.
    (
        "[timer]\nresolution_us = 1\n\n[blocking]\nmax_threads = 0\n",
        "conf.toml:2:17: [timer] resolution_us = 1: expected a whole number of microseconds from 50 to 1000",
    ),
    (
        "[scheduler]\nsteal = \"x\"\nplace = \"y\"\n",
        "conf.toml:2:9: [scheduler] steal = \"x\": expected \"off\", \"llc\", \"numa\" or \"all\"",
    ),
    (
        "placement = { cpus = \"0\", \"größe\" = 1, pin = 3 }\n",
        "conf.toml:1:27: unknown key `größe` in [placement]; accepted: shards, cpus, isolated, drop, reserve, kind, smt, \
         group_by, order, quota, pin, on_error, memory, watch, reload",
    ),
    (
        "[placement]\r\ncpus = \"é\"\r\nshards = 2\r\n",
        "conf.toml:2:8: [placement] cpus = \"é\": expected \"allowed\" or a list of CPUs such as \"0-7,16\" or \"core:0-3\"",
    ),
    (
        "placement.shards = 0\n",
        "conf.toml:1:20: [placement] shards = 0: expected \"auto\" or a whole number of shards from 1 to 8192",
    ),
];

#[test]
fn each_broken_file_has_its_error() {
    assert!(BROKEN.len() >= 90, "{}", BROKEN.len());
    let mut wrong = Vec::new();
    for (text, expected) in BROKEN {
        let error = match Config::parse("conf.toml", text) {
            Ok(_) => "(accepted)".to_owned(),
            Err(error) => error.to_string(),
        };
        if error != *expected {
            wrong.push(format!("{text}\n   gave {error}\n   not  {expected}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_error_knows_its_place() {
    let error = Config::parse("conf.toml", "[timer]\nresolution_us = 1").unwrap_err();
    assert_eq!((error.file(), error.line(), error.column()), ("conf.toml", Some(2), Some(17)));
    assert!(error.message().starts_with("[timer] resolution_us = 1: expected"));
    let error = std::io::Error::from(error);
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.to_string().starts_with("conf.toml:2:17: "));
}

/// Cuts and splices of valid and broken files, from a seed: whatever the text, the answer is a value or a place.
#[test]
fn no_text_is_too_broken_for_an_answer() {
    let default = Config::default().to_string();
    let odd = "placement.pin.x = 1\n[blocking.cpus]\n[a.b]\n{\"\"\"'''[[]]\\u00e9é\u{feff}=0x1979-05-27T07:32:00Z\t#\r";
    let pieces: Vec<&str> = BROKEN.iter().map(|(text, _)| *text).chain([default.as_str(), odd]).collect();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    for round in 0..20_000 {
        let mut text = String::new();
        for _ in 0..=below(3) {
            let chars: Vec<char> = pieces[below(pieces.len())].chars().collect();
            let (a, b) = (below(chars.len() + 1), below(chars.len() + 1));
            text.extend(&chars[a.min(b)..a.max(b)]);
        }
        if let Err(error) = Config::parse("conf.toml", &text) {
            let (line, column) = (error.line().unwrap_or(0), error.column().unwrap_or(0));
            let there = text.split('\n').nth(line.wrapping_sub(1)).map(|line| line.chars().count() + 1);
            assert!((1..=there.unwrap_or(0)).contains(&column), "round {round}: {error}\n{text}");
        }
    }
}
