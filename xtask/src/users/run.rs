//! Booting one user.

use super::{User, compare, selftests};
use crate::cli::IcMode;
use crate::debian::{self, KernelVersion};
use crate::guest::{self, Overlay, Transcript};
use crate::qemu::{Emulator, Firmware, Machine, Session, removal};
use crate::{defaults, paths};
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// How long one run may take: a few seconds, many more with SLOF on a busy host.
const LIMIT: Duration = Duration::from_secs(300);
/// The kernel: it has the devices `/dev/papr-*`.
const KERNEL: KernelVersion = KernelVersion::V6_12;
/// What a script says before a processor leaves.
const LEAVES: &str = "cpu-leaves";
/// What common.sh is called in the guest.
const COMMON: &str = include_str!("../guest/files/user/common.sh");
/// Lines of a console that no run may have.
const FORBIDDEN: [&str; 4] = [
    "Kernel panic - not syncing",
    "Oops: ",
    "Exception in the firmware",
    "panicked at",
];

/// What came of a run.
#[derive(Debug)]
pub struct Heard {
    /// What the guest said.
    pub transcript: Transcript,
    /// What the programs printed.
    pub sections: compare::Sections,
    /// The log of the run.
    pub log: PathBuf,
    /// What else the report has to say.
    pub remark: String,
}

impl Heard {
    /// Adds a line with its remark, if there is one, to `detail`.
    pub fn remark_on(&self, detail: &mut String) {
        if !self.remark.is_empty() {
            detail.push('\n');
            detail.push_str(&self.remark);
        }
    }
}

/// Boots `user` on `firmware`.
pub fn hear(user: &User, firmware: &str) -> Result<Heard> {
    let machine = machine(user, firmware)?;
    let name = format!("users {} {firmware}", user.name);
    let run = || {
        let mut session = Session::start(&machine, &name, LIMIT)?;
        session.forbid(&FORBIDDEN);
        if user.events {
            cause_events(&mut session)?;
        }
        session.finish()
    };
    let (ended, remark) = removal::outlive(LEAVES, run)?;
    if !ended.status.success() {
        bail!("QEMU ended with {}: {}", ended.status, ended.log.display());
    }
    let transcript = ended.transcript();
    let sections = match transcript.file("sections") {
        Ok(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        // The judge reports it.
        Err(_) => String::new(),
    };
    let file = format!("{}-{firmware}.txt", user.name).replace('/', "_");
    fs::write(paths::target_directory("users")?.join(file), &sections)?;
    Ok(Heard {
        sections: compare::read(&sections),
        transcript,
        log: ended.log,
        remark,
    })
}

fn machine(user: &User, firmware: &str) -> Result<Machine> {
    let kernel = debian::kernel(KERNEL)?;
    let base = guest::initramfs(guest::Contents {
        programs: &debian::guest_programs()?,
        kernel: Some(&kernel),
        kdump: false,
        hammer: None,
    })?;
    let others = match user.selftests {
        true => selftests::build(KERNEL)?,
        false => Vec::new(),
    };
    let initramfs = guest::overlaid(
        &base,
        &Overlay {
            name: user.name,
            root: &debian::user_programs()?,
            programs: user.programs,
            files: user.files,
            others,
            texts: vec![
                ("oxrtas/user/common.sh".to_owned(), COMMON),
                (format!("oxrtas/mode-{}.sh", user.name), user.script),
            ],
            modules: user.modules,
            kernel: &kernel,
        },
    )?;
    Ok(Machine {
        emulator: Emulator::named(defaults::QEMU)?,
        firmware: Firmware::named(firmware)?,
        kernel: Some(kernel.image.clone()),
        initramfs: Some(initramfs),
        append: format!("console=hvc0 oxrtas.mode={}", user.name),
        cpu: defaults::CPU.to_owned(),
        ic_mode: IcMode::Dual,
        // Room for a processor and for memory that come later.
        smp: "2,maxcpus=4".to_owned(),
        memory: "1G,slots=4,maxmem=4G".to_owned(),
        devices: Vec::new(),
        gdb: None,
        no_reboot: true,
        extra: user.machine.iter().map(|&word| word.to_owned()).collect(),
    })
}

/// Does what the script of rtas_errd waits for, phase by phase.
fn cause_events(session: &mut Session) -> Result<()> {
    session.wait_for(&["OXRTAS-PHASE await-pci-add"])?;
    let mut qmp = session.qmp()?;
    let device = json!({ "driver": "virtio-rng-pci", "id": "card" });
    qmp.execute("device_add", device)?;
    session.wait_for(&["OXRTAS-PHASE await-pci-remove"])?;
    qmp.execute("device_del", json!({ "id": "card" }))?;
    // Before the guest has given the slot back, QEMU keeps the device.
    wait_deleted(&mut qmp, "card")?;
    session.wait_for(&["OXRTAS-PHASE await-memory-add"])?;
    let memory = json!({ "qom-type": "memory-backend-ram", "id": "more", "size": 256 << 20 });
    qmp.execute("object-add", memory)?;
    let module = json!({ "driver": "pc-dimm", "id": "module", "memdev": "more" });
    qmp.execute("device_add", module)?;
    session.wait_for(&["OXRTAS-PHASE await-memory-remove"])?;
    qmp.execute("device_del", json!({ "id": "module" }))?;
    wait_deleted(&mut qmp, "module")?;
    session.wait_for(&["OXRTAS-PHASE await-powerdown"])?;
    qmp.execute("system_powerdown", json!({}))?;
    Ok(())
}

/// Waits until QEMU has let go of the device `id`.
fn wait_deleted(qmp: &mut crate::qemu::Qmp, id: &str) -> Result<()> {
    loop {
        let event = qmp
            .wait_event("DEVICE_DELETED")
            .with_context(|| format!("the guest has not given {id} back"))?;
        if event.pointer("/data/device").and_then(|name| name.as_str()) == Some(id) {
            return Ok(());
        }
    }
}
