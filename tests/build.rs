//! Link arguments of the bare-metal image; nothing for the host.

fn main() {
    println!("cargo:rerun-if-changed=guest.ld");
    println!("cargo:rerun-if-changed=build.rs");
    let architecture = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let system = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if architecture != "powerpc64" || system != "none" {
        return;
    }
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    for argument in [
        format!("-T{folder}/guest.ld"),
        "-pie".into(),
        "--no-dynamic-linker".into(),
        "-znorelro".into(),
        "-zmax-page-size=4096".into(),
        "--build-id=none".into(),
    ] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
