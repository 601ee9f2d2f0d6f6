//! There is no panic in the blob: the build proves it.

unsafe extern "C" {
    /// Defined nowhere. A panic path that the compiler could not remove would call it, and the
    /// link fails (`-zdefs`).
    fn the_blob_must_not_be_able_to_panic() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: never linked, so never called; see above.
    unsafe { the_blob_must_not_be_able_to_panic() }
}
