//! What a binary says about itself.

/// Version and contract for clap's `version`: `0.1.0 (contract sha256:ab12cd34ef56)`.
/// `contract` is the digest of the protobuf contract.
pub fn version(contract: &str) -> String {
    // Twelve digits are what people compare; the whole one is in the logs.
    let short: String = contract.chars().take("sha256:".len() + 12).collect();
    format!("{} (contract {short})", env!("CARGO_PKG_VERSION"))
}

/// The same with the binary's name: `orchestrator 0.1.0 (contract sha256:ab12cd34ef56)`.
pub fn version_line(name: &str, contract: &str) -> String {
    format!("{name} {}", version(contract))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_cut_to_what_people_compare() {
        let line = version_line("worker", "sha256:ab12cd34ef567890");
        assert_eq!(line, format!("worker {} (contract sha256:ab12cd34ef56)", env!("CARGO_PKG_VERSION")));
    }
}
