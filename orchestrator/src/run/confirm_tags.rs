//! Step: makes sure that the images are what their tags will promise.
//!
//! Tags are chosen while planning, from labels as the Dockerfile has them. What
//! the engine made of those is looked at here, before anything is visible: a tag
//! `1.0-3` on an image that says of itself to be `1.0-2` could never be trusted
//! again.

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Stage, Step},
    image::Tag,
    platform::Platform,
};
use serde::{Deserialize, Serialize};

use super::{BuiltMember, image_config::ImageConfig};
use crate::services::BuildServices;

/// Confirms the tags.
#[derive(Serialize)]
pub struct ConfirmTags<'a> {
    /// Tags that promise a version and a release.
    pub primary: &'a [Tag],
    /// The version that was planned, where the plan knows it.
    pub version: Option<&'a str>,
    /// The release that was planned, where the plan knows it.
    pub release: Option<&'a str>,
    /// The members.
    pub members: &'a [BuiltMember],
}

/// What was confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// The tags that fit all members.
    pub tags: Vec<Tag>,
}

impl Step<BuildServices> for ConfirmTags<'_> {
    const NAME: &'static str = "confirm_tags";
    const STAGE: Stage = Stage::Publish;
    type Output = Confirmed;

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<Confirmed, Failure> {
        if self.primary.is_empty() && self.version.is_none() && self.release.is_none() {
            cx.services.say(cx.name, "no tag promises a version or release").await;
            return Ok(Confirmed { tags: Vec::new() });
        }
        let promise = Promise { primary: self.primary, version: self.version, release: self.release };
        let staging = cx.services.staging().await?;
        let mut problems = Vec::new();
        for member in self.members {
            let config = ImageConfig::of(member, &staging).await?;
            problems.extend(promise.misfit(&member.platform, &config));
        }
        match Failure::all(problems) {
            Some(failure) => Err(failure),
            None => Ok(Confirmed { tags: self.primary.to_vec() }),
        }
    }
}

/// What tags and plan say about an image.
#[derive(Debug, Clone, Copy)]
struct Promise<'a> {
    primary: &'a [Tag],
    version: Option<&'a str>,
    release: Option<&'a str>,
}

impl Promise<'_> {
    /// Why an image does not keep the promise; `None` if it does.
    fn misfit(&self, platform: &Platform, config: &ImageConfig) -> Option<Failure> {
        let version = label(config, "version", "Version");
        let release = label(config, "release", "Release");
        let differs = |expected: Option<&str>, found: Option<&str>| {
            expected.is_some_and(|expected| found != Some(expected))
        };
        // A tag without a dash is of a plan that has its own idea of primary tags.
        let text = version.zip(release).map(|(version, release)| format!("{version}-{release}"));
        let tag = self.primary.iter().find(|tag| Some(tag.as_str()) != text.as_deref());
        if tag.is_none() && !differs(self.version, version) && !differs(self.release, release) {
            return None;
        }
        let expected = match (tag, self.version, self.release) {
            (Some(tag), ..) => format!("the tag {tag}"),
            (None, version, release) => {
                format!("version {} and release {}", said(version), said(release))
            }
        };
        let message = format!(
            "the image is to get {expected}, but its labels say version {} and release {}",
            said(version),
            said(release)
        );
        let failure = Failure::new(FailureClass::Source, "publish.tags_do_not_fit", message)
            .with_advice("set the labels version and release in the final stage, once, to plain values");
        Some(failure.on_platform(platform))
    }
}

/// A label by its name, else by the name that it used to have.
fn label<'a>(config: &'a ImageConfig, name: &str, former: &str) -> Option<&'a str> {
    config.label(name).or_else(|| config.label(former)).filter(|value| !value.is_empty())
}

fn said(value: Option<&str>) -> String {
    value.map_or_else(|| "(none)".to_owned(), |value| format!("'{value}'"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_image_keeps_what_its_tags_promise() {
        type Row<'a> = (&'a str, serde_json::Value, &'a [&'a str], Option<&'a str>, Option<&'a str>, bool);
        let both = || json!({ "name": "name_value", "version": "version_value", "release": "7.4.1" });
        let former = json!({ "Version": "1.0", "Release": "3", "release": "4" });
        let rows: [Row<'_>; 11] = [
            ("T12", both(), &["version_value-7.4.1"], None, None, true),
            (
                "T12 with the plan's values",
                both(),
                &["version_value-7.4.1"],
                Some("version_value"),
                Some("7.4.1"),
                true,
            ),
            ("the plan's values alone", both(), &[], Some("version_value"), Some("7.4.1"), true),
            ("former names, new ones first", former, &["1.0-4"], None, None, true),
            ("T14 no labels", json!({}), &["1.0-3"], None, None, false),
            ("T14 nothing", json!(null), &["1.0-3"], None, None, false),
            ("no release", json!({ "version": "1.0" }), &["1.0-3"], None, None, false),
            ("another release", json!({ "version": "1.0", "release": "2" }), &["1.0-3"], None, None, false),
            ("not the planned version", both(), &[], Some("2"), None, false),
            ("not the planned release", both(), &["version_value-7.4.1"], None, Some("8"), false),
            ("an empty label", json!({ "version": "1.0", "release": "" }), &["1.0-"], None, None, false),
        ];
        let platform: Platform = "x86_64".parse().unwrap();
        for (case, labels, primary, version, release, fits) in rows {
            let primary: Vec<Tag> = primary.iter().map(|tag| tag.parse().unwrap()).collect();
            let config: ImageConfig = serde_json::from_value(json!({ "Labels": labels })).unwrap();
            let misfit = Promise { primary: &primary, version, release }.misfit(&platform, &config);
            assert_eq!(misfit.is_none(), fits, "{case}: {misfit:?}");
            if let Some(failure) = misfit {
                assert_eq!(failure.code, "publish.tags_do_not_fit", "{case}");
                assert_eq!(failure.platform.as_ref(), Some(&platform), "{case}");
            }
        }
    }
}
