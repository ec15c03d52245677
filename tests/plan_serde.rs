//! Machines and plans as JSON and back.

#[path = "support/machine.rs"]
mod machine;

use corelane::config::{Config, CpuList};
use corelane::topology::{CoreKind, Cpu, Plan, Topology};
use machine::{Machine, Shape};

#[test]
fn a_machine_and_its_plan_come_back_as_they_went() {
    let machine = Machine::of(Shape { packages: 2, nodes: 1, llcs: 2, cores: 2, threads: 2 }).isolated("2-3");
    let machine = machine.cgroup2("/a").file("sys/fs/cgroup/a/cpu.max", "350000 100000");
    let machine = machine.present("0-19").file("sys/devices/cpu_core/cpus", "0-3");
    let text = "[placement]\norder = \"spread\"\nmemory = \"interleave\"\n[[shard]]\nid = 0\ncpus = \"5,9\"";
    for topology in [machine.read(), Machine::new().read(), Topology::discover()] {
        let json = serde_json::to_string_pretty(&topology).unwrap();
        assert_eq!(serde_json::from_str::<Topology>(&json).unwrap(), topology, "{json}");
        for text in [text, "", "[placement]\npin = \"none\""] {
            let Ok(plan) = Plan::new(&topology, &Config::parse("c", text).unwrap()) else { continue };
            let json = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan, "{json}");
        }
    }
    let plan = Plan::new(&machine.read(), &Config::parse("c", text).unwrap()).unwrap();
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(
        (&json["memory"], &json["pin"]),
        (&"interleave".into(), &"core".into()),
        "the words of the file"
    );
    assert_eq!(json["shards"][0]["cpus"], serde_json::json!([5, 9]));
}

#[test]
fn what_is_not_said_is_unknown() {
    let topology: Topology =
        serde_json::from_str(r#"{"cpus": [{"id": 3, "kind": "performance"}], "affinity": "0-3"}"#).unwrap();
    let cpu = Cpu { id: 3, kind: Some(CoreKind::Performance), ..Cpu::default() };
    let affinity = CpuList::parse("0-3");
    assert_eq!(topology, Topology { cpus: vec![cpu], affinity, ..Topology::default() });
    let error = serde_json::from_str::<Topology>(r#"{"offline": "3-1"}"#).unwrap_err();
    assert!(error.to_string().contains("expected a list of CPUs such as \"0-7,16\""), "{error}");
}
