//! What oxrtas says in `/rtas`, generated from the one call table, [`rtas::table`].
//!
//! QEMU's properties stay as they are but for `rtas-size`. All edits are marked
//! [`Origin::Firmware`] and may be made again and again: they are due after each merge, because
//! QEMU sends its own node anew.

mod capability;

use core::fmt;

use rtas::layout::Layout;
use rtas::table::{self, Implementer};

pub use capability::{CapabilityError, CapabilityProperty, capability_properties};

use crate::facts::{self, FactError};
use crate::tree::{EditError, NodeId, Origin, Tree};

/// Value of `rtas-version`: the interface that LoPAR 7.2.6.3 (Table 7.5) describes.
const RTAS_VERSION: u32 = 1;
/// Value of `ibm,display-line-length`: what the console shows in any case is what LoPAR asks of a
/// server (R1-7.3.5.1-2), and what Linux takes where nothing is said
/// (`arch/powerpc/kernel/rtas.c:rtas_progress`).
const DISPLAY_LINE_LENGTH: u32 = 16;
/// Value of `ibm,form-feed` (LoPAR B.5.3.1): a form feed goes to the console as it is, which does not
/// clear it.
const NO_FORM_FEED: u32 = 0;
/// Value of `rtas-sensors`: EPOW, with the index 0 (R1-7.2.6.1.2-1).
const SENSORS: [u32; 2] = [rtas::epow::SENSOR, 0];
/// Where that sensor is: nowhere, since it has no physical counterpart (R1-7.2.6.1.2-2).
const SENSOR_LOCATIONS: (&str, &[u8]) = ("ibm,sensor-9", b"\0");
/// Properties with the types that `ibm,get-indices` is to be used for (R1-7.3.17-14): the machine has
/// none.
const INDICES_TYPES: [&str; 2] = [
    "ibm,get-indicator-indices-types",
    "ibm,get-sensor-indices-types",
];

/// What is to be said beside `rtas-version`.
#[derive(Clone, Copy, Debug)]
pub struct Additions<'a> {
    /// The area that the client has to set aside: gives `rtas-size`.
    pub layout: &'a Layout,
    /// Names and tokens of calls that the blob implements and this QEMU does not offer. Where it
    /// does, its own token stays: there are callers that bypass the blob.
    pub calls: &'a [(&'a str, u32)],
    /// The phandle of the node behind `display-character`: `rtas-display-device` (LoPAR Table 7.4),
    /// with what is to be said of the display.
    pub display: Option<u32>,
    /// Size of all that `ibm,get-vpd` tells, in bytes: `ibm,vpd-size` (R1-7.3.20-15).
    pub vpd_size: u32,
    /// From [`capability_properties`].
    pub capabilities: &'a [CapabilityProperty],
}

/// Why `/rtas` cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtasNodeError {
    /// The tree lacks something that QEMU gives.
    Fact(FactError),
    /// The area is larger than the cell of `rtas-size` can say.
    AreaTooLarge,
    /// A call to be added is not one that the table says the blob implements: its place in
    /// [`Additions::calls`].
    NotNative(usize),
    /// Another call has the token already: place in [`Additions::calls`].
    TokenTaken(usize),
    /// The tree refuses the edit.
    Edit(EditError),
}

impl fmt::Display for RtasNodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fact(error) => error.fmt(out),
            Self::AreaTooLarge => out.write_str("the RTAS area is too large for rtas-size"),
            Self::NotNative(index) => {
                write!(
                    out,
                    "added RTAS call {index} is not one that the blob implements"
                )
            }
            Self::TokenTaken(index) => {
                write!(
                    out,
                    "the token of added RTAS call {index} is that of another call"
                )
            }
            Self::Edit(error) => error.fmt(out),
        }
    }
}

impl core::error::Error for RtasNodeError {}

impl From<EditError> for RtasNodeError {
    fn from(error: EditError) -> Self {
        Self::Edit(error)
    }
}

impl From<FactError> for RtasNodeError {
    fn from(error: FactError) -> Self {
        Self::Fact(error)
    }
}

fn rtas(tree: &Tree) -> Result<NodeId, FactError> {
    tree.find("/rtas").ok_or(FactError {
        node: "/rtas",
        property: "",
        problem: facts::Problem::MissingNode,
    })
}

/// Writes what oxrtas adds to `/rtas`. Nothing is written if a call is refused.
pub fn apply(tree: &mut Tree, additions: &Additions<'_>) -> Result<(), RtasNodeError> {
    let id = rtas(tree)?;
    let size = u32::try_from(additions.layout.size).map_err(|_| RtasNodeError::AreaTooLarge)?;
    let offered = facts::tokens(tree)?;
    let is_offered = |wanted: &str| offered.iter().any(|(name, _)| *name == wanted);
    for (index, &(name, token)) in additions.calls.iter().enumerate() {
        let native = table::calls().any(|call| {
            call.name == name && call.shape.handler.implementer() == Implementer::Native
        });
        if !native {
            return Err(RtasNodeError::NotNative(index));
        }
        let earlier = additions.calls.iter().take(index);
        let mut others = offered.iter().chain(earlier);
        if others.any(|&(other, taken)| taken == token && other != name) {
            return Err(RtasNodeError::TokenTaken(index));
        }
    }
    let missing: alloc::vec::Vec<_> = additions
        .calls
        .iter()
        .filter(|(name, _)| !is_offered(name))
        .collect();
    tree.set_u32(id, "rtas-size", size, Origin::Firmware)?;
    tree.set_u32(id, "rtas-version", RTAS_VERSION, Origin::Firmware)?;
    if let Some(display) = additions.display {
        tree.set_u32(id, "rtas-display-device", display, Origin::Firmware)?;
        let length = DISPLAY_LINE_LENGTH;
        tree.set_u32(id, "ibm,display-line-length", length, Origin::Firmware)?;
        tree.set_u32(id, "ibm,form-feed", NO_FORM_FEED, Origin::Firmware)?;
    }
    let sensors = SENSORS.map(u32::to_be_bytes);
    tree.set(id, "rtas-sensors", sensors.as_flattened(), Origin::Firmware)?;
    let (name, locations) = SENSOR_LOCATIONS;
    tree.set(id, name, locations, Origin::Firmware)?;
    for name in INDICES_TYPES {
        tree.set(id, name, &[], Origin::Firmware)?;
    }
    tree.set_u32(id, "ibm,vpd-size", additions.vpd_size, Origin::Firmware)?;
    for &&(name, token) in &missing {
        tree.set_u32(id, name, token, Origin::Firmware)?;
    }
    for property in additions.capabilities {
        tree.set(id, property.name, &property.value, Origin::Firmware)?;
    }
    Ok(())
}

/// Says where RTAS is instantiated: what a kernel takes that never runs the client interface, and
/// where QEMU looks for the area (`spapr_rtas.c:spapr_get_rtas_addr`, after `H_UPDATE_DT`). Real
/// addresses, one cell each, as `prom_init.c:prom_instantiate_rtas` writes them.
pub fn bind(tree: &mut Tree, base: u32, entry: u32) -> Result<(), RtasNodeError> {
    let id = rtas(tree)?;
    tree.set_u32(id, "linux,rtas-base", base, Origin::Firmware)?;
    tree.set_u32(id, "linux,rtas-entry", entry, Origin::Firmware)?;
    Ok(())
}
