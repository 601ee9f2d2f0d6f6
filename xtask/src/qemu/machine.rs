//! A machine, and the command line that makes QEMU emulate it.

use super::binary::Emulator;
use super::devices::Attached;
use crate::cli::IcMode;
use crate::guest::Mode;
use std::path::PathBuf;
use std::process::Command;

/// What QEMU loads as firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// QEMU's default.
    Slof,
    /// The small firmware that leaves the client interface to QEMU.
    Vof,
    /// An image: ours, or any.
    Image(PathBuf),
}

/// Capabilities that emulation does not have. QEMU warns on every start unless told so.
const NO_MITIGATIONS: &str = "cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off";

/// A machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Who emulates it.
    pub emulator: Emulator,
    /// What it starts with.
    pub firmware: Firmware,
    /// What the firmware starts.
    pub kernel: Option<PathBuf>,
    /// Initial file system.
    pub initramfs: Option<PathBuf>,
    /// The kernel's command line.
    pub append: String,
    /// `-cpu`.
    pub cpu: String,
    /// Interrupt controller mode.
    pub ic_mode: IcMode,
    /// `-smp`.
    pub smp: String,
    /// `-m`.
    pub memory: String,
    /// Devices beside the console.
    pub devices: Vec<Attached>,
    /// The port that QEMU waits for gdb on, halted.
    pub gdb: Option<u16>,
    /// Whether a reset ends QEMU.
    pub no_reboot: bool,
    /// More arguments.
    pub extra: Vec<String>,
}

impl Machine {
    /// QEMU's arguments, without those for console and monitor.
    pub fn arguments(&self) -> Vec<String> {
        let mut machine = format!("pseries,ic-mode={},{NO_MITIGATIONS}", self.ic_mode.name());
        if self.firmware == Firmware::Vof {
            machine.push_str(",x-vof=on");
        }
        let mut arguments: Vec<String> = Vec::new();
        let mut option = |name: &str, value: &str| {
            arguments.push(name.to_owned());
            arguments.push(value.to_owned());
        };
        option("-machine", &machine);
        option("-cpu", &self.cpu);
        option("-smp", &self.smp);
        option("-m", &self.memory);
        if let Firmware::Image(path) = &self.firmware {
            option("-bios", &path.to_string_lossy());
        }
        if let Some(kernel) = &self.kernel {
            option("-kernel", &kernel.to_string_lossy());
            if let Some(initramfs) = &self.initramfs {
                option("-initrd", &initramfs.to_string_lossy());
            }
            if !self.append.is_empty() {
                option("-append", &self.append);
            }
        }
        if let Some(port) = self.gdb {
            option("-gdb", &format!("tcp:127.0.0.1:{port}"));
            arguments.push("-S".to_owned());
        }
        if self.no_reboot {
            arguments.push("-no-reboot".to_owned());
        }
        arguments.extend(["-nodefaults", "-display", "none"].map(str::to_owned));
        for device in &self.devices {
            arguments.extend(device.arguments.iter().cloned());
        }
        arguments.extend(self.extra.iter().cloned());
        arguments
    }

    /// Adds words to the kernel's command line.
    pub fn add_words(&mut self, words: &str) {
        if !self.append.is_empty() {
            self.append.push(' ');
        }
        self.append.push_str(words);
    }

    /// Tells our initial file system what to do, and which devices there are.
    pub fn run_mode(&mut self, mode: Mode) {
        self.add_words(&mode.parameter());
        if !self.devices.is_empty() {
            let names = self.device_names().join(",");
            self.add_words(&format!("oxrtas.devices={names}"));
        }
        let words: Vec<String> = self
            .devices
            .iter()
            .filter_map(|device| device.append.clone())
            .collect();
        for words in words {
            self.add_words(&words);
        }
        if self.firmware == Firmware::Vof {
            // It leaves an NVRAM that nobody has laid out as it is, and Linux complains.
            self.add_words("oxrtas.blank-nvram=allowed");
        }
    }

    /// The names of its device presets.
    pub fn device_names(&self) -> Vec<&'static str> {
        let devices = self.devices.iter();
        devices.map(|attached| attached.device.name()).collect()
    }

    /// What the guest must report about its devices.
    pub fn facts(&self) -> impl Iterator<Item = (&str, &str)> {
        let facts = self.devices.iter().flat_map(|device| &device.facts);
        facts.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The command, with console and monitor as `console` says.
    pub fn command(&self, console: &[&str]) -> Command {
        let mut command = self.emulator.command();
        command.args(self.arguments()).args(console);
        command
    }
}

/// Arguments that put console and monitor on the terminal; Ctrl-a x ends QEMU.
pub const TERMINAL: [&str; 2] = ["-serial", "mon:stdio"];

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(firmware: Firmware) -> Machine {
        Machine {
            emulator: Emulator::at("/usr/bin/qemu-system-ppc64"),
            firmware,
            kernel: Some(PathBuf::from("vmlinux")),
            initramfs: Some(PathBuf::from("initrd")),
            append: "console=hvc0 quiet".to_owned(),
            cpu: "power9".to_owned(),
            ic_mode: IcMode::Xics,
            smp: "2,maxcpus=8".to_owned(),
            memory: "2G".to_owned(),
            devices: Vec::new(),
            gdb: None,
            no_reboot: false,
            extra: vec!["-trace".to_owned(), "spapr*".to_owned()],
        }
    }

    fn value<'a>(arguments: &'a [String], option: &str) -> Option<&'a str> {
        let at = arguments.iter().position(|argument| argument == option)?;
        arguments.get(at + 1).map(String::as_str)
    }

    #[test]
    fn each_firmware_is_chosen_by_its_own_option() {
        let slof = machine(Firmware::Slof).arguments();
        assert_eq!(value(&slof, "-bios"), None);
        assert!(!value(&slof, "-machine").unwrap().contains("x-vof"));
        let vof = machine(Firmware::Vof).arguments();
        assert!(value(&vof, "-machine").unwrap().contains("x-vof=on"));
        let image = machine(Firmware::Image(PathBuf::from("oxrtas.bin"))).arguments();
        assert_eq!(value(&image, "-bios"), Some("oxrtas.bin"));
    }

    #[test]
    fn what_was_asked_for_reaches_qemu_unchanged() {
        let arguments = machine(Firmware::Slof).arguments();
        assert_eq!(value(&arguments, "-smp"), Some("2,maxcpus=8"));
        assert_eq!(value(&arguments, "-append"), Some("console=hvc0 quiet"));
        assert!(
            value(&arguments, "-machine")
                .unwrap()
                .contains("ic-mode=xics")
        );
        assert_eq!(arguments.last().map(String::as_str), Some("spapr*"));
    }

    #[test]
    fn only_vof_may_leave_the_nvram_blank() {
        for firmware in [
            Firmware::Slof,
            Firmware::Vof,
            Firmware::Image("oxrtas.bin".into()),
        ] {
            let mut machine = machine(firmware.clone());
            machine.run_mode(Mode::Summary);
            let allowed = machine.append.contains("blank-nvram=allowed");
            assert_eq!(allowed, firmware == Firmware::Vof);
        }
    }

    #[test]
    fn gdb_halts_the_machine_and_listens_on_this_host_only() {
        let mut halted = machine(Firmware::Slof);
        assert!(!halted.arguments().contains(&"-S".to_owned()));
        halted.gdb = Some(1234);
        let arguments = halted.arguments();
        assert_eq!(value(&arguments, "-gdb"), Some("tcp:127.0.0.1:1234"));
        assert!(arguments.contains(&"-S".to_owned()));
    }

    #[test]
    fn a_machine_without_a_kernel_gets_no_initramfs_either() {
        let mut bare = machine(Firmware::Slof);
        bare.kernel = None;
        let arguments = bare.arguments();
        assert_eq!(value(&arguments, "-initrd"), None);
        assert_eq!(value(&arguments, "-append"), None);
    }
}
