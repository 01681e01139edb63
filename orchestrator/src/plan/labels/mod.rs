//! Which labels an image gets, and why each has its value. Pure.
//!
//! A value is looked for in this order: the rules of [`rules`] (aliases, equal
//! labels, the URL); what is found out about the build itself, which nobody can
//! pretend otherwise; the release that was asked for; the site; the request; the
//! Dockerfile; the base image. One label is different: a `distribution-scope`
//! that the Dockerfile sets stays. Labels of the base image are inherited and not
//! set again.

mod check;
mod info_url;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use common::{failure::Failure, platform::Platform};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::config;

/// The label that tells how widely an image may be distributed.
pub const DISTRIBUTION_SCOPE: &str = "distribution-scope";

/// The label that names the machine that built the image. A worker sets it, as
/// only it knows; planning never does.
pub const BUILD_HOST: &str = "com.redhat.build-host";

/// Old spellings of labels and their preferred ones.
pub const ALIASES: &[(&str, &str)] = &[
    ("Name", "name"),
    ("Version", "version"),
    ("Release", "release"),
    ("Architecture", "architecture"),
    ("Vendor", "vendor"),
    ("Authoritative_Registry", "authoritative-source-url"),
    ("BZComponent", "com.redhat.component"),
    ("Build_Host", BUILD_HOST),
    ("RUN", "run"),
    ("INSTALL", "install"),
    ("UNINSTALL", "uninstall"),
];

/// What the labels of one platform's image are settled from.
#[derive(Debug, Clone)]
pub struct LabelInputs<'a> {
    /// The site's labels and rules.
    pub site: &'a config::Labels,
    /// Labels of the request.
    pub requested: &'a BTreeMap<String, String>,
    /// The release that was asked for or counted up to.
    pub release: Option<&'a str>,
    /// Labels of the Dockerfile's final stage, variables expanded.
    pub dockerfile: &'a BTreeMap<String, String>,
    /// Labels of the image that the final stage stands on; none for `scratch` and
    /// for file systems.
    pub base: &'a BTreeMap<String, String>,
    /// What is known about the build itself.
    pub automatic: Automatic<'a>,
}

/// Labels about the build itself.
#[derive(Debug, Clone, Copy)]
pub struct Automatic<'a> {
    /// When the build was accepted: `build-date`.
    pub build_date: Timestamp,
    /// Koji's name of the platform: `architecture`.
    pub architecture: &'a Platform,
    /// `vcs-type`. Example: `git`.
    pub vcs_type: &'a str,
    /// Address of the repository, without secrets: `vcs-url`. `None` where the
    /// address is of no use to others.
    pub vcs_url: Option<&'a str>,
    /// The commit: `vcs-ref`.
    pub vcs_ref: &'a str,
}

/// Where a label's value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelSource {
    /// It is what another spelling says.
    Alias {
        /// The other spelling.
        of: String,
    },
    /// It must be equal to another label.
    Equal {
        /// The other label.
        to: String,
    },
    /// The site's format of the URL.
    InfoUrl,
    /// Found out about the build itself.
    Automatic,
    /// The release that was asked for.
    Release,
    /// The site's configuration.
    Site,
    /// The request.
    Request,
    /// The Dockerfile.
    Dockerfile,
    /// The base image.
    Base,
}

/// A value and who gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelOrigin {
    /// Who.
    pub source: LabelSource,
    /// The value.
    pub value: String,
}

/// The value of a label on the finished image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelValue {
    /// The value.
    pub value: String,
    /// Everybody who gave one: first the one that counts, then those that it beat.
    pub chain: Vec<LabelOrigin>,
}

/// The labels of one platform's image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledLabels {
    /// What a LABEL instruction has to add to the Dockerfile.
    pub set: BTreeMap<String, String>,
    /// All labels of the finished image, except for [`BUILD_HOST`] where a worker
    /// will give it another value.
    pub effective: BTreeMap<String, LabelValue>,
}

impl SettledLabels {
    /// The value of a label on the finished image, by its preferred name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.effective.get(name).map(|label| label.value.as_str())
    }

    /// The same for labels that say what *this* image is, such as `name` and
    /// `version`: a value that comes from the base image, also by way of an alias
    /// or an equal label, says what *that* is and does not count. Neither does an
    /// empty one.
    pub fn own(&self, name: &str) -> Option<&str> {
        let label = self.effective.get(name).filter(|label| !label.value.is_empty())?;
        let inherited = match label.chain.first().map(|origin| &origin.source) {
            None | Some(LabelSource::Base) => true,
            Some(LabelSource::Alias { of: other } | LabelSource::Equal { to: other }) => {
                let origin = self.effective.get(other).and_then(|other| other.chain.first());
                origin.is_some_and(|origin| origin.source == LabelSource::Base)
            }
            Some(_) => false,
        };
        (!inherited).then_some(label.value.as_str())
    }
}

/// Settles the labels of one platform's image.
///
/// # Errors
/// All at once: the format of the URL is wrong or names labels that are not there
/// (`labels.info_url_format`, `labels.info_url_label`); a label to be set cannot
/// be written (`labels.name`, `labels.line_break`, `labels.too_long`), or there
/// are too many (`labels.too_many`).
pub fn settle_labels(inputs: &LabelInputs<'_>) -> Result<SettledLabels, Failure> {
    let mut layers = layers(inputs);
    let mut problems = Vec::new();
    rules::apply_aliases(&mut layers);
    rules::apply_equal_groups(&mut layers, &inputs.site.equal);
    if let Some(format) = &inputs.site.info_url {
        match info_url::expand(format, &|name| layers.effective(name).map(str::to_owned)) {
            Ok(url) => layers.compute("url", LabelSource::InfoUrl, url),
            Err(failure) => problems.push(failure),
        }
    }
    let set = layers.to_be_set();
    problems.extend(check::problems(&set, &layers));
    let effective = layers.names().into_iter().filter_map(|name| {
        let chain = layers.chain(&name);
        let value = chain.first()?.value.clone();
        Some((name, LabelValue { value, chain }))
    });
    let settled = SettledLabels { set, effective: effective.collect() };
    match Failure::all(problems) {
        Some(failure) => Err(failure),
        None => Ok(settled),
    }
}

/// Labels by who gives them.
#[derive(Debug)]
struct Layers {
    /// Results of rules. Later ones of a name replace earlier ones.
    computed: BTreeMap<String, LabelOrigin>,
    /// From the strongest to the weakest; the last two are the Dockerfile and the
    /// base image.
    given: Vec<(LabelSource, BTreeMap<String, String>)>,
}

fn layers(inputs: &LabelInputs<'_>) -> Layers {
    let release = inputs.release.or_else(|| inputs.requested.get("release").map(String::as_str));
    let release = release.map(|release| ("release".to_owned(), release.to_owned()));
    let mut automatic = BTreeMap::from([
        ("build-date".to_owned(), iso_date(inputs.automatic.build_date)),
        ("architecture".to_owned(), inputs.automatic.architecture.to_string()),
        ("vcs-type".to_owned(), inputs.automatic.vcs_type.to_owned()),
        ("vcs-ref".to_owned(), inputs.automatic.vcs_ref.to_owned()),
    ]);
    automatic.extend(inputs.automatic.vcs_url.map(|url| ("vcs-url".to_owned(), url.to_owned())));
    let given = vec![
        (LabelSource::Automatic, automatic),
        (LabelSource::Release, release.into_iter().collect()),
        (LabelSource::Site, inputs.site.set.clone()),
        (LabelSource::Request, inputs.requested.clone()),
        (LabelSource::Dockerfile, inputs.dockerfile.clone()),
        (LabelSource::Base, inputs.base.clone()),
    ];
    Layers { computed: BTreeMap::new(), given }
}

impl Layers {
    fn layer(&self, source: &LabelSource) -> Option<&BTreeMap<String, String>> {
        self.given.iter().find(|(given, _)| given == source).map(|(_, labels)| labels)
    }

    fn dockerfile(&self, name: &str) -> Option<&str> {
        self.layer(&LabelSource::Dockerfile)?.get(name).map(String::as_str)
    }

    fn base(&self, name: &str) -> Option<&str> {
        self.layer(&LabelSource::Base)?.get(name).map(String::as_str)
    }

    /// Everybody who gives a label a value, the one that counts first.
    fn chain(&self, name: &str) -> Vec<LabelOrigin> {
        let given = self.given.iter().filter_map(|(source, labels)| {
            Some(LabelOrigin { source: source.clone(), value: labels.get(name)?.clone() })
        });
        let mut chain: Vec<LabelOrigin> = self.computed.get(name).cloned().into_iter().chain(given).collect();
        if name == DISTRIBUTION_SCOPE {
            // What the Dockerfile says of its own distribution stays.
            chain.sort_by_key(|origin| origin.source != LabelSource::Dockerfile);
        }
        chain
    }

    fn effective(&self, name: &str) -> Option<&str> {
        if name == DISTRIBUTION_SCOPE
            && let Some(value) = self.dockerfile(name)
        {
            return Some(value);
        }
        let computed = self.computed.get(name).map(|origin| origin.value.as_str());
        computed.or_else(|| self.given.iter().find_map(|(_, labels)| labels.get(name).map(String::as_str)))
    }

    /// A value that somebody other than the base image has given, rules aside.
    fn explicit(&self, name: &str) -> Option<&str> {
        if name == DISTRIBUTION_SCOPE
            && let Some(value) = self.dockerfile(name)
        {
            return Some(value);
        }
        let above_base = self.given.iter().filter(|(source, _)| *source != LabelSource::Base);
        above_base.map(|(_, labels)| labels).find_map(|labels| labels.get(name).map(String::as_str))
    }

    fn compute(&mut self, name: &str, source: LabelSource, value: String) {
        self.computed.insert(name.to_owned(), LabelOrigin { source, value });
    }

    fn names(&self) -> BTreeSet<String> {
        let given = self.given.iter().flat_map(|(_, labels)| labels.keys());
        given.chain(self.computed.keys()).cloned().collect()
    }

    /// What the Dockerfile does not say already.
    fn to_be_set(&self) -> BTreeMap<String, String> {
        let inherited = |name: &str| {
            let explicit = self.computed.contains_key(name) || self.explicit(name).is_some();
            !explicit
        };
        self.names()
            .into_iter()
            .filter(|name| name != BUILD_HOST && !inherited(name))
            .filter_map(|name| {
                let value = self.effective(&name)?.to_owned();
                (self.dockerfile(&name) != Some(&value)).then_some((name, value))
            })
            .collect()
    }
}

/// ISO 8601 in UTC without a zone, with microseconds unless they are zero.
fn iso_date(at: Timestamp) -> String {
    let format = if at.subsec_microsecond() == 0 && at.subsec_millisecond() == 0 {
        "%Y-%m-%dT%H:%M:%S"
    } else {
        "%Y-%m-%dT%H:%M:%S%.6f"
    };
    at.to_zoned(TimeZone::UTC).strftime(format).to_string()
}
