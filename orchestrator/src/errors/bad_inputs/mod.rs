//! A catalogue of bad inputs: what goes in at the real doors, and what a person
//! is told. Each row has a code, a text that the message must contain (the input
//! or its place), and must come with advice.

mod config;
mod dockerfile;
mod files;
mod parents;
mod plans;
mod replays;
mod requests;
mod together;
mod world;
mod yaml;

use std::collections::BTreeSet;

use common::failure::Failure;

use crate::config::ConfigError;

/// One problem as a person sees it.
#[derive(Debug)]
struct Told {
    /// The class of a failure; problems of a configuration have none.
    class: Option<&'static str>,
    code: String,
    message: String,
    advice: String,
}

impl From<Failure> for Told {
    fn from(failure: Failure) -> Self {
        let class = Some(failure.class.as_str());
        Self { class, code: failure.code, message: failure.message, advice: failure.advice }
    }
}

impl From<&ConfigError> for Told {
    fn from(error: &ConfigError) -> Self {
        Self {
            class: None,
            code: error.code().to_owned(),
            message: error.to_string(),
            advice: error.advice().to_owned(),
        }
    }
}

fn all(failures: impl IntoIterator<Item = Failure>) -> Vec<Told> {
    failures.into_iter().flat_map(Failure::each).map(Told::from).collect()
}

/// Holds one row; what is wrong with it, if anything.
fn held(name: &str, code: &str, says: &str, told: &[Told]) -> Option<String> {
    let Some(problem) = told.iter().find(|problem| problem.code == code) else {
        return Some(format!("{name}: {code} is missing in {told:#?}"));
    };
    let page = super::page(code).is_none().then(|| format!("{name}: {code} has no page"));
    let same = |class| super::page(code).is_some_and(|page| page.classes().any(|other| other == class));
    let class = problem.class.filter(|class| !same(*class));
    let class = class.map(|class| format!("{name}: {code} is of the class {class}, its page is not"));
    let message = (!problem.message.contains(says))
        .then(|| format!("{name}: {code} does not say {says:?}: {}", problem.message));
    let advice = problem.advice.is_empty().then(|| format!("{name}: {code} comes without advice"));
    let vague = problem.message.len() > 2000;
    let vague = vague.then(|| format!("{name}: {code} has a message of {} bytes", problem.message.len()));
    page.or(class).or(message).or(advice).or(vague)
}

/// Fails with all rows that do not hold.
#[track_caller]
fn none_of(failures: impl IntoIterator<Item = Option<String>>) {
    let failures: Vec<String> = failures.into_iter().flatten().collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_catalogue_is_large_and_its_codes_differ() {
    let tables: [Vec<&str>; 7] = [
        requests::codes(),
        replays::codes(),
        config::codes(),
        files::codes(),
        dockerfile::codes(),
        plans::codes(),
        parents::codes(),
    ];
    let all: Vec<&str> = tables.concat();
    let distinct: BTreeSet<&str> = all.iter().copied().collect();
    let mut twice: Vec<&str> = all.clone();
    distinct.iter().for_each(|code| {
        if let Some(at) = twice.iter().position(|other| other == code) {
            twice.remove(at);
        }
    });
    assert!(twice.is_empty(), "several rows have the code {twice:?}");
    assert!(distinct.len() >= 60, "only {} codes", distinct.len());
}
