//! Tells the linker what pkg-config says of libspace2vec: `PKG_CONFIG_PATH=PREFIX/lib/pkgconfig cargo build`.

use std::process::Command;

fn pkg_config(question: &str) -> String {
    let answer = Command::new("pkg-config").args([question, "space2vec"]).output().expect("pkg-config is not here");
    assert!(answer.status.success(), "pkg-config does not know space2vec: set PKG_CONFIG_PATH");
    String::from_utf8(answer.stdout).expect("a path in UTF-8").trim().to_owned()
}

fn main() {
    println!("cargo:rerun-if-env-changed=PKG_CONFIG_PATH");
    for word in pkg_config("--libs").split_whitespace() {
        println!("cargo:rustc-link-arg={word}");
    }
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", pkg_config("--variable=libdir"));
}
