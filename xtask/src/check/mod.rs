//! What must be true of the outputs of a build, looked at in the outputs themselves.

mod barrier;
mod blob;
mod elf;
mod image;
mod instruction;
mod leaf;
mod mode;
mod stack;

use crate::build::Outputs;
use anyhow::{Context, Result};
use elf::Elf;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

/// The outputs of a build, read.
#[derive(Debug)]
pub struct Artifacts {
    image: Vec<u8>,
    image_elf: Elf,
    blob: Vec<u8>,
    blob_elf: Elf,
    /// Paths of this machine that must not be in the image.
    private_paths: Vec<PathBuf>,
}

/// What a check finds wrong.
type Finding = Result<(), String>;

impl Artifacts {
    /// Reads what a build left.
    pub fn read(outputs: &Outputs) -> Result<Self> {
        let read = |path: &PathBuf| {
            fs::read(path).with_context(|| format!("cannot read {}", path.display()))
        };
        Ok(Self {
            image: read(&outputs.image)?,
            image_elf: Elf::parse(&read(&outputs.image_elf)?)?,
            blob: read(&outputs.blob)?,
            blob_elf: Elf::parse(&read(&outputs.blob_elf)?)?,
            private_paths: image::private_paths(),
        })
    }
}

/// The stack of a call.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Bytes that the deepest chain of calls needs, whatever the arguments are.
    pub deepest: u64,
    /// Offsets in a context between which the stack lies; it grows down from the end.
    pub range: Range<u64>,
}

/// The stack that the calls of a blob need.
pub fn stack(artifacts: &Artifacts) -> Result<Stack> {
    let (deepest, _) = stack::deepest(&artifacts.blob_elf).map_err(anyhow::Error::msg)?;
    Ok(Stack {
        deepest,
        range: stack::range(),
    })
}

/// Bytes of the blob's code, and of all else that it takes in memory.
pub fn blob_sizes(artifacts: &Artifacts) -> (u64, u64) {
    let loaded = artifacts.blob_elf.sections.iter();
    let (text, rest): (Vec<_>, Vec<_>) = loaded
        .filter(|section| section.loaded)
        .partition(|section| section.name == ".text");
    let sum = |sections: &[&elf::Section]| sections.iter().map(|section| section.size).sum();
    (sum(&text), sum(&rest))
}

/// Names of the checks, in the order of [`all`].
pub const NAMES: [&str; 15] = [
    "the-blob-needs-no-relocation",
    "the-blob-has-no-writable-data",
    "the-blob-has-no-undefined-symbol",
    "the-blob-has-no-lock",
    "the-blob-has-integer-instructions-only",
    "the-blob-cannot-trap",
    "the-blob-does-the-same-in-either-mode",
    "the-blob-fits-its-stacks",
    "the-blob-takes-contexts-without-a-stack",
    "the-blob-has-barriers-around-the-hypercall",
    "the-blob-orders-its-pool",
    "the-firmware-has-no-floating-point",
    "the-firmware-makes-instructions-visible",
    "the-image-fits-and-embeds-the-blob",
    "the-image-names-no-path-of-this-machine",
];

/// Runs every check.
pub fn all(artifacts: &Artifacts) -> Vec<(&'static str, Finding)> {
    let blob = &artifacts.blob_elf;
    let results = [
        blob::needs_no_relocation(blob),
        blob::has_no_writable_data(blob),
        blob::has_no_undefined_symbol(blob),
        blob::has_no_lock(blob),
        blob::has_integer_instructions_only(blob),
        blob::cannot_trap(blob),
        mode::is_either(blob),
        stack::fits(blob, stack::available()),
        leaf::without_a_stack(blob),
        barrier::surround_the_hypercall(blob),
        barrier::order_the_pool(blob),
        image::has_no_floating_point(&artifacts.image_elf),
        barrier::make_instructions_visible(&artifacts.image_elf),
        image::fits_and_embeds(&artifacts.image, &artifacts.blob),
        image::names_no_path(&artifacts.image, &artifacts.private_paths),
    ];
    NAMES.into_iter().zip(results).collect()
}
