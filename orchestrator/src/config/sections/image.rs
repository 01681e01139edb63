//! What goes into images and where they go: labels, repositories, artifacts,
//! publication, and what builds may use at all.

use std::{collections::BTreeMap, path::PathBuf};

use common::{image::Host, work::ManifestFormat};

use crate::config::{Size, layers::section};

section! {
    /// Labels that every image gets.
    Labels (LabelsPatch)
    settings {
        /// Labels by name. They win over the repository's, except distribution-scope. Entries of several files are merged by name.
        set: BTreeMap<String, String> = BTreeMap::new(),
        /// Groups of labels that must have one value: a label that is missing gets that of the first one in its group.
        equal: Vec<Vec<String>> = Vec::new(),
        /// Format of the label `url`, with other labels in braces. Example: `https://example.org/{name}/{version}`.
        info_url: Option<String> = None,
    }
    sections {}
}

section! {
    /// Package repositories in builds.
    Repositories (RepositoriesPatch)
    settings {
        /// Proxy that package managers of builds use. Example: `http://proxy.example.org:3128`.
        proxy: Option<String> = None,
        /// Hosts or host/path beginnings that repository files may come from; empty means any.
        allowed_domains: Vec<String> = Vec::new(),
    }
    sections {}
}

section! {
    /// Files that builds fetch before they begin.
    Artifacts (ArtifactsPatch)
    settings {
        /// Hosts or host/path beginnings that artifacts may come from; empty means any.
        allowed_domains: Vec<String> = Vec::new(),
        /// Program and arguments that fetch what the file `sources` names, run in the checked-out repository. Without it nothing is fetched.
        sources_command: Vec<String> = Vec::new(),
        /// Largest artifact.
        max_size: Size = Size::from_bytes(2 << 30),
    }
    sections {}
}

section! {
    /// Where images go.
    Publication (PublicationPatch)
    settings {
        /// Directory below which relative OCI layouts (oci:NAME) are made. `build` uses the current directory.
        layout_root: Option<PathBuf> = None,
        /// Kind of manifests to make: oci or docker (version 2, schema 2).
        manifest_format: ManifestFormat = ManifestFormat::Oci,
        /// Registries for builds that name no destination: the image goes to HOST/NAME, NAME being its label `name`.
        registries: Vec<Host> = Vec::new(),
        /// Packages that may differ from platform to platform, by name, with * and ?.
        packages_may_differ: Vec<String> = Vec::new(),
    }
    sections {}
}

section! {
    /// What builds may use.
    Policy (PolicyPatch)
    settings {
        /// Koji targets that builds may name, with * and ?; empty means any.
        allowed_targets: Vec<String> = Vec::new(),
        /// Hosts that git repositories may be on; empty means any.
        allowed_sources: Vec<String> = Vec::new(),
    }
    sections {}
}
