//! The tree that a kernel in a machine was started with.

use super::{schema, tree};
use crate::build::Promise;
use crate::cli::IcMode;
use crate::debian::{self, KernelVersion};
use crate::guest::{self, Mode};
use crate::qemu::{Emulator, Firmware, Machine, Session};
use anyhow::{Context, Result, anyhow, ensure};
use fdt_gen::facts;
use fdt_gen::rtas_node::capability_properties;
use rtas::table;
use std::time::Duration;

/// How long the machine may run.
const LIMIT: Duration = Duration::from_secs(120);
/// The name under which the guest sends its tree.
const FILE: &str = "flat-tree";

/// Boots `kernel`, takes its tree, and validates it: as it is, which is refused where the firmware
/// promises nothing, and with every promise.
pub fn run(firmware: &str, kernel: KernelVersion, qemu: &str) -> Result<String> {
    let name = format!("tree-{}-{qemu}", kernel.name());
    let kernel = debian::kernel(kernel)?;
    let mut machine = Machine {
        emulator: Emulator::named(qemu)?,
        firmware: Firmware::named(firmware)?,
        initramfs: Some(guest::initramfs(guest::Contents {
            programs: &debian::guest_programs()?,
            kernel: Some(&kernel),
            kdump: false,
            hammer: None,
        })?),
        kernel: Some(kernel.image),
        append: "console=hvc0".to_owned(),
        cpu: "power9".to_owned(),
        ic_mode: IcMode::Xics,
        smp: "2,maxcpus=8".to_owned(),
        memory: "1G".to_owned(),
        devices: Vec::new(),
        gdb: None,
        no_reboot: true,
        extra: Vec::new(),
    };
    machine.run_mode(Mode::Tree);
    let ended = Session::start(&machine, &name, LIMIT)?.finish()?;
    let mut files = ended.transcript().files;
    let bytes = files
        .remove(FILE)
        .with_context(|| format!("the guest sent no tree: {}", ended.log.display()))?
        .map_err(|reason| anyhow!("the tree did not arrive whole: {reason}"))?;
    let tree = tree::parse(&bytes)?;
    let functions = Promise::of_image(firmware)
        .unwrap_or(Promise::Proved)
        .functions();
    let opinion = schema::validate(&tree::write(&tree, &name)?)?;
    match functions.is_empty() {
        true => opinion.refused(schema::REQUIRED)?,
        false => opinion.accepted()?,
    };
    let full = tree::with_every_promise(&tree)?;
    schema::validate(&tree::write(&full, &format!("{name}-full"))?)?.accepted()?;
    promises(&tree, &functions)?;
    Ok(format!("{} bytes", bytes.len()))
}

/// That `/rtas` has our properties as they follow from a promise of `functions`.
fn promises(tree: &fdt_gen::Tree, functions: &[&'static str]) -> Result<()> {
    let processors = facts::possible_processors(tree)?;
    let mut expected = capability_properties(table::calls(), functions, processors)?;
    expected.sort_by_key(|property| property.name);
    let rtas = tree::rtas(tree)?;
    let ours = tree
        .properties(rtas)
        .filter(|it| it.name.starts_with("oxrtas,"));
    let mut seen: Vec<(&str, &[u8])> = ours.map(|it| (it.name, it.value)).collect();
    seen.sort_unstable();
    let expected: Vec<(&str, &[u8])> = expected.iter().map(|it| (it.name, &it.value[..])).collect();
    ensure!(
        seen == expected,
        "the tree promises {seen:?}, and the documents say {expected:?}"
    );
    Ok(())
}
