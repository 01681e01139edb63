//! Types of archives, which a hub knows by the extension of the file name.

/// A type of archives.
#[derive(Debug)]
pub(super) struct ArchiveType {
    /// Its number on a new hub.
    pub(super) id: u64,
    /// Its name.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) description: &'static str,
    /// Its extensions, separated by blanks.
    pub(super) extensions: &'static str,
    /// How such a file can be opened to list what is in it.
    pub(super) compression: Option<&'static str>,
}

/// Types that a container build may meet, of the many that a hub has.
const TYPES: &[ArchiveType] = &[
    kind(1, "jar", "Jar file", "jar war rar ear sar jdocbook jdocbook-style", Some("zip")),
    kind(2, "zip", "Zip file", "zip", Some("zip")),
    kind(3, "pom", "Maven Project Object Management file", "pom", None),
    kind(4, "tar", "Tar file", "tar tar.gz tar.bz2 tar.xz tgz", Some("tar")),
    kind(5, "xml", "XML file", "xml", None),
    kind(8, "spec", "RPM spec file", "spec", None),
    kind(18, "iso", "CD/DVD Image", "iso", None),
    kind(19, "raw", "Raw disk image", "raw", None),
    kind(21, "qcow2", "QCOW2 image", "qcow2", None),
    kind(37, "properties", "Properties file", "properties", None),
    kind(38, "sig", "Signature file", "sig signature", None),
    kind(40, "txt", "Text file", "txt", None),
    kind(46, "json", "JSON data", "json", None),
    kind(47, "key", "Key file", "key", None),
    kind(51, "shell", "Shell script", "sh", None),
    kind(58, "yaml", "YAML Ain't Markup Language", "yaml yml", None),
    kind(68, "checksum", "Checksum file", "sha256", None),
];

const fn kind(
    id: u64,
    name: &'static str,
    description: &'static str,
    extensions: &'static str,
    compression: Option<&'static str>,
) -> ArchiveType {
    ArchiveType { id, name, description, extensions, compression }
}

/// The type of a file: the one with the longest extension that its name ends with,
/// upper or lower case.
pub(super) fn of_file(name: &str) -> Option<&'static ArchiveType> {
    let name = name.to_lowercase();
    let length = |kind: &&ArchiveType| {
        let matching = kind.extensions.split(' ').filter(|extension| {
            name.strip_suffix(extension).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
        });
        matching.map(str::len).max().unwrap_or(0)
    };
    TYPES.iter().max_by_key(length).filter(|kind| length(kind) > 0)
}

/// The type of a number.
pub(super) fn of_number(id: u64) -> Option<&'static ArchiveType> {
    TYPES.iter().find(|kind| kind.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_says_what_a_file_is() {
        for (name, expected) in [
            ("docker-image-sha256:1234.x86_64.tar.gz", Some("tar")),
            ("image.TGZ", Some("tar")),
            ("remote-source.env.json", Some("json")),
            ("operator_manifests.zip", Some("zip")),
            ("image.unknownext", None),
            ("tar", None),
            ("image.gz", None),
        ] {
            assert_eq!(of_file(name).map(|kind| kind.name), expected, "{name}");
        }
    }
}
