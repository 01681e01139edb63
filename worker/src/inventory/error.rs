//! Why no inventory could be taken.

use std::{io, path::PathBuf};

use common::{
    failure::{Failure, FailureClass},
    packages::MAX_PACKAGES,
};

/// Why the packages of an image are not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InventoryError {
    /// A layer is no compressed archive, or the disk does not give it back.
    #[error("layer {number} of the image cannot be read")]
    Layer {
        /// Which, from the bottom; the lowest is 1.
        number: usize,
        /// What is wrong.
        source: io::Error,
    },
    /// A copy of a database cannot be written or read.
    #[error("cannot use {} in the scratch directory", path.display())]
    Scratch {
        /// The file or directory on the worker.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The databases of the image are too much to copy.
    #[error("the package databases of the image are too large: with {path} they exceed {limit}")]
    TooLarge {
        /// The file in the image at which the bound was met.
        path: String,
        /// The bound. Example: `1024 MiB`.
        limit: String,
    },
    /// More packages than an inventory may list.
    #[error("the image lists more than {MAX_PACKAGES} packages, {place}")]
    TooManyPackages {
        /// In which databases.
        place: String,
    },
    /// Links lead on to ever more places.
    #[error(
        "the package databases of the image lie behind links that {scans} readings of its layers do not resolve"
    )]
    TooManyLinks {
        /// How often the layers were read.
        scans: usize,
    },
    /// A database is not what it should be.
    #[error("the package database {path} of the image cannot be read: {reason}")]
    Database {
        /// Where it is in the image.
        path: String,
        /// What is wrong with it, where in the file.
        reason: String,
    },
    /// Several databases have a problem each.
    #[error("{first}, and {} more cannot be read", others.len())]
    Several {
        /// The first.
        first: Box<InventoryError>,
        /// The others.
        others: Vec<InventoryError>,
    },
}

impl InventoryError {
    /// All problems as one; `None` when there is none.
    pub(super) fn all(problems: Vec<Self>) -> Option<Self> {
        let mut problems = problems.into_iter();
        let first = problems.next()?;
        let others: Vec<Self> = problems.collect();
        Some(if others.is_empty() { first } else { Self::Several { first: Box::new(first), others } })
    }

    /// The failure that leaves this crate.
    pub(crate) fn failure(&self) -> Failure {
        use FailureClass::{Infrastructure, Source};
        let (class, code, advice) = match self {
            Self::Layer { .. } => (
                Infrastructure,
                "inventory.layer_unreadable",
                "check the disk of the worker's scratch directory and the engine's log, then build again",
            ),
            Self::Scratch { source, .. } if source.kind() == io::ErrorKind::StorageFull => (
                Infrastructure,
                "worker.no_space",
                "free space on the disk of the worker's scratch directory, or name another with --scratch-dir",
            ),
            Self::Scratch { .. } => {
                (Infrastructure, "worker.scratch_failed", "check the worker's scratch directory")
            }
            Self::TooLarge { .. } => (
                Source,
                "inventory.too_large",
                "look at the package databases in the image: remove what is no package database, or rebuild them",
            ),
            Self::TooManyPackages { .. } => (
                Source,
                "inventory.too_many_packages",
                "look at the package databases in the image: no distribution has so many packages",
            ),
            Self::TooManyLinks { .. } => (
                Source,
                "inventory.too_many_links",
                "let the directory of the package database be a real one, or one link to a real one",
            ),
            Self::Database { .. } => (
                Source,
                "inventory.database_unreadable",
                "look at this file in the image and in its parent: repair it (rpm --rebuilddb), or remove it if nothing uses it",
            ),
            Self::Several { first, others } => {
                let mut failure = first.failure();
                failure.others = others.iter().map(Self::failure).collect();
                return failure;
            }
        };
        Failure::from_error(class, code, self).with_advice(advice)
    }
}
