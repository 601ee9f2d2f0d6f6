//! `ibm,change-msi` (LoPAR 7.3.10.5.1): the hypervisor's call, and then the sources that changed
//! hands put back to their state at boot. QEMU does not do that: a source that was released and
//! allocated anew comes back enabled at priority 0 (`hw/intc/xics_spapr.c:xics_spapr_free_irq`).
//!
//! The blob keeps no account of who has which source. It asks the hypervisor before and after:
//! blocks are contiguous, and QEMU allocates the new one before it releases the old one
//! (`hw/ppc/spapr_pci.c:rtas_ibm_change_msi`), so a block that starts where it did is the old one,
//! untouched: a request for too many is answered so, with success and the most that there may be.

use rtas_abi::{buffer, status};

use crate::config::Config;
use crate::decode::Request;
use crate::hypervisor;
use crate::memory::CallerMemory;
use crate::platform::{HypervisorBuffer, Platform};
use crate::source::Sources;
use crate::table::index;

/// The function of a device, as `ibm,query-interrupt-source-number` takes it: configuration
/// address, and the two halves of the host bridge's unit id.
type Function = [u32; 3];

/// Sources of one device, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    first: u32,
    count: u32,
}

/// Does the call; returns its status word. The caller's outputs are exactly the hypervisor's.
#[inline(never)]
pub fn change_msi<P: Platform, M: CallerMemory>(
    config: &Config,
    sources: Sources<'_, P>,
    memory: &mut M,
    cells: &mut HypervisorBuffer,
    token: u32,
    request: &Request,
) -> i32 {
    let platform = sources.platform();
    let Some(inputs) = request.read::<6, _>(memory) else {
        return request.finish(memory, status::PARAMETER_ERROR);
    };
    let [address, unit_high, unit_low, ..] = inputs;
    let query = Query::new(config, platform, [address, unit_high, unit_low]);
    let old = query
        .as_ref()
        .and_then(|query| query.block(cells, sources.count()));
    for (index, value) in inputs.into_iter().enumerate() {
        cells.set(buffer::ARGUMENTS + index, value);
    }
    let status = hypervisor::deliver(platform, memory, cells, token, request);
    let Some(query) = query.filter(|_| status == status::SUCCESS) else {
        return status;
    };
    let count = hypervisor::output(cells, inputs.len(), 1).min(sources.count());
    let new = query.source(cells, 0).map(|first| Block { first, count });
    if old.map(|block| block.first) == new.map(|block| block.first) {
        return status;
    }
    for block in [old, new].into_iter().flatten() {
        for offset in 0..block.count {
            // A sum that wraps is no source.
            sources.reset(block.first.wrapping_add(offset), cells);
        }
    }
    status
}

/// `ibm,query-interrupt-source-number` for one function.
struct Query<'a, P> {
    platform: &'a P,
    token: u32,
    function: Function,
}

impl<'a, P: Platform> Query<'a, P> {
    /// `None` where the hypervisor does not offer the call.
    fn new(config: &Config, platform: &'a P, function: Function) -> Option<Self> {
        let token = *config
            .tokens
            .get(index::IBM_QUERY_INTERRUPT_SOURCE_NUMBER)?;
        (token != 0).then_some(Self {
            platform,
            token,
            function,
        })
    }

    /// The number of the function's source `index`.
    fn source(&self, cells: &mut HypervisorBuffer, index: u32) -> Option<u32> {
        let [address, unit_high, unit_low] = self.function;
        let inputs = [address, unit_high, unit_low, index];
        let status = hypervisor::call(self.platform, cells, self.token, inputs, [0; 3]);
        (status == status::SUCCESS).then(|| hypervisor::output(cells, inputs.len(), 1))
    }

    /// The block that the function has now, found with about twice as many queries as its count has
    /// binary digits. `most` bounds the count.
    fn block(&self, cells: &mut HypervisorBuffer, most: u32) -> Option<Block> {
        let first = self.source(cells, 0)?;
        // There are at least `least` sources, and fewer than `bound`.
        let mut least = 1;
        let mut bound = most.max(1).saturating_add(1);
        let mut doubled = 2;
        while doubled < bound {
            if self.source(cells, doubled - 1).is_some() {
                least = doubled;
                doubled = doubled.saturating_mul(2);
            } else {
                bound = doubled;
            }
        }
        while bound.saturating_sub(least) > 1 {
            let middle = least + (bound - least) / 2;
            if self.source(cells, middle - 1).is_some() {
                least = middle;
            } else {
                bound = middle;
            }
        }
        Some(Block {
            first,
            count: least,
        })
    }
}

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
