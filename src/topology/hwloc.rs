//! The same facts from hwloc: of the running machine, of one that hwloc wrote to an XML file, of one that a few words
//! describe.
//!
//! hwloc gives a tree of objects, each with the CPUs under it. It tells neither what control groups and the affinity
//! mask leave the process, nor what is set apart at boot: of the running machine that comes from sysfs and procfs as
//! ever, and a described machine has no limits but those in its file.

use std::path::Path;
use std::{fs, io};

use hwlocality::Topology as Tree;
use hwlocality::cpu::cpuset::CpuSet;
use hwlocality::object::TopologyObject;
use hwlocality::object::types::ObjectType;
use hwlocality::topology::builder::{BuildFlags, TopologyBuilder};

use super::{CoreKind, Cpu, Node, Topology, sense};
use crate::config::CpuList;

impl Topology {
    /// Reads the running machine through hwloc. What the process may use of it comes from where
    /// [`discover`](Self::discover) has it.
    ///
    /// # Errors
    ///
    /// What hwloc says.
    pub fn from_hwloc() -> io::Result<Self> {
        let mut topology = build("hwloc", Ok::<_, io::Error>(Tree::builder()))?;
        let rest = Self::discover();
        let online: CpuList = rest.cpus.iter().map(|cpu| cpu.id).collect();
        topology.cpus.retain(|cpu| online.contains(cpu.id));
        let Self { cpus, nodes, warnings, .. } = topology;
        let warnings = rest.warnings.into_iter().chain(warnings).collect();
        Ok(Self { cpus, nodes, warnings, ..rest })
    }

    /// Reads a machine from a file that `lstopo machine.xml` wrote there.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or hwloc cannot make sense of it.
    pub fn from_hwloc_xml(path: impl AsRef<Path>) -> io::Result<Self> {
        // hwlocality panics over a file that is not there.
        let name = path.as_ref().display().to_string();
        let text = fs::read_to_string(path)
            .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
        build(&name, Tree::builder().from_xml(&text))
    }

    /// Makes up a machine from a description in hwloc's words, such as `"pack:2 numa:4 l3:2 core:8 pu:2"`.
    ///
    /// # Errors
    ///
    /// When hwloc cannot make sense of the description.
    pub fn from_hwloc_synthetic(description: &str) -> io::Result<Self> {
        build(description, Tree::builder().from_synthetic(description))
    }
}

fn build<E: std::fmt::Display>(name: &str, builder: Result<TopologyBuilder, E>) -> io::Result<Topology> {
    let refused = |error: &dyn std::fmt::Display| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{name}: hwloc cannot read this: {error}"))
    };
    let builder = builder.map_err(|error| refused(&error))?;
    // With what the process must not use: the plan says of each CPU why it is left out.
    let builder = builder.with_flags(BuildFlags::INCLUDE_DISALLOWED).map_err(|error| refused(&error))?;
    Ok(read(&builder.build().map_err(|error| refused(&error))?))
}

fn read(tree: &Tree) -> Topology {
    let online = list(&tree.cpuset());
    let allowed = list(&tree.allowed_cpuset());
    let kinds = kinds(tree);
    let numa: Vec<&TopologyObject> = tree.objects_with_type(ObjectType::NUMANode).collect();
    // The smallest first: a node of high-bandwidth memory may stand beside one that more CPUs have.
    let mut near: Vec<(usize, u32, CpuList)> = Vec::new();
    for (id, cpus) in numa.iter().filter_map(|node| Some((index(node)?, cpus_of(node)?))) {
        near.push((cpus.len(), id, cpus));
    }
    near.sort();
    let mut cpus: Vec<Cpu> =
        tree.objects_with_type(ObjectType::PU).filter_map(|pu| cpu(pu, &near, &kinds)).collect();
    cpus.sort_by_key(|cpu| cpu.id);
    let mut warnings = Vec::new();
    sense::drop_contradictions(&mut cpus, &mut warnings);
    sense::tell_kinds_by_capacity(&mut cpus);
    // A node of memory alone is somewhere in the tree, and has the CPUs near it. They have nodes of their own.
    let node = |object: &&TopologyObject| {
        let id = index(object)?;
        let cpus = cpus.iter().filter(|cpu| cpu.node == Some(id)).map(|cpu| cpu.id).collect();
        Some(Node { id, cpus, has_memory: Some(object.total_memory() > 0) })
    };
    let mut nodes: Vec<Node> = numa.iter().filter_map(node).collect();
    nodes.sort_by_key(|node| node.id);
    Topology {
        offline: list(&tree.complete_cpuset()).without(&online),
        cpuset: (allowed != online).then_some(allowed),
        cpus,
        nodes,
        warnings,
        ..Topology::default()
    }
}

fn cpu(pu: &TopologyObject, nodes: &[(usize, u32, CpuList)], kinds: &[Kind]) -> Option<Cpu> {
    let id = index(pu)?;
    let core = pu.first_ancestor_with_type(ObjectType::Core);
    let package = pu.first_ancestor_with_type(ObjectType::Package);
    // Outwards, so the last one is the last level. As in sysfs a first-level cache alone says nothing.
    let is_llc = |object: &&TopologyObject| {
        use ObjectType::{L2Cache, L3Cache, L4Cache, L5Cache};
        matches!(object.object_type(), L2Cache | L3Cache | L4Cache | L5Cache)
    };
    let llc = pu.ancestors().filter(is_llc).last();
    let kind = kinds.iter().find(|kind| kind.cpus.contains(id));
    Some(Cpu {
        id,
        core: core.and_then(index),
        siblings: core.and_then(cpus_of),
        llc: llc.and_then(index),
        llc_cpus: llc.and_then(cpus_of),
        node: nodes.iter().find(|(_, _, cpus)| cpus.contains(id)).map(|(_, node, _)| *node),
        package: package.and_then(index),
        capacity: kind.and_then(|kind| kind.capacity),
        kind: kind.and_then(|kind| kind.kind),
    })
}

/// What hwloc tells of some CPUs' kind.
struct Kind {
    cpus: CpuList,
    capacity: Option<u32>,
    kind: Option<CoreKind>,
}

fn kinds(tree: &Tree) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for told in tree.cpu_kinds().into_iter().flatten() {
        let info = |name: &str| {
            let info = told.infos.iter().find(|info| info.name().to_bytes() == name.as_bytes())?;
            info.value().to_str().ok()
        };
        kinds.push(Kind {
            cpus: list(&told.cpuset),
            capacity: info("LinuxCapacity").and_then(|text| text.parse().ok()),
            kind: match info("CoreType") {
                Some("IntelCore") => Some(CoreKind::Performance),
                Some("IntelAtom") => Some(CoreKind::Efficiency),
                _ => None,
            },
        });
    }
    kinds
}

/// The system's number; hwloc has none for what the system does not count.
fn index(object: &TopologyObject) -> Option<u32> {
    u32::try_from(object.os_index()?).ok()
}

fn cpus_of(object: &TopologyObject) -> Option<CpuList> {
    object.cpuset().map(|set| list(&set))
}

fn list(set: &CpuSet) -> CpuList {
    set.iter_set().filter_map(|cpu| u32::try_from(usize::from(cpu)).ok()).collect()
}
