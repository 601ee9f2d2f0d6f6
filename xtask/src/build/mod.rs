//! Builds the RTAS blob and the firmware image that embeds it.

mod flat;
mod promise;
mod toolchain;

pub use promise::Promise;
pub use toolchain::Toolchain;

use crate::check;
use crate::cli::BuildArgs;
use crate::error::WithHint;
use crate::paths::{self, Checkout};
use crate::progress::Step;
use crate::{process, setup};
use anyhow::{Context, Result, bail};
use comfy_table::{CellAlignment, Table, presets};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a build leaves.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// The firmware image, for QEMU's `-bios`.
    pub image: PathBuf,
    /// The firmware as an ELF file, with symbols.
    pub image_elf: PathBuf,
    /// The RTAS blob that the image embeds.
    pub blob: PathBuf,
    /// The blob as an ELF file, with symbols.
    pub blob_elf: PathBuf,
}

impl Outputs {
    fn places(target: &Path, promise: Promise) -> Self {
        Self {
            image: target.join(promise.image()).with_extension("bin"),
            image_elf: target.join(promise.image()).with_extension("elf"),
            blob: target.join("rtas.bin"),
            blob_elf: target.join("rtas.elf"),
        }
    }
}

/// `cargo xtask build`.
pub fn run(arguments: &BuildArgs) -> Result<ExitCode> {
    let outputs = build(arguments.promise)?;
    let failures: Vec<String> = check::all(&check::Artifacts::read(&outputs)?)
        .into_iter()
        .filter_map(|(name, result)| Some(format!("{name}: {}", result.err()?)))
        .collect();
    println!("{}", size_table(&outputs)?);
    if !failures.is_empty() {
        bail!("the build breaks its rules:\n{}", failures.join("\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the blob and the image that makes this promise; quick when nothing changed.
pub fn build(promise: Promise) -> Result<Outputs> {
    let step = Step::start("building the RTAS blob and the firmware");
    let outputs = build_in(&Checkout::own(), promise)?;
    step.finish();
    Ok(outputs)
}

/// The same of any checkout, without a word.
pub fn build_in(checkout: &Checkout, promise: Promise) -> Result<Outputs> {
    setup::for_build()?;
    let toolchain = Toolchain::find()?;
    let outputs = Outputs::places(&checkout.target, promise);
    let blob = cargo_build(&toolchain, checkout, "rtas-blob", BLOB_OPTIONS, &[])?;
    publish(&blob, &outputs.blob_elf)?;
    let flat = flat::flatten(&fs::read(&blob)?)?;
    publish_bytes(&flat, &outputs.blob)?;
    promise.check(&flat)?;
    let promised = outputs.image.with_extension("promised");
    publish_bytes(promise.functions().join("\n").as_bytes(), &promised)?;
    let image = cargo_build(
        &toolchain,
        checkout,
        "oxrtas",
        &["--features", "image"],
        &[
            ("OXRTAS_BLOB", &outputs.blob),
            ("OXRTAS_PROMISED", &promised),
        ],
    )?;
    publish(&image, &outputs.image_elf)?;
    publish_bytes(&flat::flatten(&fs::read(&image)?)?, &outputs.image)?;
    Ok(outputs)
}

/// Builds the conformance guest: its ELF file, for QEMU's `-kernel`.
pub fn guest() -> Result<PathBuf> {
    setup::for_build()?;
    let toolchain = Toolchain::find()?;
    let step = Step::start("building the conformance guest");
    let built = cargo_build(&toolchain, &Checkout::own(), "oxrtas-guest", &[], &[])?;
    let guest = paths::target().join("conformance.elf");
    publish(&built, &guest)?;
    step.finish();
    Ok(guest)
}

/// For the code generator, on the blob: no instruction records for a comparison what another one
/// computes. In 32-bit mode, which the blob runs in as well, it would compare less (the check
/// the-blob-does-the-same-in-either-mode).
const BLOB_OPTIONS: &[&str] = &["--", "-Cllvm-args=-disable-peephole"];

/// Builds the binary of `package` for the machine: its ELF file. What it embeds is named by
/// variables.
fn cargo_build(
    toolchain: &Toolchain,
    checkout: &Checkout,
    package: &str,
    options: &[&str],
    embedded: &[(&str, &Path)],
) -> Result<PathBuf> {
    let mut command = toolchain.cargo_in(checkout, "rustc")?;
    command
        .args(["--quiet", "--package", package])
        .args(options);
    process::output(command.envs(embedded.iter().copied()))
        .with_context(|| format!("{package} does not build"))
        .hint("linker/README.md shows the steps one by one")?;
    let directory = checkout.target.join("image/powerpc64-oxrtas/image");
    Ok(directory.join(package))
}

/// Copies `from` to `to`.
fn publish(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    publish_bytes(&bytes, to)
}

/// Writes `bytes` to `to`, unless they are there already: what is embedded keeps its time, and a
/// machine that is just starting never sees half a file.
fn publish_bytes(bytes: &[u8], to: &Path) -> Result<()> {
    if fs::read(to).is_ok_and(|seen| seen == bytes) {
        return Ok(());
    }
    let directory = to.parent().context("no directory")?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.persist(to)
        .with_context(|| format!("cannot write {}", to.display()))?;
    Ok(())
}

/// Who loads what, and how large it is.
fn size_table(outputs: &Outputs) -> Result<Table> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["output", "bytes", "loaded by"]);
    let rows = [
        (&outputs.image, "QEMU, with -bios"),
        (
            &outputs.blob,
            "the firmware, which embeds it, for every RTAS instance",
        ),
        (&outputs.image_elf, "gdb: symbols of the firmware"),
        (&outputs.blob_elf, "gdb: symbols of the blob"),
    ];
    for (path, reader) in rows {
        let size = fs::metadata(path)?.len();
        table.add_row([
            path.display().to_string(),
            size.to_string(),
            reader.to_owned(),
        ]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    Ok(table)
}
