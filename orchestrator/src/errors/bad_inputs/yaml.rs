//! YAML that is made to hurt, at both doors through which YAML comes: a site's
//! file, and the files of a repository. It is refused, soon, with a place.

use std::time::{Duration, Instant};

use super::{all, config, held, none_of};
use crate::repository::{artifact_files, container_yaml::ContainerYaml};

const BOMB: &str = "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n\
                    c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\n\
                    e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]\n\
                    g: [*f, *f, *f, *f, *f, *f, *f, *f, *f]\n";

fn texts() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("tabs for indentation", b"platforms:\n\tonly: x86_64\n".to_vec()),
        ("not UTF-8", b"tags: ['\xff\xfe']\n".to_vec()),
        ("a key twice", b"version: 1\nversion: 1\n".to_vec()),
        ("an anchor that holds itself", b"tags: &a [*a]\n".to_vec()),
        ("an alias of nothing", b"tags: *nobody\n".to_vec()),
        ("a bomb of aliases", BOMB.as_bytes().to_vec()),
        ("deep nesting", format!("tags: {}{}\n", "[".repeat(20_000), "]".repeat(20_000)).into_bytes()),
        ("two documents", b"version: 1\n---\nversion: 1\n".to_vec()),
        ("a bracket that is not closed", b"tags: [a\n".to_vec()),
        ("a value of another kind", b"tags: {a: b}\n".to_vec()),
    ]
}

#[test]
fn container_yaml_refuses_it() {
    none_of(texts().into_iter().map(|(name, text)| {
        let began = Instant::now();
        let told = all(ContainerYaml::read(&text).err());
        assert!(began.elapsed() < Duration::from_secs(5), "{name}");
        let unknown = told.iter().find(|problem| problem.code == "source.container_yaml_unknown_key");
        match unknown {
            Some(_) => None,
            None => held(name, "source.container_yaml", "container.yaml:", &told),
        }
    }));
}

#[test]
fn files_of_artifacts_refuse_it() {
    none_of(texts().into_iter().map(|(name, text)| {
        let told = all(artifact_files::read_urls(&text).err());
        let says = "fetch-artifacts-url.yaml:";
        let unknown = held(name, "source.artifacts_url_unknown_key", says, &told);
        unknown.and_then(|_| held(name, "source.artifacts_url", says, &told))
    }));
}

#[test]
fn a_site_refuses_it() {
    none_of(texts().into_iter().map(|(name, text)| {
        let began = Instant::now();
        let told = config::told(&text);
        assert!(began.elapsed() < Duration::from_secs(5), "{name}");
        let codes = ["config.not_yaml", "config.unknown_key", "config.bad_value", "config.unknown_version"];
        let fits = told.iter().any(|problem| codes.contains(&problem.code.as_str()));
        let named = told.iter().all(|problem| problem.message.contains("site.yaml"));
        (!fits || !named).then(|| format!("{name}: {told:#?}"))
    }));
    let long = vec![b'#'; 2 * 1024 * 1024];
    none_of([held("two megabytes", "config.not_yaml", "1048576", &config::told(&long))]);
}
