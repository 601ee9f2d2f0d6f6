//! Hypercalls.

use core::arch::asm;

use oxrtas::board::HcallReturn;

/// A hypercall with up to six arguments, r4 on; missing ones are zero.
pub fn hcall(number: u64, arguments: &[u64]) -> HcallReturn {
    let argument = |index: usize| arguments.get(index).copied().unwrap_or(0);
    let status: i64;
    let (r4, r5, r6, r7);
    // SAFETY: the hypervisor keeps r1, r2, r13-r31, LR and CR2-CR4 and changes the rest as declared
    // (LoPAR 14.5.4.2). What it writes to memory is what the caller named in the arguments: buffers
    // that the library claimed for it, never Rust objects; no `nomem`, so the compiler assumes that
    // memory has changed.
    unsafe {
        asm!(
            "sc 1",
            inlateout("r3") number => status,
            inlateout("r4") argument(0) => r4,
            inlateout("r5") argument(1) => r5,
            inlateout("r6") argument(2) => r6,
            inlateout("r7") argument(3) => r7,
            inlateout("r8") argument(4) => _,
            inlateout("r9") argument(5) => _,
            lateout("r0") _, lateout("r10") _, lateout("r11") _, lateout("r12") _,
            lateout("ctr") _, lateout("xer") _, lateout("cr0") _, lateout("cr1") _,
            lateout("cr5") _, lateout("cr6") _, lateout("cr7") _,
            options(nostack),
        );
    }
    HcallReturn {
        status,
        values: [r4, r5, r6, r7],
    }
}
