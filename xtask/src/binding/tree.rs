//! Trees to validate: QEMU's own, with what fdt-gen writes.

use crate::paths;
use anyhow::{Context, Result, anyhow};
use fdt_gen::facts;
use fdt_gen::rtas_node::{self, capability_properties};
use fdt_gen::{NodeId, Origin, Tree};
use rtas::layout::Layout;
use rtas::{table, tokens};
use std::fs;
use std::path::{Path, PathBuf};

/// Trees of QEMU 7.2 that are kept beside the tests of fdt-gen.
pub const QEMUS: [&str; 2] = ["dual", "xive"];

/// The tree called `name`.
pub fn of_qemu(name: &str) -> Result<Tree> {
    let directory = paths::workspace().join("fdt-gen/tests/data");
    read(&directory.join(format!("{name}.dtb")))
}

/// The flat tree in a file.
fn read(path: &Path) -> Result<Tree> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&bytes)
}

/// The tree that is flat in `bytes`.
pub fn parse(bytes: &[u8]) -> Result<Tree> {
    Tree::parse(bytes).map_err(|error| anyhow!("not a flat tree: {error}"))
}

/// Its `/rtas`.
pub fn rtas(tree: &Tree) -> Result<NodeId> {
    tree.find("/rtas").context("no node /rtas")
}

/// `tree` as the firmware writes it when every crash run has passed.
pub fn with_every_promise(tree: &Tree) -> Result<Tree> {
    let mut tree = tree.clone();
    let proved: Vec<&str> = table::calls().map(|call| call.name).collect();
    let processors = facts::possible_processors(&tree)?;
    // Of the size only rtas-size shows in the tree.
    let layout = Layout::new(0x1000, 0x4000, processors, 0x1000)
        .map_err(|error| anyhow!("no layout: {error:?}"))?;
    let additions = rtas_node::Additions {
        layout: &layout,
        calls: &tokens::own_calls().collect::<Vec<_>>(),
        display: None,
        vpd_size: 0x123,
        capabilities: &capability_properties(table::calls(), &proved, processors)?,
    };
    rtas_node::apply(&mut tree, &additions)?;
    Ok(tree)
}

/// Sets a property of `/rtas`, or removes it.
pub fn edit(tree: &mut Tree, name: &str, value: Option<&[u8]>) -> Result<()> {
    let id = rtas(tree)?;
    match value {
        Some(value) => tree.set(id, name, value, Origin::Firmware)?,
        None => tree.remove_property(id, name)?,
    };
    Ok(())
}

/// Writes `tree` to `target/binding/NAME.dtb`.
pub fn write(tree: &Tree, name: &str) -> Result<PathBuf> {
    let path = paths::target_directory("binding")?.join(format!("{name}.dtb"));
    fs::write(&path, tree.flatten()?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
