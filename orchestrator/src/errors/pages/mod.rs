//! The pages, in files by area. A new code gets its page in the file of its
//! area; `docs/errors.md` is made of these.

mod artifacts;
mod dockerfiles;
mod engines;
mod files;
mod images;
mod inventory;
mod koji;
mod koji_bridge;
mod koji_commands;
mod koji_metadata;
mod koji_record;
mod koji_refusals;
mod names;
mod notices;
mod notify;
mod orchestrator;
mod packages;
mod parents;
mod plans;
mod registries;
mod replays;
mod repository;
mod requests;
mod site;
mod skipped;
mod workers;

use super::{Area, Page};

/// All areas, in the order of the document.
pub const AREAS: &[Area] = &[
    Area {
        title: "Requests",
        about: "What a request says by itself, before its repository or other systems are asked.",
        pages: requests::PAGES,
    },
    Area {
        title: "Replays of old builds",
        about: "Environments of old build pods, and the user parameters in them.",
        pages: replays::PAGES,
    },
    Area {
        title: "Site configuration",
        about: "What is found when the configuration is read. The service does not start with such a problem.",
        pages: site::PAGES,
    },
    Area {
        title: "The repository",
        about: "Getting the repository, and finding what is to be built in it.",
        pages: repository::PAGES,
    },
    Area {
        title: "Files beside the Dockerfile",
        about: "What the files of the repository say.",
        pages: files::PAGES,
    },
    Area {
        title: "Dockerfiles",
        about: "What a Dockerfile says, as the planner reads it.",
        pages: dockerfiles::PAGES,
    },
    Area {
        title: "Platforms, components and policy of a plan",
        about: "What is decided from request, repository and site together.",
        pages: plans::PAGES,
    },
    Area { title: "Labels, tags and releases", about: "What the image is called.", pages: names::PAGES },
    Area {
        title: "Packages of images",
        about: "What is installed in an image, whether all platforms have the same, and its way to Koji.",
        pages: inventory::PAGES,
    },
    Area { title: "Parents", about: "The images that an image is built upon.", pages: parents::PAGES },
    Area {
        title: "Composes and package repositories",
        about: "From where packages come.",
        pages: packages::PAGES,
    },
    Area {
        title: "Artifacts, sources and context",
        about: "What goes into the build beside the repository.",
        pages: artifacts::PAGES,
    },
    Area { title: "Koji", about: "What Koji and its bridge say.", pages: koji::PAGES },
    Area {
        title: "Recording in Koji",
        about: "Reserving a build, sending its files, importing and tagging it.",
        pages: koji_record::PAGES,
    },
    Area {
        title: "Metadata for Koji",
        about: "What is found in a build's metadata before it is imported into Koji.",
        pages: koji_metadata::PAGES,
    },
    Area {
        title: "Refusals of Koji",
        about: "Why Koji refused an import, a reservation, a refund or a tag.",
        pages: koji_refusals::PAGES,
    },
    Area {
        title: "koji-bridge and its hub",
        about: "What the bridge says of its hub, its login and its uploads.",
        pages: koji_bridge::PAGES,
    },
    Area {
        title: "Commands of koji-bridge",
        about: "What `koji-bridge check` finds, and what stops its other commands.",
        pages: koji_commands::PAGES,
    },
    Area {
        title: "Registries",
        about: "What registries and layouts say, when parents are looked up and images are pushed.",
        pages: registries::PAGES,
    },
    Area { title: "Engines", about: "What the container engines of workers say.", pages: engines::PAGES },
    Area {
        title: "Workers",
        about: "Who builds, and how the work gets there and back.",
        pages: workers::PAGES,
    },
    Area { title: "Images and tags", about: "What was built, and where it goes.", pages: images::PAGES },
    Area {
        title: "Mail and webhooks",
        about: "Telling how a build ended. None of it changes how it ended.",
        pages: notify::PAGES,
    },
    Area {
        title: "The orchestrator itself",
        about: "Its disk, its database, its record of steps.",
        pages: orchestrator::PAGES,
    },
    Area {
        title: "Notices",
        about: "They do not stop a build; somebody should know of them.",
        pages: notices::PAGES,
    },
    Area {
        title: "Skipped steps",
        about: "Why a step is left out of a build. Nothing is wrong.",
        pages: skipped::PAGES,
    },
];

/// A page, its fields in the order in which they are shown.
const fn page(
    code: &'static str,
    class: &'static str,
    title: &'static str,
    means: &'static str,
    fix: &'static str,
    example: &'static str,
) -> Page {
    Page { code, class, title, means, fix, example }
}
