//! Where things lie in the RTAS area.
//!
//! ```text
//! base                      written by QEMU at any instant once ibm,nmi-register was called:
//!                           machine-check log from 0x30, 16 bytes a processor from 0x800
//! base + image              the blob: code and constants, the same bytes in every instance
//!        + config           [`crate::config::Config`], written by the firmware
//!        + sources          one 64-bit word per interrupt source
//!        + contexts         one [`CONTEXT_BYTES`] block per context, zero: free
//!        + vpd              what `ibm,get-vpd` tells, written by the firmware
//! base + size               `rtas-size`
//! ```
//!
//! All offsets are in bytes. Linux takes base and entry separately, so the code need not lie at
//! the base (`arch/powerpc/kernel/prom_init.c:prom_instantiate_rtas`).

use crate::config::Config;
use crate::pool::CONTEXTS_PER_PROCESSOR;

/// Size of one context, in bytes: its word, saved registers, hypervisor buffer, stack.
pub const CONTEXT_BYTES: u64 = 2560;
/// Alignment of the blob's parts, in bytes: a cache line of POWER.
pub const PART_ALIGNMENT: u64 = 128;
/// Alignment of the base and of the blob behind QEMU's areas, in bytes (LoPAR R1-7.2.6.2-1).
pub const PAGE: u64 = 4096;
/// The area must not cross a multiple of this, in bytes (LoPAR B.5.3.2, `instantiate-rtas`).
pub const SEGMENT: u64 = 0x1000_0000;

/// Why no area can be laid out or placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutError {
    /// The area would be larger than a 256 MiB segment: too many processors or sources.
    TooLarge,
    /// The base is not a multiple of 4096.
    Unaligned,
    /// The area would reach beyond 4 GiB.
    Above4GiB,
    /// The area would cross a multiple of 256 MiB.
    CrossesSegment,
}

/// The offsets of one area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Offset of the blob's image from the base.
    pub image: u64,
    /// Offset of the configuration from the image: the length of the image, rounded up.
    pub config: u64,
    /// Offset of the source words from the configuration.
    pub sources: u64,
    /// Offset of the contexts from the configuration.
    pub contexts: u64,
    /// Number of contexts.
    pub context_count: u32,
    /// Offset of the vital product data from the configuration.
    pub vpd: u64,
    /// Size of the vital product data.
    pub vpd_bytes: u32,
    /// Size of the whole area: `rtas-size`.
    pub size: u64,
}

impl Layout {
    /// Lays out an area for `processors` possible processors and `sources` interrupt sources,
    /// behind the `reserved` bytes that QEMU writes to (its own `rtas-size`), with a blob image of
    /// `image_bytes`.
    pub fn new(
        reserved: u32,
        image_bytes: u64,
        processors: u32,
        sources: u32,
    ) -> Result<Self, LayoutError> {
        let context_count = processors
            .max(1)
            .checked_mul(CONTEXTS_PER_PROCESSOR)
            .ok_or(LayoutError::TooLarge)?;
        let image = u64::from(reserved).next_multiple_of(PAGE);
        if image_bytes > SEGMENT {
            return Err(LayoutError::TooLarge);
        }
        let config = image_bytes.next_multiple_of(PART_ALIGNMENT);
        let sources_at = (size_of::<Config>() as u64).next_multiple_of(PART_ALIGNMENT);
        let contexts = (sources_at + u64::from(sources) * 8).next_multiple_of(PART_ALIGNMENT);
        let vpd = contexts + u64::from(context_count) * CONTEXT_BYTES;
        let layout = Self {
            image,
            config,
            sources: sources_at,
            contexts,
            context_count,
            vpd,
            vpd_bytes: 0,
            size: 0,
        };
        layout.with_vpd(0)
    }

    /// The same with `bytes` of vital product data at the end.
    pub fn with_vpd(self, bytes: u32) -> Result<Self, LayoutError> {
        let end = self.image + self.config + self.vpd + u64::from(bytes);
        let size = end.next_multiple_of(PAGE);
        if size > SEGMENT {
            return Err(LayoutError::TooLarge);
        }
        Ok(Self {
            vpd_bytes: bytes,
            size,
            ..self
        })
    }

    /// Whether the area may lie at `base`.
    pub fn check_base(&self, base: u64) -> Result<(), LayoutError> {
        if !base.is_multiple_of(PAGE) {
            return Err(LayoutError::Unaligned);
        }
        let last = base
            .checked_add(self.size - 1)
            .ok_or(LayoutError::Above4GiB)?;
        if last > u64::from(u32::MAX) {
            return Err(LayoutError::Above4GiB);
        }
        if base / SEGMENT != last / SEGMENT {
            return Err(LayoutError::CrossesSegment);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other_aligned_and_do_not_overlap() {
        for (processors, sources) in [(1, 0x1000), (8, 0x1000), (64, 0x400), (4096, 0x1000)] {
            let layout = Layout::new(0x89c, 12_345, processors, sources).unwrap();
            assert_eq!(layout.image, 0x1000, "behind the bytes that QEMU writes");
            assert!(layout.config >= 12_345);
            assert!(layout.sources >= size_of::<Config>() as u64);
            assert!(layout.contexts >= layout.sources + u64::from(sources) * 8);
            assert_eq!(layout.context_count, 3 * processors);
            for part in [layout.config, layout.sources, layout.contexts] {
                assert!(part.is_multiple_of(PART_ALIGNMENT));
            }
            let used = layout.image + layout.config + layout.contexts;
            assert!(layout.size >= used + u64::from(layout.context_count) * CONTEXT_BYTES);
        }
    }

    #[test]
    fn a_machine_too_large_for_a_segment_is_refused() {
        assert_eq!(
            Layout::new(0x89c, 0x4000, 40_000, 0x1000),
            Err(LayoutError::TooLarge)
        );
        assert_eq!(
            Layout::new(0x89c, 0x4000, u32::MAX, 0x1000),
            Err(LayoutError::TooLarge)
        );
    }

    #[test]
    fn a_base_is_page_aligned_below_4_gib_and_within_one_segment() {
        let layout = Layout::new(0x89c, 0x4000, 8, 0x1000).unwrap();
        assert_eq!(layout.check_base(0x2fff_0000 - 0x10_0000), Ok(()));
        assert_eq!(layout.check_base(0x2000_0000 - layout.size), Ok(()));
        assert_eq!(
            layout.check_base(0x2000_1000 - layout.size),
            Err(LayoutError::CrossesSegment)
        );
        assert_eq!(layout.check_base(0x800), Err(LayoutError::Unaligned));
        assert_eq!(
            layout.check_base(0x1_0000_0000 - layout.size),
            Ok(()),
            "the last place below 4 GiB"
        );
        assert_eq!(
            layout.check_base(0x1_0000_0000),
            Err(LayoutError::Above4GiB)
        );
        assert_eq!(
            layout.check_base(u64::MAX - 0xfff),
            Err(LayoutError::Above4GiB)
        );
    }
}
