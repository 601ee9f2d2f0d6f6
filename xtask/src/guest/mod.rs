//! What runs in the machine: an initial file system made of Debian's programs and our own scripts,
//! and the lines that it prints.
//!
//! [`initramfs`] packs the file system, with the kernel modules that [`modules`] chooses and the
//! shared libraries that [`libraries`] finds. The scripts are in `files/`; the kernel's command
//! line selects one by `oxrtas.mode=`. [`transcript`] reads what they print, [`verdict`] says
//! whether that is a success: a verdict that is missing is a failure.
//!
//! Measured on QEMU 7.2 (TCG, two host cores), SLOF, two processors: 6.1 is in user space after 9 s
//! and done with every device after 19 s, 6.12 after 10 s and 20 s. The file system is 6.3 MB, with
//! the content for kdump 60 MB, nearly all of it the kernel to load.

mod archive;
mod initramfs;
mod libraries;
mod mode;
mod modules;
mod overlay;
mod transcript;
mod verdict;

pub use initramfs::{Contents, initramfs};
pub use mode::Mode;
pub use overlay::{Overlay, overlaid};
pub use transcript::Transcript;
pub use transcript::Verdict;
pub use verdict::Expectation;
