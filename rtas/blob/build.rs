//! Link arguments of the blob.

fn main() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../linker");
    let script = root.join("blob.ld");
    println!("cargo:rerun-if-changed={}", script.display());
    println!("cargo:rustc-link-arg=-T{}", script.display());
    // Position independent, and complete: an undefined symbol (a panic that the compiler could not
    // rule out, see `panic.rs`) fails the link.
    for argument in [
        "-pie",
        "--no-dynamic-linker",
        "-znorelro",
        "-zdefs",
        "--gc-sections",
    ] {
        println!("cargo:rustc-link-arg={argument}");
    }
}
