//! Link arguments of the image, and the blob that it embeds.

fn main() {
    if std::env::var_os("CARGO_FEATURE_IMAGE").is_none() {
        return;
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../linker");
    let script = root.join("oxrtas.ld");
    println!("cargo:rerun-if-changed={}", script.display());
    println!("cargo:rustc-link-arg-bins=-T{}", script.display());
    for argument in ["--no-pie", "-znorelro", "-zdefs", "--gc-sections"] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    // The flat blob, made from the ELF file of crate rtas-blob by `cargo xtask build`.
    println!("cargo:rerun-if-env-changed=OXRTAS_BLOB");
    match std::env::var("OXRTAS_BLOB") {
        Ok(blob) => println!("cargo:rerun-if-changed={blob}"),
        Err(_) => {
            println!("cargo:error=OXRTAS_BLOB must name the flat blob: use `cargo xtask build`")
        }
    }
}
