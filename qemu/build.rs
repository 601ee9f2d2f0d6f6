//! Link arguments of the image, and what it embeds.

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
    // And the names of the functions whose promise is published.
    for (variable, what) in [
        ("OXRTAS_BLOB", "the flat blob"),
        ("OXRTAS_PROMISED", "the list of promised functions"),
    ] {
        println!("cargo:rerun-if-env-changed={variable}");
        match std::env::var(variable) {
            Ok(file) => println!("cargo:rerun-if-changed={file}"),
            Err(_) => {
                println!("cargo:error={variable} must name {what}: use `cargo xtask build`")
            }
        }
    }
}
