//! Where package databases are, and which of them an image has.

use std::{collections::BTreeMap, rc::Rc};

use common::packages::PackageKind;

use super::{
    rpm::Format,
    spool::SpooledFile,
    tree::{Located, Tree},
    watch::{Watch, Watched},
};

/// Directories of RPM databases: the old one, the one since Fedora 36, and that
/// of ostree systems. Often two of them are links to the third.
const RPM_DIRECTORIES: [&str; 3] = ["var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"];
const DPKG_STATUS: &str = "var/lib/dpkg/status";
/// Images without a package manager have one file for each package here.
const DPKG_DIRECTORY: &str = "var/lib/dpkg/status.d";
const APK_INSTALLED: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];

/// Ending of SQLite's write-ahead log.
const LOG: &str = "-wal";
/// Ending of checksum files beside the package files of dpkg.
const CHECKSUMS: &str = ".md5sums";

/// The copies of a database.
#[derive(Debug)]
pub(super) enum Contents {
    /// An RPM database.
    Rpm {
        /// How it is stored.
        format: Format,
        /// The database.
        file: Rc<SpooledFile>,
        /// The write-ahead log beside it.
        log: Option<Rc<SpooledFile>>,
    },
    /// A status file of dpkg.
    Dpkg(Rc<SpooledFile>),
    /// Status files with a package each, with their names.
    DpkgDirectory(Vec<(String, Rc<SpooledFile>)>),
    /// The list of apk.
    Apk(Rc<SpooledFile>),
}

/// A database of the image.
#[derive(Debug)]
pub(super) struct FoundDatabase {
    /// Its copies.
    pub(super) contents: Contents,
}

impl FoundDatabase {
    /// Its kind.
    pub(super) fn kind(&self) -> PackageKind {
        match &self.contents {
            Contents::Rpm { .. } => PackageKind::Rpm,
            Contents::Dpkg(_) | Contents::DpkgDirectory(_) => PackageKind::Deb,
            Contents::Apk(_) => PackageKind::Apk,
        }
    }
}

fn rpm_files() -> impl Iterator<Item = (String, Format)> {
    RPM_DIRECTORIES.into_iter().flat_map(|directory| {
        Format::ALL.map(|format| (format!("{directory}/{}", format.file_name()), format))
    })
}

/// Watches every place where a database may be.
pub(super) fn watch_all(watch: &mut Watch) {
    for (path, format) in rpm_files() {
        if format == Format::Sqlite {
            watch.add(Watched::File(format!("{path}{LOG}")));
        }
        watch.add(Watched::File(path));
    }
    watch.add(Watched::File(DPKG_STATUS.to_owned()));
    watch.add(Watched::Directory(DPKG_DIRECTORY.to_owned()));
    watch.extend(APK_INSTALLED.map(|path| Watched::File(path.to_owned())));
}

/// The databases of an image by their real paths, each once however many links
/// lead to it; and what has to be watched before all of them are known.
pub(super) fn find(tree: &Tree<'_>) -> (BTreeMap<String, FoundDatabase>, Vec<Watched>) {
    let mut search = Search { tree, found: BTreeMap::new(), unknown: Vec::new() };
    for (path, format) in rpm_files() {
        if let Some((real, file)) = search.file(&path) {
            // SQLite looks for its log beside the real file.
            let log = format!("{real}{LOG}");
            let log = if format == Format::Sqlite { search.file(&log) } else { None };
            search.add(real, Contents::Rpm { format, file, log: log.map(|(_, log)| log) });
        }
    }
    if let Some((real, file)) = search.file(DPKG_STATUS) {
        search.add(real, Contents::Dpkg(file));
    }
    search.add_dpkg_directory();
    for path in APK_INSTALLED {
        if let Some((real, file)) = search.file(path) {
            search.add(real, Contents::Apk(file));
        }
    }
    (search.found, search.unknown)
}

struct Search<'a> {
    tree: &'a Tree<'a>,
    found: BTreeMap<String, FoundDatabase>,
    unknown: Vec<Watched>,
}

impl Search<'_> {
    fn file(&mut self, path: &str) -> Option<(String, Rc<SpooledFile>)> {
        match self.tree.file(path) {
            Located::Found(real, file) => Some((real, file)),
            Located::Absent => None,
            Located::Unknown(paths) => {
                self.unknown.extend(paths);
                None
            }
        }
    }

    fn add(&mut self, path: String, contents: Contents) {
        self.found.insert(path, FoundDatabase { contents });
    }

    fn add_dpkg_directory(&mut self) {
        let (real, names) = match self.tree.directory(DPKG_DIRECTORY) {
            Located::Found(real, names) => (real, names),
            Located::Absent => return,
            Located::Unknown(paths) => return self.unknown.extend(paths),
        };
        let mut files = Vec::new();
        for name in names.into_iter().filter(|name| !name.ends_with(CHECKSUMS)) {
            if let Some((_, file)) = self.file(&format!("{real}/{name}")) {
                files.push((name, file));
            }
        }
        if !files.is_empty() {
            self.add(real, Contents::DpkgDirectory(files));
        }
    }
}
