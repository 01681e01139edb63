//! Whether this host can run programs of another architecture.
//!
//! Linux hands a foreign program to an interpreter that is registered in
//! `binfmt_misc` (kernel documentation, admin-guide/binfmt-misc). QEMU's user
//! emulators register themselves as `qemu-NAME`.

use std::path::Path;

use common::platform::Architecture;

/// Where the kernel shows its handlers.
pub(crate) const BINFMT_MISC: &str = "/proc/sys/fs/binfmt_misc";

/// What can be told about programs of an architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Emulation {
    /// The engine's own CPU runs them.
    Native,
    /// An emulator is registered.
    Registered,
    /// The kernel's list was read, and there is none.
    Missing,
    /// The list cannot be read here; the first program will tell.
    Unknown,
}

/// QEMU's name of an architecture that OCI calls by Go's name.
fn qemu_name(architecture: &str) -> Option<&'static str> {
    Some(match architecture {
        "386" => "i386",
        "amd64" => "x86_64",
        "arm" => "arm",
        "arm64" => "aarch64",
        "loong64" => "loongarch64",
        "mips64le" => "mips64el",
        "ppc64le" => "ppc64le",
        "riscv64" => "riscv64",
        "s390x" => "s390x",
        _ => return None,
    })
}

fn is_native(engine: &str, wanted: &str) -> bool {
    // 64-bit x86 runs 32-bit programs; not every 64-bit ARM does.
    engine == wanted || (engine, wanted) == ("amd64", "386")
}

/// Looks the architecture up in the handlers at `directory`.
pub(crate) fn emulation_of(wanted: &Architecture, engine: &Architecture, directory: &Path) -> Emulation {
    if is_native(&engine.architecture, &wanted.architecture) {
        return Emulation::Native;
    }
    let Some(name) = qemu_name(&wanted.architecture).filter(|_| !engine.architecture.is_empty()) else {
        return Emulation::Unknown;
    };
    // Inside a container the file system is often not mounted, although the
    // host has handlers.
    let Ok(status) = std::fs::read_to_string(directory.join("status")) else {
        return Emulation::Unknown;
    };
    if status.trim() != "enabled" {
        return Emulation::Missing;
    }
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Emulation::Unknown;
    };
    let handles = |path: &Path| {
        let Ok(text) = std::fs::read_to_string(path) else { return false };
        let mut lines = text.lines();
        let enabled = lines.next() == Some("enabled");
        let interpreter = lines.find_map(|line| line.strip_prefix("interpreter ")).unwrap_or_default();
        let program = Path::new(interpreter).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let program = program.trim_end_matches("-binfmt-P").trim_end_matches("-static");
        let registered = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        enabled && [program, registered].iter().any(|it| it.strip_prefix("qemu-") == Some(name))
    };
    let found = entries.flatten().map(|entry| entry.path()).any(|path| {
        !matches!(path.file_name().and_then(|name| name.to_str()), Some("status" | "register"))
            && handles(&path)
    });
    if found { Emulation::Registered } else { Emulation::Missing }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handlers(status: &str, entries: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("status"), status).unwrap();
        for (name, text) in entries {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    #[test]
    fn a_handler_counts_when_it_is_enabled_and_for_this_architecture() {
        let (amd64, arm64) = (Architecture::plain("amd64"), Architecture::plain("arm64"));
        let on = "enabled\ninterpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P\nflags: POCF\n";
        let other = "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: F\n";
        let off = "disabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: F\n";
        for (entries, expected) in [
            (vec![("qemu-aarch64", on)], Emulation::Registered),
            (vec![("my-arm", other)], Emulation::Registered),
            (vec![("qemu-aarch64", off)], Emulation::Missing),
            (vec![("qemu-s390x", "enabled\ninterpreter /usr/bin/qemu-s390x\n")], Emulation::Missing),
            (vec![], Emulation::Missing),
        ] {
            let directory = handlers("enabled\n", &entries);
            assert_eq!(emulation_of(&arm64, &amd64, directory.path()), expected, "{entries:?}");
        }
        let directory = handlers("disabled\n", &[("qemu-aarch64", on)]);
        assert_eq!(emulation_of(&arm64, &amd64, directory.path()), Emulation::Missing);
    }

    #[test]
    fn what_cannot_be_known_is_not_called_missing() {
        let (amd64, arm64) = (Architecture::plain("amd64"), Architecture::plain("arm64"));
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(emulation_of(&arm64, &amd64, empty.path()), Emulation::Unknown);
        let handled = handlers("enabled\n", &[]);
        assert_eq!(emulation_of(&arm64, &Architecture::plain(""), handled.path()), Emulation::Unknown);
        assert_eq!(emulation_of(&Architecture::plain("vax"), &amd64, empty.path()), Emulation::Unknown);
        assert_eq!(emulation_of(&amd64, &amd64, empty.path()), Emulation::Native);
        assert_eq!(emulation_of(&Architecture::plain("386"), &amd64, empty.path()), Emulation::Native);
    }
}
