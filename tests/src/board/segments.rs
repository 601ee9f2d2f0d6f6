//! The segment lookaside buffer of this processor (Power ISA book III 6.7.8, `slbmte`, `slbmfee`,
//! `slbmfev`). The guest translates nothing, so what is in it matters to nobody.

/// The valid bit of what tells an entry's effective segment.
const VALID: u64 = 1 << 27;
/// Where an effective segment of 256 MiB begins in it.
const EFFECTIVE: u32 = 28;
/// Where a virtual segment of 256 MiB begins in what tells it.
const VIRTUAL: u32 = 12;

/// The two words that an entry is read as: of its effective segment, of its virtual one.
pub type Entry = [u64; 2];

/// What a valid entry of these segments is read as.
pub fn entry(effective: u64, virtual_segment: u64) -> Entry {
    [effective << EFFECTIVE | VALID, virtual_segment << VIRTUAL]
}

fn put(index: u64, [effective, virtual_segment]: Entry) {
    // SAFETY: the guest runs in real mode, which uses no segment.
    unsafe {
        core::arch::asm!(
            "slbmte {}, {}",
            in(reg) virtual_segment,
            in(reg) effective | index,
            options(nostack)
        );
    }
}

/// Makes entry `index` a valid one of these segments.
pub fn set(index: u64, effective: u64, virtual_segment: u64) {
    put(index, entry(effective, virtual_segment));
}

/// Makes entry `index` an invalid one.
pub fn clear(index: u64) {
    put(index, [0, 0]);
}

/// Entry `index`.
pub fn get(index: u64) -> Entry {
    let (effective, virtual_segment): (u64, u64);
    // SAFETY: reading the buffer has no effect.
    unsafe {
        core::arch::asm!(
            "slbmfee {}, {index}",
            "slbmfev {}, {index}",
            out(reg) effective,
            out(reg) virtual_segment,
            index = in(reg) index,
            options(nomem, nostack)
        );
    }
    [effective, virtual_segment]
}
