//! The machine through hwloc against the machine through sysfs.

#[path = "support/machine.rs"]
mod machine;

use std::{fs, io};

use corelane::config::{Config, CpuList};
use corelane::topology::{CoreKind, Node, Plan, Topology};
use hwlocality::Topology as Tree;
use hwlocality::object::types::ObjectType;
use hwlocality::topology::builder::BuildFlags;
use hwlocality::topology::export::xml::XMLExportFlags;
use machine::scratch::Scratch;
use machine::{Machine, Shape};

fn list(text: &str) -> CpuList {
    CpuList::parse(text).unwrap()
}

/// Both sources, without what hwloc has no say in.
fn assert_same(hwloc: &Topology, sysfs: &Topology) {
    assert_eq!(hwloc.nodes, sysfs.nodes);
    assert_eq!(hwloc.cpus.len(), sysfs.cpus.len());
    for (hwloc, sysfs) in hwloc.cpus.iter().zip(&sysfs.cpus) {
        assert_eq!(hwloc, sysfs);
    }
    for text in ["", "[placement]\norder = \"spread\"\nsmt = \"all\"", "[placement]\npin = \"group\""] {
        let config = Config::parse("conf.toml", text).unwrap();
        assert_eq!(Plan::new(hwloc, &config), Plan::new(sysfs, &config), "{text}");
    }
}

#[test]
fn this_machine_is_the_same_through_both() {
    let (mut hwloc, sysfs) = (Topology::from_hwloc().unwrap(), Topology::discover());
    // hwloc tells capacities only where they differ.
    for (hwloc, sysfs) in hwloc.cpus.iter_mut().zip(&sysfs.cpus) {
        hwloc.capacity = hwloc.capacity.or(sysfs.capacity);
    }
    assert_eq!(hwloc.allowed(), sysfs.allowed());
    assert_eq!(
        (&hwloc.quota, &hwloc.isolated, &hwloc.offline),
        (&sysfs.quota, &sysfs.isolated, &sysfs.offline)
    );
    assert_same(&hwloc, &sysfs);
}

#[test]
fn described_machines_are_the_same_as_recorded_ones() {
    for (description, packages, nodes, llcs, cores) in [
        ("pack:1 numa:1 l3:1 core:1 pu:1", 1, 1, 1, 1),
        ("pack:1 numa:1 l3:2 core:8 pu:1", 1, 1, 2, 8),
        ("pack:2 numa:4 l3:2 core:4 pu:1", 2, 4, 2, 4),
        ("pack:2 numa:1 l3:2 core:16 pu:1", 2, 1, 2, 16),
    ] {
        let mut hwloc = Topology::from_hwloc_synthetic(description).unwrap();
        let mut sysfs = Machine::of(Shape { packages, nodes, llcs, cores, threads: 1 }).read();
        // A described machine counts its cores through, and has no process that could be limited.
        for cpu in &mut sysfs.cpus {
            cpu.core = Some(cpu.id);
        }
        sysfs.affinity = None;
        for cpu in &mut hwloc.cpus {
            cpu.llc = cpu.llc.or(Some(cpu.id / cores));
        }
        assert_same(&hwloc, &sysfs);
    }
}

/// As `hwloc-calc` answers: a step's parts are the objects inside of what the step before left.
#[test]
fn parts_are_those_of_hwloc() {
    for description in
        ["pack:2 numa:2 l3:2 core:4 pu:2", "pack:2 [numa] l3:4 core:2 pu:4", "pack:3 [numa] l3:1 core:5 pu:1"]
    {
        let tree = Tree::builder().from_synthetic(description).unwrap().build().unwrap();
        let topology = Topology::from_hwloc_synthetic(description).unwrap();
        for steps in [
            &[("package", 1)][..],
            &[("package", 1), ("numa", 0)],
            &[("numa", 1), ("llc", 0), ("core", 1)],
            &[("package", 2), ("core", 3), ("pu", 0)],
            &[("llc", 3), ("pu", 5)],
            &[("core", 9)],
            &[("pu", 13)],
        ] {
            let mut set = tree.cpuset().clone_target();
            let mut there = true;
            for (level, index) in steps {
                let kind = match *level {
                    "package" => ObjectType::Package,
                    "numa" => ObjectType::NUMANode,
                    "llc" => ObjectType::L3Cache,
                    "core" => ObjectType::Core,
                    _ => ObjectType::PU,
                };
                let object = tree.objects_inside_cpuset_with_type(&set, kind).nth(*index);
                match object.and_then(|object| object.cpuset()) {
                    Some(cpus) => set = cpus.clone_target(),
                    None => {
                        there = false;
                        break;
                    }
                }
            }
            let expected =
                there.then(|| set.iter_set().map(|cpu| usize::from(cpu) as u32).collect::<CpuList>());
            let path: Vec<_> = steps.iter().map(|(level, index)| format!("{level}:{index}")).collect();
            let file = format!("[blocking]\ncpus = \"{}\"\n", path.join("."));
            let plan = Plan::new(&topology, &Config::parse("conf.toml", &file).unwrap());
            assert_eq!(
                plan.ok().map(|plan| plan.blocking_cpus.into_iter().collect()),
                expected,
                "{description}: {file}"
            );
        }
    }
}

#[test]
fn a_written_file_is_read_back() {
    let folder = Scratch::new();
    fs::create_dir_all(folder.path("")).unwrap();
    for description in ["pack:2 numa:2 l3:2 core:4 pu:2", "numa:1 core:3 pu:1", "pack:3 l2:2 core:1 pu:4"] {
        let tree = Tree::builder().from_synthetic(description).unwrap().build().unwrap();
        let path = folder.path("machine.xml");
        tree.export_xml_file(Some(&path), XMLExportFlags::empty()).unwrap();
        let described = Topology::from_hwloc_synthetic(description).unwrap();
        assert_eq!(Topology::from_hwloc_xml(&path).unwrap(), described, "{description}");
        assert!(described.warnings.is_empty() && !described.cpus.is_empty());
    }
    // The running machine, from its file.
    let path = folder.path("here.xml");
    let all = Tree::builder().with_flags(BuildFlags::INCLUDE_DISALLOWED).unwrap().build().unwrap();
    all.export_xml_file(Some(&path), XMLExportFlags::empty()).unwrap();
    let (file, live) = (Topology::from_hwloc_xml(&path).unwrap(), Topology::from_hwloc().unwrap());
    assert_eq!(file.cpus, live.cpus);
}

#[test]
fn hardware_threads_and_nodes_of_a_description() {
    let topology = Topology::from_hwloc_synthetic("pack:2 numa:1 l3:1 core:2 pu:2").unwrap();
    let cpu = &topology.cpus[3];
    assert_eq!((cpu.siblings.clone(), cpu.llc_cpus.clone()), (Some(list("2-3")), Some(list("0-3"))));
    assert_eq!((cpu.node, cpu.package, cpu.kind), (Some(0), Some(0), None::<CoreKind>));
    assert_eq!(topology.nodes[1], Node { id: 1, cpus: list("4-7"), has_memory: Some(true) });
    assert_eq!((topology.affinity.clone(), topology.cpuset.clone()), (None, None));
    assert_eq!(topology.allowed(), list("0-7"));
}

#[test]
fn what_hwloc_cannot_read_is_an_error_with_its_name() {
    for (result, name) in [
        (Topology::from_hwloc_synthetic("pack:x"), "pack:x: hwloc cannot read this: "),
        (Topology::from_hwloc_synthetic("a\0b"), "a\0b: hwloc cannot read this: "),
        (Topology::from_hwloc_xml("Cargo.toml"), "Cargo.toml: hwloc cannot read this: "),
    ] {
        let error = result.expect_err(name);
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().starts_with(name), "{error}");
    }
    let error = Topology::from_hwloc_xml("/nonexistent.xml").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().starts_with("/nonexistent.xml: "), "{error}");
}
